"""What apply was about to work on when its process ended: a small file beside the store, written without waiting for the disk.

A record that ends the process leaves the operating system as it was, so the file's pages outlive it; a power cut, which loses them, is no
record's fault.
"""

from __future__ import annotations

import os
from pathlib import Path

import orjson

from master.store import Attempted


class Attempts:
    """One note at a time."""

    def __init__(self, store: Path) -> None:
        self._path = store.with_name(store.name + "-attempt")
        self._file: int | None = None

    def note(self, attempted: Attempted) -> None:
        """Apply begins with these."""
        text = orjson.dumps([list(attempted.messages), attempted.rows, attempted.row, attempted.tries])
        os.pwrite(self._open(), b"%d\n%b" % (len(text), text), 0)

    def done(self) -> None:
        """They are settled, or given up for now."""
        os.pwrite(self._open(), b"0\n", 0)

    def left(self) -> Attempted | None:
        """What a process that ended in the middle left behind."""
        if not self._path.exists():
            return None
        size, _, rest = self._path.read_bytes().partition(b"\n")
        if not size.isdigit() or not int(size) or len(rest) < int(size):
            return None
        messages, rows, row, tries = orjson.loads(rest[: int(size)])
        return Attempted(tuple(messages), rows, row, tries)

    def _open(self) -> int:
        if self._file is None:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        return self._file

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
