"""The part of the log that a reader takes next: projected beside the hub where it is large, here where it is small."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from dataclasses import dataclass

from routes.outbound import Outbound, Outgoing
from routes.projecting import Packed, ProjectPool
from routes.projection import Block, Projector

_FEW = 24  # changes; fewer are projected at once, since a hand-over takes longer
_BLOCK = 1_000  # changes in one hand-over


@dataclass(frozen=True, slots=True)
class Projecting:
    """`own` works in this process, `pool` beside it; without a pool everything is done here."""

    own: Projector
    pool: Callable[[], ProjectPool | None]


@dataclass(frozen=True, slots=True)
class _Begun:
    after: int
    limit: int
    outbound: Outbound
    future: concurrent.futures.Future[Packed]


class Ahead:
    """Serves one reader; `outbound` answers its present revision, `ring` wakes it when a block is ready."""

    def __init__(self, projecting: Projecting, outbound: Callable[[], Outbound], ring: Callable[[], None]) -> None:
        self._projecting, self._outbound, self._ring = projecting, outbound, ring
        self._begun: _Begun | None = None

    def take(self, after: int, head: int) -> Block | None:
        """What follows `after` in a log that reaches to `head`; None while there is nothing, or it is being made."""
        pool = self._projecting.pool()
        begun = self._begun
        if begun is None or (begun.after, begun.outbound) != (after, self._outbound()):
            self._begun = None
            if head <= after:
                return None
            if pool is None or (head - after < _FEW and not self._outbound().risky):
                return self._projecting.own.block(self._outbound(), after, _FEW if pool else _BLOCK)
            begun = self._begin(pool, after, head)
        if pool is None or not begun.future.done():
            return None
        self._begun = None
        block = pool.result(begun.outbound, begun.after, begun.limit, begun.future)
        if head - block.head >= _FEW:
            self._begin(pool, block.head, head)
        return block

    def _begin(self, pool: ProjectPool, after: int, head: int) -> _Begun:
        outbound, limit = self._outbound(), min(_BLOCK, head - after)
        begun = self._begun = _Begun(after, limit, outbound, pool.submit(outbound.route.name, after, limit))
        begun.future.add_done_callback(lambda _: self._ring())
        return begun

    def key(self, golden: int, first: int, last: int) -> list[Outgoing]:
        """What matches of one key's changes between two positions, both included."""
        outbound, pool = self._outbound(), self._projecting.pool()
        if pool is not None and outbound.risky:
            return pool.key(outbound, golden, first, last)
        return self._projecting.own.key(outbound, golden, first, last)

    def entering(self, outgoing: Outgoing) -> Outgoing | None:
        """The same change as the receiver's first of its key."""
        outbound, pool = self._outbound(), self._projecting.pool()
        if pool is not None and outbound.risky:
            return pool.entering(outbound, outgoing.golden, outgoing.item.seq)
        return self._projecting.own.entering(outbound, outgoing.golden, outgoing.item.seq)
