"""The small tables in SQLite: file claims, alarms, revisions, API keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import orjson

from adapters.contract import FileIdentity
from master.sqlite import packing
from master.sqlite.database import Database


class FileClaims:
    """One row for every file that was ever taken."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, file: FileIdentity, at: int) -> Literal["new", "resume", "done"]:
        """Take the file. `done`: the very same file was loaded before."""
        key = (file.system, file.path, file.sha256, file.size, file.mtime)
        with self._database.write() as writer:
            query = "SELECT state FROM file_claim WHERE system = ? AND path = ? AND sha256 = ? AND size = ? AND mtime = ?"
            row = writer.execute(query, key).fetchone()
            if row is not None:
                return "done" if row[0] == "done" else "resume"
            query = """
                INSERT INTO file_claim (system, path, sha256, size, mtime, state, rows, total, claimed_at)
                VALUES (?, ?, ?, ?, ?, 'loading', 0, 0, ?)
            """
            writer.execute(query, (*key, at))
            return "new"

    def progress(self, file: FileIdentity, rows: int, total: int, state: str, at: int) -> None:
        """How far the file is; `state` is loading or done."""
        query = """
            UPDATE file_claim SET rows = ?, total = max(total, ?), state = ?, finished_at = CASE ? WHEN 'done' THEN ? END
            WHERE system = ? AND path = ? AND sha256 = ? AND size = ? AND mtime = ?
        """
        with self._database.write() as writer:
            writer.execute(query, (rows, total, state, state, at, file.system, file.path, file.sha256, file.size, file.mtime))

    def recent(self, limit: int) -> list[dict[str, Any]]:
        """The files taken last."""
        query = "SELECT system, path, size, state, rows, total, claimed_at, finished_at FROM file_claim ORDER BY claimed_at DESC LIMIT ?"
        cursor = self._database.read().execute(query, (limit,))
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]


class Alarms:
    """One row for every active alarm."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def raise_(self, kind: str, place: str, reason: str, at: int) -> bool:
        """True when it was not raised already."""
        if self._reason(kind, place) == reason:
            return False
        with self._database.write() as writer:
            query = """
                INSERT INTO alarm (kind, place, reason, raised_at) VALUES (?, ?, ?, ?)
                ON CONFLICT (kind, place) DO UPDATE SET reason = excluded.reason
            """
            writer.execute(query, (kind, place, reason, at))
        return True

    def clear(self, kind: str, place: str) -> None:
        """The reason is gone."""
        if self._reason(kind, place) is not None:
            with self._database.write() as writer:
                writer.execute("DELETE FROM alarm WHERE kind = ? AND place = ?", (kind, place))

    def _reason(self, kind: str, place: str) -> str | None:
        row = self._database.read().execute("SELECT reason FROM alarm WHERE kind = ? AND place = ?", (kind, place)).fetchone()
        return row[0] if row else None

    def active(self) -> list[dict[str, Any]]:
        """Oldest first."""
        query = "SELECT kind, place, reason, raised_at FROM alarm ORDER BY raised_at"
        return [dict(zip(("kind", "place", "reason", "raised_at"), row, strict=True)) for row in self._database.read().execute(query)]


class Revisions:
    """Mappings and rules as they were, each content once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, name: str, hash_: str, files: Mapping[str, bytes], at: int) -> int:
        """The id of this content, stored on first use."""
        with self._database.write() as writer:
            row = writer.execute("SELECT id FROM revision WHERE hash = ?", (hash_,)).fetchone()
            if row is not None:
                return int(row[0])
            bundle = packing.compress(orjson.dumps({path: text.hex() for path, text in files.items()}), level=3)
            query = "INSERT INTO revision (hash, name, created_at, bundle) VALUES (?, ?, ?, ?) RETURNING id"
            return int(writer.execute(query, (hash_, name, at, bundle)).fetchone()[0])

    def load(self, revision: int) -> tuple[str, dict[str, bytes]] | None:
        """Name and files of a revision."""
        row = self._database.read().execute("SELECT name, bundle FROM revision WHERE id = ?", (revision,)).fetchone()
        if row is None:
            return None
        files = orjson.loads(packing.decompress(row[1]))
        return row[0], {path: bytes.fromhex(text) for path, text in files.items()}

    def all(self) -> list[tuple[int, str, str, int]]:
        """(id, hash, name, first use), newest first."""
        return list(self._database.read().execute("SELECT id, hash, name, created_at FROM revision ORDER BY id DESC"))


class Keys:
    """API keys: the prefix finds the row, the SHA-256 proves the key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, source: str, prefix: str, sha256: bytes, at: int) -> None:
        """Keep a new key's digest."""
        with self._database.write() as writer:
            writer.execute("INSERT INTO api_key (prefix, sha256, source, created_at) VALUES (?, ?, ?, ?)", (prefix, sha256, source, at))

    def all(self) -> list[tuple[str, bytes, str, int]]:
        """(prefix, digest, source, created at) of every key."""
        return list(self._database.read().execute("SELECT prefix, sha256, source, created_at FROM api_key ORDER BY source, created_at"))

    def revoke(self, prefix: str) -> bool:
        """False when there is no such key."""
        with self._database.write() as writer:
            return writer.execute("DELETE FROM api_key WHERE prefix = ?", (prefix,)).rowcount > 0
