"""The only way in for records, for every protocol: check at the door, store in groups, answer after commit."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import structlog

from adapters import contract, manifest
from adapters.contract import FileIdentity
from master.store import Ending, Store
from routes import pace, pool
from schemas import errors
from schemas.envelope import Failure, Message, Receipt

log = structlog.get_logger("receive")

Answer = Receipt | errors.MastercopyError
_CROWD = 0.1  # seconds after which a crowd has gone
_GROUP = 2000  # messages in one commit
_GROUP_BYTES = 64_000_000


def now() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


class Checker(Protocol):
    """What the door knows of a feed."""

    @property
    def feed(self) -> manifest.Feed: ...

    def inspect(self, body: bytes) -> int:
        """How many records; raises `Reject`."""


@dataclass(slots=True)
class _Waiting:
    messages: Sequence[Message]
    done: Callable[[Sequence[Answer]], None]


class Group(Protocol):
    """What takes messages in."""

    def submit(self, messages: Sequence[Message], done: Callable[[Sequence[Answer]], None]) -> None:
        """Append soon; `done` is called with an answer for each message, from whichever thread has them."""


def append(group: Group, messages: Sequence[Message]) -> Sequence[Answer]:
    """The same, waiting for the answers."""
    answers: list[Sequence[Answer]] = []
    ready = threading.Event()

    def done(found: Sequence[Answer]) -> None:
        answers.append(found)
        ready.set()

    group.submit(messages, done)
    ready.wait()
    return answers[0]


class GroupCommit:
    """Appends what is waiting, all at once and without a timer: one commit serves every caller that came meanwhile.

    There is no thread for it. Whoever comes while nobody commits does so, for himself and for all who come until nothing waits: a push is
    then handed on between threads as rarely as can be.
    """

    def __init__(self, store: Store, committed: Callable[[], None], clock: Callable[[], int] = now) -> None:
        self._store, self._committed, self._clock = store, committed, clock
        self._queue: deque[_Waiting] = deque()
        self._turn = threading.Lock()
        self._ended = False
        self._last_crowd = 0.0
        self.last_live = 0.0  # when the last append came, by time.monotonic

    def crowded(self) -> bool:
        """Many came at the same time, just now."""
        return time.monotonic() - self._last_crowd < _CROWD

    def submit(self, messages: Sequence[Message], done: Callable[[Sequence[Answer]], None]) -> None:
        """Append, at once or by whoever is at it; `done` is called from the committing thread with an answer for each message."""
        self.add(messages, done)
        self.commit()

    def add(self, messages: Sequence[Message], done: Callable[[Sequence[Answer]], None]) -> None:
        """What the next `commit` takes, together with all else that waits."""
        self._queue.append(_Waiting(messages, done))

    def commit(self) -> None:
        """Until nothing waits, or somebody else is at it."""
        while self._queue and self._turn.acquire(blocking=False):  # who holds the turn looks again after letting go
            try:
                self._work()
            finally:
                self._turn.release()

    def _work(self) -> None:
        while self._queue:
            group = self._group()
            if self._ended:
                self._turn_away(group)
            elif group:
                self._commit(group)

    def _turn_away(self, group: list[_Waiting]) -> None:
        """Who comes after the last commit is told at once."""
        for waiting in group:
            self._tell(waiting, [errors.Overloaded("the hub is stopping", after=5.0)] * len(waiting.messages))

    def _group(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        count = size = 0
        while self._queue and count < _GROUP and size < _GROUP_BYTES:
            waiting = self._queue.popleft()
            group.append(waiting)
            count += len(waiting.messages)
            size += sum(len(message.body) for message in waiting.messages)
        return group

    def _commit(self, group: list[_Waiting]) -> None:
        messages = [message for waiting in group for message in waiting.messages]
        try:
            answers: Sequence[Answer] = self._store.inbox.append(messages, self._clock())
        except errors.MastercopyError as error:
            answers = [error] * len(messages)
        except Exception as error:
            if len(group) > 1:  # one message that the store cannot hold: the others are stored without it
                for waiting in group:
                    self._commit([waiting])
                return
            log.exception("append failed")
            answers = [errors.UnknownOutcome(str(error))] * len(messages)
        start = 0
        for waiting in group:
            end = start + len(waiting.messages)
            self._tell(waiting, answers[start:end])
            start = end
        if any(len(message.body) < pool.LARGE for message in messages):  # chunks of files wait for nobody's answer
            self.last_live = time.monotonic()
            if len(messages) >= pace.MANY:
                self._last_crowd = self.last_live
        self._committed()

    @staticmethod
    def _tell(waiting: _Waiting, answers: Sequence[Answer]) -> None:
        try:
            waiting.done(answers)
        except Exception:  # a caller that is gone: the others still wait for their answers
            log.exception("an answer found nobody")

    def close(self) -> None:
        """Commit what waits, then end."""
        with self._turn:
            while self._queue:
                self._commit(self._group())
            self._ended = True


class Door:
    """Fills `adapters.contract.Door` over the store, and answers the HTTP door without blocking it."""

    def __init__(
        self,
        store: Store,
        checkers: Callable[[str, str], Checker],
        group: Group,
        pressure: Callable[[], str | None],
        clock: Callable[[], int] = now,
    ) -> None:
        self._store, self._checkers, self._group, self._pressure, self._clock = store, checkers, group, pressure, clock
        self.files: contract.Files = Claims(store, clock)

    def checked(self, message: Message) -> Message:
        """The message with its records counted and its identity settled; raises `Reject`, `NotFound`."""
        checker = self._checkers(message.source, message.feed)
        if len(message.body) > checker.feed.limit:
            hint = f"Send less than {checker.feed.limit} bytes at once"
            raise errors.TooLarge(f"{len(message.body)} bytes", place=errors.Place(checker.feed.path), hint=hint)
        records = checker.inspect(message.body)
        if message.message_id is None and checker.feed.identity == "body":
            return message._replace(records=records, message_id=hashlib.sha256(message.body).hexdigest())
        return message if message.records == records else message._replace(records=records)

    def submit(self, message: Message, done: Callable[[Answer], None]) -> None:
        """Store a checked message; `done` is called from another thread after commit."""
        self.admit()
        self._group.submit([message], lambda answers: done(answers[0]))

    def admit(self) -> None:
        """Raises `Overloaded` over the marks."""
        why = self._pressure()
        if why is not None:
            raise errors.Overloaded(why, after=5.0, hint="Nothing was stored; send it again later")

    def receive(self, messages: Sequence[Message]) -> Sequence[Receipt | errors.Reject]:
        """Check, store durably, and answer for each message in turn."""
        self.admit()
        checked = [self._tried(message) for message in messages]
        good = [message for message in checked if isinstance(message, Message)]
        stored = iter(append(self._group, good) if good else ())
        return [self._answer(next(stored)) if isinstance(message, Message) else message for message in checked]

    def _tried(self, message: Message) -> Message | errors.Reject:
        try:
            return self.checked(message)
        except errors.Reject as reason:
            return reason

    @staticmethod
    def _answer(answer: Answer) -> Receipt | errors.Reject:
        if isinstance(answer, Receipt | errors.Reject):
            return answer
        raise answer

    def park(self, message: Message, reason: errors.Reject) -> Receipt:
        """Store a refused message as a dead letter."""
        path = reason.place.path
        if message.part is not None:  # the letter says where that is in the file
            reason.place = errors.Place()
        failure = Failure("receive", reason.code, path, str(reason), message.body)
        return self._store.inbox.refuse(message._replace(records=1), failure, self._clock())

    def stored(self, source: str, feed: str, message_ids: Sequence[str]) -> set[str]:
        """Which of these ids are stored already."""
        return self._store.inbox.known(source, feed, message_ids)

    def busy(self) -> bool:
        """Over the marks."""
        return self._pressure() is not None


class Claims:
    """Fills `adapters.contract.Files` over the store."""

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        self._store, self._clock = store, clock

    def claim(self, file: FileIdentity) -> Literal["new", "resume", "done"]:
        """Take the file."""
        return self._store.files.claim(file, self._clock())

    def progress(self, file: FileIdentity, *, rows: int, total: int) -> None:
        """How many of its rows are stored."""
        self._store.files.progress(file, rows, total, "loading", self._clock())

    def ends(self, file: FileIdentity, *, messages: str, rows: int, rejects: bool, complete: bool) -> None:
        """Every row is stored: what is to be done once they are applied."""
        self._store.endings.add(file, messages, rows, self._clock(), rejects=rejects, complete=complete)

    def moved(self, file: FileIdentity, target: str) -> None:
        """Where the file goes at its source."""
        for ending in self._of(file):
            self._store.endings.settle(ending.id, target=target)

    def refused(self, system: str, feed: str) -> Iterator[contract.Refusals]:
        """The files whose rows are all applied and whose refused rows are still to be told."""
        for ending in self._store.endings.open():
            mine = (ending.file.system, ending.file.feed) == (system, feed)
            if mine and ending.rejects == "waiting" and ending.target and self._store.endings.applied(ending):
                yield contract.Refusals(ending.file, ending.target, self._store.endings.refused(ending))

    def told(self, file: FileIdentity) -> None:
        """The refused rows stand beside the file."""
        for ending in self._of(file):
            self._store.endings.settle(ending.id, rejects="told")

    def _of(self, file: FileIdentity) -> list[Ending]:
        return [ending for ending in self._store.endings.open() if ending.file == file]

    def finish(self, file: FileIdentity, *, rows: int) -> None:
        """All rows are stored."""
        self._store.files.progress(file, rows, rows, "done", self._clock())

    def alarm(self, system: str, path: str, reason: str) -> None:
        """The file was left untouched."""
        if self._store.alarms.raise_("file", f"{system}:{path}", reason, self._clock()):
            log.warning("file left untouched", system=system, path=path, reason=reason)

    def clear(self, system: str, path: str) -> None:
        """The reason for the alarm is gone."""
        self._store.alarms.clear("file", f"{system}:{path}")
