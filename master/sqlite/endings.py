"""What is to be done at the end of a file, in SQLite: refused rows to tell, absent keys to withdraw."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

from adapters.contract import FileIdentity, Refused
from master.sqlite import packing
from master.sqlite.database import Database
from master.store import Ending

COLUMNS = "id, system, path, size, mtime, sha256, messages, rows, target, rejects, absent, note"
OPEN = "(rejects = 'waiting' OR absent IN ('waiting', 'blocked', 'confirmed'))"
MINE = "i.lane = (SELECT id FROM lane WHERE source = ? AND feed = ?) AND i.message_id > ? AND i.message_id < ?"
_ROWS, _ALL = ":a", ";"
BUSY = f"SELECT 1 FROM inbox i JOIN lane l ON l.id = i.lane WHERE {MINE} AND i.refused = 0 AND i.id > l.mark LIMIT 1"
REFUSED = f"""
SELECT d.path, d.reason, d.payload, i.body, i.encoding, i.part FROM inbox i CROSS JOIN dead_letter d ON d.message = i.id
WHERE {MINE} AND d.state <> 'resolved' ORDER BY i.message_id, d.row, d.id
"""
FAILED = f"""
WITH RECURSIVE failed (records, state, resolved_by) AS (
    SELECT d.records, d.state, d.resolved_by FROM inbox i CROSS JOIN dead_letter d ON d.message = i.id WHERE {MINE}
    UNION ALL SELECT d.records, d.state, d.resolved_by FROM failed f CROSS JOIN dead_letter d ON d.message = f.resolved_by
) SELECT coalesce(sum(records), 0) FROM failed WHERE state <> 'resolved'
"""
STORED = f"SELECT coalesce(sum(i.records), 0), min(i.id) FROM inbox i WHERE {MINE}"
COUNT = """
SELECT count(*), coalesce(sum(seen < ?), 0) FROM source_record WHERE entity = ? AND source = ? AND op = 'upsert'
"""
KEYS = """
SELECT key FROM source_record WHERE entity = ? AND source = ? AND key > ? AND op = 'upsert' AND seen < ? ORDER BY key LIMIT ?
"""


class Endings:
    """One row for each file of a feed that asks for more than loading."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, file: FileIdentity, messages: str, rows: int, at: int, *, rejects: bool, complete: bool) -> None:
        """Every row of the file is stored. Does nothing when that was said before."""
        wanted = ("waiting" if rejects else "", "waiting" if complete else "")
        query = """
            INSERT INTO file_ending (system, feed, path, sha256, size, mtime, messages, rows, rejects, absent, at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
        """
        with self._database.write() as writer:
            writer.execute(query, (file.system, file.feed, file.path, file.sha256, file.size, file.mtime, messages, rows, *wanted, at))

    def open(self) -> list[Ending]:
        """Those of which something is left to do, in the order of their files."""
        return [_ending(row) for row in self._database.read().execute(f"SELECT {COLUMNS} FROM file_ending WHERE {OPEN} ORDER BY id")]

    def applied(self, ending: Ending) -> bool:
        """Everything that came of the file is settled."""
        return self._database.read().execute(BUSY, _mine(ending)).fetchone() is None

    def refused(self, ending: Ending) -> Iterator[Refused]:
        """The rows that are dead letters, in the order of the file."""
        for path, reason, payload, body, encoding, part in self._database.read().execute(REFUSED, _mine(ending)):
            found = packing.part(part)
            place = path.removeprefix(f"{found.file} ") if found is not None else path
            yield Refused(place, reason, payload or packing.unpack(encoding, body))

    def failed(self, ending: Ending) -> int:
        """How many rows could not be used and have no corrected copy that could."""
        return int(self._database.read().execute(FAILED, _mine(ending, _ROWS)).fetchone()[0])

    def stored(self, ending: Ending) -> tuple[int, int | None]:
        """How many of the file's rows are in the inbox, and the place of the first of its messages."""
        rows, first = self._database.read().execute(STORED, _mine(ending, _ROWS)).fetchone()
        return rows, first

    def since(self, at: int) -> int:
        """The place in the inbox of the first message that came at or after this time; of the next one if none did."""
        reader = self._database.read()
        low, high = 1, reader.execute("SELECT coalesce(max(id), 0) + 1 FROM inbox").fetchone()[0]
        while low < high:
            middle = (low + high) // 2
            row = reader.execute("SELECT received_at FROM inbox WHERE id >= ? ORDER BY id LIMIT 1", (middle,)).fetchone()
            if row is None or row[0] >= at:
                high = middle
            else:
                low = middle + 1
        return int(low)

    def absent(self, entity: str, source: str, before: int) -> tuple[int, int]:
        """How many keys of a source live, and of how many it has not spoken at this place in the inbox or behind it. Reads them all."""
        live, absent = self._database.read().execute(COUNT, (before, entity, source)).fetchone()
        return live, absent

    def absent_keys(self, entity: str, source: str, before: int, after: str, limit: int) -> list[str]:
        """The next of those keys, in their order."""
        return [row[0] for row in self._database.read().execute(KEYS, (entity, source, after, before, limit))]

    def settle(self, ending: int, **values: str) -> None:
        """Note what became of it: `target`, `rejects`, `absent`, `note`."""
        with self._database.write() as writer:
            _set(writer, ending, values)


def _set(writer: sqlite3.Connection, ending: int, values: dict[str, str]) -> None:
    for name in ("target", "rejects", "absent", "note"):
        if name in values:
            writer.execute(f"UPDATE file_ending SET {name} = ? WHERE id = ?", (values[name], ending))


def _mine(ending: Ending, end: str = _ALL) -> tuple[str, str, str, str]:
    """Where the ids of its messages lie: first those of its rows, which end in digits, then others."""
    return ending.file.system, ending.file.feed, f"{ending.messages}:", f"{ending.messages}{end}"


def _ending(row: tuple[Any, ...]) -> Ending:
    number, system, path, size, mtime, sha256, messages, rows, target, rejects, absent, note = row
    return Ending(number, FileIdentity(system, path, size, mtime, sha256), messages, rows, target, rejects, absent, note)
