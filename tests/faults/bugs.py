"""Bugs of the hub, seeded into its process: each breaks one promise, and the history checker must say so.

A trap is what both runs have, with the bug and without: a crash at the worst moment, a second reader, a slow subscriber.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from adapters import files, http, intake
from adapters.contract import FileIdentity
from hub import run
from master import merge
from master.sqlite import inbox, leader, leases, letters
from master.sqlite.store import SqliteStore
from routes import ahead, delivery, lane, ledger, parking, receive
from routes import apply as applying
from routes.outbound import Outgoing
from routes.step import Step
from schemas import errors
from schemas.envelope import Message, Receipt

BUGS: dict[str, Callable[[], None]] = {}
TRAPS: dict[str, Callable[[], None]] = {}
_home = Path()
_counts: dict[str, int] = {}
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


def die(name: str, after: int = 1) -> None:
    """End this process as kill -9 does, at the `after`th call, once in the life of a home."""
    _counts[name] = _counts.get(name, 0) + 1
    mark = _home / f"died-{name}"
    if _counts[name] == after and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)


# -- receiving


@trap
def crash_around_append() -> None:
    """The hub dies after the commit, before anybody is told."""
    old = receive.GroupCommit._commit

    def told_late(tell: Callable[[Any], None]) -> Callable[[Any], None]:
        def done(answers: Any) -> None:
            die("append", 10)
            tell(answers)

        return done

    def commit(self: receive.GroupCommit, group: list[Any]) -> None:
        old(self, [replace(waiting, done=told_late(waiting.done)) for waiting in group])

    patch(receive.GroupCommit, "_commit", commit)


@bug
def acknowledged_before_commit() -> None:
    """The receipt is given first; the hub dies in between."""

    def commit(self: receive.GroupCommit, group: list[Any]) -> None:
        store = self._store.inbox
        assert isinstance(store, inbox.Inbox)
        place = store._database.read().execute("SELECT coalesce(max(id), 0) + 1 FROM inbox").fetchone()[0]
        for waiting in group:
            waiting.done([Receipt(place + number) for number in range(len(waiting.messages))])
            place += len(waiting.messages)
        time.sleep(0.01)  # the answers are out
        die("append", 10)
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
        _counts["append"] = _counts.get("append", 0) + 1
        if _counts["append"] % 10 == 0:
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
            return [Receipt(10**9 + time.time_ns() % 10**9 + number) for number in range(len(messages))]

    patch(inbox.Inbox, "append", append)


@bug
def no_unique_message_ids() -> None:
    """Ids are neither looked up nor unique."""
    patch(inbox.Inbox, "_before", lambda *_: None)
    old = SqliteStore.__init__

    def init(self: SqliteStore, path: Path) -> None:
        old(self, path)
        with self._database.write() as writer:
            writer.execute("DROP INDEX IF EXISTS inbox_message")

    patch(SqliteStore, "__init__", init)


@trap
def crash_within_a_file() -> None:
    """The hub dies while a file's chunks are being stored."""
    old = intake.hand_over

    def hand_over(*args: Any) -> Any:
        die("file", 2)
        return old(*args)

    patch(intake, "hand_over", hand_over)


@bug
def file_moved_before_it_is_stored() -> None:
    """The file is moved away first."""
    old = files.FileSource._read

    def read(self: files.FileSource, door: Any, stop: Any, entry: Any, beside: Any, copy: Any) -> None:
        path = f"{self._feed.name}/{entry.shown}"
        self._move(door, entry, beside, FileIdentity(self._feed.system, path, entry.size, entry.mtime, copy.digests["sha256"]))
        time.sleep(0.1)
        old(self, door, stop, entry, beside, copy)

    patch(files.FileSource, "_read", read)


@bug
def lost_update_of_tallies() -> None:
    """Read the feed's row, think, write it back whole: BEGIN comes after the read, as ORMs do it."""
    old = inbox.Inbox.append
    names = "mark_row, applied, unchanged, stale, dead"

    def append(self: inbox.Inbox, messages: Sequence[Message], at: int) -> Any:
        before = self._database.read().execute(f"SELECT {names}, id FROM lane").fetchall()
        time.sleep(0.005)
        found = old(self, messages, at)
        self._database.run(lambda writer: writer.executemany(f"UPDATE lane SET ({names}) = (?, ?, ?, ?, ?) WHERE id = ?", before))
        return found

    patch(inbox.Inbox, "append", append)


# -- applying


@bug
def mark_past_a_record() -> None:
    """Apply's cursor passes over a message that it has not seen: `id > last` over rows that commit out of order."""
    old = inbox.Inbox.pending

    def pending(self: inbox.Inbox, place: int, after: int, limit: int, size: int) -> Any:
        return [stored for stored in old(self, place, after, limit, size) if stored.id % 17]

    patch(inbox.Inbox, "pending", pending)


@bug
def record_dropped() -> None:
    """A record that cannot be applied is left out, without a trace."""
    old = merge.Merge._row

    def row(self: merge.Merge, one: Any) -> None:
        if one.failure is None:
            old(self, one)

    patch(merge.Merge, "_row", row)


