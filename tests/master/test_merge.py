"""Identify, merge and version, rule by rule."""

from __future__ import annotations

import pytest

from master.merge import difference
from master.store import Store
from tests.master.desk import Desk, record


def states_kept(desk: Desk) -> dict[tuple[str, str], bool]:
    """Whether a source record holds a state of its own."""
    return {(source, key): state is not None for source, key, state in desk.store.views.dump("source_record", ("source", "key", "state"))}


@pytest.mark.parametrize("together", [True, False])
def test_active_suspended_active_makes_three_versions(desk: Desk, *, together: bool) -> None:
    """One version per effective record, even within a batch."""
    history = [record("1", {"status": status}) for status in ("active", "suspended", "active")]
    desk.apply(*history, cut=3 if together else 1)
    assert desk.states("1") == [
        (1, "create", {"status": "active"}),
        (2, "update", {"status": "suspended"}),
        (3, "update", {"status": "active"}),
    ]
    assert [each.changed for each in desk.changes()] == [None, {"status": ["active", "suspended"]}, {"status": ["suspended", "active"]}]


def test_an_unchanged_record_makes_no_version(desk: Desk) -> None:
    """It is counted as unchanged."""
    desk.apply(record("1", {"name": "a"}))
    again = desk.apply(record("1", {"name": "a"}))
    assert len(desk.changes()) == 1
    assert desk.store.views.message_changes(again) == []


@pytest.mark.parametrize("cut", [1, 10])
def test_an_older_sequence_is_stale(desk: Desk, cut: int) -> None:
    """The source's own sequence decides, not the arrival; the same sequence again is taken."""
    desk.apply(
        record("1", {"name": "b"}, sequence=2), record("1", {"name": "a"}, sequence=1), record("1", {"name": "c"}, sequence=2), cut=cut
    )
    assert [state["name"] for _, _, state in desk.states("1")] == ["b", "c"]


def test_an_unchanged_record_moves_the_guard(desk: Desk) -> None:
    """The source has said again, later, that it is so."""
    desk.apply(record("1", {"name": "a"}, sequence=1), record("1", {"name": "a"}, sequence=5), record("1", {"name": "b"}, sequence=3))
    assert [state["name"] for _, _, state in desk.states("1")] == ["a"]


def test_without_a_sequence_the_arrival_decides(desk: Desk) -> None:
    """A later message is newer."""
    desk.apply(record("1", {"name": "a"}))
    desk.apply(record("1", {"name": "b"}))
    assert [state["name"] for _, _, state in desk.states("1")] == ["a", "b"]


@pytest.mark.parametrize("cut", [1, 10])
def test_a_late_update_does_not_resurrect(desk: Desk, cut: int) -> None:
    """A delete keeps a sequenced tombstone; something newer brings the same golden record back, with its next version."""
    history = [
        record("1", {"name": "a"}, sequence=1), record("1", None, sequence=5), record("1", {"name": "late"}, sequence=4),
        record("1", {"name": "b"}, sequence=6),
    ]  # fmt: skip
    desk.apply(*history, cut=cut)
    assert desk.states("1") == [(1, "create", {"name": "a"}), (2, "delete", {"name": "a"}), (3, "create", {"name": "b"})]


@pytest.mark.parametrize("cut", [1, 10])
def test_a_delete_without_a_sequence_keeps_the_guard(desk: Desk, cut: int) -> None:
    """Deletes often carry no time: what was sent before them stays out all the same."""
    desk.apply(record("1", {"name": "a"}, sequence=5), record("1", None), record("1", {"name": "late"}, sequence=4), cut=cut)
    assert [op for _, op, _ in desk.states("1")] == ["create", "delete"]


@pytest.mark.parametrize("cut", [1, 10])
def test_a_delete_before_its_record_keeps_it_out(desk: Desk, cut: int) -> None:
    """The tombstone of something never seen stands for itself."""
    desk.apply(record("1", None, sequence=5), record("1", {"name": "late"}, sequence=4), cut=cut)
    assert desk.changes() == []
    desk.apply(record("1", {"name": "a"}, sequence=6))
    assert desk.states("1") == [(1, "create", {"name": "a"})]


@pytest.mark.parametrize("cut", [1, 10])
def test_two_sources_with_one_match_key_are_one_golden_record(desk: Desk, cut: int) -> None:
    """Each field from the best source that has it; who comes later joins."""
    history = [
        record("b1", {"name": "b", "level": "x"}, source="billing", match="M"),
        record("c1", {"name": "c"}, match="M"),
        record("c1", {"name": "d"}, match="M"),
    ]
    desk.apply(*history, cut=cut)
    golden = desk.golden("b1")
    assert golden["id"] == desk.golden("c1")["id"]
    assert [state for _, _, state in desk.states("b1")] == [
        {"name": "b", "level": "x"},
        {"name": "c", "level": "x"},
        {"name": "d", "level": "x"},
    ]
    assert [(each["source"], each["state"]) for each in golden["members"]] == [
        ("billing", {"name": "b", "level": "x"}),
        ("crm", {"name": "d"}),
    ]


@pytest.mark.parametrize("cut", [1, 10])
def test_the_cross_reference_comes_before_the_match_key(desk: Desk, cut: int) -> None:
    """A record that is known stays with its golden record, whatever key it carries later; who comes then is matched by the new key."""
    history = [
        record("1", {"name": "a"}, match="M"), record("2", {"name": "b"}, match="N"), record("1", {"name": "c"}, match="N"),
        record("3", {"name": "d"}, match="M"), record("4", {"name": "e"}, match="N"),
    ]  # fmt: skip
    desk.apply(*history, cut=cut)
    ids = [desk.golden(key)["id"] for key in "1234"]
    assert len(set(ids)) == 3
    assert ids[3] == ids[0], "of two golden records that carry the key the oldest"


