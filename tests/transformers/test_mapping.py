"""Mappings at work: rows in, records out."""

import pickle
import textwrap
from typing import Any

import pytest

from schemas import errors
from transformers import mapping

HEAD = """\
mapping: test
direction: inbound
records:
  - entity: customer
    key: ID
    fields:
      customerNo: ID
      name: N
      kind: {const: individual}
"""
OWN = b"""
def shout(value, row):
    return value.upper() + row['N']

def made(value, row):
    return None if row.get('N') == 'x' else len(row)
"""
FILES = {"tables/level.csv": b"theirs,ours\n1,gold\n2,silver\n", "own.py": OWN}
PRODUCT = """\
mapping: p
direction: inbound
records:
  - entity: product
    key: C
    fields:
      code: C
      name: C
      channel: {from: CH, do: [{split: ','}, upper, {blank: X}]}
      bundled: {each: parts, ref: '.'}
"""
MOBILE = "{type: {const: mobile}, value: M}"
EMAIL = "{type: {const: email}, value: E}"
MAILS = {"contactMedium": [{"type": "email", "value": "e"}]}
PARTY = {"relatedParty": [{"name": "a"}]}


def inbound(fields: str) -> mapping.Mapping:
    """A customer mapping with more fields."""
    text = HEAD + textwrap.indent(textwrap.dedent(fields), "      ")
    return mapping.parse({"inbound.yaml": text.encode(), **FILES}, "inbound.yaml", system="crm")


def state(fields: str, row: dict[str, Any]) -> dict[str, Any]:
    """What these fields make of a row, without the three that every customer has."""
    [record] = inbound(fields).run({"ID": "1", "N": "n", **row})
    return {name: value for name, value in record.state.items() if name not in ("customerNo", "name", "kind")}


@pytest.mark.parametrize(
    ("fields", "row", "expected"),
    [
        ("level: L", {"L": "x"}, {"level": "x"}),
        ("level: A.B", {"A": {"B": "x"}}, {"level": "x"}),
        ("level: A.B", {"A": None}, {}),
        ("level: A.B", {"A": ""}, {}),
        ("level: A[1].B", {"A": [{"B": "x"}, {"B": "y"}]}, {"level": "y"}),
        ("level: A[0].B", {"A": {"B": "x"}}, {"level": "x"}),
        ("level: A[-1]", {"A": []}, {}),
        ("level: A[t=m].v", {"A": [{"t": "h", "v": 1}, {"t": "m", "v": "x"}]}, {"level": "x"}),
        ("level: '[\"A.B\"]'", {"A.B": "x"}, {"level": "x"}),
        ("level: A.#text", {"A": "x"}, {"level": "x"}),
        ("level: A.@no", {"A": {"@no": "x", "#text": "y"}}, {"level": "x"}),
        ("level: A.@no", {"A": "y"}, {}),
        ("level: 客户级别", {"客户级别": "金"}, {"level": "金"}),
        ("level: L", {"L": ""}, {}),
        ("level: L", {"L": None}, {}),
        ("level: {const: gold}", {}, {"level": "gold"}),
        ("level: {from: L, do: [trim]}", {"L": "  "}, {}),
        ("level: {from: L, do: [trim], default: none}", {"L": "  "}, {"level": "none"}),
        ("level: {from: L, do: [trim, upper]}", {"L": " a "}, {"level": "A"}),
        ("level: {from: L, table: level}", {"L": 1}, {"level": "gold"}),
        ("level: {from: L, table: level, default: iron}", {"L": "9"}, {"level": "iron"}),
        ("level: {from: L, do: [{blank: '0'}], table: level}", {"L": "0"}, {}),
        ("level: {from: L, do: [trim, {lookup: level}, upper]}", {"L": " 2"}, {"level": "SILVER"}),
        ("level: {join: [A, {from: B, do: [upper]}, C], with: '-'}", {"A": "a", "B": "b"}, {"level": "a-B"}),
        ("level: {join: [A, B]}", {}, {}),
        ("level: {first: [A, {from: B, do: [trim]}, C]}", {"B": " ", "C": "c"}, {"level": "c"}),
        ("level: {from: L, when: 'row.T == \"1\"'}", {"L": "x", "T": "1"}, {"level": "x"}),
        ("level: {from: L, when: 'row.T == \"1\"', default: y}", {"L": "x", "T": "2"}, {}),
        ("level: {from: L, call: own:shout}", {"L": "x"}, {"level": "Xn"}),
        ("level: {from: L, call: own:shout}", {}, {}),
        ("level: {call: own:made}", {}, {"level": 2}),
        ("address: {province: P, city: C}", {"P": "浙江"}, {"address": {"province": "浙江"}}),
        ("address: {province: P, city: C}", {}, {}),
        ("address: {when: 'row.P != \"x\"', fields: {province: P}}", {"P": "x"}, {}),
        (f"contactMedium: [{MOBILE}, {EMAIL}]", {"E": "e"}, MAILS),
        ("contactMedium: [{type: {const: mobile}, value: M}]", {}, {}),
        (
            "contactMedium: [{type: {const: mobile}, value: {const: '10000'}}]",
            {},
            {"contactMedium": [{"type": "mobile", "value": "10000"}]},
        ),
        (
            f"contactMedium: [{{each: MS, fields: {{type: {{const: mobile}}, value: '.'}}}}, {EMAIL}]",
            {"MS": [], "E": "e"},
            MAILS,
        ),
        ("relatedParty: {each: 'ms[]', fields: {name: n, id: ^.B}}", {"ms": [{"n": "a"}, {}], "B": ""}, {"relatedParty": [{"name": "a"}]}),
        ("relatedParty: {each: ms, fields: {name: n}}", {"ms": {"n": "one"}}, {"relatedParty": [{"name": "one"}]}),
        ("relatedParty: {each: ms, fields: {name: '#text'}}", {"ms": "one"}, {"relatedParty": [{"name": "one"}]}),
        (
            "relatedParty: {each: ms, when: 'row.k == \"1\"', fields: {name: n}}",
            {"ms": [{"n": "a", "k": "1"}, {"n": "b"}]},
            PARTY,
        ),
        (
            "relatedParty: {each: 'gs[].ms[]', fields: {name: n}}",
            {"gs": [{"ms": [{"n": "a"}]}, {"ms": {"n": "b"}}, {}]},
            {"relatedParty": [{"name": "a"}, {"name": "b"}]},
        ),
        ("identification: {each: ids, fields: {number: {from: '.', when: 'row != \"x\"'}}}", {"ids": []}, {}),
    ],
)  # fmt: skip
def test_a_rule_makes_this_of_a_row(fields: str, row: dict[str, Any], expected: dict[str, Any]) -> None:
    """One line per word of the language; what is missing leaves no key."""
    assert state(fields, row) == expected


