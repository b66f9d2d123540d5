"""The history checker passes a sound history and finds each kind of fault, seeded here at the level of the data."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from demo import history
from demo.evidence import Attempt, Received, Store, Subscription


@dataclass
class World:
    """A history that a test may spoil: plain lists."""

    attempts: list[Attempt]
    received: list[Received]
    rows: dict[str, list[dict[str, Any]]]
    subscriptions: list[Subscription]

    def judge(self) -> history.Report:
        return history.judge(self.attempts, self.received, Store(**copy.deepcopy(self.rows), subscriptions=tuple(self.subscriptions)))


def settled(message: int, **counts: int) -> dict[str, Any]:
    return {"message": message, "applied": 0, "unchanged": 0, "stale": 0, "dead": 0, "resolved": 0} | counts


def sound() -> World:
    """1 came with an id, twice; 2 and 3 without one, with one body; 4 is a batch with a dead row, corrected by 5; 6 and 7 are one file."""
    attempts = [
        Attempt("a1", "crm/customers", "m1", "d1", 1, "invoke"),
        Attempt("a1", "crm/customers", "m1", "d1", 1, "unknown"),
        Attempt("a2", "crm/customers", "m1", "d1", 1, "ok", 1),
        Attempt("a3", "crm/customers", None, "d2", 1, "ok", 2),
        Attempt("a4", "crm/customers", None, "d2", 1, "ok", 3),
        Attempt("a5", "crm/customers", "m4", "d4", 2, "ok", 4),
        Attempt("a6", "crm/customers", "bad", "d9", 1, "fail"),
        Attempt("a7", "crm/customers", "m1", "other", 1, "fail"),
        Attempt("a8", "billing/accounts", "f", "", 3, "ok", None, chunked=True),
        Attempt("a9", "crm/customers", "gone", "d8", 1, "invoke"),
    ]
    inbox = [
        {"id": 1, "source": "crm/customers", "message_id": "m1", "digest": "d1", "records": 1, "parent": None},
        {"id": 2, "source": "crm/customers", "message_id": None, "digest": "d2", "records": 1, "parent": None},
        {"id": 3, "source": "crm/customers", "message_id": None, "digest": "d2", "records": 1, "parent": None},
        {"id": 4, "source": "crm/customers", "message_id": "m4", "digest": "d4", "records": 2, "parent": None},
        {"id": 5, "source": "crm/customers", "message_id": None, "digest": "d5", "records": 1, "parent": 4},
        {"id": 6, "source": "billing/accounts", "message_id": "f:000000", "digest": "p0", "records": 2, "parent": None},
        {"id": 7, "source": "billing/accounts", "message_id": "f:000001", "digest": "p1", "records": 1, "parent": None},
    ]

    def change(seq: int, golden_id: str, version: int, message: int, row: int = 0) -> dict[str, Any]:
        op = "create" if version == 1 else "update"
        return {"seq": seq, "entity": "customer", "golden_id": golden_id, "version": version, "op": op, "message": message, "row": row}

    changes = [
        change(1, "A", 1, 1),
        change(2, "A", 2, 2),
        change(3, "A", 3, 4),
        change(4, "B", 1, 5),
        change(5, "C", 1, 6),
        change(6, "D", 1, 6, 1),
        change(7, "D", 2, 7),
    ]
    newest = {row["golden_id"]: row for row in changes}
    rows = {
        "inbox": inbox,
        "changes": changes,
        "golden": [{"id": name, "entity": "customer", "version": row["version"], "seq": row["seq"]} for name, row in newest.items()],
        "source_records": [{"entity": "customer", "source": "crm", "key": name, "golden_id": name} for name in newest],
        "dead": [
            {"id": 1, "stage": "map", "state": "resolved", "message": 4, "row": 1, "subscription": None, "records": 1},
            {"id": 2, "stage": "deliver", "state": "dead", "message": 6, "row": 0, "subscription": "care", "records": 1},
        ],
        "settled": [
            settled(1, applied=1),
            settled(2, applied=1),
            settled(3, unchanged=1),
            settled(4, applied=1, resolved=1),
            settled(5, applied=1),
            settled(6, applied=2),
            settled(7, applied=1),
        ],
        "lanes": [
            {"source": "crm/customers", "accepted": 6, "applied": 4, "unchanged": 1, "stale": 0, "dead": 0, "resolved": 1},
            {"source": "billing/accounts", "accepted": 3, "applied": 3, "unchanged": 0, "stale": 0, "dead": 0, "resolved": 0},
        ],
    }
    for row in inbox:
        row["passed"] = True
    pairs = [(str(row["golden_id"]), int(str(row["version"]))) for row in changes]
    skipped = {("A", 2), ("C", 1)}
    ods = [Received("ods", golden, version, f"{golden}{version}") for golden, version in pairs]
    care = [Received("care", golden, version, f"{golden}{version}") for golden, version in pairs if (golden, version) not in skipped]
    return World(
        attempts,
        [*ods, *care, ods[0]],
        rows,
        [
            Subscription("ods", mark=7, matched=7, delivered=7, expected=pairs),
            Subscription("care", "latest", mark=7, matched=7, delivered=5, superseded=1, dead=1, expected=pairs, excused=[("C", 1)]),
        ],
    )


def test_a_sound_history_is_found_sound() -> None:
    """Repeats, refusals, unknown tries that were or were not stored, excused and superseded deliveries are no faults."""
    report = sound().judge()
    assert report.ok, report.lines()
    assert (report.attempted, report.acknowledged, report.unknown, report.stored) == (9, 5, 2, 7)
    assert (report.lost, report.effects, report.late_duplicates, report.accepted, report.pending) == (0, 1, 1, 9, 0)


def test_an_unknown_try_that_is_stored_counts_as_recovered() -> None:
    """With an id by its id, without one by its body."""
    world = sound()
    world.attempts = [replace_outcome(attempt, "unknown") if attempt.id in ("a4", "a5") else attempt for attempt in world.attempts]
    report = world.judge()
    assert report.ok, report.lines()
    assert (report.recovered, report.unknown) == (2, 4)


def replace_outcome(attempt: Attempt, outcome: Any) -> Attempt:
    return attempt._replace(outcome=outcome, receipt=None)


def test_a_conflict_over_a_queue_is_parked_without_its_id() -> None:
    """Nobody can be told, so the second body under a used id is stored apart, as a dead letter: it is neither lost nor unexpected."""
    world = sound()
    world.attempts.append(Attempt("x", "crm/customers", "m1", "dx", 1, "ok"))
    assert world.judge().lost == 1
    world.rows["inbox"].append(world.rows["inbox"][0] | {"id": 8, "message_id": None, "digest": "dx"})
    world.rows["settled"].append(settled(8, dead=1))
    world.rows["lanes"][0].update(accepted=7, dead=1)
    world.rows["dead"].append({"id": 3, "stage": "receive", "state": "dead", "message": 8, "row": 0, "subscription": None, "records": 1})
    report = world.judge()
    assert report.ok, report.lines()


Spoil = Callable[[World], object]


def drop(table: str, index: int) -> Spoil:
    return lambda world: world.rows[table].pop(index)


def put(table: str, index: int, **values: Any) -> Spoil:
    return lambda world: world.rows[table][index].update(values)


def again(table: str, index: int, **values: Any) -> Spoil:
    return lambda world: world.rows[table].append(world.rows[table][index] | values)


def arrive(*arrivals: Received, first: bool = False) -> Spoil:
    def spoil(world: World) -> None:
        world.received = [*arrivals, *world.received] if first else [*world.received, *arrivals]

    return spoil


def lose_arrival(index: int) -> Spoil:
    return lambda world: world.received.pop(index)


def tell(**values: Any) -> Spoil:
    """The first subscription says something else."""
    return lambda world: world.subscriptions.__setitem__(0, replace(world.subscriptions[0], **values))


def attempt(*tries: Attempt) -> Spoil:
    return lambda world: world.attempts.extend(tries)


def out_of_order(world: World) -> None:
    world.received[0], world.received[1] = world.received[1], world.received[0]


def both_applied(world: World) -> None:
    again("inbox", 0, id=9)(world)
    again("changes", 0, seq=8, version=4, message=9)(world)


SEEDED: dict[str, tuple[str, Spoil]] = {
    "acknowledged before commit, then killed": ("lost", attempt(Attempt("x", "crm/customers", "m99", "d", 1, "ok", 99))),
    "acknowledged without an id, not stored": ("lost", attempt(Attempt("x", "crm/customers", None, "d", 1, "ok", 99))),
    "acknowledged over a queue, not stored": ("lost", attempt(Attempt("x", "boss/instances", None, "d", 1, "ok"))),
    "two copies without an id under one receipt": ("lost", attempt(Attempt("x", "crm/customers", None, "d2", 1, "ok", 3))),
    "stored with another body": ("lost", put("inbox", 0, digest="torn")),
    "a batch cut short": ("lost", put("inbox", 3, records=1)),
    "the last part of a file is not stored": ("lost", drop("inbox", 6)),
    "another receipt than was given": ("broken", put("inbox", 0, id=88)),
    "refused and stored": ("unexpected", again("inbox", 0, id=9, message_id="bad", digest="d9")),
    "stored and sent by nobody": ("unexpected", again("inbox", 0, id=9, message_id="ghost")),
    "stored once too often without an id": ("unexpected", again("inbox", 1, id=9)),
    "a part of a file stored once too often": ("unexpected", again("inbox", 6, id=9, message_id="f:000002")),
    "apply's cursor passed a message": ("skipped", lambda world: world.rows["settled"].pop(2)),
    "a feed's figures lost an update": ("violations", lambda world: world.rows["lanes"][0].update(applied=3)),
    "no unique key on the inbox": ("doubled", again("inbox", 0, id=9)),
    "a batch applied twice after a crash": ("effects", again("changes", 6, seq=8, version=3)),
    "both stored copies of one id applied": ("effects", both_applied),
    "a lost update: two changes take one version": ("version_gaps", put("changes", 2, version=2)),
    "a version is left out": ("version_gaps", put("changes", 2, version=4)),
    "golden behind its change log": ("version_gaps", put("golden", 0, version=2)),
    "golden names another position": ("version_gaps", put("golden", 0, seq=2)),
    "a position is left out": ("seq_gaps", drop("changes", 3)),
    "a position is given twice by two leaders": ("seq_gaps", put("changes", 6, seq=6)),
    "a change without a golden record": ("broken", drop("golden", 1)),
    "a golden record without a source record": ("broken", drop("source_records", 1)),
    "one source record twice": ("broken", again("source_records", 0, golden_id="B")),
    "a source record that points nowhere": ("broken", put("source_records", 0, golden_id="Z")),
    "a change caused by a message that is not stored": ("broken", drop("inbox", 4)),
    "one version under two event ids": ("broken", arrive(Received("ods", "A", 1, "other"))),
    "two lanes for one key": ("out_of_order", out_of_order),
    "the cursor passed an uncommitted row": ("missing", lose_arrival(3)),
    "confirms off: counted as delivered, never came": ("missing", lose_arrival(6)),
    "the newest is missing in latest mode": ("missing", lambda world: world.received.remove(Received("care", "D", 2, "D2"))),
    "delivered though the filter does not match": ("extra", arrive(Received("ods", "E", 1, "E1"))),
    "delivered to nobody we know": ("extra", arrive(Received("who", "A", 1, "A1"))),
    "matched counted wrong": ("violations", tell(matched=8, pending=1)),
    "a delivery in no column": ("violations", tell(delivered=6)),
    "a dead letter was dropped without a row": ("violations", drop("dead", 0)),
    "a record in no column and one too many in another": ("violations", put("settled", 2, unchanged=2)),
    "applied without a change": ("violations", put("settled", 2, applied=1, unchanged=0)),
    "settled twice": ("violations", again("settled", 0)),
}


@pytest.mark.parametrize("name", SEEDED)
def test_every_seeded_fault_is_found(name: str) -> None:
    """One fault in a sound history is reported under its own kind, with a line that names the place."""
    kind, spoil = SEEDED[name]
    world = sound()
    spoil(world)
    report = world.judge()
    assert not report.ok
    assert getattr(report, kind) > (1 if kind == "effects" else 0), report.lines()
    assert any(line.startswith(kind) for line in report.lines())


def test_every_kind_of_fault_is_seeded() -> None:
    """No kind is left untried."""
    assert {kind for kind, _ in SEEDED.values()} == set(history.FAULTS)


def test_unsettled_records_are_pending_and_no_fault() -> None:
    """A hub that was stopped in the middle is behind, not wrong."""
    world = sound()
    world.rows["settled"].pop(2)
    world.rows["inbox"][2]["passed"] = False
    world.rows["lanes"][0].update(unchanged=0)
    report = world.judge()
    assert report.ok, report.lines()
    assert report.pending == 1


def test_the_work_grows_with_the_history_alone() -> None:
    """Eight times the history takes about eight times as long, far from sixty-four times."""

    def seconds(size: int) -> float:
        attempts = [Attempt(str(n), "crm/customers", str(n), "d", 1, "ok", n) for n in range(1, size)]
        rows = [{"id": n, "source": "crm/customers", "message_id": str(n), "digest": "d", "records": 1} for n in range(1, size)]
        change = {"entity": "customer", "version": 1, "op": "create", "row": 0}
        changes = [change | {"seq": n, "golden_id": str(n), "message": n} for n in range(1, size)]
        golden = [{"id": str(n), "entity": "customer", "version": 1, "seq": n} for n in range(1, size)]
        sources = [{"entity": "customer", "source": "crm", "key": str(n), "golden_id": str(n)} for n in range(1, size)]
        store = Store(rows, changes, golden, sources, (), [settled(n, applied=1) for n in range(1, size)])
        start = time.perf_counter()
        assert history.judge(attempts, (), store).ok
        return time.perf_counter() - start

    assert seconds(16_000) < 32 * seconds(2_000)
