"""What a subscriber gets of a change: enter, update, leave; a view of the fields; nothing that it said itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from routes.outbound import Outbound, old_state
from schemas import errors
from schemas.envelope import Change
from tests.routes.peers import routed, system
from tests.routes.yard import SECOND, Yard

Make = Callable[..., Yard]


def change(state: dict[str, Any], changed: dict[str, list[Any]] | None = None, op: Any = None, entity: str = "customer") -> Change:
    """A change of a golden record."""
    kind: Any = op or ("create" if changed is None else "update")
    return Change(7, entity, "id", 3, kind, changed, state, "crm", 1, 0, 1_700_000_000_000_000)


def outbound(**route: Any) -> Outbound:
    return Outbound(routed(**route), system(), "out")


GOLD = {"customer": 'new.level == "gold"'}


@pytest.mark.parametrize(
    ("before", "after", "event"),
    [
        (None, "gold", "enter"), (None, "tin", None), ("tin", "gold", "enter"), ("gold", "gold", "update"), ("gold", "tin", "leave"),
        ("tin", "tin", None), ("gold", None, "leave"), ("tin", None, None),
    ],
)  # fmt: skip
def test_a_filter_gives_enter_update_and_leave(before: str | None, after: str | None, event: str | None) -> None:
    """A record that stops matching is withdrawn there."""
    if after is None:
        found = change({"level": before}, op="delete")
    elif before is None:
        found = change({"level": after})
    else:
        found = change({"level": after, "name": "b"}, {"level": [before, after]} if before != after else {"name": ["a", "b"]})
    assert outbound(filter=GOLD).event(found) == event


def test_only_looks_at_what_an_update_changed() -> None:
    """Entering and leaving are not asked."""
    one = outbound(only="has(changed.level)", filter={"customer": "new.level != null"})
    assert one.event(change({"level": "x", "name": "b"}, {"name": ["a", "b"]})) is None
    assert one.event(change({"level": "x"}, {"level": ["y", "x"]})) == "update"
    assert one.event(change({"level": "x"})) == "enter"
    assert one.event(change({}, {"level": ["x", None]})) == "leave"


def test_other_entities_are_left_out() -> None:
    """A route names its entities; a mapping may have nothing for one of them."""
    assert outbound(entities=["account"]).project(1, change({"name": "a"})) is None
    assert outbound().project(1, change({"code": "a"}, entity="product")) is None


def test_the_mapping_sees_the_view_alone() -> None:
    """In the state and in what changed."""
    one = outbound(fields={"customer": ["name"]})
    changed = change({"name": "b", "level": "x"}, {"name": ["a", "b"], "level": ["y", "x"]})
    found = one.project(1, changed)
    assert found is not None
    assert json.loads(one.format.join(found.parts)) == [{"key": "id", "version": 3, "event": "update", "name": "b"}]
    envelope = one.envelope(changed, found.item)
    assert (envelope["changed"], envelope["at"]) == ({"name": ["a", "b"]}, "2023-11-15T06:13:20.000000+08:00")


def test_a_mapping_that_fails_says_so() -> None:
    """The change is there with its reason, so that its key can be parked."""
    one = Outbound(routed(), system(outbound=b"""
mapping: peer-out
direction: outbound
records:
  - record: customer
    of: customer
    fields: {level: {from: state.level, required: true}}
"""), "out")  # fmt: skip
    found = one.project(1, change({"name": "a"}))
    assert found is not None
    assert isinstance(found.failure, errors.MappingFailure)


def test_the_old_state_is_found_by_the_difference() -> None:
    """What was not there before is not there."""
    assert old_state(change({"a": 2, "b": 1}, {"a": [1, 2], "b": [None, 1], "c": [5, None]})) == {"a": 1, "c": 5}


def test_a_revision_is_known_by_all_that_it_is_made_of() -> None:
    """Route, mapping and manifest."""
    assert outbound().hash == outbound().hash
    assert outbound().hash != outbound(batch=2).hash


def said(one: Yard, name: str) -> int:
    """The receiver itself sends its record, a second after all that was before."""
    one.now += SECOND
    return one.change("1", source="peer", match="M", name=name)


def stirred(one: Yard) -> int:
    """Somebody else joins the record and withdraws: two changes, after which the receiver's own words stand alone again."""
    one.change("7", source="billing", match="M", branch="x")
    return one.change("7", source="billing")


