"""Delivery, rule by rule: order for each key, refused keys parked, failing endpoints waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from adapters import contract
from routes import lane
from schemas import errors
from schemas.envelope import Mapped
from tests.routes.peers import Crash
from tests.routes.yard import Yard

Make = Callable[..., Yard]


def test_every_change_arrives_in_the_order_of_the_log(yard: Make) -> None:
    """With event id, key and version, in batches named by their first position."""
    one = yard(batch=2)
    for name in "abc":
        one.change("1", name=name)
    one.work()
    assert [(item.seq, item.version, item.event) for item in one.receiver.taken] == [(1, 1, "enter"), (2, 2, "update"), (3, 3, "update")]
    key = one.receiver.taken[0].key
    assert [item.id for item in one.receiver.taken] == [f"{key}.1", f"{key}.2", f"{key}.3"]
    assert [batch.name for batch in one.receiver.batches] == ["peer-000000000001", "peer-000000000003"]
    assert [body["name"] for body in one.receiver.bodies()] == ["a", "b", "c"]
    assert (one.tallies(), one.progress()) == ({"matched": 3, "delivered": 3}, (3, []))


def test_a_refused_key_delays_nothing_but_itself(yard: Make) -> None:
    """Its later changes wait behind it, in order; everybody else's go on, and the mark moves over it."""
    one = yard()
    one.receiver.refuse(1)
    one.change("1", name="a")
    one.change("2", name="a")
    one.change("1", name="b")
    one.change("2", name="b")
    one.work()
    assert one.receiver.seqs == [2, 4]
    assert one.letters() == [("waiting", 1, 3, 2)]
    assert (one.tallies(), one.progress()) == ({"matched": 4, "delivered": 2, "pending": 2}, (4, []))
    one.receiver.refuse()
    one.later(2)
    assert one.receiver.seqs == [2, 4, 1, 3]
    assert (one.tallies(), one.letters()) == ({"matched": 4, "delivered": 4}, [])


def test_a_key_gets_on_as_far_as_it_is_taken(yard: Make) -> None:
    """Refused again at a later change it waits from there."""
    one = yard()
    one.receiver.refuse(1, 2)
    for name in "abc":
        one.change("1", name=name)
    one.work()
    one.receiver.refuse(2)
    one.later(2)
    assert (one.receiver.seqs, one.letters()) == ([1], [("waiting", 2, 3, 2)])
    assert one.tallies() == {"matched": 3, "delivered": 1, "pending": 2}


def test_the_endpoint_failing_in_between_keeps_what_was_delivered(yard: Make) -> None:
    """The rest of the key goes on from there, and nothing comes twice."""
    one = yard()
    one.receiver.refuse(1)
    for name in "abc":
        one.change("1", name=name)
    one.work()

    def down(batch: contract.Batch) -> None:
        if batch.items[0].seq == 2:
            raise errors.EndpointDown

    one.receiver.answer = down
    one.later(2)
    assert one.letters() == [("waiting", 2, 3, 2)]
    one.receiver.refuse()
    one.later(3)
    assert one.receiver.seqs == [1, 2, 3]
    assert one.tallies() == {"matched": 3, "delivered": 3}


def test_a_batch_is_halved_until_the_refused_one_is_found(yard: Make) -> None:
    """One of sixteen: the others arrive, in their order, and only it is parked."""
    one = yard(batch=16)
    one.receiver.refuse(11)
    for key in range(16):
        one.change(str(key), name="a")
    one.work()
    assert one.receiver.seqs == [seq for seq in range(1, 17) if seq != 11]
    assert one.letters() == [("waiting", 11, 11, 1)]
    assert len(one.receiver.tried) == 9


def test_what_stands_in_the_same_batch_behind_a_refused_one_waits(yard: Make) -> None:
    """No later version overtakes; it is counted once."""
    one = yard(batch=10)
    one.receiver.refuse(1)
    for key in "1213141":
        one.change(key, name=str(one.store.subscriptions.head()))
    one.work()
    assert one.receiver.seqs == [2, 4, 6]
    assert one.letters() == [("waiting", 1, 7, 4)]
    assert one.tallies() == {"matched": 7, "delivered": 3, "pending": 4}
    one.receiver.refuse()
    one.later(2)
    assert one.receiver.seqs == [2, 4, 6, 1, 3, 5, 7]


