"""CEL conditions: what is absent, what is passed, what is refused."""

from typing import Any

import cel as library
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import errors
from transformers import cel


@pytest.mark.parametrize(
    ("text", "row", "verdict"),
    [
        ('row.X == "C"', {"X": "C"}, True),
        ('row.X == "C"', {}, False),
        ('row.X != ""', {}, True),
        ("row.X == null", {}, True),
        ("has(row.X)", {}, False),
        ("has(row.X)", {"X": ""}, True),
        ("has(row.X)", {"X": None}, True),
        ('has(row.X) && row.X == "a"', {"X": "a"}, True),
        ('row.X == "a" || has(row.X)', {}, False),
        ("!has(row.A.B.C)", {"A": {"B": None}}, True),
        ("has( row . A . B )", {"A": {"B": 1}}, True),
        ('has(row["A-B"])', {"A-B": 1}, True),
        ('row["A-B"] == "x"', {"A-B": "x"}, True),
        ('row["A-B"] == "x"', {}, False),
        ('row.A.B == "x"', {}, False),
        ('row.A.B == "x"', {"A": {"B": "x", "C": 1}}, True),
        ('row.A == null || row.A.B == "x"', {"A": {"B": "x"}}, True),
        ('row.X.startsWith("1") && row.X.size() == 2', {"X": "12"}, True),
        ("row.L.exists(i, i.row == 1)", {"L": [{"row": 1}]}, True),
        ("row.L.exists(i, has(i.x))", {"L": [{"y": 1}, {"x": 1}]}, True),
        ("row.L[0].x == 1", {"L": [{"x": 1}]}, True),
        ('"has(row.X)" == row.X', {"X": "has(row.X)"}, True),
        ("'row.Y' == row.X", {"X": "row.Y"}, True),
        ('row.X in ["a", "b"]', {"X": "b"}, True),
        ("size(row) == 2", {"a": 1, "b": 2}, True),
        ('"a" in row', {"a": 1}, True),
        ("row.X == 1", {"X": True}, False),
        ("double(row.X) > 1.5", {"X": "2"}, True),
        ("true", {}, True),
    ],
)
def test_a_condition_gives_this(text: str, row: dict[str, Any], verdict: bool) -> None:
    """Absent fields are null, `has` tells them from present ones, text that looks like a field stays text."""
    condition = cel.compile(text)
    assert condition(row) is verdict
    assert condition(row) is verdict  # again: verdicts are remembered


def test_several_variables() -> None:
    """Routes see new, old and changed; what is not there yet is null."""
    condition = cel.compile('new.level == "gold" && old.level != "gold" && has(changed.level)', ("new", "old", "changed"))
    assert condition({"level": "gold"}, None, {"level": [None, "gold"]})
    assert not condition({"level": "gold"}, {"level": "gold"}, {})
    assert not condition({"level": "gold"}, None, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("row.X ==", "cannot be read"),
        ('rwo.X == "C"', "'row'"),
        ('row.X.startWith("C")', "'startsWith'"),
        ("row.L.exists(row, true)", "bound again"),
    ],
)
def test_what_is_no_condition_is_refused_with_its_place(text: str, said: str) -> None:
    """When the file is read, not at the first record."""
    with pytest.raises(errors.BadMapping) as caught:
        cel.compile(text, place=errors.Place("inbound.yaml", 7), error=errors.BadMapping)
    assert said in str(caught.value)
    assert "inbound.yaml:7" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "row"), [("row.X > 3", {}), ("row.X > 3", {"X": "4"}), ("row.X", {"X": "4"}), ('row.X.startsWith("a")', {})]
)
def test_values_that_do_not_fit_are_said_so(text: str, row: dict[str, Any]) -> None:
    """A sentence with the condition, instead of a silent no."""
    with pytest.raises(ValueError, match="the condition"):
        cel.compile(text)(row)


@given(st.dictionaries(st.sampled_from(["A", "B", "C"]), st.sampled_from(["x", "", None, 1, True, 1.0]) | st.text(max_size=3)))
def test_remembered_verdicts_are_the_librarys(row: dict[str, Any]) -> None:
    """1, 1.0 and true are one key of a dict, but not one value."""
    assert REMEMBERING(row) is library.evaluate('row.A == "x" || row.A == true', {"row": {"A": row.get("A")}})


REMEMBERING = cel.compile('row.A == "x" || row.A == true')
