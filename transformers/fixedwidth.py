"""Fixed-width text: columns counted in bytes, padded left or right, with or without line ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from schemas import errors
from schemas.envelope import Mapped
from transformers import columns, encodings, formats, frames, linewise, options

_NEWLINES = {"lf": b"\n", "crlf": b"\r\n", "none": b""}


@dataclass(frozen=True)
class Fixed:
    """The grammar of fixed-width lines. `newline` empty: records follow each other without line ends."""

    encoding: encodings.Encoding
    layouts: columns.Layouts
    newline: bytes

    header = False
    keeps_blank = False

    @property
    def content_type(self) -> str:
        """As sent to subscribers."""
        return f"text/plain; charset={self.encoding.codec}"

    @property
    def unit(self) -> str:
        """What people count."""
        return "line" if self.newline else "record"

    @property
    def ending(self) -> bytes:
        """Between records of a body that is put together."""
        return b"\n" if self.newline else b""

    @property
    def typed(self) -> bool:
        """Whether lines have record types."""
        return self.layouts.types is not None

    def lines(self, stream: BinaryIO) -> Iterator[bytes]:
        """See `linewise.Grammar`."""
        return linewise.lines(stream) if self.newline else self._blocks(stream)

    def _blocks(self, stream: BinaryIO) -> Iterator[bytes]:
        width = self._first().width
        rest = b""
        while block := stream.read(width * 4096):
            rest += block
            whole = len(rest) - len(rest) % width
            yield from (rest[at : at + width] for at in range(0, whole, width))
            rest = rest[whole:]
        if rest.strip(b"\r\n\x1a"):
            yield rest

    def groups(self, lines: Iterator[bytes]) -> Iterator[list[bytes]]:
        """See `linewise.Grammar`."""
        for raw in lines:
            yield [raw]

    def role(self, raw: bytes) -> columns.Role:
        """See `linewise.Grammar`."""
        return self.layouts.types.role(self._code(raw)) if self.layouts.types else "detail"

    def _first(self) -> columns.Layout:
        return self.layouts.first or columns.Layout(())

    def _code(self, raw: bytes) -> str:
        layout, types = self._first(), self.layouts.types
        if types is None:
            return ""
        start, end, column = layout.slices[types.column]
        return _stripped(raw[start:end].decode("latin-1"), column)

    def parser(self, _header: bytes | None, /) -> linewise.Parse:
        """See `linewise.Grammar`."""
        if self.layouts.types is None and self.layouts.default:
            layout = self.layouts.default
            return lambda raw: layout.record(self._cells(raw, layout))
        return self._typed

    def together(self, _header: bytes | None, /) -> None:
        """See `linewise.Grammar`: a record's bytes say what its cells are."""

    def _typed(self, raw: bytes) -> dict[str, Any]:
        layout = self.layouts.of(self._code(raw)) or self._first()
        return layout.record(self._cells(raw, layout))

    def _cells(self, raw: bytes, layout: columns.Layout) -> list[str]:
        if self.newline and raw.endswith(b"\r"):
            raw = raw[:-1]
        if len(raw) != layout.width:
            raise errors.Undecodable(
                f"{len(raw)} bytes where {layout.width} are expected",
                hint="Widths count bytes: a Chinese character is 2 or 4 in GB18030, 3 in UTF-8",
            )
        if b"\0" in raw:
            raise errors.Unsafe(f"byte {raw.index(0) + 1} is NUL", hint="Have the sender fill with spaces")
        if raw.isascii():
            text = raw.decode("ascii")
            return [_stripped(text[start:end], column) for start, end, column in layout.slices]
        self.encoding.decode(raw)  # a wrong byte is named by its place in the line
        return [_stripped(self._cell(raw[start:end], column), column) for start, end, column in layout.slices]

    def _cell(self, raw: bytes, column: columns.Column) -> str:
        if column.align == "left" and column.pad == " ":
            raw = raw.rstrip(b" ")  # no character ends in this byte
        if raw.isascii():
            return raw.decode("ascii")
        try:
            return self.encoding.decode(raw)
        except errors.Undecodable as error:
            raise errors.Undecodable(
                "the column ends or begins inside a character",
                place=errors.Place(path=column.name),
                value=raw.hex(" "),
                hint="Check the widths: they count bytes",
            ) from error

    def frame(self, raw: bytes) -> dict[str, str]:
        """See `linewise.Grammar`."""
        layout = self.layouts.of(self._code(raw))
        if layout is None:
            return {"0": self.encoding.decode(raw).rstrip()}
        return layout.record(self._cells(raw, layout))

    def part(self, record: Mapped) -> Any:
        """See `linewise.Grammar`."""
        return frames.part(self.layouts, record, self._first(), self._line)

    def join(self, parts: Sequence[Any]) -> bytes:
        """See `linewise.Grammar`."""
        return b"".join(frames.framed(self.layouts, parts, self._line))

    def _line(self, cells: Sequence[str], layout: columns.Layout) -> bytes:
        return b"".join(map(self._padded, cells, layout.columns)) + self.newline

    def _padded(self, cell: str, column: columns.Column) -> bytes:
        if self.newline and ("\n" in cell or "\r" in cell):
            place = errors.Place(path=column.name)
            raise errors.Unencodable("the value holds a line end", place=place, value=cell, hint="Clean the value in the mapping")
        try:
            raw = self.encoding.encode(cell)
        except errors.Unencodable as error:
            error.place, error.value = errors.Place(path=column.name), cell
            raise
        if len(raw) > column.width:
            raise errors.Unencodable(
                f"the value takes {len(raw)} bytes, the column has {column.width}",
                place=errors.Place(path=column.name),
                value=cell,
                hint="Shorten it in the mapping",
            )
        if not raw:
            return b" " * column.width
        pad = column.pad.encode("ascii")
        return raw.rjust(column.width, pad) if column.align == "right" else raw.ljust(column.width, pad)


def _stripped(cell: str, column: columns.Column) -> str:
    """Without the padding. An unfilled column is empty; zeros alone are the number zero."""
    if column.align == "left":
        return cell.rstrip(column.pad) or (column.pad if column.pad != " " and cell else "")
    stripped = cell.lstrip(column.pad)
    if not stripped and column.pad != " " and cell:
        return column.pad
    return stripped if stripped.strip(" ") else ""


def build(given: options.Options) -> formats.Format:
    """Read the manifest's keys."""
    given.only("kind", "encoding", "on_unencodable", "newline", "columns", "types", "head", "trailer")
    layouts = columns.build(given, fixed=True)
    if layouts.default is None and not layouts.kinds:
        raise given.wrong("columns are needed", hint="columns: [{name: NAME, width: 20}, ...]")
    newline = _NEWLINES[given.choice("newline", _NEWLINES, "lf")]
    widths = {layout.width for layout in (layouts.default, *layouts.kinds.values()) if layout}
    if not newline and len(widths) > 1:
        raise given.wrong("without line ends all kinds of lines are equally wide", "newline", value=sorted(widths))
    return linewise.Linewise(Fixed(encodings.build(given), layouts, newline))
