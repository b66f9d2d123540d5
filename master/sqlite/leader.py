"""The apply leader's reads and writes in SQLite: set-based, a handful of statements for a slice of any size."""

from __future__ import annotations

import operator
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import orjson

from master.records import Effects, Golden, SourceId, SourceRecord, Tally
from master.sqlite import bulk, leases, letters, packing
from master.sqlite.database import Database
from master.store import Fence
from schemas.envelope import Part

SOURCE = "s.entity, s.source, s.key, s.golden, s.sequence, s.sequenced, s.op, s.digest, s.match_key, s.message, s.row, s.state, s.seen"
GOLDEN = "g.n, g.id, g.entity, g.version, g.seq, g.members, g.live"

READ_SOURCES = f"""
SELECT {SOURCE}, {GOLDEN} FROM json_each(?1) j
CROSS JOIN source_record s ON s.entity = ?2 AND s.source = ?3 AND s.key = j.value
LEFT JOIN golden g ON g.n = s.golden
"""
READ_MATCHES = f"""
SELECT s.entity, s.source, s.key, s.match_key, {GOLDEN} FROM json_each(?1) j
CROSS JOIN source_record s INDEXED BY source_record_match ON s.entity = ?2 AND s.match_key = j.value
CROSS JOIN golden g ON g.n = s.golden WHERE s.match_key IS NOT NULL
"""
READ_WAITING = f"""
SELECT d.key, {GOLDEN} FROM json_each(?1) j
CROSS JOIN dangling d ON d.entity = ?2 AND d.source = ?3 AND d.key = j.value
CROSS JOIN golden g ON g.n = d.golden ORDER BY d.key, d.golden
"""
READ_MEMBERS = f"SELECT {SOURCE} FROM json_each(?1) j CROSS JOIN source_record s ON s.golden = j.value"
READ_BODIES = "SELECT c.golden, c.state FROM json_each(?1) j CROSS JOIN change c ON c.seq = j.value"

WRITE_SOURCE = """
INSERT OR REPLACE INTO source_record (entity, source, key, golden, sequence, sequenced, op, digest, match_key, message, row, state, seen)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
WRITE_GOLDEN = """
INSERT INTO golden (n, id, entity, version, seq, members, live) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (n) DO UPDATE SET version = excluded.version, seq = excluded.seq, members = excluded.members, live = excluded.live
"""
WRITE_CHANGE = """
INSERT INTO change (seq, golden, entity, version, op, source, message, row, at, revision, changed, state)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
WRITE_SETTLED = """
INSERT INTO settled (message, applied, unchanged, stale, dead, first_seq, last_seq, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (message) DO UPDATE SET applied = applied + excluded.applied, unchanged = unchanged + excluded.unchanged,
    stale = stale + excluded.stale, dead = dead + excluded.dead, at = excluded.at,
    first_seq = CASE first_seq WHEN 0 THEN excluded.first_seq ELSE first_seq END, last_seq = max(last_seq, excluded.last_seq)
"""
MOVE_LANE = """
UPDATE lane SET mark = ?, mark_row = ?, applied = applied + ?, unchanged = unchanged + ?, stale = stale + ?, dead = dead + ? WHERE id = ?
"""
_REST = operator.attrgetter("golden", "sequence", "sequenced", "op", "digest", "match_key", "message", "row", "state", "seen")
_GOLDEN = operator.attrgetter("n", "id", "entity", "version", "seq", "members", "live")


class Leader:
    """What only the apply leader may do."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def reads(self) -> Reads:
        """The reads of one slice. They need no transaction: nobody but the leader writes what they read, and `write` checks the fence."""
        return Reads(self._database.read())

    def write(
        self, fence: Fence, effects: Effects, marks: Mapping[int, tuple[int, int]], revisions: Mapping[int, int], at: int
    ) -> None:
        """Write one slice and move the lanes' marks over it, in one transaction; the fence is checked inside it."""
        rows = _Rows(effects, revisions, at)

        def work(writer: sqlite3.Connection) -> None:
            leases.check(writer, fence)
            rows.write(writer)
            empty = [(message, at) for message in revisions if message not in effects.tallies]  # no record of them says that they are done
            writer.executemany("INSERT OR IGNORE INTO settled VALUES (?, 0, 0, 0, 0, 0, 0, ?)", empty)
            _settle(writer, effects, marks, at)

        self._database.run(work)


