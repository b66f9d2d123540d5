"""What every source must do, whatever it speaks."""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
import time
from collections.abc import Iterator

import pytest

from adapters import contract
from schemas import errors
from tests.adapters.doors import Crash, MemoryDoor
from tests.conformance import kits
from tests.services import wait_for

BODIES = [b"%d|%d\n" % (number, number * 10) for number in range(7)]


@contextlib.contextmanager
def running(source: contract.Source, door: MemoryDoor) -> Iterator[list[BaseException]]:
    """Runs in a thread until the block ends; then it must stop soon."""
    stop, ended = threading.Event(), list[BaseException]()

    def work() -> None:
        try:
            source.run(door, stop)
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield ended
    finally:
        stop.set()
        thread.join(5)
        alive = thread.is_alive()
        source.close()
        assert not alive, "the source did not stop within 5 s"


def test_everything_arrives_in_order_and_is_acknowledged(source: kits.SourceKit) -> None:
    """All of it, once each, and nothing is left at the peer."""
    door = MemoryDoor()
    source.put(BODIES)
    with running(source.make(), door):
        wait_for(lambda: len(door.messages) >= len(BODIES) and source.left() == 0)
    assert door.bodies == BODIES
    assert {(message.source, message.feed) for message in door.messages} == {("peer", "in")}


def test_nothing_is_acknowledged_before_the_commit(source: kits.SourceKit) -> None:
    """Died before the commit: the peer still has it, and the next run brings all of it."""
    door = MemoryDoor()
    source.put(BODIES)

    def die() -> None:
        raise Crash

    door.before = die
    with running(source.make(), door) as ended:
        wait_for(lambda: ended)
    wait_for(lambda: source.left() == len(BODIES), what="all being there again")
    door.before = lambda: None
    with running(source.make(), door):
        wait_for(lambda: len(door.messages) >= len(BODIES) and source.left() == 0)
    assert sorted(door.bodies) == BODIES


def test_what_was_committed_but_not_acknowledged_is_known_again(source: kits.SourceKit) -> None:
    """Died after the commit: it comes again under the same id, so that it is stored once."""
    door = MemoryDoor()
    source.put(BODIES)
    crashes = iter([None, Crash(), Crash()])

    def die_later() -> None:
        if error := next(crashes, None):
            raise error

    door.after = die_later
    for _ in range(3):
        with running(source.make(), door) as ended:
            wait_for(functools.partial(_over, ended, source))
    with running(source.make(), door):
        wait_for(lambda: source.left() == 0 and len(door.messages) >= len(BODIES))
    assert sorted(door.bodies) == BODIES


def _over(ended: list[BaseException], source: kits.SourceKit) -> bool:
    return bool(ended) or source.left() == 0


def test_an_unknown_outcome_is_tried_again(source: kits.SourceKit) -> None:
    """A commit that nobody can vouch for is no success: the run ends as `Retry`, and the peer keeps it."""
    door = MemoryDoor()
    source.put(BODIES[:1])

    def lost() -> None:
        raise errors.UnknownOutcome

    door.after = lost
    with running(source.make(), door) as ended:
        wait_for(lambda: ended)
    assert isinstance(ended[0], errors.UnknownOutcome)
    wait_for(lambda: source.left() == 1)


def test_a_refused_message_is_parked_and_blocks_nothing(source: kits.SourceKit) -> None:
    """One poisonous message delays nothing but itself."""
    door = MemoryDoor()
    door.refuse = lambda message: errors.Undecodable("poison") if message.body == BODIES[3] else None
    source.put(BODIES)
    with running(source.make(), door):
        wait_for(lambda: source.left() == 0 and len(door.messages) == len(BODIES) - 1 and door.parked)
    assert door.bodies == BODIES[:3] + BODIES[4:]
    assert [(message.body, reason.code) for message, reason in door.parked] == [(BODIES[3], "Undecodable")]


def test_a_busy_hub_stops_consuming(source: kits.SourceKit) -> None:
    """Over the marks nothing is taken; afterwards all of it is."""
    door = MemoryDoor()
    door.over = True
    source.put(BODIES)
    with running(source.make(), door):
        time.sleep(0.6)
        assert (door.calls, source.left()) == (0, len(BODIES))
        door.over = False
        wait_for(lambda: len(door.messages) == len(BODIES) and source.left() == 0)


def test_an_overloaded_door_is_asked_again_and_loses_nothing(source: kits.SourceKit) -> None:
    """`Overloaded` is neither acknowledged nor parked."""
    door = MemoryDoor()
    door.full = True
    source.put(BODIES)
    with running(source.make(), door):
        wait_for(lambda: door.calls >= 2)
        assert door.messages == []
        door.full = False
        wait_for(lambda: len(door.messages) == len(BODIES) and source.left() == 0)
    assert (sorted(door.bodies), door.parked) == (BODIES, [])


def test_stopping_while_overloaded_loses_nothing(source: kits.SourceKit) -> None:
    """What was taken in hand goes back."""
    door = MemoryDoor()
    door.full = True
    source.put(BODIES)
    with running(source.make(), door):
        wait_for(lambda: door.calls >= 2)
    wait_for(lambda: source.left() == len(BODIES))


def test_closing_is_harmless(source: kits.SourceKit) -> None:
    """Before a run, after it, and twice."""
    one = source.make()
    one.close()
    one.close()
    door = MemoryDoor()
    source.put(BODIES[:1])
    with running(one, door):
        wait_for(lambda: door.messages)
    one.close()
    one.close()


def test_a_ping_takes_nothing(source: kits.SourceKit) -> None:
    """One line, and everything is still there."""
    source.put(BODIES[:2])
    line = source.make().ping()
    assert "\n" not in line
    assert source.left() == 2


def test_a_peer_that_is_gone_is_a_retry(mortal_source: kits.SourceKit) -> None:
    """The hub is told, soon, and may call again."""
    source = mortal_source
    door = MemoryDoor()
    source.put(BODIES[:1])
    with running(source.make(), door) as ended:
        wait_for(lambda: door.messages)
        source.down()
        wait_for(lambda: ended)
        assert isinstance(ended[0], errors.Retry)
    with pytest.raises(errors.Retry):
        source.make().ping()


def test_no_secret_is_ever_said(source: kits.SourceKit, caplog: pytest.LogCaptureFixture) -> None:
    """Not in a log of any level of any library, nor in what is printed of the objects."""
    caplog.set_level(logging.DEBUG)
    door = MemoryDoor()
    source.put(BODIES[:1])
    one = source.make()
    with running(one, door):
        wait_for(lambda: door.messages)
    assert kits.SECRET not in caplog.text + repr(one) + repr(vars(one))
