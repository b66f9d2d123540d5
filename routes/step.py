"""What one step of a lane does, gathered and then written in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from master.store import Attempt, Parked, Settlement
from routes.outbound import Outgoing
from schemas.envelope import Failure


@dataclass(slots=True)
class Step:
    """Positions that are settled, deliveries, and what happened to parked keys. Keys are golden numbers."""

    settled: list[int] = field(default_factory=list)
    tallies: Counter[str] = field(default_factory=Counter)
    attempts: list[Attempt] = field(default_factory=list)
    parked: dict[int, tuple[Parked, Failure | None]] = field(default_factory=dict)
    waiting: dict[int, tuple[int, int]] = field(default_factory=dict)  # key -> (last seq, records)
    released: list[int] = field(default_factory=list)

    def settle(self, outgoing: Outgoing, tally: str | None = None) -> None:
        """Strike it out. Without a tally it is counted where its key's letter is: pending or dead."""
        self.settled.append(outgoing.item.seq)
        self.tallies["matched"] += 1
        if tally is not None:
            self.tallies[tally] += 1

    def wait(self, outgoing: Outgoing) -> None:
        """It waits behind a parked key."""
        _, records = self.waiting.get(outgoing.golden, (0, 0))
        self.waiting[outgoing.golden] = (outgoing.item.seq, records + 1)

    def log(self, batch: Sequence[Outgoing], attempt: Attempt) -> None:
        """A delivery; suppressed changes that follow one another make one row."""
        before = self.attempts[-1] if self.attempts else None
        if attempt.outcome == "suppressed" and before and before.outcome == "suppressed" and before.last_seq + 1 == attempt.first_seq:
            self.attempts[-1] = replace(before, last_seq=attempt.last_seq, records=before.records + len(batch))
            return
        self.attempts.append(attempt)

    def settlement(self, at: int) -> Settlement | None:
        """As the store takes it, the mark left out; None when there is nothing to write."""
        if not (self.settled or self.attempts or self.parked or self.released):
            return None
        waiting = [(golden, last, records) for golden, (last, records) in self.waiting.items()]
        return Settlement(at, 0, [], dict(self.tallies), self.attempts, list(self.parked.values()), waiting, self.released)
