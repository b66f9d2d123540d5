"""One writer, one commit for all that waits, and never a success that is not one."""

from __future__ import annotations

import gc
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import alembic.op
import pytest

from master.sqlite import database
from master.sqlite.store import SqliteStore
from schemas import errors
from schemas.envelope import Message, Receipt
from tests.master import engines


class Failing:
    """A connection whose `statement` raises; `carried_out` says whether it is done before."""

    def __init__(self, real: sqlite3.Connection, statement: str, error: Exception, *, carried_out: bool = False) -> None:
        self._real, self._statement, self._error, self._carried_out = real, statement, error, carried_out

    def execute(self, query: str, *values: Any) -> Any:
        if query.startswith(self._statement):
            if self._carried_out:
                self._real.execute(query, *values)
            raise self._error
        return self._real.execute(query, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    """The embedded engine."""
    return engines.sqlite(tmp_path)


def message(body: bytes = b"{}") -> Message:
    return Message("crm", "customers", None, body)


def writer(store: SqliteStore, statement: str, error: Exception, **more: bool) -> sqlite3.Connection:
    """Break the writer; answers the whole one."""
    whole = store._database._writer
    store._database._writer = Failing(whole, statement, error, **more)  # type: ignore[assignment]
    return whole


@pytest.mark.parametrize("carried_out", [False, True])
def test_a_commit_that_fails_is_an_unknown_outcome(store: SqliteStore, *, carried_out: bool) -> None:
    """Never a success; whichever it was, the store goes on, and the sender's id tells it apart."""
    whole = writer(store, "COMMIT", sqlite3.OperationalError("disk I/O error"), carried_out=carried_out)
    with pytest.raises(errors.UnknownOutcome):
        store.inbox.append([message()], 5)
    store._database._writer = whole
    assert store.inbox.append([message()], 6) == [Receipt(2 if carried_out else 1)]


def test_a_full_disk_is_overload_and_heals_by_itself(store: SqliteStore) -> None:
    """Nothing is acknowledged, nothing is half stored; with space it goes on."""
    connection = store._database._writer
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(errors.Overloaded, match="disk is full"):
        store.inbox.append([message(bytes(range(256)) * 7) for _ in range(100)], 5)
    assert store.views.audit()["records"]["accepted"] == 0
    connection.execute("PRAGMA max_page_count = 1000000")
    assert store.inbox.append([message()], 6) == [Receipt(1)]


def test_work_that_waits_shares_one_commit(store: SqliteStore) -> None:
    """Group commit: while one holds the writer the others queue, and one transaction serves them all."""
    commits: list[str] = []
    store._database._writer.set_trace_callback(lambda query: commits.append(query) if query.startswith("COMMIT") else None)
    places: list[int] = []

    def work(place: int) -> None:
        store._database.run(lambda one: one.execute("SELECT 1"))
        places.append(place)

    with store._database.gate:
        threads = [threading.Thread(target=work, args=(place,)) for place in range(10)]
        for thread in threads:
            thread.start()
        while store._database.gate.waiting() < 10:
            time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert (sorted(places), len(commits)) == (list(range(10)), 1)


def test_work_that_fails_leaves_its_neighbours_alone(store: SqliteStore) -> None:
    """Its own writes are undone, theirs are kept; its error is its own."""
    together = threading.Barrier(3)
    failures: list[BaseException] = []

    def good() -> None:
        together.wait()
        store.alarms.raise_("file", "a", "it grows", 5)
        store.inbox.append([message()], 5)

    def bad(work: Callable[[sqlite3.Connection], object]) -> None:
        together.wait()
        try:
            store._database.run(work)
        except (sqlite3.IntegrityError, OverflowError) as error:
            failures.append(error)

    def twice(one: sqlite3.Connection) -> None:
        for _ in range(2):
            one.execute("INSERT INTO lane (source, feed) VALUES ('half', 'done')")

    def huge(one: sqlite3.Connection) -> None:
        one.execute("INSERT INTO lane (source, feed) VALUES ('half', 'done')")
        one.execute("UPDATE lane SET mark = ?", (2**70,))

    threads = [threading.Thread(target=good), *(threading.Thread(target=bad, args=(one,)) for one in (twice, huge))]
    with store._database.gate:
        for thread in threads:
            thread.start()
        time.sleep(0.05)
    for thread in threads:
        thread.join()
    assert {type(error) for error in failures} == {sqlite3.IntegrityError, OverflowError}
    assert [lane["source"] for lane in store.views.totals()["lanes"]] == ["crm"]
    assert len(store.alarms.active()) == 1


def test_the_writer_is_handed_on_in_the_order_of_asking(store: SqliteStore) -> None:
    """Neither appends nor slices of large work starve."""
    gate, order = database.Gate(), list[int]()

    def pass_(number: int) -> None:
        with gate:
            order.append(number)

    with gate:
        threads = []
        for number in range(20):
            threads.append(threading.Thread(target=pass_, args=(number,)))
            threads[-1].start()
            while gate.waiting() <= number:
                time.sleep(0.0005)
    for thread in threads:
        thread.join()
    assert order == list(range(20))


def test_a_reader_cannot_write(store: SqliteStore) -> None:
    """Only one connection writes and checkpoints."""
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        store._database.read().execute("DELETE FROM inbox")


def test_a_threads_connection_ends_with_the_thread(store: SqliteStore) -> None:
    """Servers come and go with threads: their connections must not pile up."""
    for _ in range(20):
        thread = threading.Thread(target=store.views.totals)
        thread.start()
        thread.join()
    gc.collect()
    assert len(store._database._readers) <= 1


def test_commits_are_durable(store: SqliteStore) -> None:
    """WAL with a sync at each commit."""
    connection = store._database._writer
    assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2


def test_a_migration_that_is_cut_off_is_begun_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All tables or none: a kill in the middle leaves a file that the next start can use."""
    path, done = tmp_path / "new.db", 0
    carry_out = alembic.op.execute

    def cut(statement: str) -> None:
        nonlocal done
        done += 1
        if done == 5:
            raise KeyboardInterrupt
        carry_out(statement)

    monkeypatch.setattr(alembic.op, "execute", cut)
    with pytest.raises(KeyboardInterrupt):
        SqliteStore(path)
    monkeypatch.undo()
    store = SqliteStore(path)
    assert store.inbox.append([message()], 5) == [Receipt(1)]
    store.close()


def test_closing_twice_is_no_mistake(store: SqliteStore) -> None:
    """And leaves one file, without a log beside it."""
    store.inbox.append([message()], 5)
    store.close()
    store.close()
    assert not store._database.path.with_name("mastercopy.db-wal").exists()