class Reads:
    """What the store knows of a slice's records."""

    def __init__(self, reader: sqlite3.Connection) -> None:
        self._reader = reader

    def counters(self) -> tuple[int, int]:
        """The next golden number and the next sequence number."""
        query = "SELECT (SELECT coalesce(max(n), 0) + 1 FROM golden), (SELECT coalesce(max(seq), 0) + 1 FROM change)"
        golden, seq = self._reader.execute(query).fetchone()
        return golden, seq

    def sources(self, wanted: Iterable[SourceId]) -> list[tuple[SourceRecord, Golden | None]]:
        """The source records of these ids with their golden records, bodies left out."""
        found: list[tuple[SourceRecord, Golden | None]] = []
        for (entity, source), keys in _grouped(wanted).items():
            rows = self._reader.execute(READ_SOURCES, (orjson.dumps(keys).decode(), entity, source))
            found.extend((_source(row), _golden(row, 13) if row[13] is not None else None) for row in rows)
        return found

    def matches(self, keys: Iterable[tuple[str, str]]) -> list[tuple[SourceId, str, Golden]]:
        """Every source record that carries one of these (entity, match key): its id, the key, its golden record."""
        by_entity: dict[str, list[str]] = defaultdict(list)
        for entity, key in keys:
            by_entity[entity].append(key)
        found: list[tuple[SourceId, str, Golden]] = []
        for entity, wanted in by_entity.items():
            rows = self._reader.execute(READ_MATCHES, (orjson.dumps(wanted).decode(), entity))
            found.extend(((row[0], row[1], row[2]), row[3], _golden(row, 4)) for row in rows)
        return found

    def waiting(self, wanted: Iterable[SourceId]) -> list[tuple[SourceId, Golden]]:
        """Who points to these ids without having found them."""
        found: list[tuple[SourceId, Golden]] = []
        anybody = "SELECT 1 FROM dangling WHERE entity = ? AND source = ? LIMIT 1"
        for (entity, source), keys in _grouped(wanted).items():
            if self._reader.execute(anybody, (entity, source)).fetchone() is None:
                continue  # mostly nobody waits for this kind of record: their keys need not be looked for
            rows = self._reader.execute(READ_WAITING, (orjson.dumps(keys).decode(), entity, source))
            found.extend(((entity, source, row[0]), _golden(row, 1)) for row in rows)
        return found

    def members(self, goldens: Iterable[int]) -> list[SourceRecord]:
        """Every source record of these golden records."""
        numbers = list(goldens)
        if not numbers:
            return []
        return [_source(row) for row in self._reader.execute(READ_MEMBERS, (orjson.dumps(numbers).decode(),))]

    def bodies(self, goldens: Iterable[Golden]) -> None:
        """Fill in `body` from each one's newest change."""
        by_number = {golden.n: golden for golden in goldens}
        seqs = orjson.dumps([golden.seq for golden in by_number.values()]).decode()
        for number, state in self._reader.execute(READ_BODIES, (seqs,)):
            by_number[number].body = state


