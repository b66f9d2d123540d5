"""JSON at the door, as records and back: what parsers read differently is refused with a place and a reason."""

from __future__ import annotations

import contextlib
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import errors
from tests.transformers.format_cases import bads, build, json_suite, mapped, naughty, rows
from transformers import formats

DOOR = build(kind="json")
SUITE = dict(json_suite())
# Good JSON that the hub refuses all the same: no two parsers agree on doubled keys, and no store keeps a NUL.
OURS = {
    "y_object_duplicated_key.json",
    "y_object_duplicated_key_and_value.json",
    "y_string_null_escape.json",
    "y_object_escaped_null_in_key.json",
}

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)
RECORDS = st.lists(st.dictionaries(TEXT, VALUES, max_size=5), max_size=5)


@pytest.mark.parametrize("name", [name for name in SUITE if name.startswith("y_")])
def test_good_json_is_accepted(name: str) -> None:
    """Whatever it holds, if only as a record to be parked; doubled keys and NUL are refused with a reason."""
    if name in OURS:
        with pytest.raises(errors.Unsafe) as refused:
            DOOR.inspect(SUITE[name])
        assert refused.value.place.path.startswith("$")
    else:
        assert DOOR.inspect(SUITE[name]) == len(list(DOOR.read(SUITE[name])))


@pytest.mark.parametrize("name", [name for name in SUITE if name.startswith("n_")])
def test_bad_json_is_refused_with_a_reason(name: str) -> None:
    """At the door; and read all the same, it is one bad record, never an exception."""
    with pytest.raises(errors.Reject) as refused:
        DOOR.inspect(SUITE[name])
    assert refused.value.detail
    assert all(isinstance(row, formats.Bad | formats.Row) for row in DOOR.read(SUITE[name]))


@pytest.mark.parametrize("name", [name for name in SUITE if name.startswith("i_")])
def test_doubtful_json_is_accepted_or_refused(name: str) -> None:
    """Either, but nothing else."""
    with contextlib.suppress(errors.Reject):
        assert DOOR.inspect(SUITE[name]) == len(list(DOOR.read(SUITE[name])))


@pytest.mark.parametrize("name", SUITE)
def test_every_case_is_safe_as_a_line(name: str) -> None:
    """Line by line, a bad line is a bad record and the door still counts."""
    lines = build(kind="json", lines=True)
    body = SUITE[name] + b'\n{"good": 1}\n'
    found = list(lines.read(body))
    assert lines.inspect(body) == len(found)
    assert isinstance(found[-1], formats.Row)


@pytest.mark.parametrize(
    ("body", "path", "word"),
    [
        (b'{"a": [{"b": 1, "b": 2}]}', "$.a[0]", "twice"),
        (b'{"a": {"b": NaN}}', "$.a.b", "finite"),
        (b'{"a": -Infinity}', "$.a", "finite"),
        (b'{"a": 1e999}', "$.a", "finite"),
        (b'{"a": 9223372036854775808}', "$.a", "64 bits"),
        (b'{"a": -9223372036854775809}', "$.a", "64 bits"),
        (b'{"a": ' + b"9" * 5000 + b"}", "$.a", "64 bits"),
        (b'{"a": "x\\u0000y"}', "$.a", "NUL"),
        (b'{"a": {"\\u0000": 1}}', "$.a", "NUL"),
        (b'["\\ud800"]', "$[0]", "surrogate"),
        (b"[" * 65 + b"]" * 65, "$" + "[0]" * 64, "deeper"),
        (b"[" * 50_000 + b"]" * 50_000, "", "deeper"),
        (b'{"a":' * 50_000, "", "deeper"),
        (b'{"a": "\xd6\xd0"}', "line 1", "UTF-8"),
        (b'{"a": 1}\n\n{"a": 2}', "line 3 column 1", "Extra data"),
        (b"", "column 1", "Expecting value"),
    ],
)
def test_the_door_names_place_and_reason(body: bytes, path: str, word: str) -> None:
    """A person can act on it without looking at the parser."""
    with pytest.raises(errors.Reject) as refused:
        DOOR.inspect(body)
    assert refused.value.place.path == path
    assert word in refused.value.detail


def test_sixty_four_levels_are_taken() -> None:
    """The limit itself is allowed; so are the largest integers and a byte order mark."""
    assert DOOR.inspect(b"[" * 64 + b"]" * 64) == 1
    assert DOOR.inspect(b'\xef\xbb\xbf{"a": 9223372036854775807, "b": -9223372036854775808}') == 1


