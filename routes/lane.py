"""A lane of a subscription: its keys' changes, sent in order, a refused key parked so that it delays nothing but itself."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from adapters.contract import Batch, Sink
from master.store import Attempt, Parked, Settlement
from routes.outbound import Outgoing
from schemas import errors
from schemas.envelope import Failure

if TYPE_CHECKING:
    from routes.delivery import Reader

_LOOK = 1.0  # seconds between two looks at the parked keys


@dataclass(slots=True)
class _Step:
    """What one step of the lane has done, before it is written."""

    settled: list[int] = field(default_factory=list)
    tallies: Counter[str] = field(default_factory=Counter)
    attempts: list[Attempt] = field(default_factory=list)
    parked: list[tuple[Parked, Failure]] = field(default_factory=list)
    waiting: dict[int, list[int]] = field(default_factory=dict)  # golden -> [last seq, records]
    released: list[int] = field(default_factory=list)


class Lane:
    """Works in one thread. All changes of a key come to the same lane."""

    def __init__(self, reader: Reader, sink: Sink) -> None:
        self._reader = reader
        self._sink = sink
        self._queue: deque[Outgoing] = deque()
        self._newest: dict[int, int] = {}  # `latest` mode: the newest queued position of a key
        self._entered: set[int] = set()  # keys whose entering was superseded before it was sent
        self._parked: dict[int, Parked] = {}
        self._bell = threading.Event()
        self._looked = 0.0
        self._sent_at = 0.0
        self._latest = reader.route.mode == "latest"

    def put(self, outgoing: Outgoing) -> None:
        """The next change."""
        if self._latest:
            self._newest[outgoing.golden] = outgoing.item.seq
        self._queue.append(outgoing)

    def ring(self) -> None:
        """There is work."""
        self._bell.set()

    def clear(self) -> None:
        """Before a step."""
        self._bell.clear()

    def wait(self, seconds: float) -> None:
        """Until there is work, or the time is over."""
        self._bell.wait(seconds)

    def look_again(self) -> None:
        """The parked keys may have been changed by a person."""
        self._looked = 0.0

    def step(self) -> bool:
        """Send what waits, at most one batch; False when there was nothing to do."""
        reader = self._reader
        if reader.waiting_for_endpoint():
            return False
        self._refresh()
        if self._due_keys():
            return True
        if not self._queue or time.monotonic() - self._sent_at < reader.route.every:
            return False
        step = _Step()
        batch = self._take(step)
        try:
            if batch:
                self._sent_at = time.monotonic()
                self._deliver(batch, step)
        except errors.Retry as error:
            reader.endpoint_failed(error)
        except errors.Gone as error:
            reader.disable(error)
        except errors.FenceLost:
            raise
        except errors.Stop as error:
            reader.disable(error)
        self._give_back(batch, step)
        self._write(step)
        return True

    def _refresh(self) -> None:
        if time.monotonic() - self._looked < _LOOK:
            return
        self._looked = time.monotonic()
        lanes, mine = len(self._reader.lanes), self._reader.lanes.index(self) if self in self._reader.lanes else 0
        found = self._reader.tools.store.subscriptions.parked(self._reader.name)
        self._parked = {each.golden: each for each in found if each.golden % lanes == mine}

    def _take(self, step: _Step) -> list[Outgoing]:
        """The next batch: without what is superseded, suppressed, or behind a parked key."""
        batch: list[Outgoing] = []
        while self._queue and len(batch) < self._reader.route.batch:
            outgoing = self._queue.popleft()
            if self._superseded(outgoing):
                self._settle(step, outgoing, "superseded")
                continue
            if outgoing.golden in self._parked:
                self._behind(step, outgoing)
                continue
            outgoing = self._entering(outgoing)
            if outgoing.failure is not None:
                self._park(step, outgoing, outgoing.failure)
            elif self._echo(outgoing):
                self._settle(step, outgoing, "suppressed")
                self._log(step, [outgoing], "suppressed", self._reader.tools.clock())
            else:
                batch.append(outgoing)
        return batch

    def _superseded(self, outgoing: Outgoing) -> bool:
        if not self._latest:
            return False
        if self._newest.get(outgoing.golden) == outgoing.item.seq:
            del self._newest[outgoing.golden]
            return False
        if outgoing.item.event == "enter":
            self._entered.add(outgoing.golden)
        return True

    def _entering(self, outgoing: Outgoing) -> Outgoing:
        """An update whose entering was superseded is itself the entering."""
        if outgoing.golden not in self._entered:
            return outgoing
        self._entered.discard(outgoing.golden)
        if outgoing.item.event != "update":
            return outgoing
        return self._reader.outbound.render(outgoing.golden, outgoing.change, replace(outgoing.item, event="enter")) or outgoing

    def _echo(self, outgoing: Outgoing) -> bool:
        """It comes from the receiver itself, says what the receiver has, and the receiver knew the version before when it spoke."""
        reader, change = self._reader, outgoing.change
        if change.source != reader.route.system or change.op == "delete":
            return False
        store = reader.tools.store
        own = store.subscriptions.own_state(outgoing.golden, change.source)
        if own is None or not reader.outbound.echoes(change, own):
            return False
        if change.version == 1:
            return True
        before = store.subscriptions.changes_of(outgoing.golden, 1, change.seq - 1)
        settled = store.subscriptions.settled_at(reader.name, before[-1].seq) if before else None
        cause = store.inbox.get(change.message)
        return settled is not None and cause is not None and settled < cause.received_at

    def _deliver(self, batch: Sequence[Outgoing], step: _Step) -> None:
        """Send a batch; a refused one is halved until the refused record stands alone."""
        started = self._reader.tools.clock()
        batch = [outgoing for outgoing in batch if not self._became_parked(outgoing, step)]
        if not batch:
            return
        try:
            self._sink.send(self._body(batch))
        except errors.Reject as refusal:
            if len(batch) > 1:
                middle = len(batch) // 2
                self._deliver(batch[:middle], step)
                self._deliver(batch[middle:], step)
                return
            self._park(step, batch[0], refusal)
            self._log(step, batch, "refused", started, str(refusal))
            self._reader.count(0, 1)
            return
        for outgoing in batch:
            self._settle(step, outgoing, "delivered")
        self._log(step, batch, "delivered", started)
        self._reader.endpoint_works()
        self._reader.count(len(batch), 0)

    def _became_parked(self, outgoing: Outgoing, step: _Step) -> bool:
        """An earlier change of the same key was refused in this very step."""
        if outgoing.golden not in self._parked:
            return False
        self._behind(step, outgoing)
        return True

    def _body(self, batch: Sequence[Outgoing]) -> Batch:
        outbound, name = self._reader.outbound, self._reader.name
        body = outbound.format.write([record for outgoing in batch for record in outgoing.records])
        items = [outgoing.item for outgoing in batch]
        return Batch(name, f"{name}-{items[0].seq:012d}", body, outbound.format.content_type, items)

    def _settle(self, step: _Step, outgoing: Outgoing, tally: str) -> None:
        step.settled.append(outgoing.item.seq)
        step.tallies["matched"] += 1
        step.tallies[tally] += 1

    def _behind(self, step: _Step, outgoing: Outgoing) -> None:
        """A later change of a parked key waits with it; in `latest` mode it gives a dead key another chance."""
        parked = self._parked[outgoing.golden]
        parked.last_seq = outgoing.item.seq
        parked.records += 1
        if self._latest and parked.state == "dead":
            step.tallies["dead"] -= parked.records - 1
            step.tallies["pending"] += parked.records - 1
            parked.state, parked.due_at = "waiting", self._reader.tools.clock()
            parked.first_at = parked.due_at
            step.parked.append((parked, Failure("deliver", "Refused", "", "a newer change of the key has come", b"")))
            self._settle(step, outgoing, "pending")
            return
        entry = step.waiting.setdefault(outgoing.golden, [0, 0])
        entry[0], entry[1] = outgoing.item.seq, entry[1] + 1
        self._settle(step, outgoing, "dead" if parked.state == "dead" else "pending")

    def _park(self, step: _Step, outgoing: Outgoing, refusal: errors.Reject) -> None:
        """This key waits from here on; the others go on."""
        now = self._reader.tools.clock()
        parked = Parked(0, outgoing.golden, outgoing.item.seq, outgoing.item.seq, 1, 1, now, None, "waiting")
        self._schedule(parked, now)
        self._parked[outgoing.golden] = parked
        step.parked.append((parked, _failure(refusal, self._payload(outgoing))))
        self._settle(step, outgoing, "dead" if parked.state == "dead" else "pending")

    def _schedule(self, parked: Parked, now: int) -> None:
        retry = self._reader.route.retry
        if now - parked.first_at >= retry.give_up * 1_000_000:
            parked.state, parked.due_at = "dead", None
            return
        longest = min(retry.longest, retry.first * 2 ** min(parked.attempts - 1, 30))
        parked.due_at = now + int(longest * self._reader.tools.random() * 1_000_000)

    def _payload(self, outgoing: Outgoing) -> bytes:
        try:
            return self._reader.outbound.format.write(outgoing.records) if outgoing.records else b""
        except errors.Reject:
            return b""

    def _due_keys(self) -> bool:
        """Try one parked key whose time has come."""
        now = self._reader.tools.clock()
        due = next((p for p in self._parked.values() if p.state == "waiting" and p.due_at is not None and p.due_at <= now and p.id), None)
        if due is None:
            return False
        step = _Step()
        try:
            self._retry(due, step)
        except errors.Retry as error:
            self._reader.endpoint_failed(error)
        except errors.FenceLost:
            raise
        except errors.Stop as error:
            self._reader.disable(error)
        self._write(step)
        return True

    def _retry(self, parked: Parked, step: _Step) -> None:
        """The key's changes from the refused one on, one by one; in `latest` mode the newest alone."""
        reader = self._reader
        changes = reader.tools.store.subscriptions.changes_of(parked.golden, parked.from_seq, parked.last_seq)
        waiting = [found for change in changes if (found := reader.outbound.project(parked.golden, change)) is not None]
        if self._latest and len(waiting) > 1:
            self._done(parked, step, "superseded", len(waiting) - 1)
            waiting = waiting[-1:]
        for outgoing in waiting:
            started = reader.tools.clock()
            try:
                if outgoing.failure is not None:
                    raise outgoing.failure
                self._sink.send(self._body([outgoing]))
            except errors.Reject as refusal:
                self._again(parked, outgoing, refusal, step)
                self._log(step, [outgoing], "refused", started, str(refusal))
                return
            except errors.MastercopyError:
                if outgoing is not waiting[0]:
                    parked.from_seq = outgoing.item.seq
                    step.parked.append((parked, Failure("deliver", "Refused", "", "the endpoint failed in between", b"")))
                raise
            self._done(parked, step, "delivered", 1)
            self._log(step, [outgoing], "delivered", started)
            reader.endpoint_works()
        self._release(parked, step)

    def _done(self, parked: Parked, step: _Step, tally: str, records: int) -> None:
        parked.records -= records
        step.tallies[tally] += records
        step.tallies["pending"] -= records

    def _again(self, parked: Parked, outgoing: Outgoing, refusal: errors.Reject, step: _Step) -> None:
        now = self._reader.tools.clock()
        parked.from_seq, parked.attempts = outgoing.item.seq, parked.attempts + 1
        self._schedule(parked, now)
        if parked.state == "dead":
            step.tallies["dead"] += parked.records
            step.tallies["pending"] -= parked.records
        step.parked.append((parked, _failure(refusal, self._payload(outgoing))))

    def _release(self, parked: Parked, step: _Step) -> None:
        """Everything behind the key is delivered; what no longer matches after a change of the route is superseded."""
        if parked.records:
            self._done(parked, step, "superseded", parked.records)
        step.released.append(parked.id)
        del self._parked[parked.golden]

    def _give_back(self, batch: Sequence[Outgoing], step: _Step) -> None:
        """What was neither delivered nor parked stands first in the queue again."""
        settled = set(step.settled)
        for outgoing in reversed([each for each in batch if each.item.seq not in settled]):
            self._queue.appendleft(outgoing)
            if self._latest:
                self._newest.setdefault(outgoing.golden, outgoing.item.seq)

    def _log(self, step: _Step, batch: Sequence[Outgoing], outcome: str, started: int, detail: str = "") -> None:
        now = self._reader.tools.clock()
        first, last = batch[0].item.seq, batch[-1].item.seq
        before = step.attempts[-1] if step.attempts else None
        if outcome == "suppressed" and before and before.outcome == outcome and before.last_seq + 1 == first:
            step.attempts[-1] = replace(before, last_seq=last, records=before.records + 1)
            return
        revision, failures = self._reader.revision, self._reader.failures
        step.attempts.append(Attempt(first, last, len(batch), outcome, failures + 1, revision, started, now, detail))

    def _write(self, step: _Step) -> None:
        if not (step.settled or step.attempts or step.parked or step.released):
            return
        waiting = [(golden, last, records) for golden, (last, records) in step.waiting.items()]
        settlement = Settlement(
            self._reader.tools.clock(), 0, [], dict(step.tallies), step.attempts, step.parked, waiting, step.released
        )
        self._reader.settle(step.settled, settlement)
        if step.parked or step.released:
            self.look_again()  # new letters have got their numbers


def _failure(refusal: errors.Reject, payload: bytes) -> Failure:
    return Failure("deliver", refusal.code, refusal.place.path, str(refusal), payload)
