"""The store contract: what an engine must do, in the words of the two logs. SQLite fills it here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from adapters.contract import FileIdentity, Refused
from master.loading import Reads
from master.records import Effects
from schemas.envelope import Change, Failure, Message, Receipt, Stored
from schemas.errors import IdConflict

LetterState = Literal["waiting", "dead", "resolved", "discarded"]


@dataclass(frozen=True, slots=True)
class Lane:
    """One feed of one source. Everything up to message `mark` is settled, and of the next message the rows before `mark_row`."""

    id: int
    source: str
    feed: str
    mark: int
    mark_row: int


@dataclass(frozen=True, slots=True)
class Fence:
    """Proof of a lease: a write with an old number is refused (`FenceLost`)."""

    name: str
    number: int


class Inbox(Protocol):
    """The inbox log."""

    def append(self, messages: Sequence[Message], at: int) -> list[Receipt | IdConflict]:
        """Store all in one transaction and answer for each. Returns after commit."""

    def refuse(self, message: Message, failure: Failure, at: int) -> Receipt:
        """Store a message that the door refused, settled at once as a dead letter."""

    def known(self, source: str, feed: str, message_ids: Sequence[str]) -> set[str]:
        """Which of these ids are stored."""

    def lanes(self) -> list[Lane]:
        """Every lane that has something to apply."""

    def pending(self, lane: int, after: int, limit: int, size: int) -> list[Stored]:
        """The next messages of a lane beyond `after`: at most `limit`, and no more once their bodies reach `size` bytes."""

    def get(self, message: int) -> Stored | None:
        """One message."""

    def find(self, message_id: str) -> list[int]:
        """The places of the messages that carry this caller's id, newest first."""

    def waiting(self) -> tuple[int, int | None]:
        """Records received and not settled, and when the oldest of them came."""


@dataclass(frozen=True, slots=True)
class Attempted:
    """What apply has begun: a slice of so many rows of these messages; or one row alone, its number, for the `tries`-th time."""

    messages: tuple[int, ...]
    rows: int = 0
    row: int | None = None
    tries: int = 1


class Attempts(Protocol):
    """What apply was about to work on when its process ended."""

    def note(self, attempted: Attempted) -> None:
        """Apply begins with these. Outlives the process, not the machine."""

    def done(self) -> None:
        """They are settled, or given up for now."""

    def left(self) -> Attempted | None:
        """What a process that ended in the middle left behind."""


class Leader(Protocol):
    """What only the apply leader may do."""

    def reads(self) -> Reads:
        """The reads of one slice. They need no transaction: nobody but the leader writes what they read, and `write` checks the fence."""

    def write(
        self, fence: Fence, effects: Effects, marks: Mapping[int, tuple[int, int]], revisions: Mapping[int, int], at: int
    ) -> None:
        """Write one slice in one transaction; raises `FenceLost` when somebody else leads by now.

        `marks` moves lanes: lane -> (mark, mark_row); `revisions`: message -> revision id.
        """


