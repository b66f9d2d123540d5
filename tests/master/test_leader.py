"""What only the apply leader may do: write a slice, all of it or nothing, and only while it leads."""

from __future__ import annotations

import pytest

from master.store import Fence, Store
from schemas import errors
from schemas.envelope import Failure
from tests.master.desk import SOON, Desk, failed, record


def test_who_lost_the_lease_writes_nothing(desk: Desk) -> None:
    """A zombie past its lease: its slice is refused inside the transaction."""
    message = desk.message(1)
    assert desk.store.leases.take("apply", "another", 5, SOON, force=True) is not None
    with pytest.raises(errors.FenceLost):
        desk.merge([desk.row(message, 0, record("1", {"name": "a"}))])
    assert desk.changes() == []
    assert desk.store.views.settled(message) is None


def test_a_lease_that_never_was_is_none(desk: Desk) -> None:
    """Nor is a fence out of thin air."""
    desk.fence = Fence("nothing", 1)
    with pytest.raises(errors.FenceLost):
        desk.apply(record("1", {"name": "a"}))


def test_the_lease_is_kept_by_its_holder(store: Store) -> None:
    """Others get it when it has expired, is dropped, or by force; a new holder has a higher fence."""
    first = store.leases.take("apply", "a", 0, 10)
    assert first == store.leases.take("apply", "a", 5, 15) == Fence("apply", 1)
    assert store.leases.take("apply", "b", 14, 30) is None
    assert store.leases.take("apply", "b", 15, 30) == Fence("apply", 2)
    assert store.leases.take("apply", "a", 16, 30, force=True) == Fence("apply", 3)
    store.leases.drop(Fence("apply", 2))
    assert store.leases.take("apply", "c", 17, 30) is None
    store.leases.drop(Fence("apply", 3))
    assert store.leases.take("apply", "c", 17, 30) == Fence("apply", 4)


def test_every_record_is_counted_once_by_what_became_of_it(desk: Desk) -> None:
    """accepted = applied + unchanged + stale + dead + resolved + pending, in the tallies and counted again from the rows."""
    first = desk.apply(
        record("1", {"name": "a"}, sequence=5),
        record("2", {"name": "b"}, sequence=5),
        record("2", {"name": "b"}, sequence=6),
        record("1", {"name": "old"}, sequence=4),
        failed(),
        [],
    )
    settled = desk.store.views.settled(first)
    assert settled == {"applied": 2, "unchanged": 2, "stale": 1, "dead": 1, "first_seq": 1, "last_seq": 2, "at": desk.at}
    desk.message(3)
    [lane] = desk.store.views.totals()["lanes"]
    counted = {"accepted": 9, "applied": 2, "unchanged": 2, "stale": 1, "dead": 1, "resolved": 0}
    assert {name: lane[name] for name in counted} == counted
    assert desk.store.views.audit()["records"] == {**counted, "pending": 3}


def test_a_record_that_makes_several_counts_once(desk: Desk) -> None:
    """By the strongest of what became of them."""
    desk.apply([record("1", {"name": "a"}), record("a", {"accountNo": "a"}, entity="account")])
    again = desk.apply([record("1", {"name": "a"}), record("a", {"accountNo": "b"}, entity="account")])
    settled = desk.store.views.settled(again)
    assert settled is not None
    assert (settled["applied"], settled["unchanged"]) == (1, 0)
    assert [(each.entity, each.version) for each in desk.store.views.message_changes(again)] == [("account", 2)]


def test_a_message_in_several_slices_adds_up(desk: Desk) -> None:
    """Its changes lie between its first and its last position."""
    message = desk.apply(*[record(str(number), {"name": "a"}) for number in range(5)], failed(), cut=2)
    settled = desk.store.views.settled(message)
    assert settled is not None
    assert (settled["applied"], settled["dead"], settled["first_seq"], settled["last_seq"]) == (5, 1, 1, 5)


def test_a_message_without_records_is_settled_too(desk: Desk) -> None:
    """An empty list was received and is done: who waits for its outcome gets it."""
    message = desk.message(0)
    lane = desk.store.inbox.lanes()[0]
    effects = desk.merge([desk.row(desk.message(1, feed="orders"), 0, [])])[0]
    effects.tallies.clear()
    desk.store.leader.write(desk.fence, effects, {lane.id: (message, 0)}, {message: 7}, 99)
    assert desk.store.views.settled(message) == {
        "applied": 0, "unchanged": 0, "stale": 0, "dead": 0, "first_seq": 0, "last_seq": 0, "at": 99,
    }  # fmt: skip


