"""What a mapping reads is known without running it: every field that a rule, a condition, a loop or a reference names."""

from __future__ import annotations

import pytest

from transformers import mapping, reads

HEAD = """\
mapping: m
direction: inbound
records:
  - entity: customer
    key: ID
    fields:
      customerNo: ID
      name: N
      kind: K
"""


def names(rest: str) -> list[str]:
    """The fields that rules below `fields:` read, beyond those of the head."""
    found = mapping.parse({"m.yaml": (HEAD + rest).encode(), "tables/t.csv": b"theirs,ours\n"}, "m.yaml", system="crm")
    return [".".join(read.names) for read in reads.fields(found.records[0])][4:]


@pytest.mark.parametrize(
    ("rest", "wanted"),
    [
        ("      branch: A.B[0].C\n", ["A.B.C"]),
        ("      branch: {first: [A, {from: B, do: [trim]}]}\n", ["A", "B"]),
        ("      branch: {join: [A, {const: x}, C]}\n", ["A", "C"]),
        ("      branch: {from: A, when: 'row.B == \"1\" && has(row.C)'}\n", ["B", "C", "A"]),
        ('      branch: "A[type=x].V"\n', ["A.V"]),
        ("      address: {city: A, street: B}\n", ["A", "B"]),
        ("      relatedParty: {each: 'P[]', fields: {name: N, id: ^.ID, role: {const: contact}}}\n", ["P", "P.N", "ID"]),
        ("      contactMedium: [{type: {const: mobile}, value: A}, {type: {const: email}, value: B}]\n", ["A", "B"]),
    ],
)
def test_every_field_that_is_named_is_told_from_the_root_on(rest: str, wanted: list[str]) -> None:
    """Inside a loop too, and out of it again with ^."""
    assert names(rest) == wanted


def test_references_name_the_system_whose_key_they_hold() -> None:
    """Their own system, where nothing else is said."""
    text = "mapping: m\ndirection: inbound\nrecords:\n  - entity: subscription\n    key: I\n    fields:\n      serviceNumber: I\n"
    text += "      productOffering: {ref: P, source: billing}\n      customer: {ref: C}\n"
    found = mapping.parse({"m.yaml": text.encode()}, "m.yaml", system="boss")
    assert [source for _, source in reads.references(found.records[0])] == ["billing", "boss"]
