"""The inbox log in SQLite."""

from __future__ import annotations

import hashlib
import sqlite3
from collections import defaultdict
from collections.abc import Sequence

from master.sqlite import bulk, letters, packing
from master.sqlite.database import Database
from master.store import Lane
from schemas import errors
from schemas.envelope import Failure, Message, Receipt, Stored

INSERT = """
INSERT INTO inbox (id, lane, message_id, digest, records, received_at, content_type, parent, ord, encoding, body, part)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
COLUMNS = "i.id, l.source, l.feed, i.message_id, i.body, i.encoding, i.content_type, i.records, i.parent, i.ord, i.received_at, i.part"
PENDING = f"""
SELECT {COLUMNS} FROM inbox i JOIN lane l ON l.id = i.lane WHERE i.lane = ? AND i.id > ? AND i.refused = 0 ORDER BY i.id LIMIT ?
"""


class Inbox:
    """Appends in groups; a place in the log is the row's id, given out in commit order by the one writer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, messages: Sequence[Message], at: int) -> list[Receipt | errors.IdConflict]:
        """Store all in one transaction and answer for each. Returns after commit."""
        digests = [hashlib.blake2b(message.body, digest_size=16).digest() for message in messages]
        return self._database.run(lambda writer: self._append(writer, messages, digests, at))

    def _append(
        self, writer: sqlite3.Connection, messages: Sequence[Message], digests: Sequence[bytes], at: int
    ) -> list[Receipt | errors.IdConflict]:
        lanes: dict[tuple[str, str], int] = {}
        place: int = writer.execute("SELECT coalesce(max(id), 0) FROM inbox").fetchone()[0]
        answers: list[Receipt | errors.IdConflict] = []
        rows = []
        seen = _seen(writer, messages, lanes)
        counts: dict[int, list[int]] = {}
        for message, digest in zip(messages, digests, strict=True):
            lane = lanes[message.source, message.feed]
            tally = counts.setdefault(lane, [0, 0])
            before = seen.get((lane, message.message_id)) if message.message_id is not None else None
            if before is not None:
                if before[1] == digest:
                    tally[1] += message.records
                    answers.append(Receipt(before[0], duplicate=True))
                else:
                    answers.append(errors.IdConflict(f"message id {message.message_id!r}", hint="Give every new message an id of its own"))
                continue
            place += 1
            if message.message_id is not None:
                seen[lane, message.message_id] = (place, digest)
            tally[0] += message.records
            rows.append(_row(place, lane, message, digest, at))
            answers.append(Receipt(place))
        bulk.insert(writer, INSERT, rows)
        writer.executemany(
            "UPDATE lane SET accepted = accepted + ?, duplicate = duplicate + ? WHERE id = ?",
            [(accepted, duplicate, lane) for lane, (accepted, duplicate) in counts.items()],
        )
        return answers

    def refuse(self, message: Message, failure: Failure, at: int) -> Receipt:
        """Store a message that the door refused, settled at once as a dead letter."""
        digest = hashlib.blake2b(message.body, digest_size=16).digest()

        def work(writer: sqlite3.Connection) -> Receipt:
            answer = self._append(writer, [message], [digest], at)[0]
            if isinstance(answer, errors.IdConflict):
                answer = self._append(writer, [message._replace(message_id=None)], [digest], at)[0]
            if isinstance(answer, errors.IdConflict):
                raise answer
            if not answer.duplicate:
                _settle_refused(writer, answer.id, message, failure, at)
            return answer

        return self._database.run(work)

    def known(self, source: str, feed: str, message_ids: Sequence[str]) -> set[str]:
        """Which of these ids are stored."""
        reader = self._database.read()
        lane = reader.execute("SELECT id FROM lane WHERE source = ? AND feed = ?", (source, feed)).fetchone()
        if lane is None:
            return set()
        query = "SELECT message_id FROM inbox WHERE lane = ? AND message_id IN (?)"
        return {row[0] for row in bulk.find(reader, query, message_ids, lane[0])}

    def lanes(self) -> list[Lane]:
        """Every lane that has something to apply."""
        query = """
            SELECT id, source, feed, mark, mark_row FROM lane l
            WHERE EXISTS (SELECT 1 FROM inbox i WHERE i.lane = l.id AND i.id > l.mark AND i.refused = 0) ORDER BY id
        """
        return [Lane(*row) for row in self._database.read().execute(query)]

    def pending(self, lane: int, after: int, limit: int, size: int) -> list[Stored]:
        """The next messages of a lane beyond `after`: at most `limit`, and no more once their bodies reach `size` bytes."""
        found: list[Stored] = []
        for row in self._database.read().execute(PENDING, (lane, after, limit)):
            found.append(_stored(row))
            size -= len(found[-1].message.body)
            if size <= 0:
                break
        return found

    def get(self, message: int) -> Stored | None:
        """One message."""
        query = f"SELECT {COLUMNS} FROM inbox i JOIN lane l ON l.id = i.lane WHERE i.id = ?"
        row = self._database.read().execute(query, (message,)).fetchone()
        return _stored(row) if row else None

    def find(self, message_id: str) -> list[int]:
        """The places of the messages that carry this caller's id, newest first."""
        query = "SELECT i.id FROM lane l CROSS JOIN inbox i ON i.lane = l.id AND i.message_id = ? ORDER BY i.id DESC"
        return [row[0] for row in self._database.read().execute(query, (message_id,))]

    def waiting(self) -> tuple[int, int | None]:
        """Records received and not settled, and when the oldest of them came."""
        query = """
            SELECT coalesce(sum(l.accepted - l.applied - l.unchanged - l.stale - l.dead - l.resolved), 0),
                   min((SELECT i.received_at FROM inbox i WHERE i.lane = l.id AND i.id > l.mark AND i.refused = 0 ORDER BY i.id LIMIT 1))
            FROM lane l
        """
        count, oldest = self._database.read().execute(query).fetchone()
        return int(count), oldest


