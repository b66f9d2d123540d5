"""Code tables: both ways, by CSV, with places for what is wrong."""

import pytest

from schemas import errors
from transformers import codetables, functions

PLACE = errors.Place("inbound.yaml", 9)


def table(text: str, name: str = "kind") -> codetables.Table:
    return codetables.load({f"tables/{name}.csv": text.encode("utf-8")}, name, place=PLACE)


def test_inwards_theirs_becomes_ours_and_outwards_the_first_row_wins() -> None:
    """Two of their codes may be one of ours."""
    found = table("\ufefftheirs,ours,remark\n1,individual,x\n3,individual\n2,organization\n\n")
    inwards, outwards = found.lookup(outwards=False, strict=True), found.lookup(outwards=True, strict=True)
    assert [inwards(code) for code in ("1", "3", 2, " 2 ")] == ["individual", "individual", "organization", "organization"]
    assert outwards("individual") == "1"
    assert inwards(["1", "2"]) == ["individual", "organization"]


def test_an_unknown_code_is_refused_with_the_file_to_change() -> None:
    """And with the nearest code."""
    found = table("theirs,ours\nACTIVE,active\n")
    with pytest.raises(functions.Unfit) as caught:
        found.lookup(outwards=False, strict=True)("ACTVE")
    assert "tables/kind.csv" in str(caught.value)
    assert "'ACTIVE'" in caught.value.hint
    assert found.lookup(outwards=False, strict=False)("ACTVE") is None


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a,b\n", 1, "header"),
        ("", 1, "header"),
        ("theirs,ours\n1,a\n1,b\n", 3, "twice"),
        ("theirs,ours\n1\n", 2, "both codes"),
        ('theirs,ours\n1,"a\n', 3, "cannot be read"),
    ],
)
def test_a_wrong_table_is_refused_at_its_own_line(text: str, line: int, said: str) -> None:
    """The place is the CSV file."""
    with pytest.raises(errors.BadMapping, match=said) as caught:
        table(text)
    assert caught.value.place.file == "tables/kind.csv"
    assert abs(caught.value.place.line - line) <= 1


def test_a_table_that_is_not_there_is_refused_with_the_nearest() -> None:
    """At the rule that names it."""
    with pytest.raises(errors.BadMapping, match="'customer_kind'") as caught:
        codetables.load({"tables/customer_kind.csv": b""}, "custmer_kind", place=PLACE)
    assert caught.value.place == PLACE


def test_a_table_that_is_not_utf8_is_refused() -> None:
    """With the line of the first wrong byte."""
    with pytest.raises(errors.BadMapping, match="UTF-8") as caught:
        codetables.load({"tables/kind.csv": b"theirs,ours\n" + "男".encode("gbk") + b",male\n"}, "kind", place=PLACE)
    assert caught.value.place.line == 2