@dataclass(slots=True)
class Progress:
    """Where a subscription's reader stands, as stored."""

    name: str
    state: str
    reason: str
    mark: int
    settled: list[tuple[int, int]]
    failures: int
    retry_at: int
    tallies: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One delivery as the log keeps it. Times in microseconds since 1970."""

    first_seq: int
    last_seq: int
    records: int
    outcome: str
    attempts: int
    revision: int
    started_at: int
    finished_at: int
    detail: str = ""


@dataclass(slots=True)
class Parked:
    """A key that a subscriber refuses: its changes from `from_seq` to `last_seq` wait, `records` of them match."""

    id: int
    golden: int
    from_seq: int
    last_seq: int
    records: int
    attempts: int
    first_at: int
    due_at: int | None
    state: LetterState


@dataclass(slots=True)
class Settlement:
    """What one step of a reader changes, written in one transaction.

    `tallies` are matched, delivered, superseded and suppressed; pending and dead follow from the letters. A parked key without a
    failure only got on.
    """

    at: int
    mark: int
    settled: list[tuple[int, int]]
    tallies: dict[str, int]
    attempts: list[Attempt] = field(default_factory=list)
    parked: list[tuple[Parked, Failure | None]] = field(default_factory=list)
    waiting: list[tuple[int, int, int]] = field(default_factory=list)  # golden, last_seq, matched records added behind a parked key
    released: list[int] = field(default_factory=list)  # dead-letter ids whose key is delivered


class Own(NamedTuple):
    """A source's last record behind a golden record: `body` is its state as JSON.

    `seq` is the golden record's newest change where that is the source's record itself, else 0.
    """

    seq: int
    body: bytes


class Subscriptions(Protocol):
    """The readers of the change log and what they have settled."""

    def join(self, name: str, revision: int, mark: int | None = None) -> Progress:
        """The reader's row, made on first use; a new reader starts at `mark`, by default at the log's beginning."""

    def all(self) -> list[Progress]:
        """Every subscription."""

    def changes(self, after: int, limit: int) -> list[tuple[int, Change]]:
        """The log beyond `after` with each change's golden number."""

    def changes_of(self, golden: int, first: int, last: int) -> list[Change]:
        """One key's part of the log."""

    def cause(self, seq: int) -> tuple[int, int]:
        """Where the change before this one of the same key stands (0: nowhere), and when the message came that caused this one."""

    def head(self) -> int:
        """The newest sequence number."""

    def settle(self, name: str, fence: Fence, settlement: Settlement) -> None:
        """Write a step; the fence is checked inside. Raises `NotFound` when a person settled one of its parked keys meanwhile."""

    def parked(self, name: str) -> list[Parked]:
        """The keys that wait or are dead."""

    def set_state(self, name: str, state: str, reason: str) -> None:
        """active, paused or disabled."""

    def breaker(self, name: str, failures: int, retry_at: int, reason: str) -> None:
        """How often in a row the endpoint failed, and when to try again."""

    def own_states(self, goldens: Sequence[int], source: str) -> dict[int, Own]:
        """The source's own records behind golden records, where the source has one record there and no other."""

    def deliveries(self, first: int, last: int) -> list[tuple[str, Attempt]]:
        """The deliveries that cover this part of the log."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter in full."""

    id: int
    state: LetterState
    stage: str
    code: str
    path: str
    reason: str
    fingerprint: str
    records: int
    attempts: int
    first_at: int
    last_at: int
    due_at: int | None
    source: str
    feed: str
    message: int | None
    row: int | None
    payload: bytes | None
    subscription: str | None
    golden_id: str | None
    from_seq: int | None
    last_seq: int | None
    resolved_by: int | None
    note: str


class Letters(Protocol):
    """The dead letters."""

    def get(self, letter: int) -> Letter | None:
        """One letter."""

    def select(self, *, state: str | None, filters: Mapping[str, str], limit: int, before: int | None = None) -> list[Letter]:
        """Newest first; filters over stage, code, source, feed, subscription, fingerprint."""

    def of_message(self, message: int) -> list[Letter]:
        """Everything of one message, in the order of its rows."""

    def of_key(self, subscription: str, golden_id: str) -> list[Letter]:
        """The letters of a subscriber's key that are not resolved, newest first."""

    def groups(self, limit: int) -> list[dict[str, Any]]:
        """Open letters by stage, code, path and source: count, first and last seen, one reason."""

    def counts(self) -> dict[str, int]:
        """Letters by state."""

    def discard(self, letter: int, note: str, at: int) -> None:
        """Settle a letter without its content; it stays on record."""

    def retry(self, letter: int, note: str, at: int) -> None:
        """Make a refused key due now."""