def test_retries_wait_longer_each_time_with_full_jitter(yard: Make) -> None:
    """Between nothing and twice as long as before, at most `longest`."""
    one = yard(retry={"first": "2s", "longest": "10s"})
    one.receiver.refuse(1)
    one.change("1", name="a")
    one.work()
    pauses = []
    for _ in range(5):
        [parked] = one.store.subscriptions.parked("peer")
        assert parked.due_at is not None
        pauses.append((parked.due_at - one.now) / 1_000_000)
        one.now = parked.due_at
        one.work()
    assert pauses == [2, 4, 8, 10, 10]
    one.dice = lambda: 0.25
    one.later(10)
    [parked] = one.store.subscriptions.parked("peer")
    assert parked.due_at == one.now + 2_500_000


def test_after_giving_up_a_key_is_dead_until_a_person_has_it_tried(yard: Make) -> None:
    """What comes behind it waits and is counted as dead; tried again, all of it arrives."""
    one = yard(retry={"first": "2s", "longest": "2s", "give_up": "5s"})
    one.receiver.refuse(1)
    one.change("1", name="a")
    for _ in range(4):
        one.later(2)
    one.change("1", name="b")
    one.later(100)
    assert (one.letters(), one.tallies()) == ([("dead", 1, 2, 2)], {"matched": 2, "dead": 2})
    one.receiver.refuse()
    one.later(100)
    assert one.receiver.seqs == []
    [letter] = one.store.letters.select(state="dead", filters={}, limit=9)
    one.store.letters.retry(letter.id, "repaired", one.now)
    one.work()
    assert (one.receiver.seqs, one.tallies()) == ([1, 2], {"matched": 2, "delivered": 2})


def test_a_discarded_key_starts_afresh_with_its_next_change(yard: Make) -> None:
    """What was discarded stays counted as dead."""
    one = yard()
    one.receiver.refuse(1)
    one.change("1", name="a")
    one.work()
    [letter] = one.store.letters.select(state="waiting", filters={}, limit=9)
    one.store.letters.discard(letter.id, "not wanted", one.now)
    one.change("1", name="b")
    one.work()
    assert (one.receiver.seqs, one.tallies()) == ([2], {"matched": 2, "delivered": 1, "dead": 1})


def test_a_letter_holds_what_was_refused_and_why(yard: Make) -> None:
    """The payload as it was sent, the answer, how often it was tried."""
    one = yard()
    one.receiver.refuse(1)
    one.change("1", name="a")
    one.work()
    one.later(2)
    [letter] = one.store.letters.select(state="waiting", filters={"subscription": "peer"}, limit=9)
    assert (letter.stage, letter.code, letter.attempts, letter.golden_id) == ("deliver", "Refused", 2, one.desk.id_of("1"))
    assert b'"name":"a"' in (letter.payload or b"").replace(b" ", b"")
    assert "not like this" in letter.reason


def test_a_dead_endpoint_opens_the_breaker_and_parks_nothing(yard: Make) -> None:
    """Everything waits; the pause grows, is stored, and raises an alarm; with the first success all is as before."""
    one = yard(retry={"first": "2s", "longest": "2h"})

    def down(batch: contract.Batch) -> None:
        raise errors.EndpointDown("connection refused")

    one.receiver.answer = down
    one.change("1", name="a")
    one.change("2", name="a")
    one.work()
    assert (one.letters(), one.tallies(), len(one.receiver.tried)) == ([], {}, 1)
    one.later(1)
    assert len(one.receiver.tried) == 1
    one.later(1)
    one.later(3)
    assert len(one.receiver.tried) == 2
    [progress] = one.store.subscriptions.all()
    assert (progress.failures, progress.retry_at) == (2, one.now + 1_000_000)
    assert [alarm["kind"] for alarm in one.store.alarms.active()] == ["subscriber"]
    one.receiver.refuse()
    one.start()
    one.work()
    assert one.receiver.seqs == []
    one.later(1)
    assert (one.receiver.seqs, one.store.alarms.active()) == ([1, 2], [])
    assert one.store.subscriptions.all()[0].failures == 0


def test_the_endpoint_says_how_long_to_wait(yard: Make) -> None:
    """408, 425, 429 with Retry-After."""
    one = yard()

    def throttled(batch: contract.Batch) -> None:
        raise errors.Throttled("slow down", after=30.0)

    one.receiver.answer = throttled
    one.change("1", name="a")
    one.work()
    assert one.reader.retry_at == one.now + 30_000_000


