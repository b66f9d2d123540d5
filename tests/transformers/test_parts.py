"""Parts of bodies: records rendered one by one, put together later, in another process, by another instance."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import errors
from schemas.envelope import Mapped
from tests.transformers.format_cases import build, mapped
from transformers import formats

NAMES = ["A", "B", "C"]
TYPES: dict[str, Any] = {"column": "A", "H": "head", "D": "detail", "T": "trailer"}
KINDS: dict[str, Any] = {
    "types": {"column": 0, "CUST": "customer", "ACCT": "account"},
    "columns": {
        "customer": ["A", {"name": "B", "required": True}, {"name": "C", "type": "integer"}],
        "account": ["A", "B"],
    },
}


def wide(**widths: int) -> list[dict[str, Any]]:
    """Columns of fixed width."""
    return [{"name": name, "width": width} for name, width in widths.items()]


SUMS: dict[str, Any] = {
    "head": ["A", {"name": "FROM", "const": "MASTERCOPY"}],
    "trailer": ["A", {"name": "ROWS", "count": True}, {"name": "SUM", "sum": "B"}],
}
FIXED_SUMS = [*wide(A=1), {"name": "ROWS", "width": 3, "count": True}, {"name": "SUM", "width": 20, "sum": "B"}]
LINES: dict[str, dict[str, Any]] = {  # a body of these is its lines, and nothing else
    "json lines": {"kind": "json", "lines": True},
    "bars": {"kind": "delimited", "encoding": "gbk", "delimiter": "|", "columns": NAMES},
    "quotes": {"kind": "delimited", "newline": "crlf", "columns": NAMES},
    "escapes": {"kind": "delimited", "delimiter": "|", "escape": "\\", "columns": NAMES},
    "kinds": {"kind": "delimited", "encoding": "gb18030", "delimiter": "|", **KINDS},
    "fixed": {"kind": "fixed", "encoding": "gb18030", "columns": wide(A=4, B=8, C=20)},
}
FORMS: dict[str, dict[str, Any]] = LINES | {
    "json": {"kind": "json"},
    "json below a path": {"kind": "json", "records": 'data.客 "户"'},
    "json alone": {"kind": "json", "single": True, "records": "data"},
    "header": {"kind": "delimited", "encoding": "utf-8-sig", "header": True, "columns": NAMES},
    "header of the records": {"kind": "delimited", "encoding": "gbk", "header": True},
    "trailer": {"kind": "delimited", "delimiter": "|", "columns": NAMES, "types": TYPES, **SUMS},
    "fixed with a trailer": {"kind": "fixed", "columns": wide(A=4, B=8, C=20), "types": TYPES, "trailer": FIXED_SUMS},
    "xml": {"kind": "xml", "records": "customers/customer", "encoding": "gbk"},
    "xml of all names": {"kind": "xml", "records": "x/x/*", "namespace": "urn:x"},
    "xml alone": {"kind": "xml"},
}
TEXT = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('1a中𠮷|,"\\\n<&'), max_size=5)
VALUES = st.none() | st.booleans() | st.integers() | TEXT | st.lists(TEXT, min_size=1, max_size=2)
STATES = st.dictionaries(st.sampled_from(NAMES), VALUES)
RECORD = st.builds(Mapped, st.sampled_from(["customer", "account", "order"]), st.just("k"), st.none(), st.just("upsert"), STATES)
RECORDS = st.lists(RECORD, max_size=5)


def outcome(call: Callable[[Any], bytes], given: object) -> bytes | str:
    """What a call answers, or the error that it raises."""
    try:
        return call(given)
    except errors.MastercopyError as error:
        return str(error)


def parted(form: formats.Format, records: Sequence[Mapped]) -> tuple[list[Mapped], list[Any]]:
    """The records that the format can hold, and their parts as another process gets them."""
    held, parts = [], []
    for record in records:
        with contextlib.suppress(errors.Reject):
            parts.append(form.part(record))
            held.append(record)
    return held, pickle.loads(pickle.dumps(parts))


@pytest.mark.parametrize("name", FORMS)
@given(records=RECORDS)
def test_a_body_is_its_parts_joined_elsewhere(name: str, records: list[Mapped]) -> None:
    """Byte for byte, after pickle, by an instance that has seen none of the records; refused alike where one body holds one."""
    form = build(**FORMS[name])
    held, parts = parted(form, records)
    assert outcome(build(**FORMS[name]).join, parts) == outcome(form.write, held)


@pytest.mark.parametrize("name", FORMS)
@given(records=RECORDS)
def test_what_has_a_part_makes_a_body_alone(name: str, records: list[Mapped]) -> None:
    """So whoever joins can always send one record, and knows that it is not the one to park."""
    form = build(**FORMS[name])
    for part in parted(form, records)[1]:
        assert form.join([part])


@pytest.mark.parametrize("name", LINES)
@given(records=RECORDS)
def test_lines_stand_one_behind_the_other(name: str, records: list[Mapped]) -> None:
    """A body without header and trailer is the bodies of its records."""
    form = build(**FORMS[name])
    held, parts = parted(form, records)
    assert form.join(parts) == b"".join(form.write([record]) for record in held)


@given(states=st.lists(STATES, max_size=4))
def test_joined_json_is_the_text_of_the_whole(states: list[dict[str, Any]]) -> None:
    """As if the list, its wrappers and the records had been one value."""
    held, parts = parted(build(**FORMS["json"]), mapped(*states))
    whole = [record.state for record in held]
    assert build(**FORMS["json"]).join(parts) == orjson.dumps(whole)
    assert build(**FORMS["json below a path"]).join(parts) == orjson.dumps({"data": {'客 "户"': whole}})
    for part, state in zip(parts, whole, strict=True):
        assert build(**FORMS["json alone"]).join([part]) == orjson.dumps({"data": state})


def test_joined_xml_is_one_document() -> None:
    """The namespace is declared once; without records the frame closes itself."""
    form = build(kind="xml", records="m/客/c", encoding="gb18030", namespace="urn:x")
    parts = [form.part(record) for record in mapped({"@no": 1, "n": "张"}, {"n": ["x", "<"]})]
    head = '<?xml version="1.0" encoding="gb18030"?>\n<m xmlns="urn:x">'
    inner = '<c no="1"><n>张</n></c><c><n>x</n><n>&lt;</n></c>'
    assert form.join(parts) == f"{head}<客>{inner}</客></m>".encode("gb18030")
    assert form.join([]) == f"{head}<客/></m>".encode("gb18030")


@pytest.mark.parametrize("name", ["json alone", "xml alone"])
def test_a_body_of_one_record_takes_one_part(name: str) -> None:
    """None or two are a mistake of the route."""
    form = build(**FORMS[name])
    part = form.part(*mapped({"A": "1"}))
    for parts in ([], [part, part]):
        with pytest.raises(errors.Misconfigured, match=f"{len(parts)} records"):
            form.join(parts)


@pytest.mark.parametrize(
    ("name", "value", "place"),
    [
        ("json", 2**70, "$.B"),
        ("json lines", ["\ud800"], "$.B"),
        ("bars", "1|2", "B"),
        ("kinds", [1], "B"),
        ("header", [1], "B"),
        ("header of the records", "𠮷", "B"),
        ("trailer", "1\n2", "B"),
        ("fixed with a trailer", "123456789", "B"),
        ("xml", "\0", "/customer[1]/B"),
        ("xml alone", "\0", "/customer/B"),
    ],
)
def test_a_part_is_refused_with_its_field(name: str, value: object, place: str) -> None:
    """Before the batch is put together: the record that cannot be sent is known."""
    with pytest.raises(errors.Unencodable) as refused:
        build(**FORMS[name]).part(*mapped({"A": "D", "B": value}))
    assert refused.value.place.path == place


def test_what_no_body_can_hold_is_refused_with_the_first_part() -> None:
    """A header's name, and a trailer that is too narrow for one."""
    header = build(kind="delimited", delimiter="|", header=True, columns=["A", "B|C"])
    narrow = {"name": "SUM", "width": 2, "sum": "B"}
    trailer = build(kind="fixed", columns=wide(A=1, B=4), types=TYPES, trailer=[*wide(A=1), narrow])
    for form, state, place in ((header, {"A": "1"}, "B|C"), (trailer, {"B": "100"}, "SUM")):
        with pytest.raises(errors.Unencodable) as refused:
            form.part(*mapped(state))
        assert refused.value.place.path == place


def test_a_trailer_that_the_totals_do_not_fit_is_refused_when_it_is_joined() -> None:
    """Each record is fine, all of them are too many: fewer in a body is the way out."""
    form = build(kind="fixed", columns=wide(A=1, B=4), types=TYPES, trailer=[*wide(A=1), {"name": "SUM", "width": 2, "sum": "B"}])
    part = form.part(*mapped({"B": "60"}))
    assert form.join([part]) == b"D60  \nT60\n"
    with pytest.raises(errors.Unencodable, match="3 bytes") as refused:
        form.join([part, part])
    assert refused.value.place.path == "SUM"


def test_only_cells_that_need_quotes_get_them() -> None:
    """One in the line does not spoil the others."""
    form = build(**FORMS["quotes"])
    assert form.part(*mapped({"A": "x", "B": "1,2", "C": 'say "hi"'})) == b'x,"1,2","say ""hi"""\r\n'
    assert form.part(*mapped({"A": "x", "B": "中", "C": ""})) == "x,中,\r\n".encode()
