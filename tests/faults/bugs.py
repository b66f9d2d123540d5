"""Bugs of the hub, seeded into its process: each breaks one promise, and the history checker must say so.

A trap is what both runs have, with the bug and without: a crash at the worst moment, a second reader, a slow subscriber. Each bug and each
trap says when it has struck: the test waits for that, however slow the machine is.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from adapters import files, http, intake
from adapters.contract import FileIdentity
from hub import run
from master import merge
from master.sqlite import inbox, leader, leases, letters
from master.sqlite.store import SqliteStore
from master.store import Fence
from routes import ahead, delivery, lane, ledger, parking, receive
from routes import apply as applying
from routes.outbound import Outgoing
from routes.step import Step
from schemas import errors
from schemas.envelope import Message, Receipt

BUGS: dict[str, Callable[[], None]] = {}
TRAPS: dict[str, Callable[[], None]] = {}
_home = Path()
_counts = Counter[str]()
_hub: run.Hub | None = None


def bug(seed: Callable[[], None]) -> Callable[[], None]:
    BUGS[seed.__name__] = seed
    return seed


def trap(lay: Callable[[], None]) -> Callable[[], None]:
    TRAPS[lay.__name__] = lay
    return lay


def apply(bug: str, trap: str, home: Path) -> None:
    """Break this process."""
    global _home  # noqa: PLW0603 one hub to a process
    _home = home
    if trap:
        TRAPS[trap]()
    if bug:
        BUGS[bug]()


def up(hub: run.Hub, bug: str, trap: str) -> None:
    """The hub works: some traps need it."""
    global _hub  # noqa: PLW0603
    _hub = hub


def patch(owner: Any, name: str, new: Any) -> None:
    """Put something else in its place."""
    setattr(owner, name, new)


def struck(home: Path, name: str) -> bool:
    """The bug has done its harm, or what the trap is laid for has happened."""
    return (home / f"struck-{name}").exists()


def strike(seed: Callable[[], None]) -> None:
    """This bug or trap strikes now."""
    (_home / f"struck-{seed.__name__}").touch()


def die(seed: Callable[[], None], after: int = 1) -> None:
    """End this process as kill -9 does, at the `after`th call, once in the life of a home."""
    _counts[seed.__name__] += 1
    if _counts[seed.__name__] == after and not struck(_home, seed.__name__):
        strike(seed)
        os.kill(os.getpid(), signal.SIGKILL)


def taken_over(name: str) -> Fence:
    """The lease, taken by somebody else for longer than any test lasts."""
    assert _hub is not None
    now = receive.now()
    fence = _hub.store.leases.take(name, "second", now, now + 3_600_000_000, force=True)
    assert fence is not None
    return fence


# -- receiving


@trap
def crash_around_append() -> None:
    """The hub dies after the commit, before anybody is told."""
    old = receive.GroupCommit._commit

    def told_late(tell: Callable[[Any], None]) -> Callable[[Any], None]:
        def done(answers: Any) -> None:
            die(crash_around_append, 10)
            tell(answers)

        return done

    def commit(self: receive.GroupCommit, group: list[Any]) -> None:
        old(self, [replace(waiting, done=told_late(waiting.done)) for waiting in group])

    patch(receive.GroupCommit, "_commit", commit)


@bug
def acknowledged_before_commit() -> None:
    """The receipt is given first; the hub dies in between, when somebody who sends nothing twice has read his."""
    told: list[Any] = []  # and not stored

    def commit(self: receive.GroupCommit, group: list[Any]) -> None:
        store = self._store.inbox
        assert isinstance(store, inbox.Inbox)
        nameless = any(message.message_id is None for waiting in group for message in waiting.messages)
        if nameless and told:  # the same client comes again
            strike(acknowledged_before_commit)
            die(crash_around_append)
        place = store._database.read().execute("SELECT coalesce(max(id), 0) + 1 FROM inbox").fetchone()[0]
        for waiting in group:
            waiting.done([Receipt(place + number) for number in range(len(waiting.messages))])
            place += len(waiting.messages)
        if nameless and not struck(_home, crash_around_append.__name__):
            told.append(group)
            return
        for waiting in group:
            store.append(waiting.messages, 0)
        self._committed()

    patch(receive.GroupCommit, "_commit", commit)


@trap
def failing_appends() -> None:
    """Every tenth append fails before its commit, as when the disk is full."""
    old = inbox.Inbox._append

    def append(self: inbox.Inbox, *args: Any) -> Any:
        found = old(self, *args)
        _counts["append"] += 1
        if _counts["append"] % 10 == 0:
            strike(failing_appends)
            raise sqlite3.OperationalError("database or disk is full")
        return found

    patch(inbox.Inbox, "_append", append)


@bug
def failed_commit_taken_for_success() -> None:
    """An append that failed is answered with receipts."""
    old = inbox.Inbox.append

    def append(self: inbox.Inbox, messages: Sequence[Message], at: int) -> Any:
        try:
            return old(self, messages, at)
        except errors.Retry:
            if any(message.message_id is None for message in messages):  # others may come again, and are stored then
                strike(failed_commit_taken_for_success)
            return [Receipt(10**9 + time.time_ns() % 10**9 + number) for number in range(len(messages))]

    patch(inbox.Inbox, "append", append)


@bug
def no_unique_message_ids() -> None:
    """Ids are neither looked up nor unique."""
    old, look = SqliteStore.__init__, inbox._seen

    class Forgotten(dict[tuple[int, str], tuple[int, bytes]]):
        def get(self, key: Any, default: Any = None) -> Any:
            if key in self:
                strike(no_unique_message_ids)
            return default

    def seen(*args: Any) -> Forgotten:
        return Forgotten(look(*args))

    def init(self: SqliteStore, path: Path, *, read_only: bool = False) -> None:
        old(self, path, read_only=read_only)
        if not read_only:
            with self._database.write() as writer:
                writer.execute("DROP INDEX IF EXISTS inbox_message")

    patch(inbox, "_seen", seen)
    patch(SqliteStore, "__init__", init)


@trap
def crash_within_a_file() -> None:
    """The hub dies while a file's chunks are being stored."""
    old = intake.hand_over

    def hand_over(*args: Any) -> Any:
        die(crash_within_a_file, 2)
        return old(*args)

    patch(intake, "hand_over", hand_over)


