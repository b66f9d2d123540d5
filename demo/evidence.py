"""What the history checker reads: the clients' attempts, the receivers' logs, and a dump of the store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Outcome = Literal["invoke", "ok", "fail", "unknown"]
Pair = tuple[str, int]
Rows = Sequence[dict[str, Any]]


class Finding(NamedTuple):
    """One fault: its kind (a key of history.FAULTS) and a line that names the place."""

    kind: str
    text: str


class Attempt(NamedTuple):
    """One line of a client's log; `id` is the client's own number for the try, the same on `invoke` and on its outcome.

    `source` is system/feed: ids are each feed's own.
    `ok`: acknowledged. `fail`: refused for certain. `unknown`: anything else; a try with `invoke` alone is unknown too.
    `message_id` is None where the client sends none (every copy is then a message of its own); for feeds whose identity is
    the body it is the body's digest. `chunked`: a file, named by the first 24 digits of its SHA-256, whose parts stand in
    the inbox as `name:n` (see parts.names) and whose `records` add up.
    """

    id: str
    source: str
    message_id: str | None
    digest: str
    records: int
    outcome: Outcome
    receipt: int | None = None
    chunked: bool = False


class Received(NamedTuple):
    """One change as a receiver took it; a log of these stands in the order of arrival."""

    subscription: str
    golden_id: str
    version: int
    event_id: str


@dataclass(frozen=True)
class Subscription:
    """What the hub says of one subscriber, in records.

    `expected` are the (golden id, version) pairs that its filter matches, computed by the caller from the change log;
    `excused` those of them that a row of the store names as dead, pending or suppressed.
    """

    name: str
    mode: Literal["history", "latest"] = "history"
    mark: int = 0
    matched: int = 0
    delivered: int = 0
    superseded: int = 0
    suppressed: int = 0
    dead: int = 0
    pending: int = 0
    expected: Iterable[Pair] = ()
    excused: Iterable[Pair] = ()


@dataclass(frozen=True)
class Store:
    """The store at the end, as plain rows.

    inbox: id, source (system/feed), message_id, digest, records (and `parent` for a corrected copy, which no client sent; and
    `passed`, true where apply has gone beyond the message: its records must then be settled, all of them).
    changes: seq, entity, golden_id, version, op, message, row (message None: the hub's own compensation).
    golden: id, entity, version, seq. source_records: entity, source, key, golden_id.
    dead: id, stage, state (`dead`, or `resolved` once corrected or discarded), message, row, subscription, records.
    settled: message, applied, unchanged, stale, dead, resolved; what is missing up to the message's records is pending.
    lanes: source, accepted, applied, unchanged, stale, dead, resolved, as the hub tells people; held against the rows where given.
    """

    inbox: Rows = ()
    changes: Rows = ()
    golden: Rows = ()
    source_records: Rows = ()
    dead: Rows = ()
    settled: Rows = ()
    lanes: Rows = ()
    subscriptions: Sequence[Subscription] = field(default_factory=tuple)