def test_plain_values_are_repeated_with_a_point() -> None:
    """A list of texts becomes a list of texts or of objects; functions after `split` work on each."""
    [record] = mapping.parse({"m.yaml": PRODUCT.encode()}, "m.yaml", system="cat").run({"C": 7, "CH": "a, x,b", "parts": ["p1", 2]})
    assert record.key == "7"
    assert record.state["channel"] == ["A", "B"]
    assert record.state["bundled"] == [{"source": "cat", "key": "p1"}, {"source": "cat", "key": "2"}]


def test_a_row_gives_several_linked_records_in_the_files_order() -> None:
    """References carry the source and its key; `source:` names another system."""
    text = """\
    mapping: linked
    direction: inbound
    records:
      - entity: customer
        key: {join: [{const: C}, ID], with: "-"}
        sequence: {from: T, do: [{datetime: yyyyMMddHHmmss}, micros]}
        fields: {customerNo: ID, name: N, kind: {const: individual}}
      - entity: account
        each: accounts
        when: 'row.no != "0"'
        key: no
        fields:
          accountNo: no
          customer: {ref: {join: [{const: C}, ^.ID], with: "-"}}
          name: ^.N
      - entity: subscription
        when: 'has(row.S)'
        key: S
        sequence: Q
        fields:
          serviceNumber: S
          productOffering: {ref: P, source: catalogue}
          customer: {ref: ID}
          account: [{account: {ref: A}, share: {const: 100}}]
    """
    found = mapping.parse({"m.yaml": textwrap.dedent(text).encode()}, "m.yaml", system="boss")
    row = {"ID": " 1 ", "N": "张三", "T": "20261101080000", "accounts": [{"no": "0"}, {"no": "9"}], "S": "138", "P": "p", "Q": "0007"}
    customer, account, subscription = found.run(row)
    assert (customer.kind, customer.key, customer.sequence, customer.op) == ("customer", "C- 1", 1793491200000000, "upsert")
    assert (account.key, account.sequence, account.state["name"]) == ("9", None, "张三")
    assert account.state["customer"] == {"source": "boss", "key": "C- 1"}
    assert subscription.sequence == 7
    assert subscription.state["productOffering"] == {"source": "catalogue", "key": "p"}
    assert subscription.state["customer"] == {"source": "boss", "key": "1"}
    assert "account" not in subscription.state  # no A: the item has nothing from the data, and vanishes with its share
    assert found.kinds == ("customer", "account", "subscription")


