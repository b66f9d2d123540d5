"""Delimited text: dialects with and without quotes, header lines, record types."""

from __future__ import annotations

import collections
import csv
import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from schemas import errors
from schemas.envelope import Mapped
from transformers import columns, dialect, encodings, formats, frames, linewise, options

_NEWLINES = {"lf": "\n", "crlf": "\r\n", "\n": "\n", "\r\n": "\r\n"}
_WASTE = 4 << 20  # bytes of lookahead spent in vain before broken quotes are no longer untangled line by line


@dataclass(frozen=True)
class Delimited:
    """The grammar of delimited lines."""

    encoding: encodings.Encoding
    dialect: dialect.Dialect
    layouts: columns.Layouts
    header: bool
    keeps_blank: bool

    unit = "line"

    @property
    def content_type(self) -> str:
        """As sent to subscribers."""
        return f"text/csv; charset={self.encoding.codec}"

    @property
    def ending(self) -> bytes:
        """Between records of a body that is put together."""
        return b"\n"

    @property
    def typed(self) -> bool:
        """Whether lines have record types."""
        return self.layouts.types is not None

    def lines(self, stream: BinaryIO) -> Iterator[bytes]:
        """See `linewise.Grammar`."""
        return linewise.lines(stream)

    def groups(self, lines: Iterator[bytes]) -> Iterator[list[bytes]]:
        """Lines that quotes hold together. Where quotes do not close, the first line alone is the (bad) record."""
        if self.dialect.plain:
            for raw in lines:
                yield [raw]
            return
        ahead: collections.deque[bytes] = collections.deque()
        spent = 0
        while (first := ahead.popleft() if ahead else next(lines, None)) is not None:
            group = [first]
            if self.dialect.marked(first) and not self.dialect.whole(self._text(first)):
                taken, closed = self._lookahead(first, ahead, lines)
                spent += 0 if closed else sum(map(len, taken)) + len(taken)
                if closed or spent > _WASTE:
                    group = taken
                    for _ in taken[1:]:
                        ahead.popleft()
            yield group

    def _lookahead(self, first: bytes, ahead: collections.deque[bytes], lines: Iterator[bytes]) -> tuple[list[bytes], bool]:
        """The lines up to the one that ends the record, and whether they make one; what was looked at is left in `ahead`."""
        taken = [first]

        def feed() -> Iterator[str]:
            yield self.encoding.lenient(first) + "\n"
            size = len(first)
            for at in itertools.count():
                if at == len(ahead):
                    more = next(lines, None)
                    if more is None:
                        return
                    ahead.append(more)
                size += len(ahead[at])
                if size > linewise.LONGEST or at > 10_000:
                    return
                taken.append(ahead[at])
                yield self.encoding.lenient(ahead[at]) + "\n"

        try:
            next(self.dialect.reader(feed()))
        except (csv.Error, StopIteration):
            return taken, False
        return taken, self.dialect.whole(self._text(b"\n".join(taken))) is not None

    def _text(self, raw: bytes) -> str:
        return self.dialect.ended(self.encoding.lenient(raw))

    def role(self, raw: bytes) -> columns.Role:
        """See `linewise.Grammar`."""
        return self.layouts.types.role(self._code(raw)) if self.layouts.types else "detail"

    def _code(self, raw: bytes) -> str:
        at = self.layouts.types.column if self.layouts.types else 0
        if at == 0 and not self.dialect.marked(raw):
            return raw.split(self.dialect.delimiter.encode("ascii"), 1)[0].rstrip(b"\r").decode("latin-1")
        try:
            return self.dialect.cells(self._text(raw))[at]
        except (errors.Undecodable, IndexError):
            return ""

    def parser(self, header: bytes | None) -> linewise.Parse:
        """See `linewise.Grammar`."""
        layout = self.layouts.default if header is None else self._headed(header)
        decode, ended, cells, typed = self.encoding.decode, self.dialect.ended, self.dialect.cells, self.layouts.types is not None
        split, delimiter = self.dialect.plain, self.dialect.delimiter

        def parse(raw: bytes) -> dict[str, Any]:
            if b"\0" in raw:
                raise errors.Unsafe(f"byte {raw.index(0) + 1} is NUL", hint="Have the sender fill with spaces")
            text = ended(decode(raw))
            found = text.split(delimiter) if split else cells(text)
            mine = (self.layouts.of(self._code(raw)) or layout) if typed else layout
            if mine is None:
                raise errors.Undecodable("no columns are known for this line")
            return mine.record(found)

        return parse

    def together(self, header: bytes | None) -> linewise.Together | None:
        """See `linewise.Grammar`."""
        layout = self.layouts.default if header is None else self._headed(header)
        if not self.dialect.plain or self.layouts.types is not None or layout is None:
            return None
        decode, record, delimiter = self.encoding.decode, layout.record, self.dialect.delimiter

        def parse(records: Sequence[bytes]) -> list[dict[str, Any]] | None:
            body = b"\n".join(records)
            if b"\0" in body:
                return None
            try:
                return [record(line.removesuffix("\r").split(delimiter)) for line in decode(body).split("\n")]
            except errors.Reject:
                return None

        return parse

    def _headed(self, header: bytes) -> columns.Layout:
        """The layout in the header's order."""
        place = errors.Place(path="header line")
        try:
            names = self.dialect.cells(self.dialect.ended(self.encoding.decode(header)))
        except errors.Reject as error:
            error.place = place
            raise
        if "" in names or "\0" in "".join(names) or len(set(names)) != len(names):
            raise errors.Undecodable("the header has an empty or doubled name", place=place, value=names)
        known = {column.name: column for column in self.layouts.default.columns} if self.layouts.default else {}
        missing = [name for name in known if name not in names]
        if missing:
            hint = options.nearest(missing[0], [name for name in names if name not in known] or names)
            raise errors.Undecodable(
                f"the header lacks {', '.join(missing)}", place=place, value=self.dialect.delimiter.join(names), hint=hint
            )
        return columns.Layout(tuple(known.get(name, columns.Column(name)) for name in names))

    def frame(self, raw: bytes) -> dict[str, str]:
        """See `linewise.Grammar`."""
        cells = self.dialect.cells(self.dialect.ended(self.encoding.decode(raw)))
        layout = self.layouts.of(self._code(raw))
        return layout.record(cells) if layout else {str(at): cell for at, cell in enumerate(cells)}

    def part(self, record: Mapped) -> Any:
        """See `linewise.Grammar`. Where nobody declared columns the header waits for all records, and each is its own part."""
        first = self.layouts.first
        made = record if first is None else frames.part(self.layouts, record, first, self._line)
        if self.header:
            self.join([made])  # a name that the header cannot hold shows here, and not to the whole batch
        return made

    def join(self, parts: Sequence[Any]) -> bytes:
        """See `linewise.Grammar`."""
        if self.layouts.first is not None:
            return b"".join([self._start, *frames.framed(self.layouts, parts, self._line)])
        layout = _named(parts)
        lines = [layout.names, *(layout.cells(record.state) for record in parts)]
        return b"".join([self._start, *(self._line(cells, layout) for cells in lines)])

    @functools.cached_property
    def _start(self) -> bytes:
        """What is known of a body before its records. Raises `Unencodable` with a column's name that does not fit."""
        declared = self.layouts.first if self.header else None
        return self.encoding.written_bom + (self._line(declared.names, declared) if declared else b"")

    def _line(self, cells: Sequence[str], layout: columns.Layout) -> bytes:
        text = self.dialect.join(cells, layout.names) + self.dialect.newline
        try:
            return self.encoding.encode(text)
        except errors.Unencodable:
            for name, cell in zip(layout.names, cells, strict=True):
                self._encodable(name, cell)
            raise

    def _encodable(self, name: str, cell: str) -> None:
        try:
            self.encoding.encode(cell)
        except errors.Unencodable as error:
            error.place, error.value = errors.Place(path=name), cell
            raise


