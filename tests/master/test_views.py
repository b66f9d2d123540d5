"""What people ask of the store."""

from __future__ import annotations

import pytest

from master.store import Store
from schemas import errors
from tests.master.desk import Desk, record


def test_a_golden_record_is_found_by_a_sources_key(desk: Desk) -> None:
    """With its newest state, its members, and its whole history, newest first."""
    desk.apply(record("1", {"name": "a"}), record("1", {"name": "b"}), record("1", None))
    [found] = desk.store.views.find_golden("1")
    assert desk.store.views.find_golden("1", "account") == []
    golden = desk.store.views.golden(found)
    assert golden is not None
    assert (golden["entity"], golden["version"], golden["live"], golden["state"]) == ("customer", 3, False, {"name": "b"})
    assert [(member["op"], member["state"]) for member in golden["members"]] == [("delete", None)]
    assert [(change.version, change.op) for change in desk.store.views.history(found)] == [(3, "delete"), (2, "update"), (1, "create")]


def test_an_unknown_id_is_told(store: Store) -> None:
    """One that is no id at all is an error, with a hint."""
    assert store.views.golden("00000000-0000-7000-8000-000000000000") is None
    with pytest.raises(errors.NotFound, match="is no golden id"):
        store.views.golden("C001")


def test_live_golden_records_are_counted_by_entity(desk: Desk) -> None:
    """Withdrawn ones are not."""
    desk.apply(record("1", {"name": "a"}), record("2", {"name": "b"}), record("2", None), record("9", {"accountNo": "9"}, entity="account"))
    assert desk.store.views.golden_counts() == {"customer": 1, "account": 1}
    assert (desk.store.views.totals()["changes"], desk.store.views.totals()["golden"]) == (4, 3)
    assert desk.store.views.size() > 0


def test_the_audit_finds_a_gap(desk: Desk) -> None:
    """Versions 1, 2, 3 ... and positions without a hole are counted from the rows, not from a counter."""
    desk.apply(record("1", {"name": "a"}), record("1", {"name": "b"}), record("1", {"name": "c"}))
    assert (desk.store.views.audit()["version_gaps"], desk.store.views.audit()["log_dense"]) == (0, True)
    database = desk.store._database  # type: ignore[attr-defined]
    with database.write() as writer:
        writer.execute("DELETE FROM change WHERE seq = 2")
    assert (desk.store.views.audit()["version_gaps"], desk.store.views.audit()["log_dense"]) == (1, False)
