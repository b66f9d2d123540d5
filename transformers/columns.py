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
from transformers import options

Role = Literal["head", "detail", "trailer"]

_TYPES = {  # what a cell is that is not empty
    "text": r"(?s:.+)",
    "integer": r"[+-]?[0-9]+",
    "decimal": r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)",
    "digits": r"[0-9]+",
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
    checked: tuple[tuple[int, Callable[[str], object], Column], ...] = field(init=False)
    slices: tuple[tuple[int, int, Column], ...] = field(init=False)
    width: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(column.name for column in self.columns))
        object.__setattr__(self, "known", frozenset(self.names))
        checked = ((at, _fits(column), column) for at, column in enumerate(self.columns) if column.required or column.type != "text")
        object.__setattr__(self, "checked", tuple(checked))
        ends = list(itertools.accumulate(column.width for column in self.columns))
        object.__setattr__(self, "slices", tuple(zip([0, *ends], ends, self.columns, strict=False)))
        object.__setattr__(self, "width", ends[-1] if ends else 0)

    def record(self, cells: Sequence[str]) -> dict[str, Any]:
        """Cells by name. Raises `Undecodable` for a wrong number of cells, `SchemaViolation` for a cell."""
        if len(cells) != len(self.names):
            raise errors.Undecodable(f"{len(cells)} cells where {len(self.names)} are expected", hint="Look for a delimiter inside a value")
        for at, fits, column in self.checked:
            if not fits(cells[at]):
                raise _violation(column, cells[at])
        return dict(zip(self.names, cells, strict=True))

    def cells(self, state: Mapping[str, Any]) -> list[str]:
        """The record's values in the columns' order. Raises `Unencodable` or `SchemaViolation` with the field."""
        if not self.known.issuperset(state):
            extra = next(key for key in state if key not in self.known)
            raise errors.Unencodable(
                f"there is no column {extra!r}", place=errors.Place(path=extra), hint=options.nearest(extra, self.names)
            )
        get = state.get
        cells = [cell if isinstance(cell := get(name, ""), str) else _text(name, cell) for name in self.names]
        for at, fits, column in self.checked:
            if not fits(cells[at]):
                raise _violation(column, cells[at])
        return cells


def _fits(column: Column) -> Callable[[str], object]:
    return re.compile(_TYPES[column.type] if column.required else f"(?:{_TYPES[column.type]})?").fullmatch


def _violation(column: Column, cell: str) -> errors.SchemaViolation:
    place = errors.Place(path=column.name)
    if not cell:
        return errors.SchemaViolation(f"{column.name} is required", place=place)
    return errors.SchemaViolation(f"{column.name} is not of the type {column.type}", place=place, value=cell)


def _text(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, Decimal)):
        return str(value)
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f")
    raise errors.Unencodable("one cell holds no list and no object", place=errors.Place(path=name), value=value)


@dataclass(frozen=True)
class Types:
    """Record types: the column with the code, and what each code stands for (`head`, `trailer`, or a kind of detail)."""

    column: int
    kinds: Mapping[str, str]
    codes: Mapping[str, str] = field(init=False)  # the first code of each kind

    def __post_init__(self) -> None:
        codes: dict[str, str] = {}
        for code, kind in self.kinds.items():
            codes.setdefault(kind, code)
        object.__setattr__(self, "codes", codes)

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
        code = self.codes.get(kind, self.codes.get("detail"))
        if code is None:
            raise errors.Unencodable(f"there is no record type for {kind!r}", hint=options.nearest(kind, self.kinds.values()))
        return code


@dataclass(frozen=True)
class Layouts:
    """All layouts of a format. `default` None: the columns come from the header line.

    `first` is the layout of details, or of the first kind of them: it says where the type's column stands. `frames` says which
    of head and trailer are written, `added` which columns they add up.
    """

    default: Layout | None
    kinds: Mapping[str, Layout]
    types: Types | None = None
    first: Layout | None = field(init=False)
    frames: tuple[Role, ...] = field(init=False)
    added: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "first", self.default or next(iter(self.kinds.values()), None))
        roles: tuple[Role, ...] = ("head", "trailer")
        object.__setattr__(self, "frames", tuple(role for role in roles if self.types is not None and role in self.kinds))
        sums = (column.sum for role in self.frames for column in self.kinds[role].columns)
        object.__setattr__(self, "added", tuple(dict.fromkeys(name for name in sums if name)))

    def of(self, code: str) -> Layout | None:
        """The layout of a line with this code; raises `Undecodable` for a code that nobody declared."""
        if self.types is None:
            return self.default
        kind = self.types.kinds.get(code)
        if kind is None:
            raise errors.Undecodable(f"there is no record type {code!r}", hint=f"Known: {', '.join(self.types.kinds)}")
        return self.kinds.get(kind) if kind in ("head", "trailer") else self.kinds.get(kind, self.default)

    def line(self, record: Mapped, default: Layout) -> tuple[list[str], Layout]:
        """The cells of a record, with its code where there are record types. Raises as `Layout.cells` and `Types.code` do."""
        if self.types is None:
            return default.cells(record.state), default
        code = self.types.code_of(record, default)
        layout = self.of(code) or default
        cells = layout.cells(record.state)
        cells[self.types.column] = code
        return cells, layout


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
    kind = level.choice("type", _TYPES, "text")
    align = level.choice("align", ("left", "right"), "left")
    const = level.text("const") if "const" in level.spec else None
    return Column(name, kind, level.flag("required"), width, align, pad, const, level.flag("count"), level.text("sum"))
