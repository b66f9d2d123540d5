"""Formats whose records are lines: what delimited, fixed-width and line-by-line JSON text share."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, BinaryIO, Protocol

from schemas import errors
from schemas.envelope import Mapped, Piece, Shifts
from transformers import columns, encodings, formats

LONGEST = 1 << 20  # bytes in one record; what is longer is no text file
_BLOCK = 1 << 18

_MANY = 500  # records that are read in one go

Parse = Callable[[bytes], dict[str, Any]]
Together = Callable[[Sequence[bytes]], list[dict[str, Any]] | None]  # None: something is wrong with one of them


class Grammar(Protocol):
    """What the lines of a format mean. A record's raw bytes come without the last line end."""

    @property
    def content_type(self) -> str:
        """As sent to subscribers."""

    @property
    def encoding(self) -> encodings.Encoding:
        """Of the text in the lines."""

    @property
    def unit(self) -> str:
        """What people count: lines or records."""

    @property
    def ending(self) -> bytes:
        """Between records of a body that is put together."""

    @property
    def header(self) -> bool:
        """The first line names the columns."""

    @property
    def keeps_blank(self) -> bool:
        """An empty line is a record."""

    @property
    def typed(self) -> bool:
        """Lines have record types."""

    def lines(self, stream: BinaryIO) -> Iterator[bytes]:
        """Physical lines. Raises `Undecodable` for one that is too long."""

    def groups(self, lines: Iterator[bytes]) -> Iterator[list[bytes]]:
        """The physical lines of each record."""

    def role(self, raw: bytes, /) -> columns.Role:
        """What a record is; asked only where `typed`."""

    def parser(self, header: bytes | None, /) -> Parse:
        """How to read the records of a body with this header line. Raises `Undecodable` for a wrong header."""

    def together(self, header: bytes | None, /) -> Together | None:
        """How to read many records at once, as `parser` would one by one; None where each must be read for itself."""

    def frame(self, raw: bytes, /) -> dict[str, str]:
        """A head or trailer line, by column."""

    def part(self, record: Mapped, /) -> Any:
        """See `formats.Format.part`."""

    def join(self, parts: Sequence[Any], /) -> bytes:
        """See `formats.Format.join`."""