def _named(records: Sequence[Mapped]) -> columns.Layout:
    """Where nobody declared columns: those of the records, in their order."""
    return columns.Layout(tuple(columns.Column(name) for name in dict.fromkeys(name for record in records for name in record.state)))


def build(given: options.Options) -> formats.Format:
    """Read the manifest's keys. `quote` is `"` where the delimiter is a comma, else none; `quote: null` turns it off."""
    given.only(
        "kind",
        "encoding",
        "on_unencodable",
        "delimiter",
        "quote",
        "escape",
        "newline",
        "header",
        "blank",
        "columns",
        "types",
        "head",
        "trailer",
    )
    marks = _dialect(given)
    layouts = columns.build(given, fixed=False)
    header = given.flag("header")
    if layouts.default is None and not layouts.kinds and not header:
        raise given.wrong("columns are needed where the file has no header line", hint="columns: [NAME, ...], or header: true")
    if header and layouts.types:
        raise given.wrong(
            "record types and a header line exclude each other", "header", hint="Declare the first line as a record type: head"
        )
    single = layouts.default is not None and len(layouts.default.names) == 1
    blank = given.choice("blank", ("record", "skip"), "record" if single else "skip")
    return linewise.Linewise(Delimited(encodings.build(given), marks, layouts, header, blank == "record"))


def _dialect(given: options.Options) -> dialect.Dialect:
    delimiter = {"tab": "\t"}.get(given.text("delimiter", ","), given.text("delimiter", ","))
    quote = (given.text("quote") if given.spec["quote"] is not None else "") if "quote" in given.spec else '"' if delimiter == "," else ""
    escape = given.text("escape") if given.spec.get("escape") is not None else ""
    for key, mark in (("delimiter", delimiter), ("quote", quote), ("escape", escape)):
        if not mark.isascii() or "\n" in mark or "\r" in mark or "\0" in mark:
            raise given.wrong(f"{key} is ASCII and no line end", key, value=mark)
        if len(mark) > 1 and (key != "delimiter" or quote or escape):
            raise given.wrong(f"{key} is one character where quotes or escapes are used", key, value=mark)
    if not delimiter or len({delimiter, quote, escape}) != 3 - (not quote and not escape):
        raise given.wrong("delimiter, quote and escape are three different characters", "delimiter", value=delimiter)
    return dialect.Dialect(delimiter, quote, escape, _NEWLINES[given.choice("newline", _NEWLINES, "lf")])
