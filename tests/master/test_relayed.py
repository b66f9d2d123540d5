"""A store that is read here and written elsewhere: everything that writes is relayed, and nothing else is."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from master import relayed
from master.sqlite.store import SqliteStore
from master.store import Fence, Settlement
from schemas import errors
from schemas.envelope import Message, Receipt
from tests.master import engines
from tests.master.desk import Desk, record


@pytest.mark.parametrize("part", sorted(set(relayed.WRITES) - {"attempts"}))  # which writes a file of its own
def test_what_writes_is_relayed(part: str, tmp_path: Path) -> None:
    """As the engine's own code says, for every method of the contract."""
    found = getattr(engines.sqlite(tmp_path), part)
    methods = {name: inspect.getsource(method) for name, method in inspect.getmembers(found, inspect.ismethod) if name[0] != "_"}
    writing = {name for name, source in methods.items() if "_database.run(" in source or "_database.write(" in source}
    assert writing == relayed.WRITES[part]


def test_reads_are_its_own_and_writes_are_the_others(tmp_path: Path) -> None:
    """What was written over there is seen here; what it raises is raised here."""
    there = engines.sqlite(tmp_path)
    asked: list[tuple[str, str]] = []

    def call(part: str, method: str, *args: Any, **values: Any) -> Any:
        asked.append((part, method))
        return relayed.carry_out(there, part, method, *args, **values)

    here = relayed.store(SqliteStore(tmp_path / "mastercopy.db", read_only=True), call)
    assert here.inbox.append([Message("crm", "customers", "a", b"{}")], 1) == [Receipt(1)]
    assert here.inbox.find("a") == [1]
    Desk(there).apply(record("1", {"name": "a"}))
    assert [change.state for change in here.subscriptions.changes_of(1, 1, 9)] == [{"name": "a"}]
    with pytest.raises(errors.FenceLost):
        here.subscriptions.settle("care", Fence("reader:care", 1), Settlement(1, 1, [], {}))
    assert asked == [("inbox", "append"), ("subscriptions", "settle")]


def test_only_writes_of_the_contract_are_carried_out(tmp_path: Path) -> None:
    """The other process may ask for nothing else."""
    there = engines.sqlite(tmp_path)
    for part, method in (("inbox", "get"), ("inbox", "__class__"), ("views", "dump"), ("nothing", "append")):
        with pytest.raises(LookupError):
            relayed.carry_out(there, part, method)