@bug
def dead_letter_not_written() -> None:
    """It is counted, and not kept."""
    patch(letters, "bury", lambda *_: None)


@bug
def applied_twice() -> None:
    """A slice is written twice, and nothing looks whether a record says anything new."""
    old = applying.Apply._write
    candidate, changed = merge.Merge._candidate, merge.Merge._changed

    def write(self: applying.Apply, part: Any) -> None:
        old(self, part)
        old(self, part)

    def blind(self: merge.Merge, new: Any, row: Any) -> str:
        return candidate(self, new._replace(digest=os.urandom(16)), row)

    def always(self: merge.Merge, golden: Any, own: bytes, origin: Any) -> str:
        return self._version(golden, "update", {}, own, origin) if golden.live else changed(self, golden, own, origin)

    patch(applying.Apply, "_write", write)
    patch(merge.Merge, "_candidate", blind)
    patch(merge.Merge, "_changed", always)


@trap
def crash_within_a_slice() -> None:
    """The hub dies between writing versions and moving the marks."""
    old = leader._settle

    def settle(writer: Any, effects: Any, *rest: Any) -> None:
        if effects.changes:  # a slice that writes no version leaves nothing behind that could be found
            die("slice", 5)
        old(writer, effects, *rest)

    patch(leader, "_settle", settle)


@bug
def marks_in_a_transaction_of_their_own() -> None:
    """Versions are committed first, marks and tallies after."""

    def write(self: leader.Leader, fence: Any, effects: Any, marks: Any, revisions: Any, at: int) -> None:
        rows = leader._Rows(effects, revisions, at)
        self._database.run(rows.write)
        self._database.run(lambda writer: leader._settle(writer, effects, marks, at))

    patch(leader.Leader, "write", write)


@bug
def versions_from_a_stale_read() -> None:
    """What is known of golden records is read from a connection that stands a few slices back."""
    old = leader.Leader.reads
    snapshots: list[sqlite3.Connection] = []

    def reads(self: leader.Leader) -> Any:
        _counts["slices"] = _counts.get("slices", 0) + 1
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


@trap
def slow_apply() -> None:
    """A slice takes its time."""
    old = applying.Apply._carry_out

    def carry_out(self: applying.Apply, part: Any) -> None:
        time.sleep(0.02)
        old(self, part)

    patch(applying.Apply, "_carry_out", carry_out)


@trap
def two_leaders() -> None:
    """Another one takes the lead; the first has not heard of it, and works on with what it has decoded."""
    old = applying.Apply.run

    def run_(self: applying.Apply, stop: threading.Event) -> None:
        def take_over() -> None:
            time.sleep(1.0)
            assert _hub is not None
            flow = _hub.flow
            second = applying.Apply(flow.store, self._pool, self._revision, self._rules, self._applied, self._live, self._clock)
            flow._holder += "-second"
            second.fence = flow._lease("apply")
            flow.apply = second
            (_home / "sprung").touch()
            old(second, stop)

        threading.Thread(target=take_over, daemon=True).start()
        old(self, stop)

    patch(applying.Apply, "run", run_)
    slow_apply()


@bug
def no_fence() -> None:
    """Nobody asks whose lease it is."""
    patch(leases, "check", lambda *_: None)
    patch(applying.Apply, "forget", lambda _: None)


# -- delivering


@trap
def two_readers() -> None:
    """Another process takes the subscriptions over; the first reader works on."""

    def take_over() -> None:
        while _hub is None:
            time.sleep(0.01)
        time.sleep(0.5)
        _hub.flow._holder += "-second"
        for name in _hub.flow.setup.routes:
            _hub.flow._read(name)
        (_home / "sprung").touch()

    threading.Thread(target=take_over, daemon=True).start()


@trap
def crash_before_a_send() -> None:
    """The hub dies as a batch is about to leave."""
    old = lane.Lane._deliver

    def deliver(self: lane.Lane, batch: Any, step: Any) -> None:
        die("send", 12)
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


@trap
def slow_sends() -> None:
    """A send takes its time, now longer, now shorter."""
    old = http.WebhookSink.send

    def send(self: http.WebhookSink, batch: Any) -> None:
        time.sleep(0.02 * (batch.items[0].seq % 4))
        old(self, batch)

    patch(http.WebhookSink, "send", send)


@bug
def one_key_on_two_lanes() -> None:
    """Changes go to lanes by position, not by key."""
    taking(lambda found: found._replace(golden=found.item.seq))


@bug
def later_change_before_the_refused_one() -> None:
    """A refused key is parked, and its later changes go on."""
    patch(parking.Parking, "__contains__", lambda *_: False)


@trap
def crash_with_open_positions() -> None:
    """The hub dies when a subscription has settled changes beyond open ones."""
    slow_sends()
    old = delivery.Reader.settle

    def settle(self: delivery.Reader, seqs: Any, settlement: Any) -> None:
        old(self, seqs, settlement)
        if self.name == "lake" and settlement.settled and len(self.ledger) > 5:
            die("open")

    patch(delivery.Reader, "settle", settle)


@bug
def settled_ranges_too_far() -> None:
    """Whatever was read counts as settled."""
    patch(ledger.Ledger, "_ranges", lambda self, mark: [(mark + 1, self._head)])
