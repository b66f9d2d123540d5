"""The master copy is what a small independent model says, and it does not hang on how rows are cut into slices."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from master.records import Row
from schemas.envelope import Candidate
from tests.master import engines, histories
from tests.master.desk import Desk
from tests.master.model import Model

TABLES = {
    "source_record": ("entity", "source", "key", "golden", "sequence", "sequenced", "op", "digest", "match_key", "message", "row", "state"),
    "golden": ("n", "id", "entity", "version", "seq", "members", "live"),
    "change": ("seq", "golden", "entity", "version", "op", "source", "message", "row", "changed", "state"),
    "dangling": ("entity", "source", "key", "golden"),
    "settled": ("message", "applied", "unchanged", "stale", "dead"),
}
SEEDS = st.integers(0, 2**32)


@pytest.fixture(params=list(engines.ENGINES), scope="module")
def engine(request: pytest.FixtureRequest) -> str:
    """Every engine."""
    name: str = request.param
    return name


def rows_of(desk: Desk, history: Sequence[Sequence[Candidate]], early: Sequence[int]) -> list[Row]:
    """One message; the rows named in `early` are corrected copies that keep an earlier place."""
    message = desk.message(len(history))
    return [desk.row(message, n, candidates, n - 5 if n in early else None) for n, candidates in enumerate(history)]


def content(desk: Desk) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that the merge wrote."""
    return {table: sorted(desk.store.views.dump(table, columns), key=repr) for table, columns in TABLES.items()}


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, cuts=st.lists(st.integers(1, 39), max_size=6))
def test_any_cut_gives_the_same_master_copy(engine: str, seed: int, cuts: list[int]) -> None:
    """All at once, one by one, and cut anywhere: the same versions at the same positions, the same source records, the same tallies."""
    found, history, early = [], histories.history(seed), histories.early(seed)
    for points in ([], sorted({cut for cut in cuts if cut < len(history)}), list(range(1, len(history)))):
        with tempfile.TemporaryDirectory() as folder:
            desk = Desk(engines.ENGINES[engine](Path(folder)))
            rows = rows_of(desk, history, early)
            bounds = [0, *points, len(rows)]
            desk.slices([rows[a:b] for a, b in itertools.pairwise(bounds)])
            found.append(content(desk))
            desk.store.close()
    assert found[0] == found[1] == found[2]


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_the_master_copy_is_what_the_model_says(engine: str, seed: int) -> None:
    """Golden states by rank, versions dense, order guard, tombstones, references: as a model of sixty lines computes them."""
    with tempfile.TemporaryDirectory() as folder:
        desk, model = Desk(engines.ENGINES[engine](Path(folder))), Model()
        rows = rows_of(desk, histories.history(seed), histories.early(seed))
        desk.merge(rows, cut=7)
        for row in rows:
            model.take(row)
        numbers = {change.golden_id: number for number, change in reversed([*desk.store.subscriptions.changes(0, 10_000)])}
        found: list[list[tuple[str, dict[str, Any]]]] = [[] for _ in model.versions]
        for number, change in desk.store.subscriptions.changes(0, 10_000):
            found[number - 1].append((change.op, plain(change.state, numbers)))
            assert change.version == len(found[number - 1])
        settled = desk.store.views.settled(rows[0].message)
        audit = desk.store.views.audit()
        desk.store.close()
    assert found == model.versions
    assert settled is not None
    assert {name: settled[name] for name in model.tallies} == model.tallies
    assert (audit["version_gaps"], audit["log_dense"]) == (0, True)


def plain(state: dict[str, Any], numbers: dict[str, int]) -> dict[str, Any]:
    """With the index of a golden record in place of its id."""
    if "id" not in state.get("customer", {}):
        return state
    reference = state["customer"]
    return {**state, "customer": {"source": reference["source"], "key": reference["key"], "golden": numbers[reference["id"]] - 1}}


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_what_is_sent_again_writes_nothing(engine: str, seed: int) -> None:
    """The last record of every source, sent a second time, adds no version."""
    history = histories.history(seed)
    last = {(one.entity, one.source, one.key): one for row in history for one in row}
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(engines.ENGINES[engine](Path(folder)))
        desk.merge(rows_of(desk, history, []))
        stored = {row[:3]: row[3] for row in desk.store.views.dump("source_record", ("entity", "source", "key", "digest"))}
        again = [one for one in last.values() if stored[one.entity, one.source, one.key] == one.digest]
        before = len(desk.changes())
        if again:
            desk.apply(*again)
        assert len(desk.changes()) == before
        desk.store.close()