def test_a_delete_needs_its_key_only() -> None:
    """Its state is empty; the fields are not asked."""
    text = HEAD.replace("    fields:", "    delete: 'row.OP == \"D\"'\n    fields:").replace("name: N", "name: {from: N, required: true}")
    found = mapping.parse({"m.yaml": text.encode()}, "m.yaml", system="crm")
    [record] = found.run({"ID": 1, "OP": "D"})
    assert (record.key, record.op, record.state) == ("1", "delete", {})


@pytest.mark.parametrize(
    ("fields", "row", "target", "value", "said"),
    [
        ("level: {from: L, required: true}", {}, "level", None, "required"),
        ("level: {from: L, table: level}", {"L": "9"}, "level", "9", "tables/level.csv"),
        ("birthDate: {from: B, do: [trim, {date: yyyyMMdd}]}", {"B": " 2026 "}, "birthDate", " #### ", "yyyyMMdd"),
        (
            "contactMedium: [{type: {const: mobile}, value: {from: M, do: [msisdn]}}]",
            {"M": "12"},
            "contactMedium[].value",
            "##",
            "telephone",
        ),
        ("level: A.B", {"A": [1, 2]}, "level", None, "list of 2"),
        ("level: A.B", {"A": "x"}, "level", None, "plain value"),
        ("level: {from: L, call: own:shout}", {"L": 7}, "level", 7, "AttributeError"),
        ("level: {from: L, when: 'row.T > 3'}", {"L": "7"}, "level", None, "row.T > 3"),
        ("relatedParty: {each: ms, fields: {name: n}}", {"ms": [3]}, "relatedParty[]", 3, "plain values"),
    ],
)
def test_a_failure_names_file_line_target_value_and_reason(fields: str, row: dict[str, Any], target: str, value: Any, said: str) -> None:
    """Enough to correct the record or the mapping; of personal values the shape alone."""
    with pytest.raises(errors.MappingFailure) as caught:
        inbound(fields).run({"ID": "1", "N": "n", **row})
    assert (caught.value.place.file, caught.value.place.line, caught.value.place.path) == ("inbound.yaml", 10, target)
    assert said in str(caught.value)
    if value is not None:
        assert caught.value.value == value


@pytest.mark.parametrize(
    ("key", "said"),
    [("", "missing"), (None, "missing"), ("  ", "missing"), (1.5, "text or a whole number"), ({}, "text or a whole number")],
)
def test_a_record_without_a_usable_key_is_refused(key: Any, said: str) -> None:
    """No record is made under an empty or changing key."""
    with pytest.raises(errors.MappingFailure, match=said) as caught:
        inbound("level: L").run({"ID": key, "N": "n"})
    assert caught.value.place.path == "key"


@pytest.mark.parametrize("sequence", ["abc", "1.5", 2.5, True, 2**63])
def test_a_sequence_is_a_whole_number(sequence: Any) -> None:
    """Else the order guard would compare what has no order."""
    found = mapping.parse({"m.yaml": HEAD.replace("    fields:", "    sequence: Q\n    fields:").encode()}, "m.yaml", system="crm")
    with pytest.raises(errors.MappingFailure, match="64 bits"):
        found.run({"ID": 1, "N": "n", "Q": sequence})


def test_the_hash_covers_the_mapping_and_what_it_uses() -> None:
    """Another table or script is another revision; other files of the folder are not."""
    text = HEAD + "      level: {from: L, table: level, call: own:shout}\n"
    files = {"inbound.yaml": text.encode(), **FILES}

    def digest(**more: bytes) -> str:
        return mapping.parse(
            {**files, **{name.replace("__", "/").replace("_dot_", "."): body for name, body in more.items()}}, "inbound.yaml", system="crm"
        ).hash

    plain = digest()
    assert len(plain) == 64
    assert digest(README_dot_md=b"x") == plain
    assert digest(tables__level_dot_csv=b"theirs,ours\n1,iron\n") != plain
    assert digest(own_dot_py=FILES["own.py"] + b"#") != plain
    assert digest(inbound_dot_yaml=text.encode() + b"# x\n") != plain


def test_a_mapping_crosses_process_borders() -> None:
    """The decode pool gets it as its files and compiles it there."""
    found = inbound("level: {from: L, table: level}")
    there = pickle.loads(pickle.dumps(found))
    assert there == found
    assert there.run({"ID": 1, "N": "n", "L": "1"}) == found.run({"ID": 1, "N": "n", "L": "1"})