class FileClaims(Protocol):
    """The claims on file feeds, and the alarms about files."""

    def claim(self, file: FileIdentity, at: int) -> Literal["new", "resume", "done"]: ...

    def progress(self, file: FileIdentity, rows: int, total: int, state: str, at: int) -> None: ...

    def recent(self, limit: int) -> list[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class Ending:
    """What is to be done once every row of a file is applied; its messages' ids begin with `messages:`.

    `rejects` is waiting or told, `absent` waiting, blocked, confirmed, withdrawn or superseded; both are empty where nobody asked.
    """

    id: int
    file: FileIdentity
    messages: str
    rows: int
    target: str
    rejects: str
    absent: str
    note: str


class Endings(Protocol):
    """The ends of files: refused rows to tell, absent keys to withdraw."""

    def add(self, file: FileIdentity, messages: str, rows: int, at: int, *, rejects: bool, complete: bool) -> None:
        """Every row of the file is stored. Does nothing when that was said before."""

    def open(self) -> list[Ending]:
        """Those of which something is left to do, in the order of their files."""

    def applied(self, ending: Ending) -> bool:
        """Everything that came of the file is settled."""

    def refused(self, ending: Ending) -> Iterable[Refused]:
        """The rows that are dead letters, in the order of the file."""

    def failed(self, ending: Ending) -> int:
        """How many rows could not be used and have no corrected copy that could."""

    def stored(self, ending: Ending) -> tuple[int, int | None]:
        """How many of the file's rows are in the inbox, and the place of the first of its messages."""

    def since(self, at: int) -> int:
        """The place in the inbox of the first message that came at or after this time; of the next one if none did."""

    def absent(self, entity: str, source: str, before: int) -> tuple[int, int]:
        """How many keys of a source live, and of how many it has not spoken at this place in the inbox or behind it. Reads them all."""

    def absent_keys(self, entity: str, source: str, before: int, after: str, limit: int) -> list[str]:
        """The next of those keys, in their order."""

    def settle(self, ending: int, **values: str) -> None:
        """Note what became of it: `target`, `rejects`, `absent`, `note`."""


class Alarms(Protocol):
    """What a person should look at."""

    def raise_(self, kind: str, place: str, reason: str, at: int) -> bool:
        """True when it was not raised already."""

    def clear(self, kind: str, place: str) -> None: ...

    def active(self) -> list[dict[str, Any]]: ...


class Leases(Protocol):
    """Who may lead, and who may read for a subscription."""

    def take(self, name: str, holder: str, now: int, until: int, *, force: bool = False) -> Fence | None:
        """The lease if it is free, expired, the holder's own, or taken by force; the fence is new unless it was the holder's own."""

    def drop(self, fence: Fence) -> None: ...


class Revisions(Protocol):
    """Mappings and rules as they were."""

    def keep(self, name: str, hash_: str, files: Mapping[str, bytes], at: int) -> int:
        """The id of this content, stored on first use."""

    def load(self, revision: int) -> tuple[str, dict[str, bytes]] | None:
        """What it belongs to, and its files."""

    def all(self) -> list[tuple[int, str, str, int]]:
        """(id, hash, what it belongs to, first use) of every revision, newest first."""


class Keys(Protocol):
    """API keys of sources: shown once, kept as prefix and SHA-256."""

    def add(self, source: str, prefix: str, sha256: bytes, at: int) -> None: ...

    def all(self) -> list[tuple[str, bytes, str, int]]: ...

    def revoke(self, prefix: str) -> bool: ...


class Views(Protocol):
    """Read-only answers for people."""

    def golden_counts(self) -> dict[str, int]:
        """Live golden records per entity. Reads the whole table."""

    def revision_of(self, seq: int) -> int | None:
        """The revision of mappings and rules that made a change."""

    def size(self) -> int:
        """Bytes on disk."""

    def golden(self, public_id: str) -> dict[str, Any] | None:
        """The golden record with its newest state, and every member."""

    def find_golden(self, key: str, entity: str | None = None) -> list[str]:
        """Golden ids by a source's own key."""

    def history(self, public_id: str) -> list[Change]:
        """Every version, newest first."""

    def message_changes(self, message: int) -> list[Change]:
        """What a message did to the master copy."""

    def settled(self, message: int) -> dict[str, int] | None: ...

    def totals(self) -> dict[str, Any]:
        """Tallies of the lanes, the newest position, the number of golden records."""

    def audit(self) -> dict[str, Any]:
        """The same figures counted from the rows themselves, for the conservation laws. Slow: reads everything."""

    def dump(self, table: str, columns: Sequence[str]) -> Iterable[tuple[Any, ...]]:
        """Rows of one table, for the history checker."""


class Store(Protocol):
    """An engine."""

    @property
    def inbox(self) -> Inbox: ...
    @property
    def leader(self) -> Leader: ...
    @property
    def attempts(self) -> Attempts: ...
    @property
    def subscriptions(self) -> Subscriptions: ...
    @property
    def letters(self) -> Letters: ...
    @property
    def files(self) -> FileClaims: ...
    @property
    def endings(self) -> Endings: ...
    @property
    def alarms(self) -> Alarms: ...
    @property
    def leases(self) -> Leases: ...
    @property
    def revisions(self) -> Revisions: ...
    @property
    def keys(self) -> Keys: ...
    @property
    def views(self) -> Views: ...

    def close(self) -> None: ...
