"""Delimited text: dialects, header lines, record types, broken quotes and encodings, each row for itself."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import errors
from tests.transformers.format_cases import SHARED, bads, build, mapped, naughty, rows
from transformers import formats

COLUMNS = ["ID", "NAME", "NOTE"]
SUITE = SHARED / "csv"

DIALECTS: list[dict[str, Any]] = [
    {"delimiter": ","},
    {"delimiter": "|", "quote": '"', "newline": "crlf"},
    {"delimiter": "tab", "quote": "'", "escape": "\\"},
    {"delimiter": "|", "escape": "\\"},
    {"delimiter": ";", "quote": '"', "escape": "\\", "header": True},
]
ENCODINGS = ["utf-8", "utf-8-sig", "gb18030"]
# The six characters that GB18030 reads as their later code points do not come back as themselves.
CELLS = st.text(st.characters(exclude_characters="\0\ue816\ue817\ue818\ue831\ue83b\ue855", exclude_categories=["Cs"]), max_size=12)
AWKWARD = st.text(st.sampled_from("a中\"'|,;\t\\\r\n𠮷\ue78d"), max_size=8)
TABLE = st.lists(st.fixed_dictionaries(dict.fromkeys(COLUMNS, CELLS | AWKWARD)), max_size=6)


def suite_files(prefix: str, *, bad: bool) -> list[Path]:
    """The CSV cases with or without a header line; none where the suite is absent."""
    found = sorted((SUITE / "csv").glob("*.csv"))
    return [path for path in found if path.name.startswith("bad-") == bad and ("header-" in path.name) == bool(prefix)]


@pytest.mark.skipif(not SUITE.is_dir(), reason="../shared/data/csv is not here (its licence does not allow a copy)")
def test_good_csv_gives_the_expected_json() -> None:
    """Every case of the suite that is valid, with and without header line."""
    for path in suite_files("", bad=False):
        expected = json.loads((SUITE / "json" / f"{path.stem}.json").read_text(encoding="utf-8"))
        names = [f"C{at}" for at in range(len(expected[0]))]
        assert [list(row.values()) for row in rows(build(kind="delimited", columns=names), path.read_bytes())] == expected, path.name
    for path in suite_files("header-", bad=False):
        expected = json.loads((SUITE / "json" / f"{path.stem}.json").read_text(encoding="utf-8"))
        assert rows(build(kind="delimited", header=True, columns=["foo", "bar", "baz"]), path.read_bytes()) == expected, path.name


@pytest.mark.skipif(not SUITE.is_dir(), reason="../shared/data/csv is not here (its licence does not allow a copy)")
def test_bad_csv_is_refused_or_gives_bad_rows() -> None:
    """With a reason each."""
    reasons: dict[str, str] = {}
    for path in suite_files("", bad=True) + suite_files("header-", bad=True):
        form = build(kind="delimited", columns=["foo", "bar", "baz"], header="header" in path.name)
        try:
            count = form.inspect(path.read_bytes())
        except errors.Reject as refused:
            reasons[path.name] = refused.detail
            continue
        found = list(form.read(path.read_bytes()))
        assert len(found) == count
        reasons[path.name] = " ".join(f"{row.failure.path} {row.failure.reason}" for row in bads(found))
    assert len(reasons) == 7
    assert all(reasons.values())


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("encoding", ENCODINGS)
@given(table=TABLE)
def test_what_is_written_is_read(dialect: dict[str, Any], encoding: str, table: list[dict[str, str]]) -> None:
    """Delimiters, quotes, escapes, line ends and characters of every plane."""
    form = build(kind="delimited", encoding=encoding, columns=COLUMNS, **dialect)
    assert rows(form, form.write(mapped(*table))) == table


@pytest.mark.parametrize("dialect", DIALECTS)
@given(table=TABLE, size=st.integers(1, 4))
def test_chunks_together_are_the_whole(dialect: dict[str, Any], table: list[dict[str, str]], size: int) -> None:
    """Line ends in quotes do not cut a record, and every chunk repeats the header."""
    form = build(kind="delimited", encoding="gb18030", columns=COLUMNS, **dialect)
    body = form.write(mapped(*table))
    chunks = [rows(form, chunk) for chunk, *_ in form.split(io.BytesIO(body), size)]
    assert [row for chunk in chunks for row in chunk] == table
    assert all(0 < len(chunk) <= size for chunk in chunks)
    assert form.totals(io.BytesIO(body)).rows == len(table)


@pytest.mark.parametrize("dialect", DIALECTS)
@given(table=TABLE.filter(bool), data=st.data())
def test_an_excerpt_is_that_record_alone(dialect: dict[str, Any], table: list[dict[str, str]], data: st.DataObject) -> None:
    """With the header line where there is one."""
    form = build(kind="delimited", columns=COLUMNS, **dialect)
    number = data.draw(st.integers(0, len(table) - 1))
    assert rows(form, form.excerpt(form.write(mapped(*table)), number)) == [table[number]]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "gbk", "big5"])
@given(body=st.lists(st.sampled_from([*(bytes([byte]) for byte in b"a,|;'\"\\\r\n\t\0\x81\xd6\xd0\xff\x30"), "中".encode()]), max_size=40))
def test_no_bytes_break_it(dialect: dict[str, Any], encoding: str, body: list[bytes]) -> None:
    """As many records are read as were counted, each good or bad, and each excerpt holds one."""
    form = build(kind="delimited", encoding=encoding, columns=COLUMNS, **dialect)
    text = b"".join(body)
    try:
        count = form.inspect(text)
    except errors.Reject:
        return
    found = list(form.read(text))
    assert [row.number for row in found] == list(range(count))
    assert [form.inspect(row.failure.payload) for row in bads(found)] == [1] * len(bads(found))
    assert sum(form.inspect(chunk) for chunk, *_ in form.split(io.BytesIO(text), 2)) >= count
    assert form.totals(io.BytesIO(text), "ID").rows == count


AMOUNTS = ["", "1", "20", "007", " 5", "-3", "+4", "1_0", "1.25", "1e2", "nan", "٣", "中文", "x", "a\0b"]


@pytest.mark.parametrize("column", ["ID", "FEE"])
@given(rows=st.lists(st.lists(st.sampled_from(AMOUNTS), min_size=1, max_size=3), max_size=8), end=st.sampled_from(["\n", "\r\n"]))
def test_a_columns_sum_is_that_of_its_good_rows(column: str, rows: list[list[str]], end: str) -> None:
    """A cell that is no number adds nothing, and neither does a row that cannot be read, however the sum is found."""
    body = "".join("|".join(cells) + end for cells in rows).encode("gb18030")
    form = build(kind="delimited", encoding="gb18030", delimiter="|", columns=["ID", "FEE"])
    good = [row.data for row in form.read(body) if isinstance(row, formats.Row)]
    assert form.totals(io.BytesIO(body), column).sum == sum(formats.amount(data[column]) for data in good)


def test_encoding_errors_name_line_and_byte() -> None:
    """And spoil their own row only: the reason says which byte, the payload is the row as it came."""
    form = build(kind="delimited", encoding="gb18030", delimiter="|", columns=COLUMNS)
    lines = [f"{number}|张伟|杭州".encode("gb18030") for number in range(10_000)]
    lines[9_998] = b"9998|\xd5\xc5\xff\xff|x"
    found = list(form.read(b"\n".join(lines)))
    (wrong,) = bads(found)
    assert (wrong.number, wrong.failure.path) == (9_998, "line 9999")
    assert "byte 8 is not gb18030" in wrong.failure.reason
    assert "0xFF" in wrong.failure.reason
    assert wrong.failure.payload == lines[9_998] + b"\n"
    assert wrong.failure.stage == "decode"


def test_a_bar_inside_a_character_is_no_delimiter() -> None:
    """In GB18030 the second byte of some characters is that of `|` or of the backslash."""
    text = "".join(char for char in map(chr, range(0x4E00, 0x9FA5)) if char.encode("gb18030")[-1:] in b"|\\")
    assert len(text) > 200
    for dialect in ({"delimiter": "|"}, {"delimiter": "|", "escape": "\\"}):
        form = build(kind="delimited", encoding="gb18030", columns=COLUMNS, **dialect)
        assert rows(form, form.write(mapped({"ID": text, "NAME": "|" if "escape" in dialect else "", "NOTE": text})))[0]["NOTE"] == text


def test_line_ends_may_be_mixed_and_missing() -> None:
    """CRLF, LF, empty lines, a byte order mark and no last line end."""
    form = build(kind="delimited", columns=COLUMNS)
    assert rows(form, b"\xef\xbb\xbf1,a,b\r\n\n2,c,d\n\r\n3,e,f") == [
        {"ID": "1", "NAME": "a", "NOTE": "b"},
        {"ID": "2", "NAME": "c", "NOTE": "d"},
        {"ID": "3", "NAME": "e", "NOTE": "f"},
    ]


def test_a_row_with_another_number_of_cells_is_bad_alone() -> None:
    """So are NUL, a missing required cell and a cell of the wrong type, each with the column's name."""
    columns = ["ID", {"name": "FEE", "type": "integer"}, {"name": "NAME", "required": True}]
    form = build(kind="delimited", columns=columns)
    found = list(form.read(b"1,2,a\n1,2\n1,2,a\0\n1,2.5,a\n1,,\n1,,b\n"))
    assert [isinstance(row, formats.Row) for row in found] == [True, False, False, False, False, True]
    assert [(bad.failure.path, bad.failure.stage, bad.failure.code) for bad in bads(found)] == [
        ("line 2", "decode", "Undecodable"),
        ("line 3", "decode", "Unsafe"),
        ("line 4 FEE", "check", "SchemaViolation"),
        ("line 5 NAME", "check", "SchemaViolation"),
    ]


