"""Pace under load: work in few large batches instead of many small ones, without making a lone record wait.

Measured: a batch costs as much as fifty records before it has done any, and a hand-over between threads of one interpreter as much as
one. So work rests after a batch, the longer the more was in it and the longer it took: at a few hundred records a second that is next to
nothing, and from about two thousand on batches grow until the rest is at its limit.
"""

from __future__ import annotations

import threading

MANY = 12  # that wait at the same time: more is on its way
_ASIDE = 0.5  # seconds, at most, that something stands back
_EACH = 16  # records after which the rest is as long as the work was


def rest(records: int, seconds: float, limit: float, stop: threading.Event) -> None:
    """Call after a batch of `records` that took so many `seconds`, unless more is there already."""
    if records:
        stop.wait(min(limit, seconds * records / _EACH))


def stand_back(seconds: float, shares: int, stop: threading.Event) -> None:
    """Call after work that took so many `seconds`, while something that comes first is behind: it gets `shares` times as long."""
    stop.wait(min(_ASIDE, seconds * shares))
