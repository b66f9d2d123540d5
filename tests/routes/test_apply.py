"""Apply: every lane in its turn, a slice at a time, and where it died it goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from config import rules
from master.merge import Merge, Rules
from master.records import SourceRecord
from master.sqlite.store import SqliteStore
from routes.apply import Apply
from routes.feeds import Feeds
from routes.pool import DecodePool
from routes.setup import Setup
from schemas import canonical, errors
from schemas.envelope import Message, Receipt
from tests.master import engines
from tests.master.desk import SOON
from tests.routes.peers import Crash, system

MASTER = rules.load(None, canonical.entity_names())
PLAIN = b"""
mapping: plain
direction: inbound
records:
  - entity: customer
    key: id
    fields: {customerNo: id, name: name, kind: {const: individual}}
"""

POOLS: dict[str, DecodePool] = {}


def pool_of(**more: Any) -> DecodePool:
    """Workers are slow to start: tests share them."""
    return POOLS.get(repr(more)) or POOLS.setdefault(repr(more), DecodePool(Feeds(Setup({"peer": system(**more)}, {}, MASTER)), 1))


@pytest.fixture(autouse=True, scope="module")
def _ended() -> Iterator[None]:
    yield
    while POOLS:
        POOLS.popitem()[1].close()


class Bench:
    """A store, a leader and some feeds of the system `peer`."""

    def __init__(self, folder: Path, **more: Any) -> None:
        self.store: SqliteStore = engines.sqlite(folder)
        self.pool = pool_of(**more)
        self.live = 0.0
        self.told: list[list[int]] = []
        self.apply = self.leader()

    def leader(self) -> Apply:
        """As after a restart."""
        refs = {entity: canonical.refs(entity) for entity in canonical.entity_names()}

        def told(messages: Iterable[int]) -> None:
            self.told.append(list(messages))

        rules = Rules(MASTER.rank, refs)
        self.apply = Apply(
            self.store, lambda: self.pool, lambda inbound: 7, lambda: rules, told, lambda: self.live, lambda: False, lambda: 5
        )
        self.apply.fence = self.store.leases.take("apply", "the tests", 0, SOON, force=True)
        return self.apply

    def push(self, *records: dict[str, Any], feed: str = "in", **more: Any) -> int:
        """One message with these records."""
        body = json.dumps(list(records)).encode()
        [answer] = self.store.inbox.append([Message("peer", feed, None, body, "", len(records), **more)], 5)
        assert isinstance(answer, Receipt)
        return answer.id

    def drain(self) -> None:
        while self.apply.step() is not None:
            pass

    def short_step(self) -> None:
        """A slice as short as beside live appends on a slow machine."""
        self.live = time.monotonic()
        self.apply._rate = 0.0
        self.apply.step()
        self.live = 0.0

    def names(self) -> list[str]:
        """Of all changes, in order."""
        return [change.state["name"] for _, change in self.store.subscriptions.changes(0, 100_000)]

    def records(self) -> dict[str, int]:
        """The counts that are not zero."""
        return {name: count for name, count in self.store.views.audit()["records"].items() if count}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Makes a bench."""
    made: list[Bench] = []

    def make(**more: Any) -> Bench:
        made.append(Bench(tmp_path, **more))
        return made[-1]

    yield make
    for one in made:
        one.store.close()


def customers(*keys: object, name: str = "a") -> list[dict[str, Any]]:
    return [{"id": str(key), "name": name, "at": 1} for key in keys]


def test_what_is_received_becomes_versions(bench: Callable[..., Bench]) -> None:
    """In the order of arrival, each message told about once it is applied."""
    one = bench()
    first = one.push(*customers(1, 2))
    second = one.push({"id": "1", "name": "b", "at": 2})
    one.drain()
    assert one.names() == ["a", "a", "b"]
    assert one.told == [[first, second]]
    assert one.apply.step() is None