def test_deep_scalars_do_not_hang() -> None:
    """A wide document costs time in proportion."""
    assert DOOR.inspect(b"[" + b",".join([b'{"a":[1,2]}'] * 50_000) + b"]") == 50_000


@given(records=RECORDS)
def test_what_is_written_is_read(records: list[dict[str, object]]) -> None:
    """As a list, below a path, and line by line."""
    for form in (build(kind="json"), build(kind="json", records="data.items"), build(kind="json", lines=True)):
        assert rows(form, form.write(mapped(*records))) == records


@given(records=RECORDS.filter(bool), data=st.data())
def test_an_excerpt_is_that_record_alone(records: list[dict[str, object]], data: st.DataObject) -> None:
    """In a body of the same format."""
    number = data.draw(st.integers(0, len(records) - 1))
    for form in (build(kind="json"), build(kind="json", records="items"), build(kind="json", lines=True)):
        assert rows(form, form.excerpt(form.write(mapped(*records)), number)) == [records[number]]


@given(records=RECORDS, size=st.integers(1, 4))
def test_chunks_together_are_the_whole(records: list[dict[str, object]], size: int) -> None:
    """Each stands alone and holds at most so many records."""
    for form in (build(kind="json"), build(kind="json", records="items"), build(kind="json", lines=True)):
        body = form.write(mapped(*records))
        chunks = [rows(form, chunk) for chunk, *_ in form.split(io.BytesIO(body), size)]
        assert [row for chunk in chunks for row in chunk] == records
        assert all(0 < len(chunk) <= size for chunk in chunks)
        assert form.totals(io.BytesIO(body)).rows == len(records)


@given(value=st.binary(max_size=60))
def test_no_bytes_break_the_door(value: bytes) -> None:
    """Only refusals leave it, and what passes is read without a surprise."""
    try:
        count = DOOR.inspect(value)
    except errors.Reject:
        return
    assert len(list(DOOR.read(value))) == count


def test_an_excerpt_keeps_digits_and_surroundings() -> None:
    """Amounts stay as they were sent, and so does what stands around the list."""
    form = build(kind="json", records="body.items")
    body = '{"head": {"no": 1.10}, "body": {"items": [{"fee": 1.10}, {"fee": 2.50, "name": "张伟"}, 3]}, "tail": "]"}'.encode()
    assert form.excerpt(body, 1).decode() == '{"head": {"no": 1.10}, "body": {"items": [{"fee": 2.50, "name": "张伟"}]}, "tail": "]"}'


def test_a_record_that_is_no_object_is_bad_alone() -> None:
    """Its neighbours are read."""
    found = list(DOOR.read(b'[{"a": 1}, 7, {"a": 2}]'))
    assert [row.number for row in found] == [0, 1, 2]
    (wrong,) = bads(found)
    assert wrong.failure.path == "$[1]"
    assert wrong.failure.payload == b"[7]"


def test_a_missing_list_is_refused_with_the_nearest_name() -> None:
    """Not taken as no records: that would lose them."""
    with pytest.raises(errors.Undecodable) as refused:
        build(kind="json", records="items").inspect(b'{"itemz": []}')
    assert "items" in refused.value.detail
    assert "itemz" in refused.value.hint


def test_one_object_for_a_subscriber_that_takes_one() -> None:
    """With `single` the body is the object, and two are a mistake of the route."""
    form = build(kind="json", single=True)
    assert json.loads(form.write(mapped({"a": 1}))) == {"a": 1}
    with pytest.raises(errors.Misconfigured):
        form.write(mapped({"a": 1}, {"a": 2}))


def test_what_json_cannot_hold_is_refused() -> None:
    """A subscriber never gets a guess."""
    with pytest.raises(errors.Unencodable):
        DOOR.write(mapped({"a": 2**70}))
    with pytest.raises(errors.Unencodable):
        DOOR.write(mapped({"a": "\ud800"}))


def test_naughty_strings_survive() -> None:
    """Every one comes back as it was."""
    records = [{"text": text} for text in naughty()]
    assert rows(DOOR, DOOR.write(mapped(*records))) == records


def test_sums_of_a_column() -> None:
    """For a control file; what is no number counts as nothing."""
    found = build(kind="json", lines=True).totals(io.BytesIO(b'{"fee": 1.10}\n{"fee": "2.20"}\n{"fee": "x"}\nbroken\n'), "fee")
    assert (found.rows, str(found.sum)) == (4, "3.30")
