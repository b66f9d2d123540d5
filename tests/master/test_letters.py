"""Nothing is dropped without a row that says so, and every such row can be found and settled."""

from __future__ import annotations

from master.sqlite import letters
from schemas.envelope import Failure
from tests.master.desk import Desk, failed


def test_letters_are_selected_newest_first(desk: Desk) -> None:
    """By state, stage, class, source, feed and fingerprint; page by page."""
    desk.apply(failed("a"), failed("b"))
    desk.apply(Failure("decode", "Undecodable", "", "c", b"x"), feed="orders")
    found = desk.store.letters.select(state="dead", filters={}, limit=2)
    assert [each.reason for each in found] == ["c", "b"]
    assert [each.reason for each in desk.store.letters.select(state=None, filters={}, limit=9, before=found[-1].id)] == ["a"]
    assert [each.reason for each in desk.store.letters.select(state=None, filters={"feed": "orders", "stage": "decode"}, limit=9)] == ["c"]
    assert desk.store.letters.select(state="resolved", filters={}, limit=9) == []
    assert desk.store.letters.get(999) is None


def test_alike_failures_make_one_group(desk: Desk) -> None:
    """Alike: the same feed, stage, class, and path with its numbers left out."""
    same = [Failure("check", "SchemaViolation", f"$[{number}].age", f"{number} is no age", b"") for number in range(3)]
    desk.apply(*same, failed())
    groups = desk.store.letters.groups(10)
    assert [(each["letters"], each["stage"], each["place"]) for each in groups] == [
        (3, "check", "crm/customers"),
        (1, "map", "crm/customers"),
    ]
    assert [each.reason for each in desk.store.letters.select(state=None, filters={"fingerprint": groups[0]["fingerprint"]}, limit=9)] == [
        "2 is no age", "1 is no age", "0 is no age",
    ]  # fmt: skip


def test_a_fingerprint_tells_places_apart() -> None:
    """Two feeds with the same mistake are two kinds of trouble."""
    assert letters.fingerprint("1", failed()) != letters.fingerprint("2", failed())
    assert letters.fingerprint("1", failed("x")) == letters.fingerprint("1", failed("y"))


def test_a_discarded_letter_is_resolved_and_stays_on_record(desk: Desk) -> None:
    """With a note; discarding it twice counts once."""
    message = desk.apply(failed(), failed())
    first, _ = desk.store.letters.of_message(message)
    for note in ("test data", "again"):
        desk.store.letters.discard(first.id, note, 50)
    found = desk.store.letters.get(first.id)
    assert found is not None
    assert (found.state, found.note, found.payload) == ("discarded", "test data", b"{}")
    records = desk.store.views.audit()["records"]
    assert (records["dead"], records["resolved"]) == (1, 1)
    [lane] = desk.store.views.totals()["lanes"]
    assert (lane["dead"], lane["resolved"]) == (1, 1)


def test_discarded_before_its_copy_came_it_counts_once(desk: Desk) -> None:
    """The copy is applied all the same."""
    message = desk.apply(failed())
    [letter] = desk.store.letters.of_message(message)
    desk.store.letters.discard(letter.id, "never mind", 50)
    desk.apply([], parent=letter.id)
    records = desk.store.views.audit()["records"]
    assert (records["accepted"], records["unchanged"], records["resolved"], records["dead"]) == (2, 1, 1, 0)
