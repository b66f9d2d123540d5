"""Columns of delimited and fixed-width text: their names, checks and layouts, and record types in one file."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from schemas import errors
from schemas.envelope import Mapped
from transformers import formats, options

Role = Literal["head", "detail", "trailer"]

_TYPES: dict[str, Callable[[str], object]] = {
    "integer": re.compile(r"[+-]?[0-9]+").fullmatch,
    "decimal": re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)").fullmatch,
    "digits": re.compile(r"[0-9]+").fullmatch,
}
_KEYS = ("name", "type", "required", "width", "align", "pad", "const", "count", "sum")


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `width` in bytes (fixed width only); `const`, `count`, `sum` fill it in written head and trailer lines."""

    name: str
    type: str = "text"
    required: bool = False
    width: int = 0
    align: str = "left"
    pad: str = " "
    const: str | None = None
    count: bool = False
    sum: str = ""


@dataclass(frozen=True)
class Layout:
    """The columns of one kind of line; `slices` are (start, end, column) and `width` the sum, in bytes."""

    columns: tuple[Column, ...]
    names: tuple[str, ...] = field(init=False)
    known: frozenset[str] = field(init=False)
    checked: tuple[tuple[int, Column], ...] = field(init=False)
    slices: tuple[tuple[int, int, Column], ...] = field(init=False)
    width: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(column.name for column in self.columns))
        object.__setattr__(self, "known", frozenset(self.names))
        checked = ((at, column) for at, column in enumerate(self.columns) if column.required or column.type != "text")
        object.__setattr__(self, "checked", tuple(checked))
        ends = list(itertools.accumulate(column.width for column in self.columns))
        object.__setattr__(self, "slices", tuple(zip([0, *ends], ends, self.columns, strict=False)))
        object.__setattr__(self, "width", ends[-1] if ends else 0)

    def record(self, cells: Sequence[str]) -> dict[str, Any]:
        """Cells by name. Raises `Undecodable` for a wrong number of cells, `SchemaViolation` for a cell."""
        if len(cells) != len(self.names):
            raise errors.Undecodable(f"{len(cells)} cells where {len(self.names)} are expected", hint="Look for a delimiter inside a value")
        for at, column in self.checked:
            _check(column, cells[at])
        return dict(zip(self.names, cells, strict=True))

    def cells(self, state: Mapping[str, Any]) -> list[str]:
        """The record's values in the columns' order. Raises `Unencodable` or `SchemaViolation` with the field."""
        if not state.keys() <= self.known:
            extra = next(key for key in state if key not in self.known)
            raise errors.Unencodable(
                f"there is no column {extra!r}", place=errors.Place(path=extra), hint=options.nearest(extra, self.names)
            )
        cells = [_text(column, state.get(column.name)) for column in self.columns]
        for at, column in self.checked:
            _check(column, cells[at])
        return cells


def _check(column: Column, cell: str) -> None:
    place = errors.Place(path=column.name)
    if not cell:
        if column.required:
            raise errors.SchemaViolation(f"{column.name} is required", place=place)
    elif column.type != "text" and not _TYPES[column.type](cell):
        raise errors.SchemaViolation(f"{column.name} is not of the type {column.type}", place=place, value=cell)


def _text(column: Column, value: object) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f")
    if isinstance(value, (int, Decimal)):
        return str(value)
    raise errors.Unencodable("one cell holds no list and no object", place=errors.Place(path=column.name), value=value)


@dataclass(frozen=True)
class Types:
    """Record types: the column with the code, and what each code stands for (`head`, `trailer`, or a kind of detail)."""

    column: int
    kinds: Mapping[str, str]

    def role(self, code: str) -> Role:
        """What a line with this code is. Codes that nobody declared are details, to be refused one by one."""
        kind = self.kinds.get(code)
        return "head" if kind == "head" else "trailer" if kind == "trailer" else "detail"

    def code_of(self, record: Mapped, layout: Layout) -> str:
        """The code that a record brings in its type column, else the one of its kind."""
        brought = record.state.get(layout.names[self.column])
        return brought if isinstance(brought, str) and brought in self.kinds else self.code(record.kind)

    def code(self, kind: str) -> str:
        """The code that a written record carries. Raises `Unencodable` for a kind without one."""
        for wanted in (kind, "detail"):
            for code, known in self.kinds.items():
                if known == wanted:
                    return code
        raise errors.Unencodable(f"there is no record type for {kind!r}", hint=options.nearest(kind, self.kinds.values()))


