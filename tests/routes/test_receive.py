"""The only way in for records: checked at the door, stored in groups, answered after commit and never before."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from adapters.contract import FileIdentity
from config import rules
from master.sqlite.store import SqliteStore
from routes import receive
from routes.inbound import Inbound
from schemas import canonical, errors
from schemas.envelope import Message, Receipt
from tests.hub.instance import soon
from tests.master import engines
from tests.routes.peers import system

MASTER = rules.load(None, canonical.entity_names())


class Hub:
    """A door over a store."""

    def __init__(self, folder: Path, **feed: Any) -> None:
        self.store: SqliteStore = engines.sqlite(folder)
        self.inbound = Inbound(system(feed=feed), "in", MASTER)
        self.rung = 0
        self.pressure: str | None = None
        self.group = receive.GroupCommit(self.store, self.ring, lambda: 5)
        self.door = receive.Door(self.store, self.checker, self.group, lambda: self.pressure, lambda: 5)

    def ring(self) -> None:
        self.rung += 1

    def checker(self, source: str, feed: str) -> receive.Checker:
        if (source, feed) != ("peer", "in"):
            raise errors.NotFound(f"no feed {source}/{feed}")
        return self.inbound

    def stored(self) -> int:
        """Records that are accepted."""
        return int(self.store.views.audit()["records"]["accepted"])


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Callable[..., Hub]]:
    """Makes a hub's door; further keys are the feed's."""
    made: list[Hub] = []

    def make(**feed: Any) -> Hub:
        made.append(Hub(tmp_path, **feed))
        return made[-1]

    yield make
    for one in made:
        one.group.close()
        one.store.close()


def message(body: bytes = b"{}", message_id: str | None = None, feed: str = "in") -> Message:
    return Message("peer", feed, message_id, body, "application/json")


def at_work(hub: Hub, submit: Callable[[], None]) -> None:
    """Somebody comes first, and commits: for himself now, and then for who comes meanwhile."""
    threading.Thread(target=submit, daemon=True).start()
    soon(lambda: hub.group._turn.locked() and not hub.group._queue)


def test_a_message_is_counted_stored_and_answered(hub: Callable[..., Hub]) -> None:
    """The answer comes after the commit, and apply is rung."""
    one = hub()
    assert one.door.receive([message(b"[{}, {}, {}]"), message(b"{}")]) == [Receipt(1), Receipt(2)]
    assert (one.stored(), one.rung) == (4, 1)


def test_a_refusal_is_answered_in_its_place(hub: Callable[..., Hub]) -> None:
    """The others of the batch are stored."""
    one = hub(limit="1kB")
    first, bad, long, last = one.door.receive([message(), message(b'{"a": 1, "a": 2}'), message(b" " * 2000), message(b"[]")])
    assert (first, last) == (Receipt(1), Receipt(2))
    assert isinstance(bad, errors.Reject)
    assert isinstance(long, errors.TooLarge)
    assert one.door.receive([message(b"{")])[0].__class__ is errors.Undecodable
    assert one.stored() == 1


def test_a_conflict_of_ids_is_a_refusal(hub: Callable[..., Hub]) -> None:
    """409 over HTTP; the same id with the same body is the same receipt."""
    one = hub()
    assert one.door.receive([message(b"{}", "a")]) == [Receipt(1)]
    again, other = one.door.receive([message(b"{}", "a"), message(b"[]", "a")])
    assert again == Receipt(1, duplicate=True)
    assert isinstance(other, errors.IdConflict)


def test_a_feed_may_know_messages_by_their_body(hub: Callable[..., Hub]) -> None:
    """Only where its manifest says so, and the caller's id goes before."""
    one = hub(identity="body")
    assert one.door.receive([message(), message(), message(b"{}", "a")]) == [Receipt(1), Receipt(1, duplicate=True), Receipt(2)]


def test_an_unknown_feed_is_told(hub: Callable[..., Hub]) -> None:
    """Nothing is stored."""
    one = hub()
    with pytest.raises(errors.NotFound):
        one.door.receive([message(feed="nothing")])


def test_over_the_marks_nothing_is_stored(hub: Callable[..., Hub]) -> None:
    """429 and 503 with Retry-After, a paused consumer, a skipped poll."""
    one = hub()
    one.pressure = "too many wait"
    assert one.door.busy()
    for attempt in (lambda: one.door.receive([message()]), lambda: one.door.submit(message(), lambda answer: None)):
        with pytest.raises(errors.Overloaded) as refused:
            attempt()
        assert refused.value.after == 5.0
    one.pressure = None
    assert not one.door.busy()
    assert one.stored() == 0


def test_who_has_nobody_to_tell_parks_a_refusal(hub: Callable[..., Hub]) -> None:
    """A dead letter with the reason and the payload."""
    one = hub()
    [reason] = one.door.receive([message(b"{")])
    assert isinstance(reason, errors.Reject)
    receipt = one.door.park(message(b"{", "x"), reason)
    [letter] = one.store.letters.of_message(receipt.id)
    assert (letter.stage, letter.code, letter.payload) == ("receive", "Undecodable", b"{")
    assert one.door.stored("peer", "in", ["x", "y"]) == {"x"}


def test_callers_share_commits(hub: Callable[..., Hub]) -> None:
    """Group commit without a timer: what comes while one commit runs is in the next."""
    one = hub()
    commits: list[str] = []
    one.store._database._writer.set_trace_callback(lambda query: commits.append(query) if query.startswith("COMMIT") else None)
    answers: list[receive.Answer] = []
    with one.store._database.gate:
        at_work(one, lambda: one.door.submit(one.door.checked(message()), answers.append))
        for _ in range(499):
            one.door.submit(one.door.checked(message()), answers.append)
    until = time.monotonic() + 10
    while len(answers) < 500 and time.monotonic() < until:
        time.sleep(0.005)
    assert {answer.id for answer in answers if isinstance(answer, Receipt)} == set(range(1, 501))
    assert len(commits) <= 3


