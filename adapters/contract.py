"""The whole edge contract: what a source gets, what a sink must do, and what both say of themselves."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from schemas.envelope import Event, Message, Receipt
from schemas.errors import Reject

Idempotent = Literal["version", "name", "no"]


class Item(NamedTuple):
    """One change inside a batch: `id` is the event's own id, `key` the golden id, `version` dense from 1 per key."""

    id: str
    seq: int
    entity: str
    key: str
    version: int
    event: Event


@dataclass(frozen=True, slots=True)
class Batch:
    """What a sink carries out in one go: a body in the subscriber's format, and the items inside it.

    `name` is derived from the subscription and the first sequence number, so that a repeat overwrites itself.
    """

    subscription: str
    name: str
    body: bytes
    content_type: str
    items: Sequence[Item]


class Sink(Protocol):
    """Bytes out. One instance serves one subscription; `send` is called from one thread per lane."""

    idempotent: Idempotent

    def send(self, batch: Batch) -> None:
        """Return once the other side has it for good.

        Raises `Retry` when nothing is wrong with the content, `Reject` when the content is refused (the whole batch then
        counts as not taken), `Stop` when somebody has to change something first.
        """

    def ping(self) -> str:
        """Reach the other side without leaving anything there; answers one line, raises like `send`."""

    def close(self) -> None:
        """Let go of connections. May be called twice, and after a failure."""


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """What makes a file the same file. `mtime` in seconds since 1970, `sha256` in hex."""

    system: str
    path: str
    size: int
    mtime: int
    sha256: str

    @property
    def feed(self) -> str:
        """The path begins with the feed ..."""
        return self.path.split("/", 1)[0]

    @property
    def name(self) -> str:
        """... and goes on with the file's name."""
        return self.path.split("/", 1)[1]


class Refused(NamedTuple):
    """A row that could not be used: where it stands in its file, why, and the row as a body of its format."""

    place: str
    reason: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Refusals:
    """The refused rows of a file, in their order; `target` is where the file was moved to."""

    file: FileIdentity
    target: str
    rows: Iterable[Refused]


class Files(Protocol):
    """The claims on file feeds, kept in the store."""

    def claim(self, file: FileIdentity) -> Literal["new", "resume", "done"]:
        """Take the file. `done`: the very same file was loaded before."""

    def progress(self, file: FileIdentity, *, rows: int, total: int) -> None:
        """Say how many of its rows are stored; the live table shows it."""

    def ends(self, file: FileIdentity, *, messages: str, rows: int, rejects: bool, complete: bool) -> None:
        """Every row is stored, in messages whose ids begin with `messages:`; said before `finish`. May be said again.

        What is to be done once they are applied: tell the refused rows back, and withdraw the keys that the file lacks.
        """

    def finish(self, file: FileIdentity, *, rows: int) -> None:
        """All rows are stored. The file is then moved at its source, not before."""

    def moved(self, file: FileIdentity, target: str) -> None:
        """The file is about to be moved at its source: refused rows are told beside `target`."""

    def refused(self, system: str, feed: str) -> Iterable[Refusals]:
        """The files whose rows are all applied and whose refused rows are still to be told."""

    def told(self, file: FileIdentity) -> None:
        """They are told."""

    def alarm(self, system: str, path: str, reason: str) -> None:
        """The file was left untouched, for this reason. Saying it again does not raise it twice."""

    def clear(self, system: str, path: str) -> None:
        """The reason for the alarm is gone."""


class Door(Protocol):
    """The only way in for records, for every protocol. Safe to call from any thread."""

    files: Files

    def receive(self, messages: Sequence[Message]) -> Sequence[Receipt | Reject]:
        """Check, store durably, and answer for each message in turn; returns after commit.

        `records` of a message is counted here. A `Reject` in the answer says why that message was not stored.
        Raises `Overloaded` (nothing stored; try later) and `UnknownOutcome` (the commit's outcome is not known).
        """

    def park(self, message: Message, reason: Reject) -> Receipt:
        """Store a refused message as a dead letter: for protocols that have nobody to give a refusal to."""

    def stored(self, source: str, feed: str, message_ids: Sequence[str]) -> set[str]:
        """Which of these ids are stored already: how a file feed resumes at its next chunk."""

    def busy(self) -> bool:
        """Over the marks: stop consuming, skip this poll."""


class Source(Protocol):
    """Bytes in. One instance serves one feed."""

    def run(self, door: Door, stop: threading.Event) -> None:
        """Work until `stop` is set, acknowledging after commit only. Raises `Retry` when the other side is gone; the hub calls again."""

    def ping(self) -> str:
        """Reach the other side without taking anything; answers one line."""

    def close(self) -> None:
        """Let go of connections. May be called twice."""
