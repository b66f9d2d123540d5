"""A subscription under test: a store with a change log, one reader whose lanes are stepped by hand, and a clock that is set by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from master.sqlite.store import SqliteStore
from routes.ahead import Projecting
from routes.delivery import Reader, Tools
from routes.outbound import Outbound
from routes.projection import Projector
from tests.master import engines
from tests.master.desk import SOON, Desk, record
from tests.routes.peers import Receiver, routed, system

SECOND = 1_000_000


class Yard:
    """`start` makes a reader, again after a crash; `work` lets it do all that it can do at this moment."""

    def __init__(self, folder: Path, **route: Any) -> None:
        self.store: SqliteStore = engines.sqlite(folder)
        self.desk = Desk(self.store)
        self.receiver = Receiver()
        self.now = 1_000 * SECOND
        self.dice: Callable[[], float] = lambda: 1.0
        self.pressed = False
        self.outbound = Outbound(routed(**route), system(), "out")
        self.reader = self.start()

    def start(self) -> Reader:
        """A reader, as after a restart."""
        fence = self.store.leases.take("reader:peer", "the tests", 0, SOON, force=True)
        assert fence is not None
        tools = Tools(self.store, Projecting(Projector(self.store.subscriptions), lambda: None), *self._senses())
        self.reader = Reader(self.outbound, [self.receiver] * self.outbound.route.concurrency, fence, 1, tools)
        return self.reader

    def _senses(self) -> tuple[Callable[[], int], Callable[[], float], Callable[[], bool]]:
        return lambda: self.now, self._throw, lambda: self.pressed

    def _throw(self) -> float:
        return self.dice()

    def change(self, key: str, *, source: str = "crm", match: str | None = None, **state: Any) -> int:
        """A change of a customer; answers its position."""
        content = record(key, {"name": "a", **state} if state or match else None, source=source, match=match)
        self.desk.at = self.now
        self.desk.apply(content, source=source)
        return self.store.subscriptions.head()

    def step(self) -> bool:
        """One round of the reader and one step of every other lane."""
        self.reader._looked = 0.0
        worked = self.reader._round()
        for lane in self.reader.lanes[1:]:
            worked |= lane.step()
        return worked

    def work(self, limit: int = 500) -> None:
        """Everything that can be done at this moment."""
        for _ in range(limit):
            if not self.step():
                return
        raise AssertionError("it never comes to rest")

    def later(self, seconds: float) -> None:
        """Time goes by, then it works."""
        self.now += int(seconds * SECOND)
        self.work()

    def tallies(self) -> dict[str, int]:
        """Those that are not zero."""
        [progress] = self.store.subscriptions.all()
        return {name: count for name, count in progress.tallies.items() if count}

    def letters(self) -> list[tuple[str, int | None, int | None, int]]:
        """(state, from, to, records) of the open letters."""
        found = self.store.letters.select(state=None, filters={}, limit=99)
        return [(one.state, one.from_seq, one.last_seq, one.records) for one in reversed(found) if one.state in ("waiting", "dead")]

    def progress(self) -> tuple[int, list[tuple[int, int]]]:
        """The mark, and the settled ranges beyond it."""
        [found] = self.store.subscriptions.all()
        return found.mark, found.settled
