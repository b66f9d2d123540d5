"""A lane of a subscription: its keys' changes, sent in order by one thread."""

from __future__ import annotations

import functools
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from adapters.contract import Batch, Sink
from master.store import Attempt, Parked
from routes.outbound import Outgoing
from routes.parking import Parking
from routes.step import Step
from schemas import errors

if TYPE_CHECKING:
    from routes.delivery import Reader


_UNWRITTEN = 2_000  # records that may be sent before that is written
_UNWRITTEN_FOR = 0.1  # seconds


class Lane:
    """All changes of a key come to the same lane."""

    def __init__(self, reader: Reader, sink: Sink, number: int, lanes: int) -> None:
        self._reader = reader
        self._sink = sink
        self._queue: deque[Outgoing] = deque()
        self._latest = reader.route.mode == "latest"
        self._newest: dict[int, int] = {}  # `latest` mode: the newest queued position of a key
        self._older: dict[int, list[Outgoing]] = {}  # and what it supersedes: settled with it, so that a restart sees both again
        self._parking = Parking(reader, number, lanes)
        self._bell = threading.Event()
        self._sent_at = 0.0

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
        self._parking.look_again()

    def step(self) -> bool:
        """Try one parked key that is due, and send one batch of what waits; False when there was nothing to do."""
        if not self._may_send():
            return False
        self._parking.refresh()
        due = self._parking.due()
        if due is not None:
            step = Step()
            self._guarded(lambda: self._retry(due, step))
            self._write(step)
        return self._send() or due is not None

    def _may_send(self) -> bool:
        return self._reader.state == "active" and not self._reader.waiting_for_endpoint()

    def _send(self) -> bool:
        if not self._queue or not self._may_send() or self._gathers():
            return False
        self._parking.refresh()
        step, began = Step(), time.monotonic()
        while True:
            batch = self._take(step)
            if batch:
                self._sent_at = time.monotonic()
                self._guarded(functools.partial(self._deliver, batch, step))
            self._give_back(batch, step)
            if not self._goes_on(step, began):
                break
        self._write(step)
        return True

    def _gathers(self) -> bool:
        """It is not yet time for the next file, and no full one waits."""
        route = self._reader.route
        waiting = len(self._newest) if self._latest else len(self._queue)
        return waiting < route.batch and time.monotonic() - self._sent_at < route.every

    def _goes_on(self, step: Step, began: float) -> bool:
        """One more batch, before what was sent is written: several share a commit, as long as a crash would repeat little."""
        waits = not self._queue or not self._may_send() or self._reader.route.every or self._sink.idempotent == "no"
        return not waits and len(step.settled) < _UNWRITTEN and time.monotonic() - began < _UNWRITTEN_FOR

    def _guarded(self, work: Callable[[], None]) -> None:
        """Sort what the sink raises by what happens next."""
        try:
            work()
        except errors.FenceLost:
            raise
        except errors.Retry as error:
            self._reader.endpoint_failed(error)
        except errors.Stop as error:
            self._reader.disable(error)
        except Exception as error:  # a sink that breaks says nothing about the content: nothing is parked for it
            self._reader.endpoint_failed(errors.EndpointDown(f"{type(error).__name__}: {error}", hint="This is a mistake in the adapter"))

    def _take(self, step: Step) -> list[Outgoing]:
        """The next batch: without what is superseded, suppressed, or behind a parked key."""
        batch: list[Outgoing] = []
        while self._queue and len(batch) < self._reader.route.batch:
            outgoing = self._queue.popleft()
            if self._superseded(outgoing):
                continue
            if outgoing.golden in self._parking:
                self._settle_older(step, outgoing)
                self._parking.behind(step, outgoing)
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
        """A newer change of the key waits in the queue."""
        if not self._latest:
            return False
        if self._newest.get(outgoing.golden) == outgoing.item.seq:
            del self._newest[outgoing.golden]
            return False
        self._older.setdefault(outgoing.golden, []).append(outgoing)
        return True

    def _entering(self, outgoing: Outgoing) -> Outgoing:
        """An update whose entering was superseded is itself the entering."""
        older = self._older.get(outgoing.golden, ())
        if outgoing.item.event != "update" or not any(each.item.event == "enter" for each in older):
            return outgoing
        return self._as_entering(outgoing)

    def _as_entering(self, outgoing: Outgoing) -> Outgoing:
        return self._reader.ahead.entering(outgoing) or outgoing

    def _echo(self, outgoing: Outgoing) -> bool:
        """It says what the receiver has of its own, and the receiver knew the version before when it spoke."""
        if not outgoing.echo:
            return False
        if outgoing.item.version == 1:
            return True
        before, spoke_at = self._reader.tools.store.subscriptions.cause(outgoing.item.seq)
        return not self._parking.freed_after(outgoing.golden, spoke_at) and self._reader.trail.settled(before, spoke_at)

    def _deliver(self, batch: Sequence[Outgoing], step: Step) -> None:
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
            return
        for outgoing in batch:
            self._settle(step, outgoing, "delivered")
        self._log(step, batch, "delivered", started)
        self._reader.endpoint_works()
        self._reader.count(len(batch), 0)

    def _became_parked(self, outgoing: Outgoing, step: Step) -> bool:
        """An earlier change of the same key was refused in this very step."""
        if outgoing.golden not in self._parking:
            return False
        self._settle_older(step, outgoing)
        self._parking.behind(step, outgoing)
        return True

    def _body(self, batch: Sequence[Outgoing]) -> Batch:
        outbound, name = self._reader.outbound, self._reader.name
        body = outbound.format.join([part for outgoing in batch for part in outgoing.parts])
        items = [outgoing.item for outgoing in batch]
        return Batch(name, f"{name}-{items[0].seq:012d}", body, outbound.format.content_type, items)

    def _settle(self, step: Step, outgoing: Outgoing, tally: str) -> None:
        step.settle(outgoing, tally)
        self._settle_older(step, outgoing)

    def _settle_older(self, step: Step, outgoing: Outgoing) -> int:
        """What it supersedes is settled with it; answers the position where the key's unsent changes begin."""
        older = self._older.pop(outgoing.golden, [])
        for each in older:
            step.settle(each, "superseded")
        return older[0].item.seq if older else outgoing.item.seq

    def _park(self, step: Step, outgoing: Outgoing, refusal: errors.Reject) -> None:
        self._parking.park(step, outgoing, refusal, self._settle_older(step, outgoing))

    def _retry(self, parked: Parked, step: Step) -> None:
        """The key's changes from the refused one on, one by one; in `latest` mode the newest alone."""
        reader = self._reader
        waiting = reader.ahead.key(parked.golden, parked.from_seq, parked.last_seq)
        if self._latest and waiting:
            entering = waiting[-1].item.event == "update" and any(each.item.event == "enter" for each in waiting)
            waiting = [self._as_entering(waiting[-1]) if entering else waiting[-1]]
        for outgoing in waiting:
            started = reader.tools.clock()
            try:
                if outgoing.failure is not None:
                    raise outgoing.failure
                self._sink.send(self._body([outgoing]))
            except errors.Reject as refusal:
                self._parking.again(step, parked, outgoing, refusal)
                self._log(step, [outgoing], "refused", started, str(refusal))
                return
            except Exception:
                if outgoing is not waiting[0]:
                    self._parking.got_on(step, parked, outgoing)
                raise
            self._parking.delivered(step, parked)
            self._log(step, [outgoing], "delivered", started)
            reader.endpoint_works()
        self._parking.release(step, parked)

    def _give_back(self, batch: Sequence[Outgoing], step: Step) -> None:
        """What was neither delivered nor parked stands first in the queue again."""
        settled = set(step.settled)
        for outgoing in reversed([each for each in batch if each.item.seq not in settled]):
            self._queue.appendleft(outgoing)
            if self._latest:
                self._newest.setdefault(outgoing.golden, outgoing.item.seq)

    def _log(self, step: Step, batch: Sequence[Outgoing], outcome: str, started: int, detail: str = "") -> None:
        reader = self._reader
        first, last = batch[0].item.seq, batch[-1].item.seq
        now = reader.tools.clock()
        step.log(batch, Attempt(first, last, len(batch), outcome, reader.failures + 1, reader.revision, started, now, detail))

    def _write(self, step: Step) -> None:
        settlement = step.settlement(self._reader.tools.clock())
        if settlement is None:
            return
        self._reader.settle(step.settled, settlement)
        if step.parked or step.released:
            self.look_again()
