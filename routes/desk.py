"""What people may change in a hub, each as one action with a plain JSON answer: behind the API, and behind commands where no hub runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from adapters import fields
from master.store import Store
from routes import access, receive, subscribers, withdrawals
from routes.archive import Archive
from routes.receive import Door
from routes.replay import Action, Replay, Selection
from routes.revisions import Revisions
from schemas import errors
from schemas.envelope import Message, Receipt


class Desk:
    """`ring` wakes a subscription's reader; `reload` reads the configuration again; `home` is where revisions are restored to."""

    def __init__(
        self, store: Store, door: Door, archive: Archive, ring: Callable[[str], None], reload: Callable[[], None], home: Path | None = None
    ) -> None:
        self.store, self.archive = store, archive
        self._door, self._ring, self._reload = door, ring, reload
        self.revisions = Revisions(store, home, lambda: archive.setup)
        self._replay = Replay(store, door, archive, ring, receive.now)

    def replay(self, letter: int, reason: str = "", body: bytes | None = None, key: str = "", *, dry_run: bool = False) -> dict[str, Any]:
        """Send one dead letter in again, corrected or not; or try a refused key again."""
        return self._replay.again(letter, reason, body, key=key, dry_run=dry_run)

    def discard(self, letter: int, reason: str, *, dry_run: bool = False) -> dict[str, Any]:
        """Settle one dead letter without its content."""
        return self._replay.discard(letter, reason, dry_run=dry_run)

    def bulk(
        self,
        action: Action,
        reason: str,
        state: str = "dead",
        filters: Mapping[str, str] | None = None,
        *,
        before: int | None = None,
        limit: int = 0,
        rate: float = 0.0,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Replay or discard everything that matches."""
        if action == "discard" and not reason.strip():
            raise errors.Undecodable("letters are discarded for a reason", place=errors.Place(path="reason"), hint="Say why: --reason")
        chosen = Selection(state, filters or {}, before)
        return self._replay.bulk(action, chosen, reason, limit=limit, rate=rate, dry_run=dry_run)

    def pause(self, name: str, reason: str) -> dict[str, Any]:
        """Stop delivering to a subscription."""
        return subscribers.pause(self.store, name, reason, self._ring)

    def resume(self, name: str) -> dict[str, Any]:
        """Deliver to it again, at once."""
        return subscribers.resume(self.store, name, self._ring)

    def make_key(self, source: str) -> dict[str, Any]:
        """A new key for a source, shown once. Raises `NotFound` for a system that is not configured."""
        systems = self.archive.setup.systems
        if source not in systems:
            raise errors.NotFound(f"no system {source!r}", hint=fields.nearest(source, systems))
        key = access.make(self.store.keys, source, receive.now())
        return {"source": source, "key": key, "prefix": access.prefix(key)}

    def revoke_key(self, prefix: str) -> dict[str, Any]:
        """Withdraw a key, named by its beginning. Raises `NotFound`."""
        if not self.store.keys.revoke(access.prefix(prefix)):
            raise errors.NotFound(f"no key begins with {access.prefix(prefix)!r}", hint="`mastercopy key list` shows them")
        return {"prefix": access.prefix(prefix), "state": "revoked"}

    def push(self, source: str, feed: str, body: bytes, message_id: str | None = None, content_type: str = "") -> dict[str, Any]:
        """Put a body through the door as its source would, whatever the feed's protocol. Raises what the door says."""
        message = Message(source, feed, message_id, body, content_type)
        answer = self._door.receive([message])[0]
        if not isinstance(answer, Receipt):
            raise answer
        stored = self.store.inbox.get(answer.id)
        return {"receipt": str(answer.id), "duplicate": answer.duplicate, "records": stored.message.records if stored else 0}

    def withdraw(self, source: str, feed: str, reason: str = "", *, dry_run: bool = False) -> dict[str, Any]:
        """Confirm that what a feed's last full extract lacks is withdrawn, whatever stood against it. Raises `NotFound`, `Forbidden`."""
        if not dry_run and not reason.strip():
            raise errors.Undecodable("keys are withdrawn for a reason", place=errors.Place(path="reason"), hint="Say why: --reason")
        return withdrawals.confirm(self.store, self.archive, source, feed, reason, dry_run=dry_run)

    def restore(self, revision: int, *, dry_run: bool = False) -> dict[str, Any]:
        """Bring the files of an old revision back, and read the configuration again."""
        return self.revisions.restore(revision, self._reload, dry_run=dry_run)

    def reload(self) -> dict[str, Any]:
        """Read mappings, routes and rules again. Raises what is wrong with them; then nothing changes."""
        self._reload()
        return {"state": "configuration read again"}


def keys(store: Store) -> list[dict[str, Any]]:
    """The keys without their secrets."""
    return [{"source": source, "prefix": prefix, "created_at": at} for prefix, _, source, at in store.keys.all()]
