"""API keys of sources: made once, shown once, checked on every push."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time

from master.store import Keys

_PREFIX = 8
_FRESH = 1.0  # seconds for which a look into the store holds
_SOON = 0.05  # seconds after which a key that is not known is looked for again: it may be new


def make(keys: Keys, source: str, at: int) -> str:
    """A new key for a source; the store keeps its prefix and SHA-256 only."""
    key = f"mk_{secrets.token_urlsafe(32)}"
    keys.add(source, prefix(key), hashlib.sha256(key.encode()).digest(), at)
    return key


def prefix(key: str) -> str:
    """What finds a key's row, and names it to people."""
    return key[: 3 + _PREFIX]


class Guard:
    """Answers whose key it is."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._lock = threading.Lock()
        self._known: dict[str, tuple[bytes, str]] = {}
        self._proved: dict[str, str] = {}
        self._looked = 0.0

    def source(self, key: str) -> str | None:
        """The source that may push with this key, None for a key that is not known. Revoked keys work a second longer at most."""
        if time.monotonic() - self._looked > _FRESH:
            self._look()
        found = self._proved.get(key) or self._prove(key)
        if found is None and time.monotonic() - self._looked > _SOON:
            self._look()
            found = self._prove(key)
        return found

    def _prove(self, key: str) -> str | None:
        digest, source = self._known.get(prefix(key), (b"", ""))
        if not hmac.compare_digest(hashlib.sha256(key.encode()).digest(), digest):
            return None
        self._proved[key] = source
        return source

    def _look(self) -> None:
        with self._lock:
            known = {name: (digest, source) for name, digest, source, _ in self._keys.all()}
            if known != self._known:
                self._known, self._proved = known, {}
            self._looked = time.monotonic()
