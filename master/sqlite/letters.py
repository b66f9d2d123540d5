"""The dead letters in SQLite."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping
from typing import Any

from master import ids
from master.sqlite.database import Database
from master.store import Letter
from schemas import errors
from schemas.envelope import Failure, Part

COLUMNS = """
d.id, d.state, d.stage, d.code, d.path, d.reason, d.fingerprint, d.records, d.attempts, d.first_at, d.last_at, d.due_at,
coalesce(l.source, ''), coalesce(l.feed, ''), d.message, d.row, d.payload,
d.subscription, g.id, d.from_seq, d.last_seq, d.resolved_by, d.note
FROM dead_letter d LEFT JOIN lane l ON l.id = d.lane LEFT JOIN golden g ON g.n = d.golden
"""
FILTERS = {
    "stage": "d.stage",
    "code": "d.code",
    "source": "l.source",
    "feed": "l.feed",
    "subscription": "d.subscription",
    "fingerprint": "d.fingerprint",
}


def fingerprint(place: str, failure: Failure) -> str:
    """What makes two failures the same kind: where, stage, class and path with indexes left out."""
    path = "".join(character for character in failure.path if not character.isdigit())
    return hashlib.blake2b(f"{place}|{failure.stage}|{failure.code}|{path}".encode(), digest_size=6).hexdigest()


def bury(
    writer: sqlite3.Connection, lane: int, message: int, row: int, records: int, failure: Failure, at: int, part: Part | None = None
) -> None:
    """One record that could not be used; `part` says where it stands in a file."""
    path = f"{part.file} {part.told(row, failure.path)}" if part is not None and not part.absent else failure.path
    writer.execute(
        """INSERT INTO dead_letter
        (state, stage, code, path, reason, fingerprint, records, attempts, first_at, last_at, lane, message, row, payload)
        VALUES ('dead', ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?)""",
        (
            failure.stage, failure.code, path, failure.reason, fingerprint(str(lane), failure),
            records, at, at, lane, message, row, failure.payload,
        ),
    )  # fmt: skip


def resolve(writer: sqlite3.Connection, letter: int, by: int | None, state: str, note: str, at: int) -> None:
    """Settle an open letter: its records move from dead to resolved, in its lane or its subscription."""
    row = writer.execute("SELECT state, lane, subscription, records FROM dead_letter WHERE id = ?", (letter,)).fetchone()
    if row is None or row[0] not in ("dead", "waiting"):
        return
    old, lane, subscription, records = row
    writer.execute(
        "UPDATE dead_letter SET state = ?, resolved_by = ?, last_at = ?, note = ? WHERE id = ?", (state, by, at, note, letter)
    )
    if lane is not None:
        writer.execute("UPDATE lane SET dead = dead - ?, resolved = resolved + ? WHERE id = ?", (records, records, lane))
    elif old == "waiting":  # what is discarded was matched and never delivered: it stays counted as dead
        moved = "UPDATE subscription SET pending = pending - ?, dead = dead + ? WHERE name = ?"
        writer.execute(moved, (records, records, subscription))


class Letters:
    """Reads for people and the replay; and the two ways a person settles a letter."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, letter: int) -> Letter | None:
        """One letter."""
        row = self._database.read().execute(f"SELECT {COLUMNS} WHERE d.id = ?", (letter,)).fetchone()
        return _letter(row) if row else None

    def select(self, *, state: str | None, filters: Mapping[str, str], limit: int, before: int | None = None) -> list[Letter]:
        """Newest first."""
        clauses, values = ["1"], list[Any]()
        if state is not None:
            clauses.append("d.state = ?")
            values.append(state)
        for name, value in filters.items():
            clauses.append(f"{FILTERS[name]} = ?")
            values.append(value)
        if before is not None:
            clauses.append("d.id < ?")
            values.append(before)
        query = f"SELECT {COLUMNS} WHERE {' AND '.join(clauses)} ORDER BY d.id DESC LIMIT ?"
        return [_letter(row) for row in self._database.read().execute(query, (*values, limit))]

    def of_message(self, message: int) -> list[Letter]:
        """Everything of one message, in the order of its rows."""
        query = f"SELECT {COLUMNS} WHERE d.message = ? ORDER BY d.row, d.id"
        return [_letter(row) for row in self._database.read().execute(query, (message,))]

    def of_key(self, subscription: str, golden_id: str) -> list[Letter]:
        """The letters of a subscriber's key that are not resolved, newest first."""
        query = f"SELECT {COLUMNS} WHERE d.state IN ('waiting', 'dead', 'discarded') AND d.subscription = ? AND g.id = ? ORDER BY d.id DESC"
        return [_letter(row) for row in self._database.read().execute(query, (subscription, ids.pack(golden_id)))]

    def groups(self, limit: int) -> list[dict[str, Any]]:
        """Open letters by kind."""
        query = """
            SELECT d.fingerprint, d.state, d.stage, d.code, max(d.path) AS path,
                   coalesce(l.source || '/' || l.feed, d.subscription) AS place, count(*) AS letters, sum(d.records) AS records,
                   min(d.first_at) AS first_at, max(d.last_at) AS last_at, max(d.reason) AS reason
            FROM dead_letter d LEFT JOIN lane l ON l.id = d.lane WHERE d.state IN ('dead', 'waiting')
            GROUP BY d.fingerprint, d.state ORDER BY records DESC LIMIT ?
        """
        cursor = self._database.read().execute(query, (limit,))
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def counts(self) -> dict[str, int]:
        """Letters by state."""
        return dict(self._database.read().execute("SELECT state, count(*) FROM dead_letter GROUP BY state"))

    def discard(self, letter: int, note: str, at: int) -> None:
        """Settle a letter without its content; it stays on record."""
        with self._database.write() as writer:
            resolve(writer, letter, None, "discarded", note, at)

    def retry(self, letter: int, note: str, at: int) -> None:
        """Make a refused key due now."""
        with self._database.write() as writer:
            row = writer.execute("SELECT state, subscription, records FROM dead_letter WHERE id = ?", (letter,)).fetchone()
            if row is None or row[1] is None or row[0] not in ("dead", "waiting"):
                raise errors.NotFound(f"dead letter {letter} is no refused key that could be retried")
            if row[0] == "dead":
                moved = "UPDATE subscription SET dead = dead - ?, pending = pending + ? WHERE name = ?"
                writer.execute(moved, (row[2], row[2], row[1]))
            again = "UPDATE dead_letter SET state = 'waiting', due_at = ?, first_at = ?, note = ? WHERE id = ?"
            writer.execute(again, (at, at, note, letter))


def _letter(row: tuple[Any, ...]) -> Letter:
    values = list(row)
    values[18] = ids.unpack(values[18]) if values[18] is not None else None
    return Letter(*values)
