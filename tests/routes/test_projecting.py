"""Projecting beside the hub: the same as in it, and a record that ends its worker is found."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from master.sqlite.store import SqliteStore
from routes.ahead import Ahead, Projecting
from routes.outbound import Outbound
from routes.projecting import ProjectPool
from routes.projection import Block, Projector
from tests.hub.instance import soon
from tests.master import engines
from tests.master.desk import Desk, record
from tests.routes.peers import routed, system

DEADLY = b"""
mapping: peer-out
direction: outbound
records:
  - record: customer
    of: customer
    fields: {key: key, version: version, event: event, name: {from: state.name, call: "deadly:name"}}
"""
PYTHON = b"""
import os

def name(value, row):
    if value == "poison":
        os._exit(13)
    return value
"""
NAMES = ["a", "b", "poison", "d", "poison", "f"]


class Log:
    """A change log of customers, the worker's side of it, and what reads it ahead."""

    def __init__(self, folder: Path, names: list[str], outbound: Outbound) -> None:
        self.store: SqliteStore = engines.sqlite(folder)
        desk = Desk(self.store)
        for number, name in enumerate(names):
            desk.apply(record(str(number % 4), {"name": name}))
        self.head = self.store.subscriptions.head()
        self.own = Projector(self.store.subscriptions)
        self.outbound = outbound
        self.pool = ProjectPool(
            functools.partial(SqliteStore, folder / "mastercopy.db", read_only=True), {"peer": outbound}, self.own, 1
        )
        self.rung: list[None] = []
        projecting = Projecting(self.own, lambda: self.pool)
        self.ahead = Ahead(projecting, lambda: self.outbound, lambda: self.rung.append(None))

    def read(self, after: int = 0) -> Block:
        """The next block, however it is made."""
        found: Block = soon(lambda: self.ahead.take(after, self.head))
        return found


Make = Callable[..., Log]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Make]:
    made: list[Log] = []

    def make(names: list[str], *, risky: bool = False) -> Log:
        one = Outbound(routed(), system(outbound=DEADLY, deadly=PYTHON) if risky else system(), "out")
        made.append(Log(tmp_path, names, one))
        return made[0]

    yield make
    for one in made:
        one.pool.close()


def told(block: Block) -> list[str]:
    """Each matched change as its content, or why it has none."""
    return [one.failure.code if one.failure else one.parts[0].decode().partition('"name":"')[2][0] for one in block.matched]


def test_a_worker_projects_as_the_hub_does(log: Make) -> None:
    """Items, content, and how far it got; the reader is woken, and the block after it is begun already."""
    one = log([f"n{number % 10}" for number in range(1100)])
    assert one.ahead.take(0, one.head) is None
    first = one.read()
    assert (first, one.rung[:1]) == (one.own.block(one.outbound, 0, 1000), [None])
    assert one.read(first.head) == one.own.block(one.outbound, first.head, 1000)
    assert one.ahead.take(one.head, one.head) is None


def test_a_few_changes_are_projected_at_once(log: Make) -> None:
    """A hand-over would take longer."""
    assert told(log(["a", "b"]).ahead.take(0, 2) or Block(0, [])) == ["a", "b"]


def test_a_change_that_ends_its_worker_has_no_content_but_the_reason(log: Make) -> None:
    """Few as they are: Python of a folder runs beside the hub. The others come through."""
    block = log(NAMES, risky=True).read()
    assert (block.head, told(block)) == (6, ["a", "b", "PoisonRecord", "d", "PoisonRecord", "f"])


def test_the_changes_of_a_key_are_projected_beside_the_hub_too(log: Make) -> None:
    """When it is tried again, and when an update becomes the first that its receiver sees."""
    one = log(["poison", "x", "x", "x", "a"], risky=True)
    assert told(Block(0, one.ahead.key(1, 1, 5))) == ["PoisonRecord", "a"]
    first, last = one.read().matched[0], one.read().matched[-1]
    assert [told(Block(0, [found])) for each in (first, last) if (found := one.ahead.entering(each))] == [["PoisonRecord"], ["a"]]


def test_after_a_reload_the_new_revision_projects(log: Make) -> None:
    """What the old one had begun is left."""
    one = log([f"n{number}" for number in range(60)])
    assert one.ahead.take(0, one.head) is None
    one.outbound = Outbound(routed(), system(outbound=DEADLY, deadly=PYTHON), "out")
    one.pool.close()
    one.pool = ProjectPool(one.pool._workers._start[1][0], {"peer": one.outbound}, one.own, 1)
    assert all(b"level2" not in outgoing.parts[0] for outgoing in one.read().matched)
