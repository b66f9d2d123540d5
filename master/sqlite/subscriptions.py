"""The readers of the change log in SQLite."""

from __future__ import annotations

import json
import operator
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import orjson

from master import ids
from master.sqlite import leases, letters
from master.sqlite.database import Database
from master.store import Attempt, Fence, Own, Parked, Progress, Settlement
from schemas import errors
from schemas.envelope import Change, Failure

TALLIES = ("matched", "delivered", "superseded", "suppressed", "dead", "pending")
OPEN = {"waiting": "pending", "dead": "dead"}  # states of a parked key, and where its records are counted
PROGRESS = f"SELECT name, state, reason, mark, settled, failures, retry_at, {', '.join(TALLIES)} FROM subscription"
CHANGE = "c.seq, c.entity, g.id, c.version, c.op, c.changed, c.state, c.source, c.message, c.row, c.at"
# One row that holds all: one step of the engine, and one parse, however many changes there are.
CHANGES = """
SELECT json_group_array(json_array(c.seq, c.entity, lower(hex(g.id)), c.version, c.op, json(CAST(c.changed AS TEXT)),
                                   json(CAST(c.state AS TEXT)), c.source, c.message, c.row, c.at, c.golden))
FROM (SELECT * FROM change WHERE seq > ? ORDER BY seq LIMIT ?) c CROSS JOIN golden g ON g.n = c.golden
"""
CHANGES_OF = f"""
SELECT {CHANGE} FROM change c JOIN golden g ON g.n = c.golden WHERE c.golden = ? AND c.seq BETWEEN ? AND ? ORDER BY c.seq
"""
OWN_STATES = """
SELECT s.golden, s.state, c.seq, c.state FROM json_each(?1) j
CROSS JOIN source_record s ON s.golden = j.value AND s.source = ?2 AND s.op = 'upsert'
CROSS JOIN golden g ON g.n = s.golden CROSS JOIN change c ON c.seq = g.seq
"""
CAUSE = """
SELECT coalesce((SELECT max(b.seq) FROM change b WHERE b.golden = c.golden AND b.seq < c.seq), 0), i.received_at
FROM change c JOIN inbox i ON i.id = c.message WHERE c.seq = ?
"""
PARKED = """
SELECT id, golden, from_seq, last_seq, records, attempts, first_at, due_at, state FROM dead_letter
WHERE subscription = ? AND state IN ('waiting', 'dead')
"""
PARK = """
INSERT INTO dead_letter (state, stage, code, path, reason, fingerprint, records, attempts, first_at, last_at, due_at,
                         subscription, golden, from_seq, last_seq, payload)
VALUES (?, 'deliver', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
PARK_AGAIN = """
UPDATE dead_letter SET code = ?, path = ?, reason = ?, fingerprint = ?, attempts = ?, last_at = ?, due_at = ?, payload = ? WHERE id = ?
"""
WAIT_BEHIND = """
UPDATE dead_letter SET last_seq = ?, records = records + ? WHERE subscription = ? AND golden = ? AND state IN ('waiting', 'dead')
RETURNING state
"""
DELIVERED = """
INSERT INTO delivery (subscription, first_seq, last_seq, records, outcome, attempts, revision, started_at, finished_at, detail)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


def change(row: Sequence[Any]) -> Change:
    """A row of CHANGE as a value."""
    seq, entity, public, version, op, changed, state, source, message, number, at = row[:11]
    fields = orjson.loads(changed) if changed is not None else None
    return Change(seq, entity, ids.unpack(public), version, op, fields, orjson.loads(state), source, message, number, at)