def test_a_record_that_fails_is_a_letter_beside_the_others(bench: Callable[..., Bench]) -> None:
    """Whatever stage it fails at; its payload is a body of the same format with that record alone."""
    one = bench()
    message = one.push({"id": "1", "name": "a", "at": 1}, {"id": "2", "at": 1}, {"id": "3", "name": "c", "at": 1})
    one.drain()
    assert one.names() == ["a", "c"]
    [letter] = one.store.letters.of_message(message)
    assert (letter.row, letter.stage, json.loads(letter.payload or b"")) == (1, "map", [{"id": "2", "at": 1}])
    assert one.records() == {"accepted": 3, "applied": 2, "dead": 1}


def test_a_message_without_records_is_done(bench: Callable[..., Bench]) -> None:
    """An empty list: who waits for its outcome gets it."""
    one = bench()
    message = one.push()
    one.drain()
    assert one.store.views.settled(message) is not None
    assert one.told == [[message]]
    assert one.store.inbox.lanes() == []


def test_a_file_load_does_not_starve_live_messages(bench: Callable[..., Bench]) -> None:
    """However short the slices are while live messages come, each lane has its share of every one."""
    one = bench()
    for chunk in range(100):
        one.push(*customers(*range(chunk * 40, chunk * 40 + 40)))
    one.push(*customers("live"), feed="live")
    one.short_step()
    assert one.store.views.settled(101) is not None
    assert one.store.views.settled(100) is None


def test_a_slice_may_end_in_the_middle_of_a_chunk(bench: Callable[..., Bench]) -> None:
    """And a crash between two slices goes on at the next row: nothing is applied twice, nothing is left out."""
    one = bench()
    one.push(*customers(*range(1000)), *customers(*range(1000), name="b"))
    one.short_step()
    done = len(one.names())
    assert 0 < done < 2000
    assert one.store.inbox.lanes()[0].mark_row == done
    one.leader()
    one.drain()
    assert one.names() == ["a"] * 1000 + ["b"] * 1000
    assert one.records() == {"accepted": 2000, "applied": 2000}