@bug
def file_moved_before_it_is_stored() -> None:
    """The file is moved away first."""
    old = files.FileSource._read

    def read(self: files.FileSource, door: Any, stop: Any, entry: Any, beside: Any, copy: Any) -> None:
        path = f"{self._feed.name}/{entry.shown}"
        self._move(door, entry, beside, FileIdentity(self._feed.system, path, entry.size, entry.mtime, copy.digests["sha256"]))
        strike(file_moved_before_it_is_stored)
        old(self, door, stop, entry, beside, copy)

    patch(files.FileSource, "_read", read)


@bug
def lost_update_of_tallies() -> None:
    """Read the feed's row, think, write it back whole: BEGIN comes after the read, as ORMs do it."""
    old = inbox.Inbox.append
    names = "applied, unchanged, stale, dead, mark_row"

    def append(self: inbox.Inbox, messages: Sequence[Message], at: int) -> Any:
        before = self._database.read().execute(f"SELECT {names}, id FROM lane").fetchall()
        time.sleep(0.005)
        found = old(self, messages, at)

        def write(writer: sqlite3.Connection) -> None:
            now = {row[-1]: row for row in writer.execute(f"SELECT {names}, id FROM lane")}
            if any(now[row[-1]][:4] != row[:4] for row in before):
                strike(lost_update_of_tallies)
            writer.executemany(f"UPDATE lane SET ({names}) = (?, ?, ?, ?, ?) WHERE id = ?", before)

        self._database.run(write)
        return found

    patch(inbox.Inbox, "append", append)


