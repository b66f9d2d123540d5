"""Outbound mappings: changes in, a subscriber's own records out."""

import textwrap
from typing import Any

import pytest

from transformers import mapping

FILES = {"tables/level.csv": b"theirs,ours\n1,gold\n2,silver\n"}


def outbound(text: str, change: dict[str, Any]) -> list[Any]:
    """What an outbound mapping makes of a change."""
    whole = "mapping: test\ndirection: outbound\nrecords:\n" + textwrap.indent(textwrap.dedent(text), "  ")
    return mapping.parse({"outbound.yaml": whole.encode(), **FILES}, "outbound.yaml", system="care").run(change)


CHANGE: dict[str, Any] = {
    "event": "update",
    "op": "update",
    "id": "e1",
    "key": "g1",
    "version": 3,
    "entity": "customer",
    "state": {
        "name": "张三",
        "level": "gold",
        "contactMedium": [{"type": "mobile", "value": "+8613812345678"}],
        "balance": 2985,
        "address": {},
    },
    "changed": {"level": ["silver", "gold"]},
}


def test_outbound_rules_see_the_change() -> None:
    """State, what changed, and who it is; names are the subscriber's own."""
    text = """
    - record: CUST
      of: customer
      fields:
        "@ver": version
        from: {from: event}
        {braces}'": {const: "{x}' + exit() #"}
        NAME: state.name
        CITY: state.address.city
        GRADE: {from: state.level, table: level}
        WAS: "changed.level[0]"
        TEL: {from: "state.contactMedium[type=mobile].value", do: [national_msisdn]}
        AMT: {from: state.balance, do: [yuan]}
        MEDIA: {each: state.contactMedium, fields: {T: type, K: ^.key}}
        NEED: {from: state.absent, when: 'row.event == "enter"', required: true}
    - record: ACCT
      of: account
      fields: {NO: key}
    """.replace("{braces}'\"", '"{b}\'"')
    [record] = outbound(text, CHANGE)
    assert (record.kind, record.key, record.sequence, record.op) == ("CUST", "g1", 3, "upsert")
    assert record.state == {
        "@ver": 3,
        "from": "update",
        "{b}'": "{x}' + exit() #",
        "NAME": "张三",
        "GRADE": "1",
        "WAS": "silver",
        "TEL": "13812345678",
        "AMT": "29.85",
        "MEDIA": [{"T": "mobile", "K": "g1"}],
    }


@pytest.mark.parametrize("fate", [{"event": "leave"}, {"op": "delete", "state": {}}])
def test_what_left_or_was_deleted_goes_out_as_a_delete(fate: dict[str, Any]) -> None:
    """What a rule requires is not asked then: the state may be empty."""
    [record] = outbound("- record: C\n  fields: {K: key, N: {from: state.absent, required: true}}", {**CHANGE, **fate})
    assert (record.op, record.state) == ("delete", {"K": "g1"})
