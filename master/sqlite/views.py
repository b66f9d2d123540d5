"""Read-only answers for people, from SQLite."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from master import ids
from master.sqlite import subscriptions
from master.sqlite.database import Database
from schemas import errors
from schemas.envelope import Change

MEMBERS = "SELECT source, key, op, sequence, message, row, state FROM source_record WHERE golden = ? ORDER BY source, key"
AUDIT_LANES = """
SELECT (SELECT coalesce(sum(records), 0) FROM inbox) AS accepted,
       (SELECT coalesce(sum(applied), 0) FROM settled) AS applied,
       (SELECT coalesce(sum(unchanged), 0) FROM settled) AS unchanged,
       (SELECT coalesce(sum(stale), 0) FROM settled) AS stale,
       (SELECT coalesce(sum(records), 0) FROM dead_letter WHERE lane IS NOT NULL AND state = 'dead') AS dead,
       (SELECT coalesce(sum(records), 0) FROM dead_letter WHERE lane IS NOT NULL AND state IN ('resolved', 'discarded')) AS resolved,
       (SELECT coalesce(sum(i.records), 0) FROM inbox i JOIN lane l ON l.id = i.lane WHERE i.id > l.mark AND i.refused = 0)
       - (SELECT coalesce(sum(s.applied + s.unchanged + s.stale + s.dead), 0) FROM settled s JOIN inbox i ON i.id = s.message
          JOIN lane l ON l.id = i.lane WHERE i.id > l.mark AND i.refused = 0) AS pending
"""


class Views:
    """Queries over the whole file, on the reader's own connection."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def golden(self, public_id: str) -> dict[str, Any] | None:
        """The golden record with its newest state, and every member's own state."""
        reader = self._database.read()
        query = """
            SELECT g.n, g.entity, g.version, g.live, c.state, c.at FROM golden g JOIN change c ON c.seq = g.seq WHERE g.id = ?
        """
        row = reader.execute(query, (_packed(public_id),)).fetchone()
        if row is None:
            return None
        n, entity, version, live, state, at = row
        newest = orjson.loads(state)
        members = [
            {
                "source": source, "key": key, "op": op, "sequence": sequence, "message": message, "row": number,
                "state": orjson.loads(own) if own is not None else newest if op == "upsert" else None,
            }
            for source, key, op, sequence, message, number, own in reader.execute(MEMBERS, (n,))
        ]  # fmt: skip
        return {"id": public_id, "entity": entity, "version": version, "live": bool(live), "at": at, "state": newest, "members": members}

    def find_golden(self, key: str, entity: str | None = None) -> list[str]:
        """Golden ids by a source's own key."""
        entities = [entity] if entity else [row[0] for row in self._database.read().execute("SELECT DISTINCT entity FROM source_record")]
        sources = [row[0] for row in self._database.read().execute("SELECT DISTINCT source FROM lane")]
        query = "SELECT g.id FROM source_record s JOIN golden g ON g.n = s.golden WHERE s.entity = ? AND s.source = ? AND s.key = ?"
        found = [row[0] for e in entities for s in sources for row in self._database.read().execute(query, (e, s, key))]
        return [ids.unpack(public) for public in dict.fromkeys(found)]

    def history(self, public_id: str) -> list[Change]:
        """Every version, newest first."""
        query = f"SELECT {subscriptions.CHANGE} FROM golden g JOIN change c ON c.golden = g.n WHERE g.id = ? ORDER BY c.seq DESC"
        return [subscriptions.change(row) for row in self._database.read().execute(query, (_packed(public_id),))]

    def revision_of(self, seq: int) -> int | None:
        """The revision of mappings and rules that made a change."""
        row = self._database.read().execute("SELECT revision FROM change WHERE seq = ?", (seq,)).fetchone()
        return row[0] if row else None

    def message_changes(self, message: int) -> list[Change]:
        """What a message did to the master copy."""
        bounds = self.settled(message)
        if bounds is None or not bounds["last_seq"]:
            return []
        query = f"""
            SELECT {subscriptions.CHANGE} FROM change c JOIN golden g ON g.n = c.golden
            WHERE c.seq BETWEEN ? AND ? AND c.message = ? ORDER BY c.seq
        """
        rows = self._database.read().execute(query, (bounds["first_seq"], bounds["last_seq"], message))
        return [subscriptions.change(row) for row in rows]

    def settled(self, message: int) -> dict[str, int] | None:
        """What became of a message's records."""
        names = ("applied", "unchanged", "stale", "dead", "first_seq", "last_seq", "at")
        row = self._database.read().execute(f"SELECT {', '.join(names)} FROM settled WHERE message = ?", (message,)).fetchone()
        return dict(zip(names, row, strict=True)) if row else None

    def totals(self) -> dict[str, Any]:
        """Tallies of the lanes, newest position, live golden records per entity."""
        reader = self._database.read()
        names = ("source", "feed", "accepted", "duplicate", "applied", "unchanged", "stale", "dead", "resolved")
        lanes = [dict(zip(names, row, strict=True)) for row in reader.execute(f"SELECT {', '.join(names)} FROM lane ORDER BY source, feed")]
        head = reader.execute("SELECT coalesce(max(seq), 0) FROM change").fetchone()[0]
        golden = reader.execute("SELECT coalesce(max(n), 0) FROM golden").fetchone()[0]
        return {"lanes": lanes, "changes": head, "golden": golden}

    def golden_counts(self) -> dict[str, int]:
        """Live golden records per entity. Reads the whole table."""
        return dict(self._database.read().execute("SELECT entity, count(*) FROM golden WHERE live GROUP BY entity"))

    def audit(self) -> dict[str, Any]:
        """The tallies counted again from the rows themselves. Slow: reads everything."""
        reader = self._database.read()
        cursor = reader.execute(AUDIT_LANES)
        lanes = dict(zip([column[0] for column in cursor.description], cursor.fetchone(), strict=True))
        gappy = "SELECT golden FROM change GROUP BY golden HAVING count(*) <> max(version) OR min(version) <> 1"
        gaps = reader.execute(f"SELECT count(*) FROM ({gappy})")
        dense = reader.execute("SELECT count(*) = coalesce(max(seq), 0) FROM change").fetchone()[0]
        query = """
            SELECT subscription, coalesce(sum(records), 0) FROM dead_letter
            WHERE subscription IS NOT NULL AND state = ? GROUP BY subscription
        """
        open_ = {state: dict(reader.execute(query, (state,))) for state in ("waiting", "dead", "discarded")}
        return {"records": lanes, "version_gaps": gaps.fetchone()[0], "log_dense": bool(dense), "parked": open_}

    def dump(self, table: str, columns: Sequence[str]) -> Iterable[tuple[Any, ...]]:
        """Rows of one table, for the history checker."""
        return self._database.read().execute(f"SELECT {', '.join(columns)} FROM {table}")

    def size(self) -> int:
        """Bytes of the file and its write-ahead log."""
        files = (self._database.path, self._database.path.with_name(self._database.path.name + "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())


def _packed(public_id: str) -> bytes:
    with contextlib.suppress(ValueError):
        packed = ids.pack(public_id)
        if len(packed) == 16:
            return packed
    raise errors.NotFound(f"{public_id!r} is no golden id", hint="Search by a source's own key instead")