class Subscriptions:
    """One row a reader; what it settled moves in one transaction with its tallies."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def join(self, name: str, revision: int, mark: int | None = None) -> Progress:
        """The reader's row, made on first use; a new reader starts at `mark`, by default at the log's beginning."""
        with self._database.write() as writer:
            query = """
                INSERT INTO subscription (name, state, revision, mark) VALUES (?, 'active', ?, ?)
                ON CONFLICT (name) DO UPDATE SET revision = excluded.revision
            """
            writer.execute(query, (name, revision, mark or 0))
            return _progress(writer.execute(f"{PROGRESS} WHERE name = ?", (name,)).fetchone())

    def all(self) -> list[Progress]:
        """Every subscription."""
        return [_progress(row) for row in self._database.read().execute(f"{PROGRESS} ORDER BY name")]

    def changes(self, after: int, limit: int) -> list[tuple[int, Change]]:
        """The log beyond `after` with each change's golden number."""
        found = orjson.loads(self._database.read().execute(CHANGES, (after, limit)).fetchone()[0])
        found.sort(key=operator.itemgetter(0))  # an aggregate promises no order
        return [(row[11], Change(row[0], row[1], ids.hyphened(row[2]), *row[3:11])) for row in found]

    def changes_of(self, golden: int, first: int, last: int) -> list[Change]:
        """One key's part of the log."""
        return [change(row) for row in self._database.read().execute(CHANGES_OF, (golden, first, last))]

    def cause(self, seq: int) -> tuple[int, int]:
        """Where the change before this one of the same key stands (0: nowhere), and when the message came that caused this one."""
        before, received_at = self._database.read().execute(CAUSE, (seq,)).fetchone()
        return before, received_at

    def head(self) -> int:
        """The newest sequence number."""
        return int(self._database.read().execute("SELECT coalesce(max(seq), 0) FROM change").fetchone()[0])

    def settle(self, name: str, fence: Fence, settlement: Settlement) -> None:
        """Write a step; the fence is checked inside. Raises `NotFound` when a person settled one of its parked keys meanwhile."""
        attempts = [_delivery_row(name, attempt) for attempt in settlement.attempts]

        def work(writer: sqlite3.Connection) -> None:
            leases.check(writer, fence)
            sums = Counter(settlement.tallies)
            for parked, failure in settlement.parked:
                _park(writer, name, parked, failure, settlement.at, sums)
            for waiting in settlement.waiting:
                _wait_behind(writer, name, *waiting, sums)
            for letter in settlement.released:
                _release(writer, letter, sums)
            steps = ", ".join(f"{tally} = {tally} + ?" for tally in TALLIES)
            values = (settlement.mark, json.dumps(settlement.settled), *(sums[tally] for tally in TALLIES), name)
            writer.execute(f"UPDATE subscription SET mark = ?, settled = ?, {steps} WHERE name = ?", values)
            writer.executemany(DELIVERED, attempts)

        self._database.run(work)

    def parked(self, name: str) -> list[Parked]:
        """The keys that wait or are dead."""
        return [Parked(*row) for row in self._database.read().execute(PARKED, (name,))]

    def set_state(self, name: str, state: str, reason: str) -> None:
        """active, paused or disabled."""
        with self._database.write() as writer:
            writer.execute("UPDATE subscription SET state = ?, reason = ? WHERE name = ?", (state, reason, name))

    def breaker(self, name: str, failures: int, retry_at: int, reason: str) -> None:
        """How often in a row the endpoint failed, and when to try again."""
        with self._database.write() as writer:
            query = "UPDATE subscription SET failures = ?, retry_at = ?, reason = ? WHERE name = ?"
            writer.execute(query, (failures, retry_at, reason, name))

    def own_states(self, goldens: Sequence[int], source: str) -> dict[int, Own]:
        """The source's own records behind golden records, where the source has one record there and no other."""
        found: dict[int, list[Own]] = defaultdict(list)
        for golden, own, seq, newest in self._database.read().execute(OWN_STATES, (orjson.dumps(goldens).decode(), source)):
            found[golden].append(Own(0, own) if own else Own(seq, newest))
        return {golden: owns[0] for golden, owns in found.items() if len(owns) == 1}

    def deliveries(self, first: int, last: int) -> list[tuple[str, Attempt]]:
        """The deliveries that cover this part of the log."""
        query = """
            SELECT d.subscription, d.first_seq, d.last_seq, d.records, d.outcome, d.attempts, d.revision,
                   d.started_at, d.finished_at, d.detail
            FROM subscription s CROSS JOIN delivery d ON d.subscription = s.name AND d.last_seq >= ? AND d.first_seq <= ? ORDER BY d.id
        """
        return [(row[0], Attempt(*row[1:])) for row in self._database.read().execute(query, (first, last))]


def _progress(row: Sequence[Any]) -> Progress:
    name, state, reason, mark, settled, failures, retry_at = row[:7]
    ranges = [(first, last) for first, last in json.loads(settled)]
    return Progress(name, state, reason, mark, ranges, failures, retry_at, dict(zip(TALLIES, row[7:], strict=True)))


def _delivery_row(name: str, a: Attempt) -> tuple[object, ...]:
    return (name, a.first_seq, a.last_seq, a.records, a.outcome, a.attempts, a.revision, a.started_at, a.finished_at, a.detail)


def _park(writer: sqlite3.Connection, name: str, parked: Parked, failure: Failure | None, at: int, sums: Counter[str]) -> None:
    """A key is refused for the first time, or again; without a failure it only got on, and keeps its reason."""
    if failure is None:
        _moved(writer, parked, sums)
        return
    print_ = letters.fingerprint(name, failure)
    if parked.id:
        _moved(writer, parked, sums)
        values = (failure.code, failure.path, failure.reason, print_, parked.attempts, at, parked.due_at, failure.payload, parked.id)
        writer.execute(PARK_AGAIN, values)
        return
    sums[OPEN[parked.state]] += parked.records
    writer.execute(
        PARK,
        (
            parked.state, failure.code, failure.path, failure.reason, print_, parked.records, parked.attempts,
            parked.first_at, at, parked.due_at, name, parked.golden, parked.from_seq, parked.last_seq, failure.payload,
        ),
    )  # fmt: skip


def _moved(writer: sqlite3.Connection, parked: Parked, sums: Counter[str]) -> None:
    """What waits behind the key, and whether it is tried on."""
    _closed(writer, parked.id, sums)
    sums[OPEN[parked.state]] += parked.records
    query = "UPDATE dead_letter SET state = ?, records = ?, from_seq = ?, last_seq = ?, first_at = max(first_at, ?) WHERE id = ?"
    writer.execute(query, (parked.state, parked.records, parked.from_seq, parked.last_seq, parked.first_at, parked.id))


def _closed(writer: sqlite3.Connection, letter: int, sums: Counter[str]) -> None:
    """Take the letter's records out of the tallies: what is pending or dead is what its open letters say, at every moment."""
    row = writer.execute("SELECT state, records FROM dead_letter WHERE id = ?", (letter,)).fetchone()
    if row is None or row[0] not in OPEN:
        raise errors.NotFound(f"dead letter {letter} is not open any more", hint="Somebody settled it in this moment; look again")
    sums[OPEN[row[0]]] -= row[1]


def _release(writer: sqlite3.Connection, letter: int, sums: Counter[str]) -> None:
    _closed(writer, letter, sums)
    writer.execute("UPDATE dead_letter SET state = 'resolved', records = 0, due_at = NULL WHERE id = ?", (letter,))


def _wait_behind(writer: sqlite3.Connection, name: str, golden: int, last: int, records: int, sums: Counter[str]) -> None:
    row = writer.execute(WAIT_BEHIND, (last, records, name, golden)).fetchone()
    if row is None:
        raise errors.NotFound(f"key {golden} of {name} is not parked any more", hint="Somebody settled it in this moment; look again")
    sums[OPEN[row[0]]] += records
