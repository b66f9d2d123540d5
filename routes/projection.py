"""What a subscription gets of a part of the change log: the same in the hub and in the workers beside it."""

from __future__ import annotations

from typing import NamedTuple

from master.store import Subscriptions
from routes.outbound import Outbound, Outgoing, item
from routes.tail import Tail
from schemas.envelope import Change


class Block(NamedTuple):
    """A part of the log as one subscription gets it: everything up to position `head`, which is where it began if there is no more."""

    head: int
    matched: list[Outgoing]


class Projector:
    """Reads the log and projects it."""

    def __init__(self, log: Subscriptions) -> None:
        self._log, self._tail = log, Tail(log)

    def block(self, outbound: Outbound, after: int, limit: int) -> Block:
        """The next `limit` changes beyond `after`."""
        changes = self._tail.changes(after, limit)
        return Block(changes[-1][1].seq, self._projected(outbound, changes)) if changes else Block(after, [])

    def _projected(self, outbound: Outbound, changes: list[tuple[int, Change]]) -> list[Outgoing]:
        """What matches; where the receiver is the cause it is held against the receiver's own record."""
        system = outbound.route.system
        mine = [golden for golden, change in changes if change.source == system]
        owns = self._log.own_states(mine, system) if mine else {}
        found = (outbound.project(golden, change, owns.get(golden) if change.source == system else None) for golden, change in changes)
        return [outgoing for outgoing in found if outgoing is not None]

    def key(self, outbound: Outbound, golden: int, first: int, last: int) -> list[Outgoing]:
        """What matches of one key's changes between two positions, both included."""
        found = (outbound.project(golden, change) for change in self.changes_of(golden, first, last))
        return [outgoing for outgoing in found if outgoing is not None]

    def entering(self, outbound: Outbound, golden: int, seq: int) -> Outgoing | None:
        """The change at this position as the receiver's first of its key."""
        [change] = self.changes_of(golden, seq, seq)
        return outbound.render(golden, change, item(change, "enter"))

    def changes_of(self, golden: int, first: int, last: int) -> list[Change]:
        """One key's part of the log."""
        return self._log.changes_of(golden, first, last)

    def at(self, seq: int) -> tuple[int, Change]:
        """The change at this position, with its golden number."""
        return self._tail.changes(seq - 1, 1)[0]
