"""Projecting beside the hub: workers read the change log for themselves, so that the hub's own process only joins and sends.

A record that ends its worker, by the Python of a mapping, is found by halves and has no content but the reason.
"""

from __future__ import annotations

import concurrent.futures
import concurrent.futures.process
import marshal
import os
from collections.abc import Callable, Mapping

from adapters.contract import Item
from master.store import Store
from routes.outbound import Outbound, Outgoing, item
from routes.projection import Block, Projector
from routes.workers import Workers
from schemas import errors

_NICE = 15  # where processors are short, taking in goes before giving out: the log keeps what waits

Packed = tuple[int, list[Outgoing] | bytes]  # a `Block`, its changes as plain values: half of what pickling them costs, on both sides

_Broken = (concurrent.futures.process.BrokenProcessPool, concurrent.futures.CancelledError)

_outbounds: dict[str, Outbound] = {}
_projectors: list[Projector] = []


def _start(open_store: Callable[[], Store], outbounds: dict[str, Outbound]) -> None:
    os.nice(_NICE)
    _projectors.append(Projector(open_store().subscriptions))
    _outbounds.update(outbounds)


def _begun() -> None:
    """A worker that answers has compiled everything."""


def _block(name: str, after: int, limit: int) -> Packed:
    block = _projectors[-1].block(_outbounds[name], after, limit)
    try:
        return block.head, marshal.dumps([(tuple(one.item), *one[1:]) for one in block.matched])
    except ValueError:  # a failure, or a part of a type of its own
        return block


def _unpacked(packed: Packed) -> Block:
    head, matched = packed
    if isinstance(matched, list):
        return Block(head, matched)
    found = marshal.loads(matched)  # noqa: S302 - from a worker of our own
    return Block(head, [Outgoing(Item._make(named), golden, parts, failure, echo) for named, golden, parts, failure, echo in found])


def _key(name: str, golden: int, first: int, last: int) -> list[Outgoing]:
    return _projectors[-1].key(_outbounds[name], golden, first, last)


def _entering(name: str, golden: int, seq: int) -> Outgoing | None:
    return _projectors[-1].entering(_outbounds[name], golden, seq)


class ProjectPool:
    """Workers with one revision of the subscriptions; a reload makes a new pool. `open_store` opens the store for reading, in a worker."""

    def __init__(self, open_store: Callable[[], Store], outbounds: Mapping[str, Outbound], own: Projector, workers: int) -> None:
        self._own, self._outbounds = own, dict(outbounds)
        self._workers = Workers(workers, _start, open_store, self._outbounds)
        self._lone = Workers(1, _start, open_store, self._outbounds)  # works on one thing at a time: none is blamed for what another did

    def warm(self) -> None:
        """Start the workers before the first block is asked for, if there is anybody to ask."""
        if self._outbounds:
            self._workers.submit(_begun)

    def submit(self, name: str, after: int, limit: int) -> concurrent.futures.Future[Packed]:
        """Begin with a block; take it with `result`."""
        return self._workers.submit(_block, name, after, limit)

    def result(self, outbound: Outbound, after: int, limit: int, future: concurrent.futures.Future[Packed]) -> Block:
        """The block; if its worker died, tried again without neighbours, and then half by half until the poison is found."""
        try:
            return _unpacked(future.result())
        except _Broken:
            return self._search(outbound, after, limit)

    def _search(self, outbound: Outbound, after: int, limit: int) -> Block:
        try:
            return _unpacked(self._lone.submit(_block, outbound.route.name, after, limit).result())
        except _Broken:
            if limit == 1:
                golden, change = self._own.at(after + 1)
                return Block(after + 1, [Outgoing(item(change, "update"), golden, (), _poison())])
        first = self._search(outbound, after, limit // 2)
        if first.head < after + limit // 2:
            return first
        second = self._search(outbound, first.head, limit - limit // 2)
        return Block(second.head, first.matched + second.matched)

    def key(self, outbound: Outbound, golden: int, first: int, last: int) -> list[Outgoing]:
        """See `Projector.key`. What ends its worker is answered without content."""
        try:
            return self._lone.submit(_key, outbound.route.name, golden, first, last).result()  # type: ignore[no-any-return]
        except _Broken:
            return self._one_by_one(outbound, golden, first, last)

    def _one_by_one(self, outbound: Outbound, golden: int, first: int, last: int) -> list[Outgoing]:
        found: list[Outgoing] = []
        for change in self._own.changes_of(golden, first, last):
            try:
                found += self._lone.submit(_key, outbound.route.name, golden, change.seq, change.seq).result()
            except _Broken:
                found.append(Outgoing(item(change, "update"), golden, (), _poison()))
        return found

    def entering(self, outbound: Outbound, golden: int, seq: int) -> Outgoing | None:
        """See `Projector.entering`."""
        try:
            return self._lone.submit(_entering, outbound.route.name, golden, seq).result()  # type: ignore[no-any-return]
        except _Broken:
            _, change = self._own.at(seq)
            return Outgoing(item(change, "enter"), golden, (), _poison())

    def close(self) -> None:
        """End the workers."""
        self._workers.close()
        self._lone.close()


def _poison() -> errors.PoisonRecord:
    return errors.PoisonRecord("a worker died of projecting it", hint="Look at the mapping's Python and at the change")