class _Rows:
    """A slice as rows, made before the writer is asked for."""

    def __init__(self, effects: Effects, revisions: Mapping[int, int], at: int) -> None:
        self._sources = [_source_row(effects.sources[key]) for key in sorted(effects.sources)]
        self._goldens = [_golden_row(effects.goldens[n]) for n in sorted(effects.goldens)]
        self._changes = [
            (
                c.seq, c.golden.n, c.golden.entity, c.version, c.op, c.source, c.message, c.row, at, revisions.get(c.message, 0),
                orjson.dumps(c.changed) if c.changed is not None else None, c.body,
            )
            for c in effects.changes
        ]  # fmt: skip
        self._arrived = list(effects.arrived)
        self._dangling = [(*target, golden) for target, golden in effects.dangling]

    def write(self, writer: sqlite3.Connection) -> None:
        """Into the tables."""
        bulk.insert(writer, WRITE_SOURCE, self._sources)
        bulk.insert(writer, WRITE_GOLDEN, self._goldens)
        bulk.insert(writer, WRITE_CHANGE, self._changes)
        writer.executemany("DELETE FROM dangling WHERE entity = ? AND source = ? AND key = ?", self._arrived)
        bulk.insert(writer, "INSERT OR IGNORE INTO dangling (entity, source, key, golden) VALUES (?, ?, ?, ?)", self._dangling)


def _settle(writer: sqlite3.Connection, effects: Effects, marks: Mapping[int, tuple[int, int]], at: int) -> None:
    first = effects.changes[0].seq if effects.changes else 0
    last = effects.changes[-1].seq if effects.changes else 0
    tallies = effects.tallies
    bulk.insert(writer, WRITE_SETTLED, [(m, t.applied, t.unchanged, t.stale, t.dead, first, last, at) for m, t in tallies.items()])
    lanes = _lanes_of(writer, list(tallies))
    sums: dict[int, Tally] = defaultdict(Tally)
    for message, tally in tallies.items():
        total = sums[lanes[message][0]]
        total.applied += tally.applied
        total.unchanged += tally.unchanged
        total.stale += tally.stale
        total.dead += tally.dead
    for lane, (mark, row) in marks.items():
        t = sums[lane]
        writer.execute(MOVE_LANE, (mark, row, t.applied, t.unchanged, t.stale, t.dead, lane))
    parts = _parts_of(writer, {row.message for row, _ in effects.letters}) if effects.letters else {}
    for row_, failure in effects.letters:
        letters.bury(writer, lanes[row_.message][0], row_.message, row_.number, row_.records, failure, at, parts[row_.message])
    for message, (_, parent) in lanes.items():
        if parent is not None:  # from here on the copy's own rows say what became of the record
            note = "its copy failed again and has a letter of its own" if tallies[message].dead else "its copy was applied"
            letters.resolve(writer, parent, message, "resolved", note, at)


def _lanes_of(writer: sqlite3.Connection, messages: Sequence[int]) -> dict[int, tuple[int, int | None]]:
    query = "SELECT i.id, i.lane, i.parent FROM json_each(?) j CROSS JOIN inbox i ON i.id = j.value"
    return {row[0]: (row[1], row[2]) for row in writer.execute(query, (orjson.dumps(messages).decode(),))}


def _parts_of(writer: sqlite3.Connection, messages: Iterable[int]) -> dict[int, Part | None]:
    query = "SELECT i.id, i.part FROM json_each(?) j CROSS JOIN inbox i ON i.id = j.value"
    return {row[0]: packing.part(row[1]) for row in writer.execute(query, (orjson.dumps(list(messages)).decode(),))}


def _grouped(wanted: Iterable[SourceId]) -> dict[tuple[str, str], list[str]]:
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for entity, source, key in wanted:
        groups[entity, source].append(key)
    for keys in groups.values():
        keys.sort()
    return groups


def _source(row: Sequence[object]) -> SourceRecord:
    entity, source, key, golden, sequence, sequenced, op, digest, match_key, message, number, state, seen = row[:13]
    return SourceRecord((entity, source, key), golden, sequence, bool(sequenced), op, digest, match_key, message, number, state, seen)  # type: ignore[arg-type]


def _golden(row: Sequence[object], start: int) -> Golden:
    n, public, entity, version, seq, members, live = row[start : start + 7]
    return Golden(n, public, entity, version, seq, members, bool(live))  # type: ignore[arg-type]


def _source_row(record: SourceRecord) -> tuple[object, ...]:
    return record.id + _REST(record)


def _golden_row(golden: Golden) -> tuple[object, ...]:
    return _GOLDEN(golden)
