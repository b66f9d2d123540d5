"""Fixed width: columns counted in bytes, padded, cut only between characters."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import errors
from tests.transformers.format_cases import bads, build, mapped, rows
from transformers import formats

COLUMNS: list[dict[str, Any]] = [
    {"name": "TYPE", "width": 1},
    {"name": "NAME", "width": 12},
    {"name": "FEE", "width": 8, "align": "right", "pad": "0"},
    {"name": "NOTE", "width": 6, "align": "right"},
]


def fixed(**spec: Any) -> formats.Format:
    """A format of the columns above."""
    return build(kind="fixed", **({"encoding": "gb18030", "columns": COLUMNS} | spec))


def fits(width: int) -> st.SearchStrategy[str]:
    """Text that fills at most so many bytes and has no padding of its own."""
    chars = st.characters(exclude_characters="\0\r\n \ue816\ue817\ue818\ue831\ue83b\ue855", exclude_categories=["Cs"])
    return st.text(chars, max_size=width).filter(lambda text: len(text.encode("gb18030")) <= width)


RECORDS = st.lists(
    st.fixed_dictionaries(
        {"TYPE": st.just("D"), "NAME": fits(12), "FEE": st.integers(0, 10**8 - 1).map(str) | st.just(""), "NOTE": fits(6)},
    ),
    max_size=5,
)


@pytest.mark.parametrize("newline", ["lf", "crlf", "none"])
@given(records=RECORDS, size=st.integers(1, 3))
def test_what_is_written_is_read_and_cut(newline: str, records: list[dict[str, str]], size: int) -> None:
    """With Chinese of two and four bytes, with and without line ends."""
    form = fixed(newline=newline)
    body = form.write(mapped(*records))
    assert len(body) == len(records) * (27 + {"lf": 1, "crlf": 2, "none": 0}[newline])
    assert rows(form, body) == records
    chunks = [rows(form, chunk) for chunk, *_ in form.split(io.BytesIO(body), size)]
    assert [row for chunk in chunks for row in chunk] == records
    assert form.totals(io.BytesIO(body), "FEE").sum == sum(int(record["FEE"] or 0) for record in records)
    for number, record in enumerate(records):
        assert rows(form, form.excerpt(body, number)) == [record]


def test_widths_count_bytes() -> None:
    """A Chinese character takes two bytes of its column, a rare one four."""
    form = fixed()
    assert form.write(mapped({"TYPE": "D", "NAME": "张𠮷", "FEE": 1250})) == "D张𠮷      00001250      \n".encode("gb18030")


def test_a_cut_inside_a_character_is_a_bad_row() -> None:
    """It names the column; its neighbours are read."""
    form = fixed()
    good = form.write(mapped({"TYPE": "D", "NAME": "张伟", "FEE": "7"}))
    cut = b"D" + b"x" * 11 + "张".encode("gb18030") + good[14:]
    found = list(form.read(good + cut + good))
    (wrong,) = bads(found)
    assert (wrong.number, wrong.failure.path, len(found)) == (1, "line 2 NAME", 3)
    assert "inside a character" in wrong.failure.reason


@pytest.mark.parametrize(
    ("raw", "path", "word"),
    [
        (b"D" + b" " * 20, "line 1", "21 bytes where 27"),
        (b"D" + b"\xff" * 12 + b" " * 14, "line 1", "byte 2 is not gb18030"),
        (b"D" + b"\0" * 12 + b" " * 14, "line 1", "byte 2 is NUL"),
    ],
)
def test_bad_lines_say_why(raw: bytes, path: str, word: str) -> None:
    """In bytes, counted from 1."""
    (wrong,) = bads(list(fixed().read(raw + b"\n")))
    assert wrong.failure.path == path
    assert word in wrong.failure.reason
    assert wrong.failure.payload == raw + b"\n"


def test_a_value_that_is_too_wide_is_refused() -> None:
    """Never cut: the mapping says how to shorten it."""
    with pytest.raises(errors.Unencodable) as refused:
        fixed().write(mapped({"NAME": "杭州市西湖区文三路"}))
    assert refused.value.place.path == "NAME"
    assert "18 bytes" in refused.value.detail


def test_a_gbk_target_substitutes_before_it_pads() -> None:
    """So that the width holds."""
    assert fixed(encoding="gbk", on_unencodable={"replace": "?"}).write(mapped({"TYPE": "D", "NAME": "𠮷€"})).startswith(b"D??          ")


def test_zeros_are_the_number_zero_and_spaces_nothing() -> None:
    """An unfilled number column is missing, a filled one is zero."""
    (row,) = rows(fixed(), b"D" + b" " * 12 + b"00000000" + b"     0" + b"\n")
    assert (row["FEE"], row["NOTE"]) == ("0", "0")
    (row,) = rows(fixed(), b"D" + b" " * 26 + b"\n")
    assert (row["FEE"], row["NOTE"]) == ("", "")


def test_record_types_have_their_own_columns() -> None:
    """Head and trailer are no records; the trailer is written with its totals."""
    form = fixed(
        types={"column": "TYPE", "D": "detail", "T": "trailer"},
        trailer=[
            {"name": "TYPE", "width": 1},
            {"name": "ROWS", "width": 4, "align": "right", "pad": "0", "count": True},
            {"name": "SUM", "width": 10, "align": "right", "pad": "0", "sum": "FEE"},
        ],
    )
    body = form.write(mapped({"NAME": "张", "FEE": "100"}, {"NAME": "李", "FEE": "250"}))
    assert body.endswith(b"\nT00020000000350\n")
    assert form.inspect(body) == 2
    assert form.totals(io.BytesIO(body)).trailer == {"TYPE": "T", "ROWS": "2", "SUM": "350"}
    assert [form.inspect(chunk) for chunk, *_ in form.split(io.BytesIO(body), 1)] == [1, 1]


@given(body=st.binary(max_size=120))
def test_no_bytes_break_it(body: bytes) -> None:
    """As many are read as were counted."""
    for newline in ("lf", "none"):
        form = fixed(newline=newline)
        assert len(list(form.read(body))) == form.inspect(body)


def test_a_column_without_a_width_is_refused() -> None:
    """With its place."""
    with pytest.raises(errors.BadManifest) as refused:
        fixed(columns=[{"name": "A", "width": 3}, "B"])
    assert refused.value.place.path == "columns.1.width"
