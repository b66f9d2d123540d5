"""What a reader settles is written at once and under its fence; pending and dead are what the open letters say."""

from __future__ import annotations

from typing import Any

import pytest

from master.store import Attempt, Fence, Own, Parked, Settlement, Store
from schemas import errors
from schemas.envelope import Failure
from tests.master.desk import SOON, Desk, record

WHY = Failure("deliver", "Refused", "name", "no such branch", b"{}")


class Reader:
    """A subscription with a lease."""

    def __init__(self, store: Store, name: str = "care") -> None:
        self.store, self.name = store, name
        fence = store.leases.take(f"reader:{name}", "the tests", 0, SOON, force=True)
        assert fence is not None
        self.fence = fence
        store.subscriptions.join(name, 1)

    def settle(self, mark: int = 0, **more: Any) -> None:
        """One step."""
        self.store.subscriptions.settle(
            self.name, self.fence, Settlement(10, mark, more.pop("settled", []), more.pop("tallies", {}), **more)
        )

    def park(self, golden: int, first: int, last: int, records: int, state: Any = "waiting") -> Parked:
        """A key that waits."""
        fresh = Parked(0, golden, first, last, records, 1, 10, 20, state)
        self.settle(last, tallies={"matched": records}, parked=[(fresh, WHY)])
        return self.parked()[golden]

    def parked(self) -> dict[int, Parked]:
        """As stored."""
        return {each.golden: each for each in self.store.subscriptions.parked(self.name)}

    def tallies(self) -> dict[str, int]:
        """Those that are not zero; they always add up."""
        [progress] = [each for each in self.store.subscriptions.all() if each.name == self.name]
        found = dict(progress.tallies)
        assert found["matched"] == sum(count for name, count in found.items() if name != "matched")
        return {name: count for name, count in found.items() if count}


@pytest.fixture
def reader(store: Store) -> Reader:
    """A reader of three golden records."""
    Desk(store).apply(*[record(str(number), {"name": "a"}) for number in range(3)])
    return Reader(store)


def test_a_new_reader_begins_at_the_beginning(store: Store) -> None:
    """Or where it is told to; joining again changes nothing but the revision."""
    first = store.subscriptions.join("care", 1)
    assert (first.mark, first.settled, first.state) == (0, [], "active")
    assert store.subscriptions.join("late", 1, mark=7).mark == 7
    assert store.subscriptions.join("late", 2, mark=9).mark == 7


def test_the_log_is_read_in_order_with_golden_numbers(desk: Desk) -> None:
    """Beyond a position, up to a limit."""
    desk.apply(record("1", {"name": "a"}), record("2", {"name": "b"}), record("1", {"name": "c"}))
    subscriptions = desk.store.subscriptions
    assert [(number, change.seq, change.version) for number, change in subscriptions.changes(0, 2)] == [(1, 1, 1), (2, 2, 1)]
    assert [(number, change.seq, change.changed) for number, change in subscriptions.changes(2, 9)] == [(1, 3, {"name": ["a", "c"]})]
    assert [change.seq for change in subscriptions.changes_of(1, 1, 3)] == [1, 3]
    assert [change.seq for change in subscriptions.changes_of(1, 2, 2)] == []
    assert subscriptions.head() == 3


def test_a_step_is_written_as_a_whole(reader: Reader) -> None:
    """Mark, ranges beyond it, tallies, deliveries."""
    attempt = Attempt(1, 3, 2, "delivered", 1, 1, 5, 6, "")
    reader.settle(1, settled=[(3, 3)], tallies={"matched": 2, "delivered": 2}, attempts=[attempt])
    [progress] = reader.store.subscriptions.all()
    assert (progress.mark, progress.settled) == (1, [(3, 3)])
    assert reader.tallies() == {"matched": 2, "delivered": 2}
    assert reader.store.subscriptions.deliveries(2, 2) == [("care", attempt)]
    assert reader.store.subscriptions.deliveries(4, 9) == []


def test_a_reader_without_its_lease_settles_nothing(reader: Reader) -> None:
    """Another one has taken over."""
    reader.store.leases.take("reader:care", "another", 0, SOON, force=True)
    with pytest.raises(errors.FenceLost):
        reader.settle(3, tallies={"matched": 1, "delivered": 1})
    assert reader.tallies() == {}
    assert reader.store.subscriptions.all()[0].mark == 0


def test_a_parked_key_counts_as_pending(reader: Reader) -> None:
    """With everything that waits behind it; delivered it is resolved."""
    parked = reader.park(1, 1, 1, 1)
    reader.settle(5, tallies={"matched": 2}, waiting=[(1, 5, 2)])
    assert reader.tallies() == {"matched": 3, "pending": 3}
    assert (reader.parked()[1].last_seq, reader.parked()[1].records) == (5, 3)
    reader.settle(5, tallies={"delivered": 3}, released=[parked.id])
    assert reader.tallies() == {"matched": 3, "delivered": 3}
    assert reader.store.letters.counts() == {"resolved": 1}