# -- applying


@bug
def mark_past_a_record() -> None:
    """Apply's cursor passes over a message that it has not seen: `id > last` over rows that commit out of order."""
    old = inbox.Inbox.pending
    passed = "SELECT 1 FROM inbox i JOIN lane l ON l.id = i.lane WHERE i.id % 17 = 0 AND i.id <= l.mark AND i.refused = 0"

    def pending(self: inbox.Inbox, place: int, after: int, limit: int, size: int) -> Any:
        if self._database.read().execute(passed).fetchone():
            strike(mark_past_a_record)
        return [stored for stored in old(self, place, after, limit, size) if stored.id % 17]

    patch(inbox.Inbox, "pending", pending)


@bug
def record_dropped() -> None:
    """A record that cannot be applied is left out, without a trace."""
    old = merge.Merge._row

    def row(self: merge.Merge, one: Any) -> None:
        if one.failure is None:
            old(self, one)
        else:
            strike(record_dropped)

    patch(merge.Merge, "_row", row)


@bug
def dead_letter_not_written() -> None:
    """It is counted, and not kept."""
    patch(letters, "bury", lambda *_: strike(dead_letter_not_written))


@bug
def applied_twice() -> None:
    """A slice is written twice, and nothing looks whether a record says anything new."""
    old = applying.Apply._write
    candidate, changed = merge.Merge._candidate, merge.Merge._changed
    caused: set[tuple[int, merge.Origin]] = set()

    def write(self: applying.Apply, part: Any) -> None:
        old(self, part)
        old(self, part)

    def blind(self: merge.Merge, new: Any, row: Any) -> str:
        return candidate(self, new._replace(digest=os.urandom(16)), row)

    def always(self: merge.Merge, golden: Any, own: bytes, refs: Any, origin: merge.Origin) -> str:
        if (golden.n, origin) in caused:
            strike(applied_twice)
        caused.add((golden.n, origin))
        return self._version(golden, "update", {}, own, origin) if golden.live else changed(self, golden, own, refs, origin)

    patch(applying.Apply, "_write", write)
    patch(merge.Merge, "_candidate", blind)
    patch(merge.Merge, "_changed", always)


@trap
def crash_within_a_slice() -> None:
    """The hub dies between writing versions and moving the marks."""
    old = leader._settle

    def settle(writer: Any, effects: Any, *rest: Any) -> None:
        if effects.changes:  # a slice that writes no version leaves nothing behind that could be found
            die(crash_within_a_slice, 5)
        old(writer, effects, *rest)

    patch(leader, "_settle", settle)


@bug
def marks_in_a_transaction_of_their_own() -> None:
    """Versions are committed first, marks and tallies after."""

    def write(self: leader.Leader, fence: Any, effects: Any, marks: Any, revisions: Any, at: int) -> None:
        rows = leader._Rows(effects, revisions, at)
        self._database.run(rows.write)
        strike(marks_in_a_transaction_of_their_own)
        self._database.run(lambda writer: leader._settle(writer, effects, marks, at))

    patch(leader.Leader, "write", write)


@bug
def versions_from_a_stale_read() -> None:
    """What is known of golden records is read from a connection that stands a few slices back."""
    old, old_write = leader.Leader.reads, leader.Leader.write
    snapshots: list[sqlite3.Connection] = []

    def write(self: leader.Leader, fence: Any, effects: Any, *rest: Any) -> None:
        newest = dict(self._database.read().execute("SELECT n, version FROM golden"))
        for change in effects.changes:
            if change.version != newest.get(change.golden.n, 0) + 1:
                strike(versions_from_a_stale_read)
            newest[change.golden.n] = change.version
        old_write(self, fence, effects, *rest)

    def reads(self: leader.Leader) -> Any:
        _counts["slices"] += 1
        if not snapshots:
            snapshots.append(sqlite3.connect(self._database.path, isolation_level=None, check_same_thread=False))
            snapshots[0].execute("BEGIN")
        elif _counts["slices"] % 4 == 0:
            snapshots[0].execute("COMMIT")
            snapshots[0].execute("BEGIN")
        snapshots[0].execute("SELECT count(*) FROM golden").fetchone()
        return Stale(old(self), leader.Reads(snapshots[0]))

    class Stale:
        def __init__(self, now: Any, before: Any) -> None:
            self._now, self._before = now, before

        def __getattr__(self, name: str) -> Any:
            return getattr(self._before if name in ("sources", "matches", "members") else self._now, name)

    patch(leader.Leader, "reads", reads)
    patch(leader.Leader, "write", write)