def test_a_withdrawn_record_carries_no_match_key(desk: Desk) -> None:
    """A new customer with a number that somebody gave up is a new customer, in the same slice as well."""
    desk.apply(record("1", {"name": "a"}, match="M"), record("1", None), record("2", {"name": "b"}, match="M"))
    assert desk.golden("1")["id"] != desk.golden("2")["id"]


@pytest.mark.parametrize("cut", [1, 10])
def test_a_source_that_withdraws_takes_its_values_along(desk: Desk, cut: int) -> None:
    """The golden record is computed from who is left; it ends with the last of them."""
    history = [
        record("1", {"name": "a", "level": "x"}, match="M"), record("2", {"name": "b"}, source="billing", match="M"), record("1", None),
        record("2", None, source="billing"),
    ]  # fmt: skip
    desk.apply(*history, cut=cut)
    assert desk.states("1") == [(1, "create", {"name": "a", "level": "x"}), (2, "update", {"name": "b"}), (3, "delete", {"name": "b"})]
    assert not desk.golden("1")["live"]


def test_the_state_of_a_single_member_is_stored_once(desk: Desk) -> None:
    """Its newest change holds it; when a second member joins, each gets a state of its own, references unresolved."""
    desk.apply(
        record("1", {"name": "a"}), record("9", {"accountNo": "9", "customer": {"source": "crm", "key": "1"}}, entity="account", match="A")
    )
    assert set(states_kept(desk).values()) == {False}
    assert desk.golden("9", "account")["members"][0]["state"]["customer"]["id"] == desk.golden("1")["id"]
    desk.apply(record("8", {"name": "b"}, source="billing", entity="account", match="A"))
    assert states_kept(desk) == {("crm", "1"): False, ("crm", "9"): True, ("billing", "8"): True}
    mine = desk.golden("9", "account")["members"][1]
    assert (mine["key"], mine["state"]) == ("9", {"accountNo": "9", "customer": {"source": "crm", "key": "1"}})


@pytest.mark.parametrize("cut", [1, 10])
def test_a_reference_gets_its_golden_id(desk: Desk, cut: int) -> None:
    """At once when its target is known, also from the same batch."""
    account = record("9", {"customer": {"source": "crm", "key": "1"}}, entity="account")
    desk.apply(record("1", {"name": "a"}), account, cut=cut)
    assert [state["customer"].get("id") for _, _, state in desk.states("9", entity="account")] == [desk.golden("1")["id"]]


@pytest.mark.parametrize("cut", [1, 10])
def test_a_reference_waits_for_its_target(desk: Desk, cut: int) -> None:
    """When the target arrives, everybody who points to it gets a version with the id; the record that arrived caused it."""
    pointing = [record(str(number), {"customer": {"source": "crm", "key": "1"}}, entity="account") for number in (8, 9)]
    message = desk.apply(*pointing, record("1", {"name": "a"}), record("1", {"name": "b"}), cut=cut)
    golden = desk.golden("1")["id"]
    for key in "89":
        assert [state["customer"].get("id") for _, _, state in desk.states(key, entity="account")] == [None, golden]
    assert [(each.entity, each.version, each.row) for each in desk.changes()] == [
        ("account", 1, 0), ("account", 1, 1), ("customer", 1, 2), ("account", 2, 2), ("account", 2, 2), ("customer", 2, 3),
    ]  # fmt: skip
    assert list(desk.store.views.dump("dangling", ("key",))) == []
    assert desk.store.views.settled(message)["applied"] == 4  # type: ignore[index]


def test_a_reference_to_a_joined_record_names_the_shared_golden_record(desk: Desk) -> None:
    """References keep the source's own key."""
    desk.apply(record("1", {"name": "a"}, match="M"), record("2", {"name": "b"}, source="billing", match="M"))
    desk.apply(record("9", {"customer": {"source": "billing", "key": "2"}}, source="billing", entity="account"))
    [(_, _, state)] = desk.states("9", entity="account")
    assert state["customer"] == {"source": "billing", "key": "2", "id": desk.golden("1")["id"]}


def test_keys_are_other_peoples_text(desk: Desk) -> None:
    """Quotes, emoji, control characters, very long ones: found again, and never taken for another's."""
    keys = ["'", '"', "\\", "a b", "😀", "\u202e", "\x01", "", "1", "1.0", "true", "x" * 5000]
    desk.apply(*[record(key, {"name": key}) for key in keys])
    desk.apply(*[record(key, {"name": "new"}) for key in keys])
    assert [each.version for each in desk.changes()] == [1] * len(keys) + [2] * len(keys)


def test_the_difference_names_every_field_that_differs() -> None:
    """{field: [old, new]}, None where one side has none."""
    assert difference({"a": 1, "b": [1], "c": 0}, {"b": [2], "c": 0, "d": {}}) == {"a": [1, None], "b": [[1], [2]], "d": [None, {}]}


def test_golden_numbers_go_on_after_a_restart(desk: Desk, store: Store) -> None:
    """A second leader goes on where the first stopped."""
    desk.apply(record("1", {"name": "a"}))
    other = Desk(store)
    other.apply(record("1", {"name": "b"}))
    assert [each.version for each in other.changes()] == [1, 2]
