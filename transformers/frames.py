"""Head and trailer: lines that count and add up the lines between them, when a body is put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from schemas.envelope import Mapped
from transformers import columns, formats

Render = Callable[[Sequence[str], columns.Layout], bytes]


class Line(NamedTuple):
    """A finished line, and its amounts in the columns that head and trailer add up."""

    raw: bytes
    amounts: tuple[Decimal, ...]


def part(layouts: columns.Layouts, record: Mapped, default: columns.Layout, render: Render) -> bytes | Line:
    """A record's line; with its amounts where there is a head or trailer. Raises as `render` does."""
    cells, layout = layouts.line(record, default)
    raw = render(cells, layout)
    if not layouts.frames:
        return raw
    line = Line(raw, tuple(_amount(name, cells, layout) for name in layouts.added))
    framed(layouts, [line], render)  # a head or trailer that cannot even hold this one shows here, and not to the whole batch
    return line


def framed(layouts: columns.Layouts, parts: Sequence[Any], render: Render) -> Sequence[bytes]:
    """The lines, between head and trailer where there are any. Raises as `render` does for the totals."""
    if not layouts.frames:
        return parts
    sums = {name: sum((line.amounts[at] for line in parts), Decimal(0)) for at, name in enumerate(layouts.added)}
    frame = {role: render(_cells(layouts, role, len(parts), sums), layouts.kinds[role]) for role in layouts.frames}
    return [frame.get("head", b""), *(line.raw for line in parts), frame.get("trailer", b"")]


def _amount(name: str, cells: Sequence[str], layout: columns.Layout) -> Decimal:
    return formats.amount(cells[layout.names.index(name)]) if name in layout.known else Decimal(0)


def _cells(layouts: columns.Layouts, role: columns.Role, count: int, sums: Mapping[str, Decimal]) -> list[str]:
    """What a head or trailer says of so many lines."""
    cells = [_filled(column, count, sums) for column in layouts.kinds[role].columns]
    if layouts.types is not None:
        cells[layouts.types.column] = layouts.types.code(role)
    return cells


def _filled(column: columns.Column, count: int, sums: Mapping[str, Decimal]) -> str:
    if column.count:
        return str(count)
    return str(sums[column.sum]) if column.sum else column.const or ""