def test_a_broken_quote_spoils_one_row() -> None:
    """Its neighbours are read, whether the quote never closes or text follows it."""
    form = build(kind="delimited", columns=COLUMNS)
    body = b'1,"open,a\n2,"two\nlines",b\n3,x"y,c\n4,"a"b,d\n5,ok,"e"\n'
    found = list(form.read(body))
    assert [row.data["ID"] for row in found if isinstance(row, formats.Row)] == ["2", "5"]
    assert [bad.failure.path for bad in bads(found)] == ["line 1", "line 4", "line 5"]
    assert form.inspect(body) == 5


@pytest.mark.parametrize("line", [b'"\n', b'a,"\n', b'"""\n', b"\\\n", b'",\\\n', b'x,"y""\n'])
def test_broken_quotes_do_not_hang(line: bytes) -> None:
    """A megabyte of them takes seconds at most."""
    for dialect in DIALECTS:
        form = build(kind="delimited", columns=COLUMNS, **{**dialect, "header": False})
        started = time.monotonic()
        assert form.inspect(line * (1_000_000 // len(line))) >= 0
        assert time.monotonic() - started < 20


def test_an_endless_line_is_refused() -> None:
    """Five gigabytes of zeros are noticed after one megabyte."""
    form = build(kind="delimited", columns=COLUMNS)
    with pytest.raises(errors.Undecodable, match="longer"):
        form.totals(io.BytesIO(bytes(3 << 20)))
    with pytest.raises(errors.Undecodable):
        form.inspect(bytes(3 << 20))
    assert len(bads(list(form.read(bytes(3 << 20))))) == 1


def test_a_header_may_be_in_another_order() -> None:
    """Columns go by name; new ones come along."""
    form = build(kind="delimited", header=True, columns=COLUMNS)
    assert rows(form, b"NOTE,ID,NAME,EXTRA\nn,1,a,x\n") == [{"NOTE": "n", "ID": "1", "NAME": "a", "EXTRA": "x"}]


@pytest.mark.parametrize(
    ("header", "word"), [(b"", "missing"), (b"ID,NAM,NOTE\n", "NAME"), (b"ID,ID,NAME,NOTE\n", "doubled"), (b"\xff\n", "byte 1")]
)
def test_a_wrong_header_refuses_the_body(header: bytes, word: str) -> None:
    """At the door, naming what is missing; read, it is one bad record."""
    form = build(kind="delimited", header=True, columns=COLUMNS)
    with pytest.raises(errors.Undecodable) as refused:
        form.inspect(header)
    assert word in refused.value.detail
    assert [row.number for row in bads(list(form.read(header)))] == [0]


def test_columns_can_come_from_the_header() -> None:
    """Where the manifest names none."""
    form = build(kind="delimited", header=True)
    assert rows(form, b"a,b\n1,2\n") == [{"a": "1", "b": "2"}]
    assert form.write(mapped({"a": "1", "b": None})) == b"a,b\n1,\n"


TYPED: dict[str, Any] = {
    "kind": "delimited",
    "encoding": "gb18030",
    "delimiter": "|",
    "columns": ["TYPE", "ID", "FEE"],
    "types": {"column": 0, "H": "head", "D": "detail", "T": "trailer"},
    "head": ["TYPE", {"name": "FROM", "const": "MASTERCOPY"}],
    "trailer": ["TYPE", {"name": "ROWS", "count": True}, {"name": "SUM", "sum": "FEE"}],
}


def test_head_and_trailer_are_no_records() -> None:
    """They carry totals; a line of an unknown type is a bad record."""
    form = build(**TYPED)
    body = b"H|CRM\nD|1|100\nX|2|1\nD|3|250\nT|3|350\n"
    found = list(form.read(body))
    assert form.inspect(body) == 3
    assert [row.data["ID"] for row in found if isinstance(row, formats.Row)] == ["1", "3"]
    assert "'X'" in bads(found)[0].failure.reason
    totals = form.totals(io.BytesIO(body), "FEE")
    assert (totals.rows, int(totals.sum or 0), totals.head, totals.trailer) == (
        3,
        350,
        {"TYPE": "H", "FROM": "CRM"},
        {"TYPE": "T", "ROWS": "3", "SUM": "350"},
    )
    assert [piece.body for piece in form.split(io.BytesIO(body), 2)] == [b"D|1|100\nX|2|1\n", b"D|3|250\n"]
    assert form.excerpt(body, 2) == b"D|3|250\n"


def test_head_and_trailer_are_written() -> None:
    """With the count and the sum of what stands between them."""
    assert build(**TYPED).write(mapped({"ID": "1", "FEE": 100}, {"ID": "2", "FEE": "250"})) == b"H|MASTERCOPY\nD|1|100\nD|2|250\nT|2|350\n"


def test_several_kinds_of_records_in_one_file() -> None:
    """Each with its own columns; the code follows the kind of the record, or the value that the mapping gives."""
    form = build(
        kind="delimited",
        delimiter="|",
        types={"C": "customer", "A": "account"},
        columns={"customer": ["T", "NO"], "account": ["T", "NO", "OF"]},
    )
    body = form.write(
        [*mapped({"NO": "1"}), *mapped({"NO": "9", "OF": "1"}, kind="account"), *mapped({"T": "A", "NO": "8", "OF": "1"}, kind="other")]
    )
    assert body == b"C|1\nA|9|1\nA|8|1\n"
    assert rows(form, body)[1] == {"T": "A", "NO": "9", "OF": "1"}
    with pytest.raises(errors.Unencodable, match="no record type"):
        form.write(mapped({"NO": "1"}, kind="order"))
    brief = build(kind="delimited", delimiter="|", types={"CUST": ["T", "NO"], "ACCT": ["T", "NO", "OF"]})
    assert brief.write([*mapped({"NO": "1"}, kind="CUST"), *mapped({"NO": "9"}, kind="ACCT")]) == b"CUST|1\nACCT|9|\n"


def test_what_a_dialect_cannot_hold_is_refused() -> None:
    """A delimiter or line end without quotes, a list in a cell, a column that does not exist: each names the field."""
    form = build(kind="delimited", delimiter="|", columns=COLUMNS)
    for state, field in (({"NAME": "a|b"}, "NAME"), ({"NOTE": "a\nb"}, "NOTE"), ({"ID": [1]}, "ID"), ({"NAMES": "x"}, "NAMES")):
        with pytest.raises(errors.Unencodable) as refused:
            form.write(mapped(state))
        assert refused.value.place.path == field


def test_scalars_are_written_plainly() -> None:
    """No exponents, no None, booleans in small letters."""
    form = build(kind="delimited", delimiter="|", columns=COLUMNS)
    assert form.write(mapped({"ID": 1e16, "NAME": True, "NOTE": None}, {"ID": 0.1, "NAME": 7})) == b"10000000000000000|true|\n0.1|7|\n"


def test_delimiters_of_several_characters() -> None:
    """As long as nothing is quoted."""
    form = build(kind="delimited", delimiter="|@|", columns=COLUMNS)
    assert rows(form, b"1|@|a|b|@|c\n") == [{"ID": "1", "NAME": "a|b", "NOTE": "c"}]


def test_naughty_strings_survive() -> None:
    """In every dialect with quotes; NUL is refused by reading, row by row."""
    table = [{"ID": str(number), "NAME": text, "NOTE": ""} for number, text in enumerate(naughty())]
    for dialect in DIALECTS:
        form = build(kind="delimited", columns=COLUMNS, **dialect)
        assert rows(form, form.write(mapped(*table))) == table


@pytest.mark.skipif(not (SHARED / "telco").is_dir(), reason="../shared/data/telco is not here")
def test_the_telco_file_is_read_whole() -> None:
    """7,043 customers; the sum of monthly charges is that of the file."""
    form = build(kind="delimited", header=True)
    with (SHARED / "telco" / "Telco-Customer-Churn.csv").open("rb") as stream:
        totals = form.totals(stream, "MonthlyCharges")
    assert (totals.rows, str(totals.sum)) == (7043, "456116.60")


@pytest.mark.parametrize(
    ("spec", "place", "word"),
    [
        ({"columms": ["A"]}, "columms", "columns"),
        ({"encoding": "gb18031", "columns": ["A"]}, "encoding", "gb18030"),
        ({}, "", "columns"),
        ({"columns": ["A", "A"]}, "columns.1", "twice"),
        ({"columns": [{"name": "A", "widht": 3}]}, "columns.0.widht", "widht"),
        ({"columns": [{"name": "A", "type": "int"}]}, "columns.0.type", "integer"),
        ({"columns": ["A"], "delimiter": "||", "quote": '"'}, "delimiter", "one character"),
        ({"columns": ["A"], "delimiter": ";", "quote": ";"}, "delimiter", "different"),
        ({"columns": ["A"], "types": {"column": 3, "D": "detail"}}, "types.column", "column"),
        ({"columns": ["A"], "types": {"H": "head"}}, "types", "detail"),
        ({"columns": ["A"], "encoding": "gbk", "on_unencodable": {"replace": "€"}}, "on_unencodable.replace", "substitute"),
    ],
)
def test_mistakes_in_the_manifest_are_named(spec: dict[str, Any], place: str, word: str) -> None:
    """With their place and the nearest valid word."""
    with pytest.raises(errors.BadManifest) as refused:
        build(kind="delimited", **({"delimiter": ","} | spec))
    assert refused.value.place.path == place
    assert word in f"{refused.value.detail} {refused.value.hint}"
