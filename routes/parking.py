"""The keys of one lane that the subscriber refuses: each waits with all its later changes, and delays nothing else."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from master.store import Parked
from routes.outbound import Outgoing
from routes.step import Step
from schemas import errors
from schemas.envelope import Failure

if TYPE_CHECKING:
    from routes.delivery import Reader

_LOOK = 1.0  # seconds between two looks at what people did with the parked keys


class Parking:
    """Parked keys by golden number, as stored; a lane has those of its own keys only."""

    def __init__(self, reader: Reader, number: int, lanes: int) -> None:
        self._reader, self._number, self._lanes = reader, number, lanes
        self._latest = reader.route.mode == "latest"
        self._keys: dict[int, Parked] = {}
        self._freed: dict[int, int] = {}
        self._looked = -_LOOK

    def __contains__(self, golden: int) -> bool:
        return golden in self._keys

    def look_again(self) -> None:
        """A person may have changed them, or new ones have got their numbers."""
        self._looked = -_LOOK

    def refresh(self) -> None:
        """Once a second: the keys as stored."""
        if time.monotonic() - self._looked < _LOOK:
            return
        self._looked = time.monotonic()
        found = self._reader.tools.store.subscriptions.parked(self._reader.name)
        self._keys = {each.golden: each for each in found if each.golden % self._lanes == self._number}

    def park(self, step: Step, outgoing: Outgoing, refusal: errors.Reject, first: int) -> None:
        """This key waits from position `first` on; the others go on."""
        now = self._reader.tools.clock()
        parked = Parked(0, outgoing.golden, first, outgoing.item.seq, 1, 1, now, None, "waiting")
        self._schedule(parked, now)
        self._keys[outgoing.golden] = parked
        step.parked[outgoing.golden] = (parked, self._failure(outgoing, refusal))
        step.settle(outgoing)
        self._reader.count(0, 1)

    def behind(self, step: Step, outgoing: Outgoing) -> None:
        """A later change of a parked key waits with it; in `latest` mode it gives a dead key another chance."""
        parked = self._keys[outgoing.golden]
        parked.last_seq = outgoing.item.seq
        parked.records += 1
        step.settle(outgoing)
        if outgoing.golden in step.parked:
            return  # it is written with its key
        if self._latest and parked.state == "dead":
            parked.state = "waiting"
            parked.first_at = parked.due_at = self._reader.tools.clock()
            step.parked[outgoing.golden] = (parked, Failure("deliver", "Refused", "", "a newer change of the key has come", b""))
            return
        step.wait(outgoing)

    def due(self) -> Parked | None:
        """A key whose time has come."""
        now = self._reader.tools.clock()
        return next((p for p in self._keys.values() if p.state == "waiting" and p.due_at is not None and p.due_at <= now and p.id), None)

    def again(self, step: Step, parked: Parked, outgoing: Outgoing, refusal: errors.Reject) -> None:
        """Refused once more: it waits longer, or is given up."""
        parked.attempts += 1
        if not self._latest:
            parked.from_seq = outgoing.item.seq
        self._schedule(parked, self._reader.tools.clock())
        step.parked[parked.golden] = (parked, self._failure(outgoing, refusal))

    def got_on(self, step: Step, parked: Parked, outgoing: Outgoing) -> None:
        """What came before this one is delivered, then the endpoint failed."""
        parked.from_seq = outgoing.item.seq
        step.parked[parked.golden] = (parked, None)

    def delivered(self, step: Step, parked: Parked) -> None:
        """One of its changes has reached the subscriber."""
        if parked.records:
            parked.records -= 1
        else:
            step.tallies["matched"] += 1  # it matches since the route was changed
        step.tallies["delivered"] += 1

    def release(self, step: Step, parked: Parked) -> None:
        """The subscriber has the key's newest. What is left in between is superseded: by it, or because the route was changed."""
        step.tallies["superseded"] += parked.records
        step.released.append(parked.id)
        del self._keys[parked.golden]
        self._freed[parked.golden] = self._reader.tools.clock()

    def freed_after(self, golden: int, at: int) -> bool:
        """Whether the key was parked here until some moment after `at`."""
        return self._freed.get(golden, 0) >= at

    def _schedule(self, parked: Parked, now: int) -> None:
        retry = self._reader.route.retry
        if now - parked.first_at >= retry.give_up * 1_000_000:
            parked.state, parked.due_at = "dead", None
            return
        longest = min(retry.longest, retry.first * 2 ** min(parked.attempts - 1, 30))
        parked.due_at = now + int(longest * self._reader.tools.random() * 1_000_000)

    def _failure(self, outgoing: Outgoing, refusal: errors.Reject) -> Failure:
        try:
            payload = self._reader.outbound.format.join(outgoing.parts) if outgoing.parts else b""
        except errors.Reject:
            payload = b""
        return Failure("deliver", refusal.code, refusal.place.path, str(refusal), payload)
