"""One connection for each sending thread: the libraries below are not safe to share."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Lanes(Generic[T]):
    """Makes a connection when a thread first asks for one, and keeps it for that thread until it is dropped."""

    def __init__(self, make: Callable[[], T], shut: Callable[[T], object]) -> None:
        self._make = make
        self._shut = shut
        self._own = threading.local()
        self._all: list[T] = []
        self._lock = threading.Lock()

    def here(self) -> T:
        """This thread's connection."""
        found: T | None = getattr(self._own, "one", None)
        if found is not None and any(found is one for one in self._all):
            return found
        made = self._make()
        with self._lock:
            self._all.append(made)
        self._own.one = made
        return made

    def drop(self) -> None:
        """Close this thread's connection; the next `here` makes a new one."""
        found: T | None = getattr(self._own, "one", None)
        self._own.one = None
        if found is not None:
            self._end(found)

    def close(self) -> None:
        """Close all connections; may be called twice and from any thread."""
        while self._all:
            self._end(self._all[-1])

    def _end(self, one: T) -> None:
        with self._lock:
            self._all = [other for other in self._all if other is not one]
        with contextlib.suppress(Exception):  # a connection that is gone cannot be closed, and need not be
            self._shut(one)
