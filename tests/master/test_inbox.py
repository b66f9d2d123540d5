"""The inbox log: durable, each id once, in one order."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from master.store import Store
from schemas import errors
from schemas.envelope import Message, Receipt
from tests.master.desk import Desk, failed


def message(body: bytes = b"{}", message_id: str | None = None, feed: str = "customers", records: int = 1) -> Message:
    """A message of the CRM."""
    return Message("crm", feed, message_id, body, "application/json", records)


def test_a_group_is_answered_in_its_order_with_rising_places(store: Store) -> None:
    """The place in the log is the receipt."""
    first = store.inbox.append([message(b"1"), message(b"2", feed="orders"), message(b"3")], 5)
    second = store.inbox.append([message(b"4")], 6)
    assert [*first, *second] == [Receipt(1), Receipt(2), Receipt(3), Receipt(4)]
    found = store.inbox.get(2)
    assert found is not None
    assert (found.message, found.received_at) == (message(b"2", feed="orders"), 5)


def test_places_go_on_after_a_restart(reopen: Callable[[], Store]) -> None:
    """They are given out in commit order, for good."""
    one = reopen()
    one.inbox.append([message(b"1"), message(b"2")], 5)
    one.close()
    assert reopen().inbox.append([message(b"3")], 6) == [Receipt(3)]


def test_without_an_id_every_copy_is_a_new_message(store: Store) -> None:
    """Active, suspended, active again must arrive as three."""
    assert store.inbox.append([message(), message(), message()], 5) == [Receipt(1), Receipt(2), Receipt(3)]


def test_the_same_id_and_body_give_the_same_receipt(store: Store) -> None:
    """In the same group and in a later one, marked as a duplicate; counted apart."""
    answers = store.inbox.append([message(message_id="a", records=3), message(message_id="a", records=3), message(b"2")], 5)
    assert [*answers, *store.inbox.append([message(message_id="a", records=3)], 6)] == [
        Receipt(1), Receipt(1, duplicate=True), Receipt(2), Receipt(1, duplicate=True),
    ]  # fmt: skip
    [lane] = store.views.totals()["lanes"]
    assert (lane["accepted"], lane["duplicate"]) == (4, 6)


def test_the_same_id_with_another_body_is_a_conflict(store: Store) -> None:
    """In the same group and in a later one; the rest of the group is stored."""
    first, conflict, other = store.inbox.append([message(b"1", "a"), message(b"2", "a"), message(b"3", "b")], 5)
    [later] = store.inbox.append([message(b"4", "a")], 6)
    assert (first, other) == (Receipt(1), Receipt(2))
    assert isinstance(conflict, errors.IdConflict)
    assert isinstance(later, errors.IdConflict)
    assert store.views.totals()["lanes"][0]["accepted"] == 2


def test_ids_belong_to_their_feed(store: Store) -> None:
    """Two feeds may count alike."""
    assert store.inbox.append([message(b"1", "a"), message(b"2", "a", feed="orders")], 5) == [Receipt(1), Receipt(2)]
    assert store.inbox.known("crm", "orders", ["a", "b"]) == {"a"}
    assert store.inbox.known("crm", "nothing", ["a"]) == set()
    assert store.inbox.find("a") == [2, 1]


@pytest.mark.parametrize("size", [0, 1, 2047, 2048, 100_000])
def test_a_body_comes_back_as_it_was(store: Store, size: int) -> None:
    """Compressed or not."""
    body = (bytes(range(256)) * (size // 256 + 1))[:size]
    store.inbox.append([message(body)], 5)
    found = store.inbox.get(1)
    assert found is not None
    assert found.message.body == body


def test_what_is_pending_is_read_in_order_up_to_a_size(store: Store) -> None:
    """Chunks that are read ahead take memory: once the bodies reach `size` no more are read."""
    store.inbox.append([message(b"x" * 100) for _ in range(5)] + [message(b"y", feed="orders")], 5)
    lane = store.inbox.lanes()[0]
    assert [each.id for each in store.inbox.pending(lane.id, 0, 100, 10_000)] == [1, 2, 3, 4, 5]
    assert [each.id for each in store.inbox.pending(lane.id, 2, 2, 10_000)] == [3, 4]
    assert [each.id for each in store.inbox.pending(lane.id, 0, 100, 150)] == [1, 2]


def test_a_lane_is_listed_while_it_has_something_to_apply(desk: Desk) -> None:
    """One lane for each feed; what is settled is behind its mark."""
    desk.message(2)
    desk.message(1, feed="orders")
    assert [(lane.source, lane.feed, lane.mark) for lane in desk.store.inbox.lanes()] == [("crm", "customers", 0), ("crm", "orders", 0)]
    assert desk.store.inbox.waiting() == (3, 1000)
    desk.merge([desk.row(1, 0, []), desk.row(1, 1, [])])
    assert [lane.feed for lane in desk.store.inbox.lanes()] == ["orders"]
    assert desk.store.inbox.waiting() == (1, 1000)


def test_a_refused_message_is_stored_as_a_dead_letter(store: Store) -> None:
    """Settled at once, in nobody's way, found by its reason; its payload is kept."""
    receipt = store.inbox.refuse(message(b"<!DOCTYPE", "a"), failed("no DOCTYPE", b"<!DOCTYPE"), 5)
    assert store.inbox.lanes() == []
    assert store.inbox.waiting() == (0, None)
    [letter] = store.letters.of_message(receipt.id)
    assert (letter.state, letter.reason, letter.payload, letter.records) == ("dead", "no DOCTYPE", b"<!DOCTYPE", 1)
    assert store.views.audit()["records"] == {
        "accepted": 1, "applied": 0, "unchanged": 0, "stale": 0, "dead": 1, "resolved": 0, "pending": 0,
    }  # fmt: skip


def test_a_refused_message_is_stored_once(store: Store) -> None:
    """Sent again it is a duplicate; with another body under its id it is kept without the id, since nobody could be told."""
    assert store.inbox.refuse(message(b"1", "a"), failed(), 5) == Receipt(1)
    assert store.inbox.refuse(message(b"1", "a"), failed(), 6) == Receipt(1, duplicate=True)
    assert store.inbox.refuse(message(b"2", "a"), failed(), 7) == Receipt(2)
    assert store.letters.counts() == {"dead": 2}
    found = store.inbox.get(2)
    assert found is not None
    assert found.message.message_id is None


def test_a_group_that_cannot_be_stored_leaves_nothing_behind(store: Store) -> None:
    """Neither a row, nor a lane that later messages would be lost in."""
    impossible = Message("new", "feed", None, b"{}", "", 2**70)
    with pytest.raises(OverflowError):
        store.inbox.append([message(b"1"), impossible], 5)
    assert store.views.totals()["lanes"] == []
    assert store.inbox.append([Message("new", "feed", None, b"{}")], 6) == [Receipt(1)]
    assert [lane.source for lane in store.inbox.lanes()] == ["new"]