class Linewise:
    """A format over a grammar."""

    def __init__(self, grammar: Grammar) -> None:
        self.grammar = grammar
        self.content_type = grammar.content_type

    def inspect(self, body: bytes) -> int:
        """See `Format.inspect`."""
        header, records = self._open(body)
        self.grammar.parser(header)
        return sum(1 for _ in records)

    def read(self, body: bytes) -> Iterator[formats.Row | formats.Bad]:
        """See `Format.read`."""
        try:
            header, records = self._open(body)
            parse, together = self.grammar.parser(header), self.grammar.together(header)
        except errors.Reject as error:
            yield formats.bad(0, error, "", body)
            return
        unit = self.grammar.unit
        number = -1
        numbered = enumerate(records)
        try:
            while many := list(itertools.islice(numbered, _MANY)):
                found = together([raw for _, (_, raw) in many]) if together else None
                for at, (number, (line, raw)) in enumerate(many):
                    try:
                        row = formats.Row(number, f"{unit} {line}", parse(raw) if found is None else found[at])
                    except errors.Reject as error:
                        yield formats.bad(number, error, f"{unit} {line}", self._body(header, [raw]))
                    else:
                        yield row
        except errors.Reject as error:
            yield formats.bad(number + 1, error, "", body)

    def excerpt(self, body: bytes, number: int) -> bytes:
        """See `Format.excerpt`."""
        try:
            header, records = self._open(body)
            self.grammar.parser(header)
            line = next(itertools.islice(records, number, None), None)
        except errors.Reject:
            return body
        if line is None:
            raise errors.NotFound(f"this body has no record {number}")
        return self._body(header, [line[1]])

    def part(self, record: Mapped) -> Any:
        """See `Format.part`."""
        return self.grammar.part(record)

    def join(self, parts: Sequence[Any]) -> bytes:
        """See `Format.join`."""
        return self.grammar.join(parts)

    def write(self, records: Sequence[Mapped]) -> bytes:
        """See `Format.write`."""
        return self.join([self.part(record) for record in records])

    def split(self, stream: BinaryIO, rows: int) -> Iterator[Piece]:
        """See `Format.split`."""
        header, records = self._start(self._all(stream))
        details = self._details(records)
        first = 0
        while chunk := list(itertools.islice(details, rows)):
            yield Piece(self._body(header, (raw for _, raw in chunk)), first, self._shifts(header, chunk))
            first += len(chunk)

    def _shifts(self, header: bytes | None, chunk: list[tuple[int, bytes]]) -> Shifts:
        """Where the lines of a chunk stand in its file: one shift, but for lines that no chunk holds."""
        shifts: list[tuple[int, int]] = []
        at = 1 if header is None else 2 + header.count(b"\n")
        counted = self.grammar.unit == "line"
        for number, (line, raw) in enumerate(chunk):
            if not shifts or line - at != shifts[-1][1]:
                shifts.append((number, line - at))
            at += 1 + (raw.count(b"\n") if counted else 0)
        return tuple(shifts)

    def totals(self, stream: BinaryIO, column: str = "") -> formats.Totals:
        """See `Format.totals`."""
        header, records = self._start(self._all(stream))
        if not self.grammar.typed:
            return self._added(header, (raw for _, raw in records), column)
        parse = self.grammar.parser(header)
        rows, total = 0, Decimal(0)
        head: dict[str, str] = {}
        trailer: dict[str, str] = {}
        for _, raw in records:
            role = self.grammar.role(raw)
            if role == "detail":
                rows += 1
                total += _cell(parse, raw, column) if column else 0
            else:
                (head if role == "head" else trailer).update(self.grammar.frame(raw))
        return formats.Totals(rows, total if column else None, head, trailer)

    def _added(self, header: bytes | None, records: Iterator[bytes], column: str) -> formats.Totals:
        """Totals where every line is a detail."""
        parse = self.grammar.parser(header)
        together = self.grammar.together(header) if column else None
        rows, total = 0, Decimal(0)
        while many := list(itertools.islice(records, _MANY)):
            rows += len(many)
            found = together(many) if together else None
            if found is not None:
                total += formats.added([record.get(column, "") for record in found])
            elif column:
                total += sum(_cell(parse, raw, column) for raw in many)
        return formats.Totals(rows, total if column else None, {}, {})

    def _open(self, body: bytes) -> tuple[bytes | None, Iterator[tuple[int, bytes]]]:
        header, records = self._start(self._all(io.BytesIO(body)))
        return header, self._details(records)

    def _start(self, records: Iterator[tuple[int, bytes]]) -> tuple[bytes | None, Iterator[tuple[int, bytes]]]:
        if not self.grammar.header:
            return None, records
        first = next(records, None)
        if first is None:
            raise errors.Undecodable("the header line is missing", place=errors.Place(path=f"{self.grammar.unit} 1"))
        return first[1], records

    def _details(self, records: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
        if not self.grammar.typed:
            return records
        return (record for record in records if self.grammar.role(record[1]) == "detail")

    def _all(self, stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
        """Every record with the number of its first line, empty lines left out."""
        line = 1
        for group in self.grammar.groups(self._unmarked(self.grammar.lines(stream))):
            raw = group[0] if len(group) == 1 else b"\n".join(group)
            if self.grammar.keeps_blank or raw not in (b"", b"\r"):
                yield line, raw
            line += len(group)

    def _unmarked(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        first = next(lines, None)
        if first is None:
            return iter(())
        return itertools.chain([self.grammar.encoding.bare(first)], lines)

    def _body(self, header: bytes | None, records: Iterable[bytes]) -> bytes:
        ending = self.grammar.ending
        return ending.join([*([header] if header is not None else []), *records]) + ending


def _cell(parse: Parse, raw: bytes, column: str) -> Decimal:
    try:
        return formats.amount(parse(raw).get(column, 0))
    except errors.Reject:
        return Decimal(0)


def lines(stream: BinaryIO) -> Iterator[bytes]:
    """The lines of a stream, ended by LF (a CR before it is left on); flat memory. Raises `Undecodable` for an endless line."""
    rest = b""
    while block := stream.read(_BLOCK):
        parts = (rest + block).split(b"\n")
        rest = parts.pop()
        yield from parts
        if len(rest) > LONGEST:
            raise errors.Undecodable(f"a line is longer than {LONGEST} bytes", hint="Is this the right file, and the right encoding?")
    if rest:
        yield rest
