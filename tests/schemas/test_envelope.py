"""A record of a chunk is told at its place in the file."""

from __future__ import annotations

import pytest

from schemas.envelope import Part

LINES = Part("a.txt", 10, ((0, 11), (2, 14)))


@pytest.mark.parametrize(
    ("part", "number", "path", "told"),
    [
        (LINES, 0, "line 1 NAME", "line 12 NAME"),
        (LINES, 2, "line 3 NAME", "line 17 NAME"),
        (LINES, 1, "", "record 12"),
        (Part("a.json", 10), 4, "$.items[4].age", "$.items[14].age"),
        (Part("a.xml", 10), 4, "/list/customer[5] name", "/list/customer[15] name"),
        (Part("a.bin", 10, ((0, 10),)), 4, "record 5 NAME", "record 15 NAME"),
        (Part("a.txt"), 0, "the whole body", "record 1 the whole body"),
    ],
)
def test_lines_and_indexes_are_those_of_the_file(part: Part, number: int, path: str, told: str) -> None:
    """What says no place of its own is told by the record's number."""
    assert part.told(number, path) == told
