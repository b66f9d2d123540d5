"""How one change fared at every subscription: delivered when and as what, or why not."""

from __future__ import annotations

from typing import Any

from master.store import Attempt, Letter, Progress, Store
from routes.archive import Archive
from routes.outbound import Outbound, Outgoing
from schemas import errors
from schemas.envelope import Change

_SENT = 20_000  # characters of a body that are shown
_ATTEMPTS = 20


class Arrivals:
    """Derived from each reader's mark, its letters and its log of deliveries; what was sent is made again by the revision that made it."""

    def __init__(self, store: Store, archive: Archive) -> None:
        self._store, self._archive = store, archive

    def of(self, change: Change) -> list[dict[str, Any]]:
        """One entry for each subscription: not matched, waiting, delivered, superseded, suppressed, parked, dead or discarded."""
        logged = self._store.subscriptions.deliveries(change.seq, change.seq)
        return [
            self._at(progress, change, [attempt for name, attempt in logged if name == progress.name])
            for progress in self._store.subscriptions.all()
        ]

    def _at(self, progress: Progress, change: Change, attempts: list[Attempt]) -> dict[str, Any]:
        found: dict[str, Any] = {"subscription": progress.name, "state": "", "attempts": [_attempt(each) for each in attempts[-_ATTEMPTS:]]}
        try:
            outbound, made = self._archive.outbound(progress.name, attempts[-1].revision if attempts else 0)
        except errors.NotFound as error:
            return found | {"state": "unknown", "note": str(error)}
        outgoing = outbound.project(0, change)
        if outgoing is None:
            return found | {"state": "not matched", "attempts": []}
        letter = next((each for each in self._store.letters.of_key(progress.name, change.golden_id) if _covers(each, change.seq)), None)
        state = self._state(progress, change, outbound, letter, attempts)
        found |= {"state": state, "event": outgoing.item.event, "id": outgoing.item.id, "revision": made.revision, "note": made.note}
        if letter is not None:
            found |= {"letter": letter.id, "reason": letter.reason, "tried_again_at": letter.due_at}
        elif state == "waiting" and progress.reason:
            found |= {"reason": progress.reason, "tried_again_at": progress.retry_at or None}
        if state not in ("suppressed", "superseded"):
            found["sent" if state == "delivered" else "to send"] = _body(outbound, outgoing)
        return found

    def _state(self, progress: Progress, change: Change, outbound: Outbound, letter: Letter | None, attempts: list[Attempt]) -> str:
        if letter is not None:
            return {"waiting": "parked"}.get(letter.state, letter.state)
        if change.seq > progress.mark and not any(first <= change.seq <= last for first, last in progress.settled):
            return "waiting"
        if outbound.route.mode == "latest" and self._overtaken(progress, change, attempts):
            return "superseded"
        outcomes = [each.outcome for each in attempts]
        if "delivered" in outcomes:
            return "delivered"
        return "suppressed" if "suppressed" in outcomes else "superseded"

    def _overtaken(self, progress: Progress, change: Change, attempts: list[Attempt]) -> bool:
        """A newer version of the key went out in the delivery that covers this one: a batch holds one version of a key."""
        last = max((each.last_seq for each in attempts if each.outcome == "delivered"), default=0)
        return any(change.seq < newer.seq <= last for newer in self._store.views.history(change.golden_id))


def _covers(letter: Letter, seq: int) -> bool:
    return letter.from_seq is not None and letter.last_seq is not None and letter.from_seq <= seq <= letter.last_seq


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "outcome": attempt.outcome, "started_at": attempt.started_at, "finished_at": attempt.finished_at, "records": attempt.records,
        "attempts": attempt.attempts, "revision": attempt.revision, "detail": attempt.detail,
    }  # fmt: skip


def _body(outbound: Outbound, outgoing: Outgoing) -> str:
    """This change alone, in the subscriber's format."""
    if outgoing.failure is not None:
        return f"nothing: {outgoing.failure}"
    try:
        body = outbound.format.join(outgoing.parts)
    except errors.Reject as error:
        return f"nothing: {error}"
    return body.decode(str(outbound.sink.format.get("encoding", "utf-8")), "replace")[:_SENT]