def test_what_the_receiver_said_itself_is_not_sent_back(yard: Make) -> None:
    """It has it already; it is counted as suppressed."""
    one = yard()
    said(one, "a")
    one.work()
    said(one, "b")
    one.change("2", source="crm", name="a")
    one.work()
    assert one.receiver.seqs == [3]
    assert one.tallies() == {"matched": 3, "delivered": 1, "suppressed": 2}


def test_what_another_source_adds_is_sent(yard: Make) -> None:
    """The golden record is more than what the receiver said."""
    one = yard()
    one.change("2", source="crm", match="M", name="a", level="gold")
    one.work()
    said(one, "b")
    one.work()
    said(one, "c")
    one.change("2", source="crm", match="M", name="d", level="gold")
    one.work()
    assert [body["name"] for body in one.receiver.bodies()] == ["a", "d"]


@pytest.mark.parametrize("settled_first", [True, False])
def test_the_receiver_must_have_known_the_version_before(yard: Make, *, settled_first: bool) -> None:
    """It says A while B is on its way to it: B overwrites there what it said, so that A must be sent again."""
    one = yard()
    said(one, "a")
    one.work()
    stirred(one)
    if settled_first:
        one.work()
    said(one, "c")
    one.work()
    assert one.receiver.seqs == ([2, 3] if settled_first else [2, 3, 4])


def test_a_lane_beside_says_nothing_about_this_one(yard: Make) -> None:
    """Another lane's batch covers the position of the version before; that does not mean that the receiver has it."""
    one = yard(concurrency=2, batch=10)
    said(one, "a")  # golden 1: lane 1
    one.work()
    one.change("2", source="crm", name="a")  # golden 2: lane 0
    stirred(one)
    one.change("2", source="crm", name="b")
    one.reader._fill()
    while one.reader.lanes[0].step():
        pass
    assert one.receiver.seqs == [2, 5]
    said(one, "c")
    one.work()
    assert one.receiver.seqs == [2, 5, 3, 4, 6]


def test_a_key_that_was_parked_when_the_receiver_spoke_is_sent(yard: Make) -> None:
    """The mark has moved over it; the receiver had not got it."""
    one = yard()
    said(one, "a")
    one.work()
    stirred(one)
    one.receiver.refuse(2)
    one.work()
    assert one.progress() == (3, [])
    said(one, "c")
    one.receiver.refuse()
    one.now += 2 * SECOND
    one.reader.lanes[0].step()  # the parked changes go out after the receiver spoke
    one.work()
    assert one.receiver.seqs == [2, 3, 4]


def test_deletes_are_always_sent(yard: Make) -> None:
    """Also to who withdrew the record: others may have it still."""
    one = yard()
    said(one, "a")
    one.work()
    one.now += SECOND
    one.change("1", source="peer")
    one.work()
    assert [item.event for item in one.receiver.taken] == ["leave"]


def test_an_echo_with_references_is_found(yard: Make) -> None:
    """The golden ids in it are ours: the receiver's own words are compared."""
    asked = change({"accountNo": "9", "customer": {"source": "peer", "key": "1", "id": "x"}}, entity="account")
    own = {"accountNo": "9", "customer": {"source": "peer", "key": "1", "id": "y"}, "name": "more"}
    assert outbound().echoes(asked, own)
    assert not outbound().echoes(asked, {**own, "accountNo": "8"})
    assert outbound(fields={"account": ["customer"]}).echoes(asked, {**own, "accountNo": "8"})


def test_what_is_shared_is_not_changed() -> None:
    """Readers share the log's tail: looking for an echo leaves the golden ids in the state."""
    asked = change({"customer": {"source": "peer", "key": "1", "id": "x"}}, entity="account")
    outbound().echoes(asked, {})
    assert asked.state["customer"]["id"] == "x"