@dataclass(frozen=True)
class Layouts:
    """All layouts of a format. `default` None: the columns come from the header line."""

    default: Layout | None
    kinds: Mapping[str, Layout]
    types: Types | None = None

    @property
    def first(self) -> Layout | None:
        """The layout of details, or of the first kind of them: it says where the type's column stands."""
        return self.default or next(iter(self.kinds.values()), None)

    def of(self, code: str) -> Layout | None:
        """The layout of a line with this code; raises `Undecodable` for a code that nobody declared."""
        if self.types is None:
            return self.default
        kind = self.types.kinds.get(code)
        if kind is None:
            raise errors.Undecodable(f"there is no record type {code!r}", hint=f"Known: {', '.join(self.types.kinds)}")
        return self.kinds.get(kind) if kind in ("head", "trailer") else self.kinds.get(kind, self.default)

    def body(self, records: Sequence[Mapped], default: Layout) -> list[tuple[Layout, list[str]]]:
        """The lines of a body: head, details, trailer, each with its layout and cells."""
        lines: list[tuple[Layout, list[str]]] = []
        for record in records:
            code = self.types.code_of(record, default) if self.types else ""
            layout = self.of(code) or default
            lines.append((layout, self._coded(layout.cells(record.state), code)))
        return [*self._frame("head", lines), *lines, *self._frame("trailer", lines)]

    def _coded(self, cells: list[str], code: str) -> list[str]:
        if self.types:
            cells[self.types.column] = code
        return cells

    def _frame(self, role: Role, lines: Sequence[tuple[Layout, list[str]]]) -> list[tuple[Layout, list[str]]]:
        if self.types is None or role not in self.kinds:
            return []
        layout = self.kinds[role]
        return [(layout, self._coded([_filled(column, lines) for column in layout.columns], self.types.code(role)))]


def _filled(column: Column, lines: Sequence[tuple[Layout, list[str]]]) -> str:
    if column.count:
        return str(len(lines))
    if column.sum:
        pairs = (pair for layout, cells in lines for pair in zip(layout.names, cells, strict=True))
        return str(sum((formats.amount(cell) for name, cell in pairs if name == column.sum), Decimal(0)))
    return column.const or ""


def build(given: options.Options, *, fixed: bool) -> Layouts:
    """Read `columns` (a list, or a list for each kind of detail), `types`, `head` and `trailer`."""
    columns, types = given.spec.get("columns"), given.spec.get("types", {})
    by_kind: dict[str, tuple[tuple[str, ...], Any]] = {}
    if isinstance(columns, Mapping):
        by_kind = {kind: (("columns", kind), items) for kind, items in columns.items()}
    if isinstance(types, Mapping):
        by_kind |= {str(code): (("types", code), items) for code, items in types.items() if isinstance(items, list)}
    default = None if columns is None or isinstance(columns, Mapping) else _layout(given, ("columns",), columns, fixed)
    kinds = {kind: _layout(given, path, items, fixed) for kind, (path, items) in by_kind.items()}
    first = default or next(iter(kinds.values()), None)
    kinds |= {role: _layout(given, (role,), given.spec[role], fixed) for role in ("head", "trailer") if role in given.spec}
    if kinds and not types:
        raise given.wrong("several layouts need `types`", "columns", hint="types: {column: 0, H: head, D: detail, T: trailer}")
    return Layouts(default, kinds, _types(given.under("types", types), first) if types else None)


def _types(below: options.Options, first: Layout | None) -> Types:
    at = below.spec.get("column", 0)
    if isinstance(at, str) and first and at in first.names:
        at = first.names.index(at)
    if not isinstance(at, int) or first is None or not 0 <= at < len(first.names):
        raise below.wrong("column is the place of the type's column, from 0, or its name", "column", value=at)
    kinds = {str(code): str(code if isinstance(kind, list) else kind) for code, kind in below.spec.items() if code != "column"}
    if set(kinds.values()) <= {"head", "trailer"}:
        raise below.wrong("no record type is a detail", hint="Add the code of detail lines: D: detail")
    return Types(at, kinds)


def _layout(given: options.Options, path: tuple[str, ...], items: object, fixed: bool) -> Layout:
    if not isinstance(items, list) or not items:
        raise given.wrong("columns are a list", *path, value=items)
    columns = tuple(_column(given, (*path, at), item, fixed) for at, item in enumerate(items))
    names = [column.name for column in columns]
    for at, name in enumerate(names):
        if name in names[:at]:
            given.found.append(given.wrong(f"the column {name!r} stands twice", *path, at, hint="Rename one of them"))
    return Layout(columns)


def _column(given: options.Options, path: tuple[str | int, ...], item: object, fixed: bool) -> Column:
    if not isinstance(item, Mapping):
        item = {"name": item}
    level = options.Options(item, given.files, given.locate, (*given.path, *path), given.found)
    level.only(*(key for key in _KEYS if fixed or key not in ("width", "align", "pad")))
    name, width = level.text("name"), level.number("width", 0)
    if not name:
        raise level.wrong("a column has a name", "name")
    if fixed and not width:
        raise level.wrong("a column of fixed width has a width in bytes", "width", hint="width: 20")
    pad = level.text("pad", " ")
    if len(pad) != 1 or not pad.isascii():
        raise level.wrong("pad is one ASCII character", "pad", value=pad)
    kind = level.choice("type", ("text", *_TYPES), "text")
    align = level.choice("align", ("left", "right"), "left")
    const = level.text("const") if "const" in level.spec else None
    return Column(name, kind, level.flag("required"), width, align, pad, const, level.flag("count"), level.text("sum"))