def _lane(writer: sqlite3.Connection, message: Message, known: dict[tuple[str, str], int]) -> int:
    name = (message.source, message.feed)
    lane = known.get(name)
    if lane is None:
        row = writer.execute("SELECT id FROM lane WHERE source = ? AND feed = ?", name).fetchone()
        row = row or writer.execute("INSERT INTO lane (source, feed) VALUES (?, ?) RETURNING id", name).fetchone()
        lane = known[name] = int(row[0])
    return lane


def _seen(
    writer: sqlite3.Connection, messages: Sequence[Message], lanes: dict[tuple[str, str], int]
) -> dict[tuple[int, str], tuple[int, bytes]]:
    """The messages that carry an id which is stored: place and digest by lane and id. Fills in `lanes`."""
    ids: dict[int, dict[str, None]] = defaultdict(dict)
    for message in messages:
        lane = _lane(writer, message, lanes)
        if message.message_id is not None:
            ids[lane][message.message_id] = None
    query = "SELECT message_id, id, digest FROM inbox WHERE lane = ? AND message_id IN (?)"
    return {(lane, row[0]): (row[1], row[2]) for lane, wanted in ids.items() for row in bulk.find(writer, query, list(wanted), lane)}


def _settle_refused(writer: sqlite3.Connection, place: int, message: Message, failure: Failure, at: int) -> None:
    lane = _lane(writer, message, {})
    letters.bury(writer, lane, place, 0, message.records, failure, at, message.part)
    writer.execute("UPDATE inbox SET refused = 1 WHERE id = ?", (place,))
    writer.execute("UPDATE lane SET dead = dead + ? WHERE id = ?", (message.records, lane))
    writer.execute(
        "INSERT INTO settled (message, applied, unchanged, stale, dead, first_seq, last_seq, at) VALUES (?, 0, 0, 0, ?, 0, 0, ?)",
        (place, message.records, at),
    )


def _row(place: int, lane: int, message: Message, digest: bytes, at: int) -> tuple[object, ...]:
    encoding, body = packing.pack(message.body)
    return (
        place, lane, message.message_id, digest, message.records, at, message.content_type, message.parent, message.order, encoding, body,
        packing.unpart(message.part),
    )  # fmt: skip


def _stored(row: tuple[object, ...]) -> Stored:
    place, source, feed, message_id, body, encoding, content_type, records, parent, order, received_at, part = row
    text: bytes = packing.unpack(encoding, body)  # type: ignore[arg-type]
    message = Message(source, feed, message_id, text, content_type, records, parent, order, packing.part(part))  # type: ignore[arg-type]
    return Stored(place, message, received_at)  # type: ignore[arg-type]
