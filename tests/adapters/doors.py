"""A door in memory: keeps what it is given, refuses what it is told to refuse, dies where it is told to die."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Literal

from adapters.contract import FileIdentity, Files, Refusals, Refused
from schemas import errors
from schemas.envelope import Message, Receipt


class Crash(BaseException):
    """The process dies here: nothing may catch it."""


class Claims:
    """The claims of file feeds."""

    def __init__(self) -> None:
        self.files: dict[FileIdentity, int | None] = {}
        self.steps: list[tuple[int, int]] = []
        self.alarms: dict[tuple[str, str], str] = {}
        self.raised: list[tuple[str, str]] = []
        self.ended: dict[FileIdentity, tuple[str, int, bool, bool]] = {}
        self.targets: dict[FileIdentity, str] = {}
        self.bad: list[Refused] = []

    def claim(self, file: FileIdentity) -> Literal["new", "resume", "done"]:
        if file not in self.files:
            self.files[file] = None
            return "new"
        return "resume" if self.files[file] is None else "done"

    def progress(self, file: FileIdentity, *, rows: int, total: int) -> None:
        self.steps.append((rows, total))

    def ends(self, file: FileIdentity, *, messages: str, rows: int, rejects: bool, complete: bool) -> None:
        self.ended.setdefault(file, (messages, rows, rejects, complete))

    def moved(self, file: FileIdentity, target: str) -> None:
        self.targets[file] = target

    def refused(self, system: str, feed: str) -> list[Refusals]:
        return [Refusals(file, target, self.bad) for file, target in self.targets.items() if file.feed == feed and file in self.ended]

    def told(self, file: FileIdentity) -> None:
        del self.ended[file]

    def finish(self, file: FileIdentity, *, rows: int) -> None:
        self.files[file] = rows

    def alarm(self, system: str, path: str, reason: str) -> None:
        self.alarms[system, path] = reason
        self.raised.append((path, reason))

    def clear(self, system: str, path: str) -> None:
        self.alarms.pop((system, path), None)


class MemoryDoor:
    """As the real one to every caller, with levers for the test.

    `refuse` says why a message is not taken; `full` and `over` make it overloaded and busy; `before` and `after` are called around
    the commit of each batch and may raise.
    """

    def __init__(self) -> None:
        self.claims = Claims()
        self.files: Files = self.claims
        self.messages: list[Message] = []
        self.parked: list[tuple[Message, errors.Reject]] = []
        self.batches: list[int] = []
        self.calls = 0
        self.full = False
        self.over = False
        self.refuse: Callable[[Message], errors.Reject | None] = lambda _: None
        self.before: Callable[[], None] = lambda: None
        self.after: Callable[[], None] = lambda: None
        self._ids: dict[tuple[str, str, str], int] = {}
        self._lock = threading.Lock()

    @property
    def bodies(self) -> list[bytes]:
        """What was stored, in order, each id once."""
        return [message.body for message in self.messages]

    def receive(self, messages: Sequence[Message]) -> Sequence[Receipt | errors.Reject]:
        self.calls += 1
        if self.full:
            raise errors.Overloaded(after=0.02)
        self.before()
        with self._lock:
            answers = [self._take(message) for message in messages]
            self.batches.append(len(messages))
        self.after()
        return answers

    def park(self, message: Message, reason: errors.Reject) -> Receipt:
        with self._lock:
            self.parked.append((message, reason))
            return Receipt(-len(self.parked))

    def stored(self, source: str, feed: str, message_ids: Sequence[str]) -> set[str]:
        return {one for one in message_ids if (source, feed, one) in self._ids}

    def busy(self) -> bool:
        return self.over

    def _take(self, message: Message) -> Receipt | errors.Reject:
        reason = self.refuse(message)
        if reason:
            return reason
        if message.message_id is not None:
            key = (message.source, message.feed, message.message_id)
            if key in self._ids:
                known = self.messages[self._ids[key]]
                return Receipt(self._ids[key], duplicate=True) if known.body == message.body else errors.IdConflict()
            self._ids[key] = len(self.messages)
        self.messages.append(message)
        return Receipt(len(self.messages) - 1)
