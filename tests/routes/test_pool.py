"""The decode pool: a record that ends its worker is found and parked, and nobody is blamed for another."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from adapters.catalogue import System
from config import rules
from routes.feeds import Feeds
from routes.inbound import Inbound
from routes.pool import DecodePool
from routes.setup import Setup
from schemas import canonical, errors
from schemas.envelope import Failure
from tests.routes.peers import system

MASTER = rules.load(None, canonical.entity_names())
DEADLY = b"""
mapping: deadly
direction: inbound
records:
  - entity: customer
    key: id
    fields: {customerNo: id, kind: {const: individual}, name: {from: name, call: "deadly:name"}}
"""
PYTHON = b"""
import os

def name(value, row):
    if value == "poison":
        os._exit(13)
    if value == "wrong":
        raise RuntimeError("no idea")
    return value
"""


def feeds(**systems: System) -> Feeds:
    return Feeds(Setup(systems, {}, MASTER))


@pytest.fixture(scope="module")
def pool() -> Iterator[DecodePool]:
    """Two workers and a mapping that may end them."""
    one = DecodePool(feeds(peer=system(inbound=DEADLY, deadly=PYTHON), tame=system()), 2)
    yield one
    one.close()


def body(*names: str) -> bytes:
    return json.dumps([{"id": str(number), "name": name} for number, name in enumerate(names)]).encode()


def outcome(pool: DecodePool, content: bytes, records: int) -> list[tuple[int, str]]:
    """(number, name or failure) of each record."""
    found = pool.result("peer/in", content, records, pool.submit("peer/in", [content]), 0)
    return [(one.number, one.failure.code if one.failure else json.loads(one.candidates[0].state)["name"]) for one in found]


def test_a_record_that_ends_its_worker_is_parked_alone(pool: DecodePool) -> None:
    """Found by halves among its neighbours, small as the body is: Python of a folder never runs in the leader's own process."""
    names = ["a", "b", "c", "poison", "e", "wrong", "g"]
    expected = [(number, {"poison": "PoisonRecord", "wrong": "MappingFailure"}.get(name, name)) for number, name in enumerate(names)]
    assert outcome(pool, body(*names), len(names)) == expected


def test_neighbours_of_a_poisonous_body_come_through(pool: DecodePool) -> None:
    """All that was in the same pool when it broke is decoded once more, each on its own."""
    bodies = [body(name) for name in ("a", "poison", "b", "poison", "c")]
    futures = [pool.submit("peer/in", [one]) for one in bodies]
    found = [pool.result("peer/in", one, 1, future, 0)[0] for one, future in zip(bodies, futures, strict=True)]
    assert [one.failure.code if one.failure else "fine" for one in found] == ["fine", "PoisonRecord", "fine", "PoisonRecord", "fine"]
    payload = found[1].failure.payload if found[1].failure else b""
    assert json.loads(payload) == [{"id": "0", "name": "poison"}]


def test_messages_that_are_decoded_together_are_told_apart(pool: DecodePool) -> None:
    """One of them poisonous: the others of the same hand-over are decoded."""
    bodies = [body("a"), body("poison"), body("c")]
    future = pool.submit("peer/in", bodies)
    found = [pool.result("peer/in", one, 1, future, index)[0] for index, one in enumerate(bodies)]
    assert [one.failure is None for one in found] == [True, False, True]


def test_a_pool_that_was_closed_is_answered_by_the_next(pool: DecodePool) -> None:
    """A reload in the middle: what the old pool did not finish is decoded by the new one."""
    old = DecodePool(feeds(peer=system(inbound=DEADLY, deadly=PYTHON)), 1)
    futures = [old.submit("peer/in", [body(str(number))]) for number in range(20)]
    old.close()
    assert [pool.result("peer/in", body("x"), 1, future, 0)[0].failure for future in futures] == [None] * 20


def test_small_bodies_without_python_are_decoded_here(pool: DecodePool) -> None:
    """A hand-over takes longer than the work."""
    assert pool.submit("tame/in", [body("a")]).done()
    assert not pool.submit("tame/in", [body(*["a"] * 20_000)]).done()


def test_a_worker_answers_as_the_hub_would(pool: DecodePool) -> None:
    """Candidates and failures cross as plain values, and are whole again on this side."""
    content = body(*["a", "wrong"] * 3)
    here = Inbound(system(inbound=DEADLY, deadly=PYTHON), "in", MASTER).decode(content)
    assert pool.result("peer/in", content, 6, pool.submit("peer/in", [content]), 0) == here
    assert {type(one.failure) for one in here} == {type(None), Failure}


def test_an_unknown_feed_is_told(pool: DecodePool) -> None:
    """It may have been taken away while its messages waited."""
    for feed in ("peer/nothing", "nobody/in"):
        with pytest.raises(errors.NotFound):
            pool.submit(feed, [b"[]"])
