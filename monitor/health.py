"""Is this hub alive, and can it take something in? A check a line."""

from __future__ import annotations

import threading
import time

from routes import receive
from routes.front import Front
from schemas import errors

_FRESH = 2.0  # seconds for which an answer holds: anybody may ask, and asking writes
_LEASE = "readyz"


class Health:
    """One for each hub."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._lock = threading.Lock()
        self._checks: dict[str, str] = {}
        self._looked = -_FRESH

    def checks(self) -> dict[str, str]:
        """Name to "ok", or to what is wrong."""
        with self._lock:
            if time.monotonic() - self._looked >= _FRESH:
                self._checks = {"store": self._store(), "migrations": self._migrations(), "flow": self._threads(), "doors": self._doors()}
                self._looked = time.monotonic()
            return self._checks

    def _store(self) -> str:
        """It can be written."""
        try:
            now = receive.now()
            self._front.store.leases.take(_LEASE, _LEASE, now, now, force=True)
        except errors.MastercopyError as error:
            return str(error)
        return "ok"

    def _migrations(self) -> str:
        found = [row[0] for row in self._front.store.views.dump("alembic_version", ("version_num",))]
        return "ok" if found else "the store has no version"

    def _threads(self) -> str:
        ended = self._front.work.ended()
        return f"ended: {', '.join(ended)}" if ended else "ok"

    def _doors(self) -> str:
        """Not a failure of this process: callers are told to come later."""
        return "pushing back" if self._front.door.busy() else "ok"
