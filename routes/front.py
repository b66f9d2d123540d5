"""What the doors and the console need of a hub, in its own process or in one beside it: the store, what is configured, the way in."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from adapters import endpoints
from master.store import Store
from routes import receive
from routes.feeds import Feeds
from routes.setup import Setup
from schemas import errors


@dataclass(frozen=True, slots=True)
class Limits:
    """Where the doors push back, and how many processes decode."""

    pending: int = 5_000_000
    age: float = 3600.0
    free: int = 200_000_000
    workers: int = 1


class Work(Protocol):
    """The side that applies and delivers, as this side asks it."""

    def ring(self, name: str) -> None:
        """Wake a subscription's reader: somebody changed a state."""

    def ended(self) -> list[str]:
        """Which work has ended though nobody stopped it."""

    def reload(self) -> None:
        """Read the configuration again. Raises what is wrong with it; everything then goes on as it was."""

    def expect(self, message: int, tell: Callable[[], None]) -> None:
        """Call `tell` once apply has touched the message. Look whether it has been applied already afterwards, not before."""

    def forget(self, message: int) -> None:
        """Nobody waits for it any more."""


class Front:
    """`setup` answers what is configured now."""

    def __init__(self, store: Store, setup: Callable[[], Setup], home: Path, limits: Limits, group: receive.Group, work: Work) -> None:
        self.store, self.home, self.work = store, home, work
        self._setup, self._limits = setup, limits
        self._feeds = Feeds(setup())
        self._pressure: tuple[float, str | None] = (0.0, None)
        self.door = receive.Door(store, self._checker, group, self._over)

    @property
    def setup(self) -> Setup:
        """What is configured now."""
        return self._setup()

    @property
    def feeds(self) -> Feeds:
        """The feeds of now, compiled on first use."""
        setup = self._setup()
        if setup is not self._feeds.setup:
            self._feeds = Feeds(setup)
        return self._feeds

    def _checker(self, source: str, feed: str) -> receive.Checker:
        return self.feeds.inbound(f"{source}/{feed}")

    def limit(self, source: str, feed: str) -> int:
        """The longest body that a feed takes at its HTTP door, in bytes. Raises `NotFound`."""
        found = self.feeds.inbound(f"{source}/{feed}").feed
        if not isinstance(found.endpoint, endpoints.HttpIn):
            raise errors.NotFound(f"{found.path} does not come over HTTP", hint=f"It comes over {found.over}")
        return found.limit

    def _over(self) -> str | None:
        """Why the doors push back, looked at four times a second."""
        at, why = self._pressure
        if time.monotonic() - at > 0.25:
            self._pressure = (time.monotonic(), why)  # others need not look meanwhile
            why = self._look()
            self._pressure = (time.monotonic(), why)
        return why

    def _look(self) -> str | None:
        if shutil.disk_usage(self.home).free < self._limits.free:
            return f"less than {self._limits.free} bytes are free on the store's disk"
        pending, oldest = self.store.inbox.waiting()
        if pending > self._limits.pending:
            return f"{pending} records wait to be applied"
        age = (receive.now() - oldest) / 1_000_000 if oldest else 0.0
        return f"the oldest waiting record is {age:.0f} seconds old" if age > self._limits.age else None
