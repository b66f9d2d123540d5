"""The newest part of the change log, read once for all readers that are up to date."""

from __future__ import annotations

import threading

from master.store import Subscriptions
from schemas.envelope import Change

_KEPT = 5_000  # changes


class Tail:
    """A window over the log's end. Values are shared between readers: nobody may change them."""

    def __init__(self, log: Subscriptions) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._rows: list[tuple[int, Change]] = []

    def changes(self, after: int, limit: int) -> list[tuple[int, Change]]:
        """The log beyond `after` with each change's golden number; from memory where it is there."""
        with self._lock:  # while one reads from the store, the others wait for what it finds
            held = self._held(after, limit)
            return held or self._fetched(after, limit)

    def _held(self, after: int, limit: int) -> list[tuple[int, Change]]:
        if not self._rows:
            return []
        start = after + 1 - self._rows[0][1].seq  # positions are dense
        return self._rows[start : start + limit] if start >= 0 else []

    def _fetched(self, after: int, limit: int) -> list[tuple[int, Change]]:
        found = self._log.changes(after, limit)
        last = self._rows[-1][1].seq if self._rows else 0
        if found and after == last:
            self._rows = (self._rows + found)[-_KEPT:]
        elif found and after > last:
            self._rows = found
        return found
