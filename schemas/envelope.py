"""The values that travel between the rooms: messages, receipts, canonical records, changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypedDict

Op = Literal["upsert", "delete"]
ChangeOp = Literal["create", "update", "merge", "unmerge", "delete"]
Event = Literal["enter", "update", "leave"]

ENTITIES = ("customer", "account", "subscription", "product", "order")


@dataclass(frozen=True, slots=True)
class Message:
    """What a source pushed, as it goes into the inbox log.

    `message_id` is the caller's id or None; `records` is what the door counted; `parent` and `order` are set for a
    corrected copy only: the dead letter that it answers, and the place of arrival that it keeps.
    """

    source: str
    feed: str
    message_id: str | None
    body: bytes
    content_type: str = ""
    records: int = 1
    parent: int | None = None
    order: int | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to a push. `id` is the place in the inbox; it is what `trace` asks for."""

    id: int
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
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
    (entity, source, key) triples that the state points to.
    """

    entity: str
    source: str
    key: str
    sequence: int | None
    op: Op
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


class Reference(TypedDict, total=False):
    """How one canonical record points to another: the source's own key, and the golden id once it is known."""

    source: str
    key: str
    id: str
