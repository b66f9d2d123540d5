"""Code tables: CSV files that say which of their codes is which of ours."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from schemas import errors
from transformers.registry import Unfit

HEADER = ["theirs", "ours"]


@dataclass(frozen=True)
class Table:
    """One code table, both ways. `file` is its name in the system folder."""

    name: str
    file: str
    ours: dict[str, str] = field(repr=False)
    theirs: dict[str, str] = field(repr=False)
    lines: dict[str, int] = field(repr=False)  # where each of our codes stands first

    def lookup(self, *, outwards: bool, strict: bool) -> Callable[[Any], Any]:
        """The function that a mapping calls. An unknown code raises `Unfit` where `strict`, else gives None."""
        codes = self.theirs if outwards else self.ours

        def look(value: Any) -> Any:
            if isinstance(value, list):
                return [each for each in map(look, value) if each is not None]
            found = codes.get(value) if type(value) is str else codes.get(code(value))
            if found is None and type(value) is str:
                found = codes.get(value.strip())
            if found is None and strict:
                raise self._unknown(value, codes)
            return found

        return look

    def _unknown(self, value: Any, codes: dict[str, str]) -> Unfit:
        near = get_close_matches(str(value), codes, 1, 0.6)
        like = f", or correct it to {near[0]!r}" if near else ""
        return Unfit(f"the code is not in {self.file}", f"Add it to {self.file}{like}, or give the rule a default")


def code(value: Any) -> str:
    """A code as the table writes it: numbers by their digits, true and false in small letters."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | str):
        return str(value)
    raise Unfit(f"a code is text or an integer, not {type(value).__name__}")


def load(files: Mapping[str, bytes], name: str, *, place: errors.Place) -> Table:
    """Read `tables/NAME.csv`: UTF-8, header `theirs,ours`, more columns are remarks.

    Raises `BadMapping`: at `place` when there is no such file (with the nearest name), else at the line of the CSV file.
    """
    file = f"tables/{name}.csv"
    if file not in files:
        known = sorted(each[7:-4] for each in files if each.startswith("tables/") and each.endswith(".csv"))
        near = get_close_matches(str(name), known, 1, 0.5)
        hint = (
            f"Did you mean {near[0]!r}?"
            if near
            else f"Known tables: {', '.join(known)}"
            if known
            else f"Put it into {file} with the header theirs,ours"
        )
        raise errors.BadMapping(f"there is no code table {name!r}", place=place, value=name, hint=hint)
    try:
        text = files[file].decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise errors.BadMapping(
            "the code table is not UTF-8", place=errors.Place(file, files[file][: error.start].count(b"\n") + 1)
        ) from error
    return _table(name, file, csv.reader(io.StringIO(text, newline=""), strict=True))


def _table(name: str, file: str, reader: Any) -> Table:
    ours: dict[str, str] = {}
    theirs: dict[str, str] = {}
    lines: dict[str, int] = {}
    try:
        header = [cell.strip() for cell in next(reader, [])]
        if header[:2] != HEADER:
            raise errors.BadMapping("the header of a code table is theirs,ours", place=errors.Place(file, 1), value=",".join(header))
        wrong: list[errors.BadMapping] = []
        for row in reader:
            if any(cell.strip() for cell in row):
                cells = [cell.strip() for cell in row]
                wrong += _add(ours, theirs, cells, errors.Place(file, reader.line_num))
                lines.setdefault(",".join(cells[1:2]), reader.line_num)
        if wrong:
            raise errors.together(wrong)
    except csv.Error as error:
        raise errors.BadMapping(f"the code table cannot be read: {error}", place=errors.Place(file, reader.line_num)) from error
    return Table(name, file, ours, theirs, lines)


def _add(ours: dict[str, str], theirs: dict[str, str], row: list[str], place: errors.Place) -> list[errors.BadMapping]:
    """Add a row; answers what is wrong with it."""
    if len(row) < 2 or not row[0] or not row[1]:
        return [errors.BadMapping("a row of a code table has both codes", place=place, value=",".join(row), hint="Write theirs,ours")]
    if ours.setdefault(row[0], row[1]) != row[1]:
        detail = f"the code {row[0]!r} stands twice, for {ours[row[0]]!r} and {row[1]!r}"
        return [errors.BadMapping(detail, place=place, hint="Remove one of them")]
    theirs.setdefault(row[1], row[0])  # the first row wins on the way out
    return []
