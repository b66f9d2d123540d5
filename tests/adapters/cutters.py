"""A small cutter for tests: lines of `id|amount`, an optional last line `T|rows|sum`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from decimal import Decimal
from typing import BinaryIO

from adapters import control
from schemas.envelope import Piece


class Lines:
    """One row a line; a line that begins with T| is the trailer."""

    content_type = "text/plain"

    def split(self, stream: BinaryIO, rows: int) -> Iterator[Piece]:
        lines = (line for line in stream if not line.startswith(b"T|"))
        first = 0
        while chunk := list(itertools.islice(lines, rows)):
            yield Piece(b"".join(chunk), first, ((0, first),))
            first += len(chunk)

    def totals(self, stream: BinaryIO, column: str = "") -> control.Totals:
        lines = stream.read().splitlines()
        last = lines.pop().decode().split("|") if lines and lines[-1].startswith(b"T|") else []
        trailer = {str(at): cell for at, cell in enumerate(last)}
        total = sum((Decimal(line.split(b"|")[1].decode()) for line in lines), Decimal(0)) if column else None
        return control.Counted(len(lines), total, trailer)
