"""Many rows in one step of the engine.

`executemany` gives up the interpreter once a row, and with other threads at work each time costs as much as the row itself.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Sequence
from functools import cache
from typing import Any

_SIZES = (256, 32, 4, 1)  # rows in a statement: few sizes, so that each stays prepared


def insert(writer: sqlite3.Connection, statement: str, rows: Sequence[Sequence[object]]) -> None:
    """Insert rows with a statement written for one: `INSERT ... VALUES (?, ?) ...`."""
    start = 0
    for size in _SIZES:
        text = _widened(statement, size)
        while len(rows) - start >= size:
            writer.execute(text, tuple(itertools.chain.from_iterable(rows[start : start + size])))
            start += size


def find(connection: sqlite3.Connection, statement: str, values: Sequence[object], *fixed: object) -> list[tuple[Any, ...]]:
    """Every row of a query written for one value, whose last condition is `... IN (?)`; `fixed` are the parameters before it."""
    found: list[tuple[Any, ...]] = []
    start = 0
    for size in _SIZES:
        text = statement.replace("IN (?)", f"IN ({', '.join('?' * size)})")
        while len(values) - start >= size:
            found += connection.execute(text, (*fixed, *values[start : start + size]))
            start += size
    return found


@cache
def _widened(statement: str, size: int) -> str:
    head, _, rest = statement.partition("VALUES (")
    row, _, tail = rest.partition(")")
    return f"{head}VALUES {', '.join([f'({row})'] * size)}{tail}"