def test_everybody_gets_the_answer_to_his_own_message(hub: Callable[..., Hub]) -> None:
    """Under load from many threads each receipt names what was sent."""
    one = hub()
    wrong: list[int] = []

    def work(number: int) -> None:
        for turn in range(20):
            body = b'{"id": "%d-%d"}' % (number, turn)
            [receipt] = one.door.receive([message(body)])
            found = one.store.inbox.get(receipt.id) if isinstance(receipt, Receipt) else None
            if found is None or found.message.body != body:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (wrong, one.stored()) == ([], 160)


class Broken:
    """A writer whose COMMIT fails, before or after it is carried out."""

    def __init__(self, real: Any, *, carried_out: bool) -> None:
        self._real, self._carried_out = real, carried_out

    def execute(self, query: str, *values: Any) -> Any:
        if query == "COMMIT":
            if self._carried_out:
                self._real.execute(query)
            raise sqlite3.OperationalError("disk I/O error")
        return self._real.execute(query, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@pytest.mark.parametrize("carried_out", [False, True])
def test_an_unknown_commit_is_never_a_success(hub: Callable[..., Hub], *, carried_out: bool) -> None:
    """503; sent again with the same id it is stored once, whichever it was."""
    one = hub()
    whole = one.store._database._writer
    one.store._database._writer = Broken(whole, carried_out=carried_out)  # type: ignore[assignment]
    with pytest.raises(errors.UnknownOutcome):
        one.door.receive([message(b"{}", "a")])
    one.store._database._writer = whole
    assert one.door.receive([message(b"{}", "a")]) == [Receipt(1, duplicate=carried_out)]
    assert one.stored() == 1


def test_a_full_disk_acknowledges_nothing_and_heals(hub: Callable[..., Hub]) -> None:
    """With space it goes on by itself."""
    one = hub()
    connection = one.store._database._writer
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + 1}")
    heavy = b'"%s"' % (bytes(range(0x30, 0x7B)).replace(b"\\", b"") * 25)
    with pytest.raises(errors.Overloaded):
        one.door.receive([message(heavy) for _ in range(100)])
    stored = one.stored()
    connection.execute("PRAGMA max_page_count = 1000000")
    assert one.door.receive([message()]) == [Receipt(stored + 1)]


def test_what_the_store_cannot_hold_harms_nobody_else(hub: Callable[..., Hub]) -> None:
    """One impossible message in a group of many: the others are stored."""
    one = hub()
    answers: dict[str, receive.Answer] = {}

    def told(name: str) -> Callable[[Sequence[receive.Answer]], None]:
        return lambda found: answers.update({name: found[0]})

    with one.store._database.gate:
        at_work(one, lambda: one.group.submit([message()], told("before it")))
        one.group.submit([message()], told("first"))
        one.group.submit([message(b"{}", "\ud800")], told("odd"))
        one.group.submit([message()], told("last"))
    until = time.monotonic() + 10
    while len(answers) < 4 and time.monotonic() < until:
        time.sleep(0.005)
    assert isinstance(answers["odd"], errors.UnknownOutcome)
    assert [answers[name] for name in ("before it", "first", "last")] == [Receipt(1), Receipt(2), Receipt(3)]


def test_many_at_the_same_time_are_a_crowd(hub: Callable[..., Hub]) -> None:
    """Apply stands back for it; a few are none, and a crowd is soon over."""
    one = hub()
    one.door.receive([message()] * 3)
    assert not one.group.crowded()
    one.door.receive([message()] * 12)
    assert one.group.crowded()
    soon(lambda: not one.group.crowded())


def test_a_caller_that_is_gone_harms_nobody_else(hub: Callable[..., Hub]) -> None:
    """Its answer finds nobody; the door goes on."""
    one = hub()

    def gone(answers: Sequence[receive.Answer]) -> None:
        raise RuntimeError("Event loop is closed")

    one.group.submit([message()], gone)
    assert one.door.receive([message()]) == [Receipt(2)]


def test_who_comes_after_the_end_is_told_at_once(hub: Callable[..., Hub]) -> None:
    """What was waiting is committed; later callers do not hang."""
    one = hub()
    answers: list[receive.Answer] = []
    with one.store._database.gate:
        at_work(one, lambda: one.door.submit(message(), answers.append))
        closing = threading.Thread(target=one.group.close)
        closing.start()
    closing.join(5)
    assert answers == [Receipt(1)]
    with pytest.raises(errors.Overloaded):
        one.door.receive([message()])


def test_files_are_claimed_through_the_door(hub: Callable[..., Hub]) -> None:
    """Claims, progress and alarms are kept in the store; an alarm is said once."""
    one = hub()
    file = FileIdentity("peer", "a.txt", 5, 5, "ab")
    assert one.door.files.claim(file) == "new"
    one.door.files.progress(file, rows=2, total=4)
    assert one.store.files.recent(1)[0]["rows"] == 2
    one.door.files.finish(file, rows=4)
    assert one.door.files.claim(file) == "done"
    one.door.files.alarm("peer", "a.txt", "its sum is wrong")
    assert [alarm["place"] for alarm in one.store.alarms.active()] == ["peer:a.txt"]
    one.door.files.clear("peer", "a.txt")
    assert one.store.alarms.active() == []
