"""The subscriptions as people see and steer them: how far behind, why, paused or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from master.store import Progress, Store
from schemas import errors


def overview(store: Store, now: int) -> list[dict[str, Any]]:
    """Each subscription with its lag in changes and in seconds, its tallies, its breaker. `now` in microseconds since 1970."""
    head = store.subscriptions.head()
    return [_row(store, progress, head, now) for progress in store.subscriptions.all()]


def _row(store: Store, progress: Progress, head: int, now: int) -> dict[str, Any]:
    beyond = sum(last - first + 1 for first, last in progress.settled)
    lag = max(0, head - progress.mark - beyond)
    oldest = store.subscriptions.changes(progress.mark, 1) if lag else []
    seconds = (now - oldest[0][1].at) / 1_000_000 if oldest else 0.0
    open_ = progress.failures > 0 and progress.state == "active"
    return {
        "name": progress.name, "state": progress.state, "reason": progress.reason, "mark": progress.mark, "lag": lag,
        "lag_seconds": round(max(0.0, seconds), 1), "breaker": "open" if open_ else "closed", "failures": progress.failures,
        "retry_at": progress.retry_at or None, **progress.tallies,
    }  # fmt: skip


def pause(store: Store, name: str, reason: str, ring: Callable[[str], None]) -> dict[str, Any]:
    """Stop delivering; what is being sent is finished. Raises `NotFound`."""
    _known(store, name)
    if not reason.strip():
        raise errors.Undecodable("a subscription is paused for a reason", place=errors.Place(path="reason"), hint="Say why: --reason")
    store.subscriptions.set_state(name, "paused", reason)
    ring(name)
    return {"subscription": name, "state": "paused"}


def resume(store: Store, name: str, ring: Callable[[str], None]) -> dict[str, Any]:
    """Deliver again, at once: the breaker is closed too. Raises `NotFound`."""
    _known(store, name)
    store.subscriptions.breaker(name, 0, 0, "")
    store.subscriptions.set_state(name, "active", "")
    store.alarms.clear("subscriber", name)
    ring(name)
    return {"subscription": name, "state": "active"}


def _known(store: Store, name: str) -> Progress:
    found = {progress.name: progress for progress in store.subscriptions.all()}
    if name not in found:
        raise errors.NotFound(f"no subscription {name!r}", hint=f"Known: {', '.join(found) or 'none yet'}")
    return found[name]
