"""The rows of the master copy as values: source records, golden records, and what one merge writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from schemas.envelope import Candidate, ChangeOp, Failure

SourceId = tuple[str, str, str]  # entity, source, the source's own key


@dataclass(slots=True)
class SourceRecord:
    """The last canonical record of one source. `golden` is 0 for a delete of something never seen.

    `sequence` is the source's own where `sequenced`, else the place of arrival. `state` is None where the newest change holds it.
    `message` and `row` made it what it is; `seen` is the last message in which the source spoke of it at all.
    """

    id: SourceId
    golden: int
    sequence: int
    sequenced: bool
    op: str
    digest: bytes
    match_key: str | None
    message: int
    row: int
    state: bytes | None
    seen: int = 0


@dataclass(slots=True)
class Golden:
    """A golden record: `n` is its number in the store, `id` its UUID in 16 bytes, `body` its newest state as JSON, when loaded."""

    n: int
    id: bytes
    entity: str
    version: int
    seq: int
    members: int
    live: bool
    body: bytes | None = None


@dataclass(slots=True)
class NewChange:
    """A row for the change log, before it is written."""

    seq: int
    golden: Golden
    version: int
    op: ChangeOp
    source: str
    message: int
    row: int
    changed: dict[str, list[Any]] | None
    body: bytes


class Row(NamedTuple):
    """One record of a message, decoded: its candidates, or why there are none. `order` is its place of arrival.

    `records` is 1, except where a failure stands for several records at once: those of a body that cannot be read as a whole.
    """

    message: int
    number: int
    order: int
    candidates: tuple[Candidate, ...] = ()
    failure: Failure | None = None
    records: int = 1


@dataclass(slots=True)
class Tally:
    """What became of the records of one message in one slice."""

    applied: int = 0
    unchanged: int = 0
    stale: int = 0
    dead: int = 0


@dataclass(slots=True)
class Effects:
    """Everything that one slice of apply writes."""

    sources: dict[SourceId, SourceRecord] = field(default_factory=dict)
    goldens: dict[int, Golden] = field(default_factory=dict)
    changes: list[NewChange] = field(default_factory=list)
    dangling: set[tuple[SourceId, int]] = field(default_factory=set)
    arrived: set[SourceId] = field(default_factory=set)
    tallies: dict[int, Tally] = field(default_factory=dict)
    letters: list[tuple[Row, Failure]] = field(default_factory=list)


@dataclass(slots=True)
class Known:
    """What the store knows of everything that a slice touches, kept up to date while the slice is worked through."""

    sources: dict[SourceId, SourceRecord] = field(default_factory=dict)
    goldens: dict[int, Golden] = field(default_factory=dict)
    members: dict[int, dict[SourceId, SourceRecord]] = field(default_factory=dict)
    matches: dict[tuple[str, str], dict[SourceId, int]] = field(default_factory=dict)  # (entity, key) -> who carries it, with its golden
    waiting: dict[SourceId, set[int]] = field(default_factory=dict)
    next_golden: int = 1
    next_seq: int = 1
