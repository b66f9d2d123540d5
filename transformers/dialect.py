"""How cells are told apart on a line: delimiter, quote, escape, over the standard library's reader."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from schemas import errors
from transformers import linewise

csv.field_size_limit(linewise.LONGEST)


@dataclass(frozen=True)
class Dialect:
    """How cells are told apart. `quote` and `escape` may be empty; a quote inside a quoted cell is doubled."""

    delimiter: str
    quote: str = ""
    escape: str = ""
    newline: str = "\n"
    plain: bool = field(init=False)
    marks: tuple[bytes, ...] = field(init=False)
    whole: Callable[[str], object] = field(init=False)  # the text is one record, strictly
    awkward: Callable[[str], object] = field(init=False)  # something in the text needs quotes or escapes

    def __post_init__(self) -> None:
        out = "".join(map(re.escape, (self.delimiter, self.quote, self.escape)))
        escaped = f"|{re.escape(self.escape)}." if self.escape else ""
        cell = f"(?:[^{out}\r\n]{escaped})*+"
        if self.quote:
            quote = re.escape(self.quote)
            cell = f"(?:{quote}(?:[^{quote}{re.escape(self.escape)}]|{quote}{quote}{escaped})*+{quote}|{cell})"
        record = re.compile(f"{cell}(?:{re.escape(self.delimiter)}{cell})*+", re.DOTALL)
        object.__setattr__(self, "plain", not self.quote and not self.escape)
        object.__setattr__(self, "whole", record.fullmatch)
        object.__setattr__(self, "awkward", re.compile(f"[{out}\r\n]").search)
        object.__setattr__(self, "marks", tuple(mark.encode("ascii") for mark in (self.quote, self.escape) if mark))

    def marked(self, raw: bytes) -> bool:
        """Whether a quote or escape stands in the line, so that splitting at delimiters is not enough."""
        return any(mark in raw for mark in self.marks)

    def ended(self, text: str) -> str:
        """A line without the CR of a CRLF; one that is escaped belongs to the value."""
        if not text.endswith("\r"):
            return text
        before = text[:-1]
        if self.escape and (len(before) - len(before.rstrip(self.escape))) % 2:
            return text
        return before

    def reader(self, lines: Iterator[str]) -> Iterator[list[str]]:
        """The library's reader; strict, yet it lets quotes inside unquoted cells pass: `whole` does not."""
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quotechar=self.quote or None,
            escapechar=self.escape or None,
            quoting=csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
            strict=True,
        )

    def cells(self, text: str) -> list[str]:
        """The cells of a record. Raises `Undecodable`."""
        if self.plain or not any(mark in text for mark in (self.quote, self.escape) if mark):
            return text.split(self.delimiter)
        if self.whole(text):
            try:
                return next(self.reader(iter([text + "\n"])))
            except (csv.Error, StopIteration) as error:
                raise errors.Undecodable(str(error)) from error
        raise errors.Undecodable(
            self._why(text), hint=f"Quote the whole cell with {self.quote} and double the quotes inside" if self.quote else ""
        )

    def _why(self, text: str) -> str:
        try:
            next(self.reader(iter([text + "\n"])))
        except csv.Error as error:
            return "a quote is opened and not closed" if "unexpected end" in str(error) else f"text follows a closing quote ({error})"
        except StopIteration:
            return "the line ends with an escape character"
        return "a quote stands inside a cell that is not quoted"

    def join(self, cells: Sequence[str], names: Sequence[str]) -> str:
        """A line without its end. Raises `Unencodable` for a value that the dialect cannot hold."""
        if not self.awkward("".join(cells)):  # one look at them all: hardly any line needs more
            return self.delimiter.join(cells)
        return self.delimiter.join(map(self._held, cells, names))

    def _held(self, cell: str, name: str) -> str:
        if not self.awkward(cell):
            return cell
        if self.quote:
            escaped = cell.replace(self.escape, self.escape * 2) if self.escape else cell
            return self.quote + escaped.replace(self.quote, self.quote * 2) + self.quote
        if self.escape:
            return re.sub(f"[{re.escape(self.delimiter)}{re.escape(self.escape)}\r\n]", lambda found: self.escape + found[0], cell)
        raise errors.Unencodable(
            "the value holds the delimiter or a line end, and the format has no quotes",
            place=errors.Place(path=name),
            value=cell,
            hint="Set quote, or clean the value in the mapping",
        )