@trap
def apply_waits() -> None:
    """Nothing is applied until the test says so."""
    old = applying.Apply._carry_out

    def carry_out(self: applying.Apply, part: Any) -> None:
        while not (_home / "go").exists():
            time.sleep(0.005)
        old(self, part)

    patch(applying.Apply, "_carry_out", carry_out)


@trap
def two_leaders() -> None:
    """Another one takes the lead; the first has not heard of it, and works on with what it has decoded."""
    old = applying.Apply._carry_out
    seconds: list[applying.Apply] = []
    begun = threading.Event()

    def take_over(flow: Any, first: applying.Apply) -> None:
        hears = first._applied, first._live, first._crowded
        second = applying.Apply(flow.store, first._pool, first._revision, first._rules, *hears, first._clock)
        second.fence = taken_over("apply")
        seconds.append(second)
        flow.apply = second
        flow._jobs.start("apply-second", second.run)

    def carry_out(self: applying.Apply, part: Any) -> None:
        _counts["slices"] += 1
        if _hub is not None and _counts["slices"] >= 10 and not seconds:
            take_over(_hub.flow, self)
            begun.wait()  # both have read the same, and nothing of it is written
            strike(two_leaders)
        elif self in seconds:
            begun.set()
        old(self, part)

    patch(applying.Apply, "_carry_out", carry_out)


@bug
def no_fence() -> None:
    """Nobody asks whose lease it is."""
    patch(leases, "check", lambda *_: None)
    patch(applying.Apply, "forget", lambda _: None)
    write, settle = applying.Apply._write, delivery.Reader.settle
    workers: dict[Hashable, Any] = {}

    def done(worker: Any, work: Iterable[Hashable]) -> None:
        if {workers.setdefault(each, worker) for each in work} - {worker}:  # somebody else has done it too
            strike(no_fence)

    def write_(self: applying.Apply, part: Any) -> None:
        write(self, part)
        done(self, [(row.message, row.number) for row in part.rows])

    def settle_(self: delivery.Reader, seqs: Sequence[int], settlement: Any) -> None:
        settle(self, seqs, settlement)
        done(self, [(self.name, seq) for seq in seqs])

    patch(applying.Apply, "_write", write_)
    patch(delivery.Reader, "settle", settle_)


# -- delivering


@trap
def two_readers() -> None:
    """Another process takes each subscription over; its first reader, which has just sent something, works on."""
    old = delivery.Reader.settle
    taken: set[str] = set()
    turn = threading.Lock()

    def settle(self: delivery.Reader, seqs: Any, settlement: Any) -> None:
        with turn:
            if _hub is not None and seqs and self.name not in taken:
                taken.add(self.name)
                patch(_hub.flow, "_lease", taken_over)
                jobs = _hub.flow._jobs._jobs
                jobs[f"first-{self.name}"] = jobs.pop(f"reader-{self.name}")  # it is drained as well
                _hub.flow._read(self.name)
                if taken == set(_hub.flow.setup.routes):
                    strike(two_readers)
        old(self, seqs, settlement)

    patch(delivery.Reader, "settle", settle)


