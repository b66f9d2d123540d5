"""What every door must do; the one in memory, which other tests lean on, is judged as the real one is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import pytest

from adapters.contract import Door, FileIdentity
from schemas import errors
from schemas.envelope import Message, Receipt
from tests.adapters.doors import MemoryDoor


class Make(Protocol):
    """Opens a door."""

    def __call__(self) -> AbstractContextManager[Door]: ...


@contextmanager
def _memory() -> Iterator[Door]:
    yield MemoryDoor()


DOORS: dict[str, Make] = {"memory": _memory}


@pytest.fixture(params=sorted(DOORS))
def door(request: pytest.FixtureRequest) -> Iterator[Door]:
    """Every door."""
    with DOORS[request.param]() as one:
        yield one


def message(number: int, body: bytes = b"{}", ident: str | None = "") -> Message:
    """A message of the feed crm/rows."""
    return Message("crm", "rows", f"m{number}" if ident == "" else ident, body, "application/json")


def test_one_answer_for_each_message_in_turn(door: Door) -> None:
    """Receipts are places in the inbox: they grow."""
    answers = door.receive([message(1), message(2)])
    assert [type(answer) for answer in answers] == [Receipt, Receipt]
    ids = [answer.id for answer in answers if isinstance(answer, Receipt)]
    assert ids == sorted(set(ids))


def test_the_same_id_and_body_is_one_message(door: Door) -> None:
    """The same receipt, marked duplicate; within one call too."""
    first, again = door.receive([message(1), message(1)])
    (third,) = door.receive([message(1)])
    assert isinstance(first, Receipt)
    assert [first.duplicate, again, third] == [False, Receipt(first.id, duplicate=True), Receipt(first.id, duplicate=True)]


def test_the_same_id_with_another_body_is_refused(door: Door) -> None:
    """And the first stays."""
    door.receive([message(1)])
    (answer,) = door.receive([message(1, b'{"other": 1}')])
    assert isinstance(answer, errors.IdConflict)


def test_without_an_id_every_copy_is_new(door: Door) -> None:
    """Active, suspended, active again must arrive as three."""
    answers = door.receive([message(1, ident=None), message(1, ident=None)])
    assert len({answer.id for answer in answers if isinstance(answer, Receipt)}) == 2


def test_stored_ids_are_known(door: Door) -> None:
    """Per feed: another's id is another."""
    door.receive([message(1)])
    assert door.stored("crm", "rows", ["m1", "m2"]) == {"m1"}
    assert door.stored("crm", "others", ["m1"]) == set()


def test_a_parked_message_has_a_receipt(door: Door) -> None:
    """Nothing is dropped without a row that says so."""
    assert isinstance(door.park(message(1), errors.Undecodable("bad")), Receipt)


def test_a_file_is_new_then_resumed_then_done(door: Door) -> None:
    """A claim is for one file as it was: another time or size is another file."""
    one, other = (FileIdentity("crm", "rows/a.txt", 10, mtime, "ab") for mtime in (1, 2))
    assert [door.files.claim(one), door.files.claim(one)] == ["new", "resume"]
    door.files.progress(one, rows=1, total=2)
    door.files.finish(one, rows=2)
    assert [door.files.claim(one), door.files.claim(other)] == ["done", "new"]


def test_alarms_may_be_said_and_cleared_again(door: Door) -> None:
    """Twice the same is once; clearing what is not there is nothing."""
    door.files.alarm("crm", "a.txt", "still growing")
    door.files.alarm("crm", "a.txt", "still growing")
    door.files.clear("crm", "a.txt")
    door.files.clear("crm", "a.txt")
