"""The decode pool: bodies to candidates, beside the leader; a record that ends a worker is found and parked."""

from __future__ import annotations

import concurrent.futures
import concurrent.futures.process
import io
import marshal
import os
from collections.abc import Sequence

from adapters import catalogue
from config import rules
from routes.feeds import Feeds
from routes.inbound import Decoded, Inbound
from routes.workers import Workers
from schemas import errors
from schemas.envelope import Candidate, Failure

LARGE = 65_536  # bytes; a body of this size is a chunk of a file
_NICE = 5  # where processors are short, receipts go before applying: the inbox keeps what waits
SMALL = 6_000  # bytes; less is decoded at once in the leader's own process, since a hand-over takes longer

Body = list[Decoded] | bytes  # bytes: packed by a worker
Future = concurrent.futures.Future[list[Body]]

_systems: dict[str, catalogue.System] = {}
_master: list[rules.MasterRules] = []
_compiled: dict[str, Inbound] = {}


def _start(systems: dict[str, catalogue.System], master: rules.MasterRules) -> None:
    os.nice(_NICE)
    _systems.update(systems)
    _master.append(master)


def _decode(feed: str, bodies: Sequence[bytes]) -> list[Body]:
    inbound = _compiled.get(feed)
    if inbound is None:
        system, name = feed.split("/", 1)
        inbound = _compiled[feed] = Inbound(_systems[system], name, _master[-1])
    return [_packed(inbound.decode(body)) for body in bodies]


def _packed(found: list[Decoded]) -> Body:
    """For the way to the hub: half of what pickling named tuples costs, on both sides."""
    try:
        return marshal.dumps([(one.number, [tuple(each) for each in one.candidates], one.failure and tuple(one.failure)) for one in found])
    except ValueError:  # some value is of a type of its own
        return found


def _unpacked(body: Body) -> list[Decoded]:
    if isinstance(body, list):
        return body
    return [
        Decoded(number, tuple([Candidate._make(each) for each in candidates]), failure and Failure._make(failure))
        for number, candidates, failure in marshal.loads(body)  # noqa: S302 - from a worker of our own
    ]


def _warm() -> None:
    """Compile every feed before the first body comes."""
    for system in _systems.values():
        for feed in system.manifest.feeds.values():
            _decode(feed.path, [])


class DecodePool:
    """Workers with one revision of the systems; a reload makes a new pool."""

    def __init__(self, feeds: Feeds, workers: int) -> None:
        self._feeds = feeds
        systems, master = dict(feeds.setup.systems), feeds.setup.master
        self._workers = Workers(workers, _start, systems, master)
        self._lone = Workers(1, _start, systems, master)  # works on one body at a time: none is blamed for what another did
        self._count = workers

    def warm(self) -> None:
        """Start the workers and compile every feed before the first body comes."""
        for _ in range(self._count):
            self._workers.submit(_warm)

    def inbound(self, feed: str) -> Inbound:
        """The feed, compiled in this process."""
        return self._feeds.inbound(feed)

    def submit(self, feed: str, bodies: Sequence[bytes]) -> Future:
        """Decode beside: take each one's answer with `result`. A few small bodies of feeds without Python of their own are decoded here."""
        inbound = self.inbound(feed)
        if sum(map(len, bodies)) < SMALL and not inbound.risky:
            done: Future = concurrent.futures.Future()
            done.set_result([inbound.decode(body) for body in bodies])
            return done
        return self._workers.submit(_decode, feed, bodies)

    def result(self, feed: str, body: bytes, records: int, future: Future, index: int) -> list[Decoded]:
        """The answer for one body; if its worker died, tried once more, and then half by half until the poison is found."""
        try:
            return _unpacked(future.result()[index])
        except (concurrent.futures.process.BrokenProcessPool, concurrent.futures.CancelledError):
            return self._search(feed, body, 0, records)

    def _search(self, feed: str, body: bytes, first: int, records: int) -> list[Decoded]:
        """Decode in a worker of its own; where that ends the worker, half by half, until the poison is one record."""
        try:
            found = _unpacked(self._lone.submit(_decode, feed, [body]).result()[0])
        except concurrent.futures.process.BrokenProcessPool:
            if records <= 1:
                return [self._poison(first, body)]
            halves = [piece.body for piece in self.inbound(feed).format.split(io.BytesIO(body), (records + 1) // 2)]
            if len(halves) < 2:
                return [self._poison(number, body) for number in range(first, first + records)]
            middle = (records + 1) // 2
            return self._search(feed, halves[0], first, middle) + self._search(feed, halves[1], first + middle, records - middle)
        return [one._replace(number=first + one.number) for one in found]

    @staticmethod
    def _poison(number: int, body: bytes) -> Decoded:
        reason = errors.PoisonRecord("a worker of the decode pool died of it", hint="Look at the mapping's Python and at the payload")
        return Decoded(number, (), Failure("decode", reason.code, f"record {number + 1}", str(reason), body))

    def close(self) -> None:
        """End the workers."""
        self._workers.close()
        self._lone.close()