def test_lanes_that_meet_the_same_failure_count_it_once(yard: Make) -> None:
    """Four lanes on a dead endpoint do not make the pause sixteen times as long."""
    one = yard(concurrency=4)
    failing = threading.Barrier(4)

    def down(batch: contract.Batch) -> None:
        failing.wait(5)
        raise errors.EndpointDown

    one.receiver.answer = down
    for key in range(8):
        one.change(str(key), name="a")
    one.reader._fill()
    threads = [threading.Thread(target=lane.step) for lane in one.reader.lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert one.reader.failures == 1


def test_a_sink_that_breaks_is_waited_for(yard: Make) -> None:
    """A mistake in an adapter says nothing about the content: nothing is parked, nothing is lost."""
    one = yard()

    def broken(batch: contract.Batch) -> None:
        raise KeyError("oops")

    one.receiver.answer = broken
    one.change("1", name="a")
    one.work()
    assert (one.letters(), one.reader.failures) == ([], 1)
    one.receiver.refuse()
    one.later(3)
    assert one.receiver.seqs == [1]


@pytest.mark.parametrize(("error", "state"), [(errors.Gone, "disabled"), (errors.Forbidden, "paused")])
def test_what_a_person_has_to_change_stops_the_subscription(yard: Make, error: type[errors.Stop], state: str) -> None:
    """410 disables; with an alarm, and nothing parked; resumed it goes on where it stopped."""
    one = yard()

    def answer(batch: contract.Batch) -> None:
        raise error("not any more")

    one.receiver.answer = answer
    one.change("1", name="a")
    one.work()
    one.receiver.refuse()
    one.later(100)
    assert (one.receiver.seqs, one.letters(), one.store.subscriptions.all()[0].state) == ([], [], state)
    assert len(one.store.alarms.active()) == 1
    one.store.subscriptions.set_state("peer", "active", "")
    one.work()
    assert one.receiver.seqs == [1]


def test_many_refusals_pause_the_subscription(yard: Make) -> None:
    """More than 20 of the last 100: something is wrong at large."""
    one = yard()
    one.receiver.refuse(*range(81, 200))
    for key in range(120):
        one.change(str(key), name="a")
    one.work()
    assert one.store.subscriptions.all()[0].state == "paused"
    assert len(one.letters()) == 21
    assert [alarm["kind"] for alarm in one.store.alarms.active()] == ["subscriber"]


def test_some_refusals_pause_nothing(yard: Make) -> None:
    """20 of 100 are parked one by one."""
    one = yard()
    one.receiver.refuse(*range(1, 121, 5))
    for key in range(120):
        one.change(str(key), name="a")
    one.work()
    assert (one.store.subscriptions.all()[0].state, len(one.letters())) == ("active", 24)


def test_the_newest_is_enough_in_latest_mode(yard: Make) -> None:
    """What it supersedes is counted; the first that arrives of a key is its entering."""
    one = yard(mode="latest", batch=10)
    for name in "abc":
        one.change("1", name=name)
    one.change("2", name="a")
    one.work()
    assert [(item.seq, item.event) for item in one.receiver.taken] == [(3, "enter"), (4, "enter")]
    assert [body["event"] for body in one.receiver.bodies()] == ["enter", "enter"]
    assert one.tallies() == {"matched": 4, "delivered": 2, "superseded": 2}


def test_an_entering_that_was_superseded_is_not_forgotten_by_a_restart(yard: Make) -> None:
    """The superseded is settled with what supersedes it, not before."""
    one = yard(mode="latest")
    one.change("1", name="a")
    one.change("1", name="b")

    def down(batch: contract.Batch) -> None:
        raise errors.EndpointDown

    one.receiver.answer = down
    one.work()
    assert one.tallies() == {}
    one.receiver.refuse()
    one.start()
    one.later(3)
    assert [(item.seq, item.event) for item in one.receiver.taken] == [(2, "enter")]


def test_a_refused_key_sends_its_newest_in_latest_mode(yard: Make) -> None:
    """As its entering, if it never entered; one that was given up gets another chance by a newer change."""
    one = yard(mode="latest", retry={"first": "2s", "longest": "2s", "give_up": "3s"})
    one.receiver.refuse(1, 2, 3)
    one.change("1", name="a")
    one.work()
    one.change("1", name="b")
    one.later(2)
    one.later(2)
    assert (one.letters(), one.tallies()) == ([("dead", 1, 2, 2)], {"matched": 2, "dead": 2})
    one.change("1", name="c")
    one.work()
    assert (one.letters(), one.tallies()) == ([("waiting", 1, 3, 3)], {"matched": 3, "pending": 3})
    one.change("1", name="d")
    one.work()
    one.later(2)
    assert [(item.seq, item.event) for item in one.receiver.taken] == [(4, "enter")]
    assert one.tallies() == {"matched": 4, "delivered": 1, "superseded": 3}


def test_a_pace_gathers_what_comes_meanwhile(yard: Make) -> None:
    """`every` is for files: one at a time, with all that waits."""
    one = yard(batch=100, every="50ms")
    one.change("1", name="a")
    one.work()
    one.change("2", name="a")
    one.change("3", name="a")
    one.work()
    assert one.receiver.seqs == [1]
    time.sleep(0.06)
    one.work()
    assert [len(batch.items) for batch in one.receiver.batches] == [1, 2]


def test_a_full_batch_does_not_wait_for_its_time(yard: Make) -> None:
    """Behind a backlog the files follow one another at once; the last, which is not full, comes in its time."""
    one = yard(batch=2, every="1h")
    for number in range(5):
        one.change(str(number), name="a")
    one.work()
    assert [len(batch.items) for batch in one.receiver.batches] == [2, 2]


def test_what_is_superseded_fills_no_batch(yard: Make) -> None:
    """In `latest` mode keys are counted, not their changes."""
    one = yard(mode="latest", batch=2, every="1h")
    one.change("1", name="a")
    one.work()
    for name in "abcd":
        one.change("2", name=name)
    one.work()
    assert one.receiver.seqs == [1]
    one.change("3", name="a")
    one.work()
    assert one.receiver.seqs == [1, 5, 6]


def test_a_value_that_the_format_cannot_hold_parks_its_key(yard: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others of its batch go out."""
    one = yard(batch=10)
    part, join = one.outbound.format.part, one.outbound.format.join

    def narrow(record: Mapped) -> Any:
        if "ß" in str(record):
            raise errors.Unencodable("ß")
        return part(record)

    parts = {"part": staticmethod(narrow), "join": staticmethod(join), "content_type": "x"}
    monkeypatch.setattr(one.outbound, "format", type("Narrow", (), parts))
    for key, name in enumerate(["a", "ß", "c"]):
        one.change(str(key), name=name)
    one.work()
    assert (one.receiver.seqs, one.letters()) == ([1, 3], [("waiting", 2, 2, 1)])


@pytest.mark.parametrize("mode", ["history", "latest"])
def test_what_was_on_its_way_goes_first_when_the_endpoint_is_back(yard: Make, mode: str) -> None:
    """In its order, before what has come meanwhile; in `latest` mode unless something newer has come."""
    one = yard(batch=3, mode=mode)

    def down(batch: contract.Batch) -> None:
        raise errors.EndpointDown

    one.receiver.answer = down
    for key in "1232":
        one.change(key, name=str(one.store.subscriptions.head()))
    one.work()
    one.change("1", name="newer")
    one.receiver.refuse()
    one.later(3)
    assert one.receiver.seqs == ([1, 2, 3, 4, 5] if mode == "history" else [3, 4, 5])


def test_a_condition_that_does_not_fit_parks_its_key(yard: Make) -> None:
    """A filter that compares what cannot be compared is about that record, and stops no other."""
    one = yard(filter={"customer": "new.level > 3"})
    one.change("1", name="a", level="gold")
    one.change("2", name="a", level=5)
    one.work()
    assert (one.receiver.seqs, one.letters()) == ([2], [("waiting", 1, 1, 1)])
    [letter] = one.store.letters.select(state="waiting", filters={}, limit=9)
    assert "does not fit" in letter.reason


@pytest.mark.parametrize("when", ["answer", "afterwards"])
def test_a_crash_around_the_send_skips_nothing(yard: Make, when: str) -> None:
    """What was sent and is not written yet comes again, under the same names."""
    one = yard(batch=2)

    def die(batch: contract.Batch) -> None:
        if 3 in [item.seq for item in batch.items]:
            raise Crash

    setattr(one.receiver, when, die)
    for key in range(5):
        one.change(str(key), name="a")
    with pytest.raises(Crash):
        one.work()
    setattr(one.receiver, when, lambda batch: None)
    one.start()
    one.work()
    again = [3, 4] if when == "afterwards" else []
    assert one.receiver.seqs == [1, 2, *again, 1, 2, 3, 4, 5]
    assert one.tallies() == {"matched": 5, "delivered": 5}
    names = [batch.name for batch in one.receiver.batches]
    assert len(set(names)) == 3


@pytest.mark.parametrize("why", ["many", "late", "receiver"])
def test_what_is_sent_is_written_before_a_crash_would_repeat_much(yard: Make, monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    """After so many records, after so long; at once where the receiver would do twice what comes twice."""
    one = yard(batch=2)
    if why == "many":
        monkeypatch.setattr(lane, "_UNWRITTEN", 2)
    if why == "late":
        monkeypatch.setattr(lane, "_UNWRITTEN_FOR", 0.0)
    if why == "receiver":
        one.receiver.idempotent = "no"

    def die(batch: contract.Batch) -> None:
        if 5 in [item.seq for item in batch.items]:
            raise Crash

    one.receiver.answer = die
    for key in range(5):
        one.change(str(key), name="a")
    with pytest.raises(Crash):
        one.work()
    assert (one.receiver.seqs, one.progress()) == ([1, 2, 3, 4], (4, []))


def test_a_slow_lane_holds_the_mark_and_not_the_others(yard: Make) -> None:
    """What the others settled beyond it is stored as ranges, and a restart sends only what is open."""
    one = yard(concurrency=2)
    for key in range(6):
        one.change(str(key), name="a")
    one.reader._looked = 0.0
    one.reader._fill()
    while one.reader.lanes[0].step():
        pass
    assert one.receiver.seqs == [2, 4, 6]
    assert one.progress() == (0, [(2, 2), (4, 4), (6, 6)])
    one.start()
    one.work()
    assert one.receiver.seqs == [2, 4, 6, 1, 3, 5]
    assert (one.progress(), one.tallies()) == ((6, []), {"matched": 6, "delivered": 6})


def test_a_key_keeps_to_its_lane(yard: Make) -> None:
    """So that no two of one key are ever on their way at once."""
    one = yard(concurrency=3)
    for turn in range(4):
        for key in range(5):
            one.change(str(key), name=str(turn))
    one.work()
    versions: dict[str, list[int]] = {}
    for item in one.receiver.taken:
        versions.setdefault(item.key, []).append(item.version)
    assert list(versions.values()) == [[1, 2, 3, 4]] * 5


def test_what_matches_nothing_moves_the_mark_when_all_is_quiet(yard: Make) -> None:
    """So that a restart need not read it again."""
    one = yard(entities=["account"])
    for key in range(5):
        one.change(str(key), name="a")
    one.work()
    assert (one.receiver.seqs, one.progress()) == ([], (5, []))


def test_every_delivery_leaves_a_row(yard: Make) -> None:
    """First and last position, count, outcome, attempts, revision, times: when did any change reach any subscriber."""
    one = yard(batch=4)
    one.receiver.refuse(2)
    for key in range(3):
        one.change(str(key), name="a")
    one.work()
    found = [(each.first_seq, each.last_seq, each.records, each.outcome) for _, each in one.store.subscriptions.deliveries(1, 3)]
    assert found == [(1, 1, 1, "delivered"), (2, 2, 1, "refused"), (3, 3, 1, "delivered")]


@pytest.mark.parametrize("pressed", [False, True])
@pytest.mark.parametrize("lanes", [1, 3])
def test_a_reader_runs_until_it_is_stopped(yard: Make, lanes: int, *, pressed: bool) -> None:
    """Rung by the log, or looking by itself; while apply is behind it stands back, and yet goes on."""
    one = yard(concurrency=lanes)
    one.pressed = pressed
    stop = threading.Event()
    thread = threading.Thread(target=one.reader.run, args=(stop,))
    thread.start()
    for key in range(20):
        one.change(str(key), name="a")
        one.reader.ring()
    until = time.monotonic() + 10
    while len(one.receiver.taken) < 20 and time.monotonic() < until:
        time.sleep(0.01)
    stop.set()
    one.reader.ring()
    thread.join(5)
    assert not thread.is_alive()
    assert sorted(one.receiver.seqs) == list(range(1, 21))


def test_a_reader_that_lost_its_lease_ends_with_all_its_lanes(yard: Make) -> None:
    """It raises, and leaves no thread behind that would go on sending."""
    one = yard(concurrency=3)
    for key in range(9):
        one.change(str(key), name="a")
    one.store.leases.take("reader:peer", "another", 0, 2**60, force=True)
    before = threading.active_count()
    with pytest.raises(errors.FenceLost):
        one.reader.run(threading.Event())
    assert threading.active_count() == before
    assert one.tallies() == {}