@trap
def crash_before_a_send() -> None:
    """The hub dies as a batch is about to leave."""
    old = lane.Lane._deliver

    def deliver(self: lane.Lane, batch: Any, step: Any) -> None:
        die(crash_before_a_send, 12)
        old(self, batch, step)

    patch(lane.Lane, "_deliver", deliver)


@bug
def mark_moved_before_the_send() -> None:
    """The batch is settled, then sent."""
    old = lane.Lane._deliver

    def deliver(self: lane.Lane, batch: Any, step: Any) -> None:
        first = Step()
        for outgoing in batch:
            self._settle(first, outgoing, "delivered")
        self._write(first)
        strike(mark_moved_before_the_send)
        step.settled += first.settled
        old(self, batch, Step())

    patch(lane.Lane, "_deliver", deliver)


def taking(alter: Callable[[Outgoing], Outgoing | None]) -> None:
    """What a reader takes from the log is altered, or left out."""
    old = ahead.Ahead.take

    def take(self: ahead.Ahead, after: int, head: int) -> Any:
        block = old(self, after, head)
        return block and block._replace(matched=[found for each in block.matched if (found := alter(each))])

    patch(ahead.Ahead, "take", take)


@bug
def reader_skips_a_change() -> None:
    """The reader's cursor passes over a change now and then."""
    taking(lambda found: found if found.item.seq % 23 else None)
    settle = delivery.Reader.settle

    def settle_(self: delivery.Reader, seqs: Any, settlement: Any) -> None:
        settle(self, seqs, settlement)
        if self.name == "drops" and settlement.mark >= 23:  # it gets all, and refuses nothing
            strike(reader_skips_a_change)

    patch(delivery.Reader, "settle", settle_)


@trap
def slow_sends() -> None:
    """A send takes its time, now longer, now shorter."""
    old = http.WebhookSink.send

    def send(self: http.WebhookSink, batch: Any) -> None:
        strike(slow_sends)
        time.sleep(0.02 * (batch.items[0].seq % 4))
        old(self, batch)

    patch(http.WebhookSink, "send", send)


def strikes_by_overtaking(seed: Callable[[], None]) -> None:
    """The bug has struck when a change has come after a later one of its key, for sure."""
    old = http.WebhookSink.send
    newest: dict[tuple[str, str], int] = {}

    def send(self: http.WebhookSink, batch: Any) -> None:
        late = any(newest.get((batch.subscription, item.key), 0) > item.version for item in batch.items)
        old(self, batch)
        for item in batch.items:
            newest[batch.subscription, item.key] = max(item.version, newest.get((batch.subscription, item.key), 0))
        if late:
            strike(seed)

    patch(http.WebhookSink, "send", send)


@bug
def one_key_on_two_lanes() -> None:
    """Changes go to lanes by position, not by key."""
    taking(lambda found: found._replace(golden=found.item.seq))
    strikes_by_overtaking(one_key_on_two_lanes)


@bug
def later_change_before_the_refused_one() -> None:
    """A refused key is parked, and its later changes go on."""
    patch(parking.Parking, "__contains__", lambda *_: False)
    strikes_by_overtaking(later_change_before_the_refused_one)


@trap
def crash_with_open_positions() -> None:
    """The hub dies when the lake's subscription has settled changes beyond open ones, of which some were never on their way."""
    slow_sends()
    old = lane.Lane._write

    def write(self: lane.Lane, step: Step) -> None:
        waits = any(outgoing.golden not in self._parking for outgoing in list(self._queue))
        old(self, step)
        _, beyond = self._reader.ledger.settle(())
        if self._reader.name == "lake" and step.settled and waits and beyond:
            die(crash_with_open_positions)

    patch(lane.Lane, "_write", write)


@bug
def settled_ranges_too_far() -> None:
    """Whatever was read counts as settled."""

    def ranges(self: ledger.Ledger, mark: int) -> list[tuple[int, int]]:
        strike(settled_ranges_too_far)
        return [(mark + 1, self._head)]

    patch(ledger.Ledger, "_ranges", ranges)
