"""The state of the hub at a glance: what waits, how fast, who is behind, what failed; cheap enough to be asked every second."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from routes import receive, subscribers
from routes.front import Front
from schemas import personal

_FRESH = 0.5  # seconds for which an answer holds: many who look cost as much as one
_WINDOW = 60.0  # seconds over which a rate is taken
_GROUPS, _FILES = 20, 20


class Overview:
    """One for each hub. Safe to ask from several threads."""

    def __init__(self, front: Front, clock: Callable[[], float] = time.monotonic) -> None:
        self._front, self._clock = front, clock
        self._lock = threading.Lock()
        self._answer: dict[str, Any] = {}
        self._answered = -_FRESH
        self._samples: deque[tuple[float, int, int]] = deque()
        self._groups: list[dict[str, Any]] = []
        self._groups_due = 0.0
        self._veil = personal.Veil()

    def look(self) -> dict[str, Any]:
        """Everything the status page shows, as plain JSON. Times in microseconds since 1970, ages in seconds."""
        with self._lock:
            if self._clock() - self._answered >= _FRESH:
                self._answer = self._fresh()
                self._answered = self._clock()
            return self._answer

    def _fresh(self) -> dict[str, Any]:
        store, now = self._front.store, receive.now()
        waiting, oldest = store.inbox.waiting()
        totals = store.views.totals()
        subscriptions = [row | {"reason": self._veil.text(row["reason"])} for row in subscribers.overview(store, now)]
        alarms = [row | {"reason": self._veil.text(row["reason"])} for row in store.alarms.active()]
        lanes = totals["lanes"]
        dead = sum(lane["dead"] for lane in lanes)
        refused = sum(row["dead"] for row in subscriptions)
        return {
            "at": now,
            "state": "needs attention" if alarms or any(row["state"] != "active" for row in subscriptions) else "all quiet",
            "backlog": {"records": waiting, "oldest_seconds": round((now - oldest) / 1_000_000, 1) if oldest else 0.0},
            "rate": self._rate(lanes),
            "golden": totals["golden"],
            "changes": totals["changes"],
            "feeds": self._feeds(lanes),
            "files": store.files.recent(_FILES),
            "dead": {
                "records": dead,
                "refused": refused,
                "groups": self._kinds() if dead or refused or self._parked(subscriptions) else [],
            },
            "subscriptions": subscriptions,
            "alarms": alarms,
        }

    @staticmethod
    def _parked(subscriptions: list[dict[str, Any]]) -> int:
        return sum(row["pending"] for row in subscriptions)

    def _rate(self, lanes: list[dict[str, Any]]) -> dict[str, float | None]:
        """Records a second since the oldest sample of the last minute; None at the first look."""
        now = self._clock()
        received = sum(lane["accepted"] for lane in lanes)
        done = sum(lane["applied"] + lane["unchanged"] + lane["stale"] + lane["dead"] + lane["resolved"] for lane in lanes)
        while self._samples and now - self._samples[0][0] > _WINDOW:
            self._samples.popleft()
        first = self._samples[0] if self._samples else None
        self._samples.append((now, received, done))
        if first is None or now - first[0] < _FRESH:
            return {"received": None, "applied": None}
        seconds = now - first[0]
        return {"received": round((received - first[1]) / seconds, 1), "applied": round((done - first[2]) / seconds, 1)}

    def _feeds(self, lanes: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Every configured feed, and what is left of those that are not configured any more."""
        tallies = {f"{lane['source']}/{lane['feed']}": lane for lane in lanes}
        kinds = {feed.path: feed.over for system in self._front.setup.systems.values() for feed in system.manifest.feeds.values()}
        names = ("accepted", "duplicate", "applied", "unchanged", "stale", "dead", "resolved")
        found = []
        for feed in sorted({*kinds, *tallies}):
            counts = {name: tallies.get(feed, {}).get(name, 0) for name in names}
            waiting = counts["accepted"] - sum(counts[name] for name in names[2:])
            found.append({"feed": feed, "over": kinds.get(feed, ""), **counts, "waiting": waiting})
        return found

    def _kinds(self) -> list[dict[str, Any]]:
        """Groups of open letters. This reads all of them: the longer it takes, the less often it is done."""
        if self._clock() >= self._groups_due:
            began = self._clock()
            groups = self._front.store.letters.groups(_GROUPS)
            self._groups = [group | {"reason": self._veil.text(group["reason"])} for group in groups]
            ended = self._clock()
            self._groups_due = ended + max(2.0, 100 * (ended - began))
        return self._groups