def test_a_key_that_got_on_keeps_its_reason(reader: Reader) -> None:
    """The endpoint failed after some of its changes."""
    parked = reader.park(1, 1, 5, 3)
    parked.from_seq, parked.records = 4, 1
    reader.settle(5, tallies={"delivered": 2}, parked=[(parked, None)])
    assert reader.tallies() == {"matched": 3, "delivered": 2, "pending": 1}
    [letter] = reader.store.letters.select(state="waiting", filters={}, limit=9)
    assert (letter.from_seq, letter.reason, letter.payload) == (4, "no such branch", b"{}")


def test_a_key_that_is_given_up_counts_as_dead(reader: Reader) -> None:
    """And what comes behind it as well, until a person has it tried again."""
    parked = reader.park(1, 1, 3, 2)
    parked.state, parked.due_at = "dead", None
    reader.settle(3, parked=[(parked, WHY)])
    reader.settle(4, tallies={"matched": 1}, waiting=[(1, 4, 1)])
    assert reader.tallies() == {"matched": 3, "dead": 3}
    reader.store.letters.retry(parked.id, "the branch is there now", 50)
    assert reader.tallies() == {"matched": 3, "pending": 3}
    assert (reader.parked()[1].state, reader.parked()[1].due_at) == ("waiting", 50)


def test_what_waits_is_counted_where_the_letter_is(reader: Reader) -> None:
    """A person may have it tried again in the moment in which the reader still takes it for dead."""
    parked = reader.park(1, 1, 1, 1, state="dead")
    reader.store.letters.retry(parked.id, "again", 50)
    reader.settle(4, tallies={"matched": 1}, waiting=[(1, 4, 1)])
    assert reader.tallies() == {"matched": 2, "pending": 2}


def test_a_discarded_key_stays_counted_as_dead(reader: Reader) -> None:
    """It was matched and never delivered; its next change starts afresh."""
    parked = reader.park(1, 1, 3, 2)
    reader.store.letters.discard(parked.id, "not wanted", 50)
    assert reader.tallies() == {"matched": 2, "dead": 2}
    assert reader.parked() == {}
    reader.park(1, 4, 4, 1)
    assert reader.tallies() == {"matched": 3, "dead": 2, "pending": 1}


@pytest.mark.parametrize("step", ["again", "got on", "released", "behind"])
def test_a_key_that_was_discarded_meanwhile_is_no_more_touched(reader: Reader, step: str) -> None:
    """The step is refused as a whole: the reader looks again and starts from what is stored."""
    parked = reader.park(1, 1, 3, 2)
    reader.store.letters.discard(parked.id, "not wanted", 50)
    steps: dict[str, dict[str, Any]] = {
        "again": {"parked": [(parked, WHY)]},
        "got on": {"parked": [(parked, None)]},
        "released": {"released": [parked.id], "tallies": {"delivered": 2}},
        "behind": {"waiting": [(1, 4, 1)], "tallies": {"matched": 1}},
    }
    with pytest.raises(errors.NotFound):
        reader.settle(9, **steps[step])
    assert reader.tallies() == {"matched": 2, "dead": 2}
    assert reader.store.subscriptions.all()[0].mark == 3


def test_only_a_refused_key_can_be_tried_again(reader: Reader) -> None:
    """Not a record of a feed, nor what is settled."""
    parked = reader.park(1, 1, 1, 1)
    reader.store.letters.discard(parked.id, "", 5)
    for letter in (parked.id, 999):
        with pytest.raises(errors.NotFound):
            reader.store.letters.retry(letter, "", 6)


def test_breaker_and_state_are_stored(reader: Reader) -> None:
    """A restart goes on waiting."""
    reader.store.subscriptions.breaker("care", 3, 99, "connection refused")
    reader.store.subscriptions.set_state("care", "paused", "too many refusals")
    [progress] = reader.store.subscriptions.all()
    assert (progress.failures, progress.retry_at, progress.state, progress.reason) == (3, 99, "paused", "too many refusals")


def test_a_sources_own_record_is_found_behind_a_golden_one(desk: Desk) -> None:
    """Alone or joined, if it has exactly one there."""
    desk.apply(record("1", {"name": "a"}, match="M"))
    assert desk.store.subscriptions.own_states([1], "crm") == {1: Own(1, b'{"name":"a"}')}
    assert desk.store.subscriptions.own_states([1], "billing") == {}
    desk.apply(record("2", {"level": "b"}, source="billing", match="M"))
    assert desk.store.subscriptions.own_states([1], "crm") == {1: Own(0, b'{"name":"a"}')}
    assert desk.store.subscriptions.own_states([1], "billing") == {1: Own(0, b'{"level":"b"}')}
    desk.apply(record("3", {"level": "c"}, source="billing", match="M"))
    assert desk.store.subscriptions.own_states([1], "billing") == {}


def test_a_fence_of_another_lease_is_no_fence(reader: Reader) -> None:
    """Each subscription has its own."""
    reader.fence = Fence("reader:ods", 1)
    with pytest.raises(errors.FenceLost):
        reader.settle(1)
