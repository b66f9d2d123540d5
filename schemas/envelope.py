"""The values that travel between the rooms: messages, receipts, canonical records, changes."""

from __future__ import annotations

import re
from typing import Any, Literal, NamedTuple

Op = Literal["upsert", "delete"]
CandidateOp = Literal["upsert", "delete", "withdraw"]
Shifts = tuple[tuple[int, int], ...]
ChangeOp = Literal["create", "update", "merge", "unmerge", "delete"]
Event = Literal["enter", "update", "leave"]

ENTITIES = ("customer", "account", "subscription", "product", "order")


_PLACE = re.compile(r"(line |record |[$/][^\[]*\[)(\d+)")


class Piece(NamedTuple):
    """Some records of a stream as a body of their own: `first` records stand before them, `shifts` is as in `Part`."""

    body: bytes
    first: int
    shifts: Shifts = ()


class Part(NamedTuple):
    """Which part of a file a message is: `first` records stand before it.

    `shifts` are (record, lines): from this record of the message on, a line of it stands so many lines further down in the file; empty
    where the format does not count lines. `absent`: the body is no part of the file, but lists keys that the file does not hold.
    """

    file: str
    first: int = 0
    shifts: Shifts = ()
    absent: bool = False

    def told(self, number: int, path: str) -> str:
        """Where a record of the message stands in the file; `path` says where it stands in the message."""
        shift = next((lines for start, lines in reversed(self.shifts) if start <= number), self.first)
        found = _PLACE.match(path)
        if found is None:
            return " ".join(part for part in (f"record {self.first + number + 1}", path) if part)
        return f"{found[1]}{int(found[2]) + shift}{path[found.end():]}"


class Message(NamedTuple):
    """What a source pushed, as it goes into the inbox log.

    `message_id` is the caller's id or None; `records` is what the door counted; `parent` and `order` are set for a
    corrected copy only: the dead letter that it answers, and the place of arrival that it keeps. `part` is set for what comes of a file.
    """

    source: str
    feed: str
    message_id: str | None
    body: bytes
    content_type: str = ""
    records: int = 1
    parent: int | None = None
    order: int | None = None
    part: Part | None = None


class Receipt(NamedTuple):
    """The answer to a push. `id` is the place in the inbox; it is what `trace` asks for."""

    id: int
    duplicate: bool = False


class Stored(NamedTuple):
    """A message as apply reads it from the inbox log. `received_at` is in microseconds since 1970."""

    id: int
    message: Message
    received_at: int


class Mapped(NamedTuple):
    """One record that a mapping made. Inbound, `kind` is the entity; outbound, the record type.

    `sequence` is the source's own order (an integer, or microseconds since 1970), None where it has none.
    """

    kind: str
    key: str
    sequence: int | None
    op: Op
    state: dict[str, Any]


class Candidate(NamedTuple):
    """A canonical record on its way into the master copy, with all that can be computed outside the leader.

    `state` is JSON with sorted keys, `digest` its 16-byte BLAKE2b, `match_key` the exact key or None, `refs` the
    (entity, source, key) triples that the state points to. `withdraw` is the delete of a key that a full extract does not hold: its
    `sequence` is a place in the inbox, and it does nothing where the source has spoken of the key at that place or behind it.
    """

    entity: str
    source: str
    key: str
    sequence: int | None
    op: CandidateOp
    state: bytes
    digest: bytes
    match_key: str | None
    refs: tuple[tuple[str, str, str], ...]


class Failure(NamedTuple):
    """Why one record of a message could not be used. `payload` is a body of the same format with that record alone."""

    stage: Literal["receive", "decode", "check", "map", "canonical", "apply", "deliver"]
    code: str
    path: str
    reason: str
    payload: bytes


class Change(NamedTuple):
    """One row of the change log. `changed` is {field: [old, new]}, None for a create; `at` is in microseconds since 1970."""

    seq: int
    entity: str
    golden_id: str
    version: int
    op: ChangeOp
    changed: dict[str, list[Any]] | None
    state: dict[str, Any]
    source: str
    message: int
    row: int
    at: int
