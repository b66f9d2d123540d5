"""Apply: the one leader that turns records into versions, slice by slice, every feed in its turn."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import structlog

from master import ids, loading
from master.merge import Merge, Rules
from master.records import Row
from master.store import Attempted, Fence, Lane, Store
from routes import absence, pace, pool
from routes.inbound import Decoded, Inbound
from routes.pool import DecodePool
from schemas import errors
from schemas.envelope import Failure, Stored

log = structlog.get_logger("apply")

ROWS_PER_MESSAGE = 1 << 21  # an order value is message * this + row
_SMALL_AHEAD = 512  # messages of a lane that are read and decoded at once, if they are small
_SMALL_HELD = 3_072, 4_000_000  # small messages of a lane, and their bytes, with which nothing more is read ahead
_LARGE_AHEAD = 4  # chunks of a lane that are decoded while the leader merges
_LIVE_SLICE = 0.120  # seconds for one slice while live appends come in; the writer is held for about a third of it
_SLICE = 0.200
_ENDS = 2  # ends of the process with the record alone at work: one may be a kill that has nothing to do with it
_PARTS = 8  # a slice in which the process ended is tried again in so many parts
_LARGEST = 20_000  # rows in one slice
_REST = 0.160  # seconds between slices under load
_SHARES = 3  # parts of the time that are left to receipts while many wait for theirs
_TURN = 2_000  # rows of one lane before the next lane's turn, while several have work


@dataclass(slots=True)
class _Body:
    """A message of a lane on its way through the decode pool."""

    stored: Stored
    revision: int
    future: pool.Future
    index: int = 0  # this body's answer in the future's
    rows: list[Row] | None = None
    at: int = 0  # the next row to merge


@dataclass(slots=True)
class _LaneWork:
    """What the leader holds of one lane: everything up to `read` is in `bodies` or settled."""

    lane: Lane
    read: int
    skip: int
    bodies: deque[_Body] = field(default_factory=deque)


@dataclass(slots=True)
class _Slice:
    """Rows for one transaction, and how far they move each lane."""

    rows: list[Row] = field(default_factory=list)
    marks: dict[int, tuple[int, int]] = field(default_factory=dict)
    revisions: dict[int, int] = field(default_factory=dict)
    lanes: dict[int, int] = field(default_factory=dict)

    def add(self, lane: int, message: int, revision: int, rows: list[Row], mark: tuple[int, int]) -> None:
        """Some rows of one message."""
        self.rows += rows
        self.marks[lane] = mark
        self.revisions[message] = revision
        self.lanes[message] = lane

    def until(self, end: int) -> _Slice:
        """The rows before `end`; the lanes stop in the middle of their messages."""
        rows = self.rows[:end]
        marks = {self.lanes[row.message]: (row.message - 1, row.number + 1) for row in rows}
        return _Slice(rows, marks, self.revisions, self.lanes)

    def beyond(self, start: int) -> _Slice:
        """The rows from `start` on; the lanes get where the whole slice gets them."""
        return _Slice(self.rows[start:], self.marks, self.revisions, self.lanes)

    def failed(self, why: str) -> _Slice:
        """The one row as a dead letter."""
        row = self.rows[0]
        reason = errors.PoisonRecord(why, hint="Report it; the record stays here until it can be replayed")
        payload = row.candidates[0].state if row.candidates else b""
        failure = Failure("apply", reason.code, f"record {row.number + 1}", str(reason), payload)
        return _Slice([row._replace(candidates=(), failure=failure)], self.marks, self.revisions, self.lanes)


class Apply:
    """Runs in one thread of one process: the one that has the lease."""

    def __init__(
        self,
        store: Store,
        decoders: Callable[[], DecodePool],
        revision: Callable[[Inbound], int],
        rules: Callable[[], Rules],
        applied: Callable[[Iterable[int]], None],
        live: Callable[[], float],
        crowded: Callable[[], bool],
        clock: Callable[[], int],
    ) -> None:
        """`live` answers when the last live append came (time.monotonic), `crowded` whether many wait for their receipts.

        `applied` hears of the messages that a commit touched.
        """
        self._store, self._pool, self._revision, self._rules = store, decoders, revision, rules
        self._applied, self._live, self._crowded, self._clock = applied, live, crowded, clock
        self._work: dict[int, _LaneWork] = {}
        self._bell = threading.Event()
        self._rate = 20_000.0  # rows a second, measured
        self._changed = False
        self._left: Attempted | None = None  # what the process before this one left behind
        self.pressed = False  # more waits than a slice holds
        self.fence: Fence | None = None

    def ring(self) -> None:
        """Something was appended."""
        if not self._bell.is_set():
            self._bell.set()

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set. Raises `FenceLost` when another process leads."""
        while not stop.is_set():
            self._bell.clear()
            began = time.monotonic()
            rows = self.step()
            if rows is None:
                self._bell.wait(0.5)  # the bell may be lost: look anyway
            elif self._crowded():
                pace.stand_back(time.monotonic() - began, _SHARES, stop)
            elif not any(self._busy(work) for work in self._work.values() if work.bodies):
                pace.rest(rows, time.monotonic() - began, _REST, stop)

    def step(self) -> int | None:
        """One slice; answers how many rows it had, None when there was nothing to do."""
        if self._changed:
            self._changed = False
            self.forget()
        self._read_ahead()
        room = self._room()
        part = self._slice(room)
        self.pressed = len(part.rows) >= room
        if not part.marks:
            return None
        started = time.perf_counter()
        self._attempt(part)
        self._measure(len(part.rows), time.perf_counter() - started)
        self._applied(part.revisions)
        return len(part.rows)

    def _attempt(self, part: _Slice) -> None:
        """Note what is begun, so that a record that ends the process is found: at the next start its slice goes in smaller parts."""
        if self._left is None:
            self._left = self._store.attempts.left() or Attempted(())
        if part.revisions.keys().isdisjoint(self._left.messages):
            self._noted(part)
            return
        size = max(1, self._left.rows // _PARTS)
        while len(part.rows) > size:
            self._noted(part.until(size))
            part = part.beyond(size)
        self._noted(part)

    def _noted(self, part: _Slice) -> None:
        attempted = self._attempted(part)
        if attempted.tries > _ENDS:
            log.error("a record ended the process twice", message=attempted.messages[0], row=attempted.row)
            part = part.failed("the process died of it twice")
        self._store.attempts.note(attempted)
        try:
            self._carry_out(part)
        finally:
            self._store.attempts.done()

    def _attempted(self, part: _Slice) -> Attempted:
        """A record that is alone at work is counted, should it be the one that was alone when the process ended."""
        if len(part.rows) != 1:
            return Attempted(tuple({row.message for row in part.rows}), len(part.rows))
        row, left = part.rows[0], self._left
        again = left is not None and left.rows == 1 and left.messages == (row.message,) and left.row == row.number
        return Attempted((row.message,), 1, row.number, left.tries + 1 if again and left is not None else 1)

    def _carry_out(self, part: _Slice) -> None:
        """Write the slice. Where a record breaks the merge itself, find it by halves and park it, so that the others go on."""
        try:
            self._write(part)
        except errors.MastercopyError:
            self.forget()
            raise
        except Exception as error:
            if len(part.rows) > 1:
                middle = len(part.rows) // 2
                self._carry_out(part.until(middle))
                self._carry_out(part.beyond(middle))
                return
            if not part.rows or part.rows[0].failure is not None:
                self.forget()
                raise
            log.exception("a record breaks the merge", message=part.rows[0].message, row=part.rows[0].number)
            self._write(part.failed(f"{type(error).__name__}: {error}"))

    def forget(self) -> None:
        """Drop what was decoded ahead: the store says where to go on."""
        self._work.clear()

    def forget_soon(self) -> None:
        """From another thread: the mappings have changed, decode again with the new ones."""
        self._changed = True
        self.ring()

    def _write(self, part: _Slice) -> None:
        if self.fence is None:
            raise errors.FenceLost("this process never led")
        rules, at = self._rules(), self._clock()
        known = loading.load(self._store.leader.reads(), part.rows, rules)
        effects = Merge(known, rules, ids.series(at)).run(part.rows)
        self._store.leader.write(self.fence, effects, part.marks, part.revisions, at)

    def _measure(self, rows: int, seconds: float) -> None:
        if rows >= 200 and seconds > 0:
            self._rate += 0.3 * (rows / seconds - self._rate)

    def _room(self) -> int:
        """How many rows the next slice may hold: short ones while live appends come in, so that none of them waits long."""
        live = time.monotonic() - self._live() < 1.0
        return max(200, min(_LARGEST, int(self._rate * (_LIVE_SLICE if live else _SLICE))))

    def _read_ahead(self) -> None:
        for lane in self._store.inbox.lanes():
            work = self._work.get(lane.id)
            if work is None:
                work = self._work[lane.id] = _LaneWork(lane, lane.mark, lane.mark_row)
            while self._fetch(work):
                pass

    def _fetch(self, work: _LaneWork) -> bool:
        """Read on: many small messages, or a few chunks, since decoded chunks take memory. False if nothing more is to be read now."""
        sizes = [len(body.stored.message.body) for body in work.bodies]
        small = [size for size in sizes if size < pool.LARGE]
        room = _LARGE_AHEAD - (len(sizes) - len(small))
        if room <= 0 or len(small) >= _SMALL_HELD[0] or sum(small) >= _SMALL_HELD[1]:
            return False
        size = room * pool.LARGE
        found = self._store.inbox.pending(work.lane.id, work.read, _SMALL_AHEAD, size)
        for group in _groups(found):
            work.bodies += self._started(group, work.skip)
            work.read, work.skip = group[-1].id, 0
        return len(found) == _SMALL_AHEAD or sum(len(stored.message.body) for stored in found) >= size

    def _started(self, group: list[Stored], skip: int) -> list[_Body]:
        """Hand messages to the decode pool, in one go."""
        message = group[0].message
        feed = f"{message.source}/{message.feed}"
        try:
            decoder = self._pool()
            revision = self._revision(decoder.inbound(feed))
            if absence.is_one(message):
                future = pool.Future()
                future.set_result([absence.decoded(message)])
            else:
                future = decoder.submit(feed, [stored.message.body for stored in group])
        except errors.MastercopyError as error:
            revision, future = 0, pool.Future()
            failure = Failure("decode", error.code, "", str(error), message.body)
            future.set_result([[Decoded(0, (), failure._replace(payload=stored.message.body))] for stored in group])
        bodies = [_Body(stored, revision, future, index) for index, stored in enumerate(group)]
        bodies[0].at = skip
        return bodies

    def _slice(self, room: int) -> _Slice:
        """At most `room` rows for one transaction, lane by lane in turn; and how far each lane gets by it."""
        part = _Slice()
        ready = [work for work in self._work.values() if work.bodies]
        turn = max(1, min(_TURN, room // max(1, len(ready))))  # however short the slice, every lane has its share of it
        patient = not any(map(_decoded, (work.bodies[0] for work in ready)))
        while ready and len(part.rows) < room:
            for work in list(ready):
                taken = self._turn(work, min(turn, room - len(part.rows)), part, wait=patient and not part.rows)
                if not taken or not work.bodies or len(part.rows) >= room:
                    ready.remove(work)
        return part

    @staticmethod
    def _busy(work: _LaneWork) -> bool:
        """Something is ready, or so much is being decoded that it is worth waiting for."""
        first = work.bodies[0]
        return _decoded(first) or len(first.stored.message.body) >= pool.LARGE or len(work.bodies) >= _SMALL_AHEAD

    def _turn(self, work: _LaneWork, room: int, part: _Slice, *, wait: bool) -> bool:
        """The next rows of a lane; False if its next body is still being decoded and should not be waited for."""
        end = len(part.rows) + room
        moved = False
        while work.bodies and len(part.rows) < end:
            body = work.bodies[0]
            if body.rows is None:
                if not (body.future.done() or (wait and not moved)):
                    break
                body.rows = list(self._rows(body))
            rows = body.rows[body.at : body.at + end - len(part.rows)]
            body.at += len(rows)
            message = body.stored.id
            finished = body.at >= len(body.rows)
            part.add(work.lane.id, message, body.revision, rows, (message, 0) if finished else (message - 1, body.at))
            if finished:
                work.bodies.popleft()
            moved = True
        return moved

    def _rows(self, body: _Body) -> Iterator[Row]:
        message = body.stored.message
        feed = f"{message.source}/{message.feed}"
        decoded = self._pool().result(feed, message.body, message.records, body.future, body.index)
        if len(decoded) != message.records:
            yield _whole(body.stored, decoded, body.at)
            body.at = 0
            return
        start = body.stored.id * ROWS_PER_MESSAGE if message.order is None else message.order
        for one in decoded:
            yield Row(body.stored.id, one.number, start + one.number, one.candidates, one.failure)


def _decoded(body: _Body) -> bool:
    return body.rows is not None or body.future.done()


def _whole(stored: Stored, decoded: Sequence[Decoded], done: int) -> Row:
    """One dead letter for all that the door counted but what is `done`: the body cannot be read as a whole, or counts otherwise by now."""
    message = stored.message
    failure = decoded[0].failure if len(decoded) == 1 else None
    if failure is None:
        reason = errors.Undecodable(
            f"the door counted {message.records} records, the format finds {len(decoded)}",
            hint="The format was changed while the message waited; send it again",
        )
        failure = Failure("decode", reason.code, "", str(reason), message.body)
    return Row(stored.id, done, stored.id * ROWS_PER_MESSAGE + done, (), failure, message.records - done)


def _groups(found: list[Stored]) -> Iterator[list[Stored]]:
    """Chunks of files one by one, and lists of absent keys; small messages together."""
    group: list[Stored] = []
    for stored in found:
        if len(stored.message.body) >= pool.LARGE or absence.is_one(stored.message):
            if group:
                yield group
            yield [stored]
            group = []
            continue
        group.append(stored)
    if group:
        yield group
