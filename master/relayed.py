"""A store beside the process that writes it: read here, written there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from master.store import Store

Call = Callable[..., Any]

# Whatever changes something, by part of the contract. All else is read from this process's own connection.
WRITES: dict[str, frozenset[str]] = {
    "inbox": frozenset(("append", "refuse")),
    "leader": frozenset(("write",)),
    "attempts": frozenset(("note", "done")),
    "subscriptions": frozenset(("join", "settle", "set_state", "breaker")),
    "letters": frozenset(("discard", "retry")),
    "files": frozenset(("claim", "progress")),
    "endings": frozenset(("add", "settle")),
    "alarms": frozenset(("raise_", "clear")),
    "leases": frozenset(("take", "drop")),
    "revisions": frozenset(("keep",)),
    "keys": frozenset(("add", "revoke")),
    "views": frozenset(),
}


class _Part:
    """One part of the contract."""

    def __init__(self, own: Any, name: str, call: Call) -> None:
        self._own, self._name, self._call = own, name, call

    def __getattr__(self, method: str) -> Any:
        if method not in WRITES[self._name]:
            return getattr(self._own, method)

        def there(*args: Any, **values: Any) -> Any:
            return self._call(self._name, method, *args, **values)

        return there


class _Relayed:
    """Fills the contract of `master.store`."""

    def __init__(self, own: Store, call: Call) -> None:
        self._own = own
        for name in WRITES:
            setattr(self, name, _Part(getattr(own, name), name, call))

    def close(self) -> None:
        """Let go of this process's connections."""
        self._own.close()


def store(own: Store, call: Call) -> Store:
    """`own` reads; `call(part, method, *args, **values)` writes elsewhere, answers or raises as the method does."""
    return cast(Store, _Relayed(own, call))


def carry_out(found: Store, part: str, method: str, *args: Any, **values: Any) -> Any:
    """The other side of `call`. Raises `LookupError` for what is no write of the contract."""
    if method not in WRITES[part]:
        raise LookupError(f"{part}.{method}")
    return getattr(getattr(found, part), method)(*args, **values)
