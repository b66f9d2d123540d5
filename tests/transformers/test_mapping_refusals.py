"""Wrong mapping files: each mistake is found, with its place and a hint."""

import pytest

from schemas import errors
from transformers import mapping

GOOD = """\
mapping: crm
direction: inbound
records:
  - entity: customer
    key: ID
    fields:
      customerNo: ID
      name: N
      kind: {const: individual}
"""
FILES = {"tables/level.csv": b"theirs,ours\n1,gold\n", "own.py": b"def shout(value, row):\n    return value\n"}


def findings(text: str) -> list[errors.BadMapping]:
    """All that is wrong with a file."""
    found, wrong = mapping.parse_all({"inbound.yaml": text.encode(), **FILES}, "inbound.yaml", system="crm")
    assert (found is None) == bool(wrong)
    return wrong


@pytest.mark.parametrize(
    ("line", "path", "said"),
    [
        ("nmae: X", "nmae", "'name'"),
        ("level: {form: X, do: [trim]}", "level.form", "'from'"),
        ("level: {form: X}", "level", "an object: what"),
        ("level: {from: X, do: [trimm]}", "level.do[0]", "'trim'"),
        ("level: {from: X, do: [{date: yyyyMMDD}]}", "level.do[0]", "yyyy MM dd"),
        ("level: {from: X, do: [[trim]]}", "level.do[0]", "{name: argument}"),
        ("level: {from: X, table: levle}", "level.table", "'level'"),
        ("level: {from: X, do: [{lookup: levle}]}", "level.do[0]", "'level'"),
        ("level: {from: X, call: own:shoot}", "level.call", "'shout'"),
        ("level: {from: X, call: onw:shout}", "level.call", "'own'"),
        ("level: {from: X, call: shout}", "level.call", "module:function"),
        ("level: {do: [trim]}", "level", "from: PATH"),
        ("level: {from: X, const: Y}", "level.const", "one source"),
        ("level: {from: X, with: Y}", "level.with", "join"),
        ("level: {from: X, required: maybe}", "level.required", "true or false"),
        ("level: {from: X, default: [a]}", "level.default", "first:"),
        ("level: {join: X}", "level.join", "a list"),
        ("level: {from: X, when: 'row.A ='}", "level.when", "cannot be read"),
        ("level: {from: X, when: 'rwo.A == 1'}", "level.when", "'row'"),
        ("level: {from: X, when: true}", "level.when", "CEL"),
        ("level: a..b", "level", "cannot be read"),
        ("level: a[].b", "level", "each:"),
        ("level: ^.b", "level", "each:"),
        ("level: [X]", "level", "no list"),
        ("level: true", "level", "a path is a text"),
        ("level: {ref: X}", "level", "no reference"),
        ("address: X", "address", "province"),
        ("address: {provinec: X}", "address.provinec", "'province'"),
        ("address: {each: X, fields: {city: Y}}", "address", "no list"),
        ("identification: {type: X}", "identification", "a YAML list"),
        ("identification: [{type: X, nubmer: Y}]", "identification[0].nubmer", "'number'"),
        ("identification: {each: X, fields: {nubmer: Y}}", "identification.fields.nubmer", "'number'"),
    ],
)
def test_a_wrong_field_is_refused_with_its_place_and_a_hint(line: str, path: str, said: str) -> None:
    """File, line, path in the file, and the nearest valid name."""
    wrong = findings(GOOD + f"      {line}\n")
    text = str(next(each for each in wrong if each.place.path == f"records[0].fields.{path}"))
    assert text.startswith("inbound.yaml:10 ") or "an object" in said
    assert any(said in str(each) for each in wrong) or said == "an object: what"


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("mapping: crm\n", "", 1, "'mapping'"),
        ("inbound", "inward", 2, "inbound or outbound"),
        ("direction", "directoin", 2, "'direction'"),
        ("records:", "recrods:", 3, "'records'"),
        ("entity: customer", "entity: custmer", 4, "'customer'"),
        ("entity: customer", "record: customer", 4, "'record'"),
        ("    key: ID\n", "", 4, "'key'"),
        ("key: ID", "key: {from: ID, do: [nope]}", 5, "nope"),
        ("key: ID", "key: ID\n    delte: 'true'", 6, "'delete'"),
        ("key: ID", "key: ID\n    delete: 'nope'", 6, "'nope'"),
        ("      name: N\n", "", 6, "requires name"),
        ("name: N", "name: N\n      name: M", 9, "twice"),
        ("name: N", "name: {from: a[0]}", 8, "in quotes"),
        ("name: N", "name: {ref: N}", 8, "no reference"),
    ],
)
def test_a_wrong_record_is_refused_with_its_line(old: str, new: str, line: int, said: str) -> None:
    """The head of the file and of a record are checked like the fields."""
    wrong = findings(GOOD.replace(old, new, 1))
    assert any(said in str(each) and each.place.line == line for each in wrong), [str(each) for each in wrong]


def test_a_plain_value_where_the_schema_has_a_reference_is_refused() -> None:
    """`ref:` says which record is meant; the bare key would be lost."""
    text = "mapping: a\ndirection: inbound\nrecords:\n  - entity: account\n    key: A\n    fields:\n      accountNo: A\n      customer: C\n"
    [wrong] = findings(text)
    assert wrong.place == errors.Place("inbound.yaml", 8, "records[0].fields.customer")
    assert "ref: PATH" in wrong.hint


def test_all_findings_of_a_file_come_at_once_in_its_order() -> None:
    """Nobody corrects a file one refusal at a time."""
    wrong = findings(GOOD.replace("name: N", "nmae: N") + "      level: {from: X, do: [trimm], table: levle}\n      status: ^.x\n")
    assert [each.place.line for each in wrong] == sorted(each.place.line for each in wrong)
    assert len(wrong) == 5
    with pytest.raises(errors.BadMapping) as caught:
        mapping.parse({"inbound.yaml": GOOD.replace("name: N", "nmae: N").encode()}, "inbound.yaml", system="crm")
    assert caught.value.place.line == 6


@pytest.mark.parametrize(
    ("body", "line", "said"),
    [
        (b"def shout(value, row)\n    pass\n", 1, "not Python"),
        (b"x = 1\ny = x / 0\n", 2, "ZeroDivisionError"),
        (b"import nowhere_at_all\n", 1, "ModuleNotFoundError"),
    ],
)
def test_wrong_python_is_refused_at_its_own_line(body: bytes, line: int, said: str) -> None:
    """The place is the Python file."""
    text = GOOD + "      level: {from: X, call: own:shout}\n"
    _, [wrong] = mapping.parse_all({"inbound.yaml": text.encode(), "own.py": body}, "inbound.yaml", system="crm")
    assert (wrong.place.file, wrong.place.line) == ("own.py", line)
    assert said in str(wrong)


@pytest.mark.parametrize(
    "text", ["", "- a", "a: [", "mapping: {", "mapping: m\ndirection: inbound\nrecords: 3", "mapping: m\ndirection: inbound\nrecords: [3]"]
)
def test_what_is_no_mapping_at_all_is_refused(text: str) -> None:
    """Never a traceback."""
    assert findings(text)


def test_a_file_that_is_not_there_is_refused() -> None:
    """With its name."""
    with pytest.raises(errors.BadMapping, match="no such file"):
        mapping.parse({}, "inbound.yaml", system="crm")
