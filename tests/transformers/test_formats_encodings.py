"""Encodings: GB 18030-2022, wrong bytes, and characters that a target cannot hold."""

from __future__ import annotations

import codecs
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import errors
from tests.transformers.format_cases import build, mapped, rows
from transformers import encodings

GB = encodings.Encoding("gb18030")

# GB 18030-2022, table of changes: two-byte code, code point of 2005 (private use), code point of 2022.
CHANGES = [
    (0xA6D9, 0xE78D, 0xFE10),
    (0xA6DA, 0xE78E, 0xFE12),
    (0xA6DB, 0xE78F, 0xFE11),
    (0xA6DC, 0xE790, 0xFE13),
    (0xA6DD, 0xE791, 0xFE14),
    (0xA6DE, 0xE792, 0xFE15),
    (0xA6DF, 0xE793, 0xFE16),
    (0xA6EC, 0xE794, 0xFE17),
    (0xA6ED, 0xE795, 0xFE18),
    (0xA6F3, 0xE796, 0xFE19),
    (0xFE59, 0xE81E, 0x9FB4),
    (0xFE61, 0xE826, 0x9FB5),
    (0xFE66, 0xE82B, 0x9FB6),
    (0xFE67, 0xE82C, 0x9FB7),
    (0xFE6D, 0xE832, 0x9FB8),
    (0xFE7E, 0xE843, 0x9FB9),
    (0xFE90, 0xE854, 0x9FBA),
    (0xFEA0, 0xE864, 0x9FBB),
]
BEYOND = [(0xFE51, 0x20087), (0xFE52, 0x20089), (0xFE53, 0x200CC), (0xFE6C, 0x215D7), (0xFE76, 0x2298F), (0xFE91, 0x241FE)]


@pytest.mark.parametrize(("code", "old", "new"), CHANGES)
def test_eighteen_characters_are_where_the_new_standard_has_them(code: int, old: int, new: int) -> None:
    """Both ways, although the codec follows the old one."""
    raw = code.to_bytes(2, "big")
    assert ord(raw.decode("gb18030")) == old
    assert GB.decode(raw) == chr(new)
    assert GB.encode(chr(new)) == raw
    assert GB.decode(GB.encode(chr(old))) == chr(old)


@pytest.mark.parametrize(("code", "point"), BEYOND)
def test_six_private_codes_are_read_as_their_later_characters(code: int, point: int) -> None:
    """And written with the four bytes of the standard."""
    assert GB.decode(code.to_bytes(2, "big")) == chr(point)
    assert GB.decode(GB.encode(chr(point))) == chr(point)


@given(text=st.text(st.characters(exclude_characters="\ue816\ue817\ue818\ue831\ue83b\ue855", exclude_categories=["Cs"])))
def test_gb18030_holds_every_character(text: str) -> None:
    """What is written is read, in all planes."""
    assert GB.decode(GB.encode(text)) == text


@pytest.mark.parametrize("name", sorted(set(encodings.NAMES.values())))
@given(raw=st.binary(max_size=40).map(lambda raw: raw.replace(b"0", b"\n").replace(b"1", b'"')))
def test_lines_and_quotes_can_be_found_before_decoding(name: str, raw: bytes) -> None:
    """Their bytes stand for nothing else in any encoding, wrong bytes included."""
    text = encodings.Encoding(name).lenient(raw)
    for mark in (b"\n", b'"', b",", b"\t"):
        assert text.count(mark.decode()) == raw.count(mark)


def test_a_gbk_target_refuses_by_default() -> None:
    """Naming the field, the character and what to do."""
    form = build(kind="delimited", encoding="gbk", delimiter="|", columns=["ID", "NAME"])
    for char in "𠮷㛃€":
        with pytest.raises(errors.Unencodable) as refused:
            form.write(mapped({"ID": "1", "NAME": f"王{char}"}))
        assert refused.value.place.path == "NAME"
        assert f"U+{ord(char):04X}" in refused.value.detail
        assert "on_unencodable" in refused.value.hint


@pytest.mark.parametrize(
    ("policy", "written"),
    [
        ({"replace": "?"}, "王?"),
        ({"replace": "〓"}, "王〓"),
        ({"table": {"𠮷": "吉"}}, "王吉"),
        ({"table": {"㛃": "x"}, "replace": "*"}, "王*"),
    ],
)
def test_a_gbk_target_may_declare_substitutes(policy: dict[str, Any], written: str) -> None:
    """Character by character from a table, else one for all."""
    form = build(kind="delimited", encoding="gbk", delimiter="|", columns=["NAME"], on_unencodable=policy)
    assert rows(form, form.write(mapped({"NAME": "王𠮷"}))) == [{"NAME": written}]


def test_a_table_without_a_substitute_still_refuses_the_rest() -> None:
    """Nothing is dropped in silence."""
    form = build(kind="delimited", encoding="gbk", delimiter="|", columns=["NAME"], on_unencodable={"table": {"𠮷": "吉"}})
    with pytest.raises(errors.Unencodable):
        form.write(mapped({"NAME": "€"}))


def test_every_named_codec_exists() -> None:
    """And is the one meant."""
    assert {codecs.lookup(name).name for name in encodings.NAMES.values()} >= {"gb18030", "gbk", "utf-8", "big5"}