def test_a_crash_inside_a_slice_leaves_none_of_it(bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    """Marks, versions and counts are one transaction."""
    one = bench()
    one.push(*customers(1, 2, 3))

    def die(*_: object) -> None:
        raise Crash

    write = one.store.leader.write
    monkeypatch.setattr(one.store.leader, "write", die)
    with pytest.raises(Crash):
        one.apply.step()
    monkeypatch.setattr(one.store.leader, "write", write)
    assert one.names() == []
    one.leader()
    one.drain()
    assert one.names() == ["a"] * 3


@pytest.mark.parametrize("error", [errors.Overloaded, errors.UnknownOutcome])
def test_a_store_that_fails_is_asked_where_it_stands(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch, error: type[errors.Retry]
) -> None:
    """A full disk or an unknown commit parks nothing: the leader looks where the store has got to, and goes on from there."""
    one = bench()
    one.push(*customers(1, 2, 3))
    write = one.store.leader.write

    def fails(*values: Any) -> None:
        if error is errors.UnknownOutcome:
            write(*values)
        raise error

    monkeypatch.setattr(one.store.leader, "write", fails)
    with pytest.raises(error):
        one.apply.step()
    monkeypatch.setattr(one.store.leader, "write", write)
    one.drain()
    assert one.records() == {"accepted": 3, "applied": 3}
    assert len(one.names()) == 3


def test_a_row_that_breaks_the_merge_is_parked(bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by halves; the others of its slice are applied, in their order."""
    take_in = Merge._take_in

    def fragile(self: Merge, record: SourceRecord, *more: Any) -> str:
        if record.id[2] == "x":
            raise RecursionError
        return take_in(self, record, *more)

    monkeypatch.setattr(Merge, "_take_in", fragile)
    one = bench()
    message = one.push(*customers(*range(20)), *customers("x"), *customers(*range(20), name="b"))
    one.drain()
    assert one.names() == ["a"] * 20 + ["b"] * 20
    [letter] = one.store.letters.of_message(message)
    assert (letter.row, letter.stage, letter.code) == (20, "apply", "PoisonRecord")
    assert one.records() == {"accepted": 41, "applied": 40, "dead": 1}


def test_messages_of_a_feed_that_is_gone_are_letters_in_full(bench: Callable[..., Bench]) -> None:
    """One letter for all records of the message, so that it is counted and can be sent again when the feed is back."""
    one = bench()
    message = one.push(*customers(1, 2, 3), feed="gone")
    one.drain()
    [letter] = one.store.letters.of_message(message)
    assert (letter.code, letter.records, json.loads(letter.payload or b"")[0]["id"]) == ("NotFound", 3, "1")
    assert one.records() == {"accepted": 3, "dead": 3}


@pytest.mark.parametrize("counted", [1, 5])
def test_what_the_format_counts_otherwise_by_now_is_one_letter(bench: Callable[..., Bench], counted: int) -> None:
    """The format was changed while the message waited: nothing of it is applied by halves, nothing stays pending."""
    one = bench()
    body = json.dumps(customers(1, 2, 3)).encode()
    one.store.inbox.append([Message("peer", "in", None, body, "", counted)], 5)
    one.drain()
    assert (one.names(), one.records()) == ([], {"accepted": counted, "dead": counted})


def test_a_corrected_copy_keeps_the_place_of_its_original(bench: Callable[..., Bench]) -> None:
    """The guard holds in a replay too: what came after the original is newer."""
    one = bench(inbound=PLAIN)
    message = one.push({"id": "1", "name": "", "at": 1}, {"id": "2", "at": 1})
    one.push({"id": "1", "name": "newer", "at": 1})
    one.drain()
    for letter in one.store.letters.of_message(message):
        assert letter.row is not None
        order = message * (1 << 21) + letter.row
        one.push({"id": str(letter.row + 1), "name": "corrected", "at": 1}, parent=letter.id, order=order)
    one.drain()
    assert one.names() == ["newer", "corrected"]
    assert one.records() == {"accepted": 5, "applied": 2, "stale": 1, "resolved": 2}


def test_it_says_when_more_waits_than_a_slice_holds(bench: Callable[..., Bench]) -> None:
    """Then readers stand back, until apply has caught up."""
    one = bench()
    one.push(*customers(*range(500)))
    one.short_step()
    assert one.apply.pressed
    one.drain()
    assert not one.apply.pressed


def test_a_backlog_of_small_messages_is_decoded_far_ahead(bench: Callable[..., Bench]) -> None:
    """Several hand-overs at once, so that a worker has the next one while the leader merges; but not all that waits."""
    one = bench()
    for number in range(4_000):
        one.push(*customers(number))
    one.apply._read_ahead()
    [work] = one.apply._work.values()
    assert 1_000 < len(work.bodies) < 4_000
    one.drain()
    assert len(one.names()) == 4_000


def test_new_mappings_are_used_for_what_waits(bench: Callable[..., Bench]) -> None:
    """A reload drops what was decoded ahead."""
    one = bench()
    one.push(*customers(*range(500)))
    one.short_step()
    one.pool = pool_of(inbound=PLAIN.replace(b"name: name", b"name: {const: new}"))
    one.apply.forget_soon()
    one.drain()
    names = one.names()
    assert len(names) == 500
    assert names == ["a"] * names.index("new") + ["new"] * (500 - names.index("new"))


def test_who_does_not_lead_applies_nothing(bench: Callable[..., Bench]) -> None:
    """Neither before it has the lease nor after it lost it."""
    one = bench()
    one.push(*customers(1))
    one.apply.fence = None
    with pytest.raises(errors.FenceLost):
        one.apply.step()
    one.leader()
    one.store.leases.take("apply", "another", 0, SOON, force=True)
    with pytest.raises(errors.FenceLost):
        one.apply.step()
    assert one.names() == []
