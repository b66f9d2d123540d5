"""How a source hands messages to the door when nobody is there to hear a refusal: wait while it is full, park what it refuses."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TypeVar

from adapters.contract import Door
from schemas import errors
from schemas.envelope import Message

PATIENCE = 0.5  # seconds between tries while the hub is over its marks

T = TypeVar("T")
Wait = Callable[[float], bool]


def hand_over(door: Door, messages: Sequence[Message], wait: Wait) -> bool:
    """True once every message is stored or parked; False if `wait(seconds)` said that it is time to stop.

    What the door took before the stop is taken; sending it again is harmless where messages have ids. Raises `UnknownOutcome`.
    """
    answers = _until(lambda: door.receive(messages), wait)
    if answers is None:
        return False
    refused = [(message, answer) for message, answer in zip(messages, answers, strict=True) if isinstance(answer, errors.Reject)]
    return all(_until(functools.partial(door.park, message, reason), wait) is not None for message, reason in refused)


def _until(work: Callable[[], T], wait: Wait) -> T | None:
    while True:
        try:
            return work()
        except errors.Overloaded as full:
            if wait(full.after or PATIENCE):
                return None