def test_a_failed_record_is_a_dead_letter_with_its_payload(desk: Desk) -> None:
    """Found by message and row; the others of its message are applied."""
    message = desk.apply(record("1", {"name": "a"}), Failure("check", "SchemaViolation", "$[1] age", "age is no number", b'{"age": "x"}'))
    [letter] = desk.store.letters.of_message(message)
    assert (letter.row, letter.stage, letter.code, letter.path) == (1, "check", "SchemaViolation", "$[1] age")
    assert (letter.source, letter.feed, letter.payload, letter.state) == ("crm", "customers", b'{"age": "x"}', "dead")


def test_one_letter_may_stand_for_all_records_of_a_body(desk: Desk) -> None:
    """A body that cannot be read as a whole is counted in full, so that nothing stays pending for ever."""
    message = desk.message(5000)
    row = desk.row(message, 0, failed())
    desk.merge([type(row)(row.message, 0, row.order, (), row.failure, 5000)])
    assert desk.store.inbox.waiting()[0] == 0
    assert [letter.records for letter in desk.store.letters.of_message(message)] == [5000]
    assert desk.store.views.audit()["records"]["dead"] == 5000


def test_a_corrected_copy_resolves_its_letter(desk: Desk) -> None:
    """The original's record moves from dead to resolved; the copy's is applied."""
    message = desk.apply(failed())
    [letter] = desk.store.letters.of_message(message)
    copy = desk.apply(record("1", {"name": "a"}), parent=letter.id, order=message * 1000)
    [after] = desk.store.letters.of_message(message)
    assert (after.state, after.resolved_by) == ("resolved", copy)
    assert desk.store.views.audit()["records"] == {
        "accepted": 2, "applied": 1, "unchanged": 0, "stale": 0, "dead": 0, "resolved": 1, "pending": 0,
    }  # fmt: skip


def test_a_corrected_copy_that_fails_again_takes_its_letters_place(desk: Desk) -> None:
    """One record, one open letter: the copy's."""
    message = desk.apply(failed())
    [letter] = desk.store.letters.of_message(message)
    desk.apply(failed("still wrong"), parent=letter.id)
    assert [(each.state, each.reason) for each in desk.store.letters.select(state="dead", filters={}, limit=9)] == [("dead", "still wrong")]
    assert desk.store.views.audit()["records"]["resolved"] == 1


def test_a_corrected_copy_keeps_its_place_of_arrival(desk: Desk) -> None:
    """What came after the original, and was applied, is newer: the copy is stale."""
    message = desk.apply(failed())
    desk.apply(record("1", {"name": "newer"}))
    [letter] = desk.store.letters.of_message(message)
    copy = desk.message(1, parent=letter.id, order=message * 1000)
    desk.merge([desk.row(copy, 0, record("1", {"name": "older"}), order=message * 1000)])
    assert [state for _, _, state in desk.states("1")] == [{"name": "newer"}]
    settled = desk.store.views.settled(copy)
    assert settled is not None
    assert settled["stale"] == 1


def test_every_change_says_what_caused_it(desk: Desk) -> None:
    """Record, time, and the revision of mappings and rules."""
    message = desk.apply(record("1", {"name": "a"}), record("2", {"name": "b"}))
    assert [(each.seq, each.source, each.message, each.row, each.at) for each in desk.changes()] == [
        (1, "crm", message, 0, desk.at),
        (2, "crm", message, 1, desk.at),
    ]
    assert desk.store.views.revision_of(1) == 7


def test_positions_are_dense_whatever_fails(desk: Desk) -> None:
    """A slice that is rolled back takes no position with it."""
    desk.apply(record("1", {"name": "a"}))
    with pytest.raises(OverflowError):
        desk.apply(record("2", {"name": "b"}, sequence=2**70))
    desk.apply(record("3", {"name": "c"}))
    assert [each.seq for each in desk.changes()] == [1, 2]
    assert desk.store.views.audit()["log_dense"]
