"""Leases with fences in SQLite."""

from __future__ import annotations

import sqlite3

from master.sqlite.database import Database
from master.store import Fence
from schemas import errors


def check(writer: sqlite3.Connection, fence: Fence) -> None:
    """Inside the caller's transaction: raises `FenceLost` when somebody else has the lease by now."""
    row = writer.execute("SELECT fence, holder FROM lease WHERE name = ?", (fence.name,)).fetchone()
    if row is None or row[0] != fence.number:
        raise errors.FenceLost(f"{fence.name} belongs to {row[1] if row else 'nobody'} now")


class Leases:
    """One row a lease; the fence grows with every new holder."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, name: str, holder: str, now: int, until: int, *, force: bool = False) -> Fence | None:
        """The lease if it is free, expired, the holder's own, or taken by force."""
        with self._database.write() as writer:
            row = writer.execute("SELECT holder, fence, expires_at FROM lease WHERE name = ?", (name,)).fetchone()
            if row is not None and row[0] == holder:
                writer.execute("UPDATE lease SET expires_at = ? WHERE name = ?", (until, name))
                return Fence(name, row[1])
            if row is not None and row[2] > now and not force:
                return None
            number = row[1] + 1 if row is not None else 1
            query = "INSERT OR REPLACE INTO lease (name, holder, fence, expires_at) VALUES (?, ?, ?, ?)"
            writer.execute(query, (name, holder, number, until))
            return Fence(name, number)

    def drop(self, fence: Fence) -> None:
        """Let go, if it is still ours."""
        with self._database.write() as writer:
            writer.execute("UPDATE lease SET expires_at = 0, holder = '' WHERE name = ? AND fence = ?", (fence.name, fence.number))
