"""A key that a full extract lacks is withdrawn, unless its source has spoken of it since."""

from __future__ import annotations

import pytest

from adapters.contract import FileIdentity
from master.store import Store
from schemas.envelope import Candidate, Message, Part, Receipt
from tests.master.desk import Desk, failed, record

FILE = FileIdentity("crm", "customers/b.txt", 100, 5, "ab")


def absent(key: str, before: int) -> Candidate:
    """The extract that begins at this place in the inbox lacks the key."""
    return Candidate("customer", "crm", key, before, "withdraw", b"", b"delete", None, ())


def chunk(store: Store, records: int) -> int:
    """A file of one chunk; answers its place."""
    [answer] = store.inbox.append([Message("crm", "customers", "f:000000", b"{}", "", records, part=Part("b.txt", 0, ((0, 0),)))], 1)
    assert isinstance(answer, Receipt)
    return answer.id


@pytest.mark.parametrize("sequence", [None, 50])
def test_a_key_is_withdrawn_once_and_comes_back_when_it_is_sent_again(desk: Desk, sequence: int | None) -> None:
    """As the same record, too: with or without a sequence of the source's own."""
    first = desk.apply(record("1", {"name": "a"}, sequence=sequence))
    desk.apply(absent("1", first + 1), absent("1", first + 1), absent("never", first + 1))
    desk.apply(record("1", {"name": "a"}, sequence=sequence))
    assert [op for _, op, _ in desk.states("1")] == ["create", "delete", "create"]
    totals = desk.store.views.totals()["lanes"][0]
    assert (totals["applied"], totals["unchanged"], totals["stale"]) == (3, 2, 0)


@pytest.mark.parametrize("sequence", [40, 50, 60])
def test_whatever_the_source_said_since_stands(desk: Desk, sequence: int) -> None:
    """Also what changed nothing, and what came too late to count: the source has the key."""
    desk.apply(record("1", {"name": "a"}, sequence=50))
    later = desk.apply(record("1", {"name": "a"}, sequence=sequence))
    desk.apply(absent("1", later))
    assert desk.golden("1")["live"]
    desk.apply(absent("1", later + 1))
    assert not desk.golden("1")["live"]


def test_absent_keys_are_counted_and_read_in_pieces(desk: Desk, store: Store) -> None:
    """Those that live, of this source and entity, which it has not spoken of since."""
    last = [desk.apply(record(key, {"name": key})) for key in "abcd"][-1]
    desk.apply(record("d", None))
    desk.apply(record("a", {"name": "a"}))
    assert store.endings.absent("customer", "crm", last + 1) == (3, 2)
    assert store.endings.absent_keys("customer", "crm", last + 1, "", 1) == ["b"]
    assert store.endings.absent_keys("customer", "crm", last + 1, "b", 9) == ["c"]
    assert (store.endings.since(0), store.endings.since(10**15)) == (1, last + 3)


def test_the_rows_of_a_file_that_failed_are_known_until_a_copy_is_good(desk: Desk, store: Store) -> None:
    """A copy that fails again counts in its place; a discarded row is not known either."""
    message = chunk(store, 3)
    desk.merge([desk.row(message, 0, record("1", {"name": "a"})), desk.row(message, 1, failed()), desk.row(message, 2, failed())])
    store.endings.add(FILE, "f", 3, 1, rejects=True, complete=True)
    store.endings.add(FILE, "f", 3, 1, rejects=True, complete=True)
    [ending] = store.endings.open()
    assert (store.endings.applied(ending), store.endings.stored(ending), store.endings.failed(ending)) == (True, (3, message), 2)
    assert [row.place for row in store.endings.refused(ending)] == ["$[0] name"] * 2
    first, second = store.letters.of_message(message)
    again = desk.apply(failed(), parent=first.id)
    assert store.endings.failed(ending) == 2
    [third] = store.letters.of_message(again)
    desk.apply(record("2", {"name": "b"}), parent=third.id)
    assert store.endings.failed(ending) == 1
    store.letters.discard(second.id, "no use", 9)
    assert store.endings.failed(ending) == 1
    store.endings.settle(ending.id, rejects="told", absent="withdrawn")
    assert store.endings.open() == []


def test_a_file_is_applied_when_the_last_of_its_messages_is(desk: Desk, store: Store) -> None:
    """Messages of other files do not count."""
    first = chunk(store, 1)
    store.inbox.append([Message("crm", "customers", "g:000000", b"{}", "", 1)], 1)
    store.endings.add(FILE, "f", 1, 1, rejects=False, complete=True)
    [ending] = store.endings.open()
    assert not store.endings.applied(ending)
    desk.merge([desk.row(first, 0, record("1", {"name": "a"}))])
    assert store.endings.applied(ending)
