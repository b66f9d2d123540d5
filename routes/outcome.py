"""What became of a message: golden ids and versions, or the errors."""

from __future__ import annotations

from typing import Any

from master.store import Store


def outcome(store: Store, message: int) -> dict[str, Any] | None:
    """Counts, changes and failures of a message's records; None while some of them wait."""
    stored, settled = store.inbox.get(message), store.views.settled(message)
    if stored is None or settled is None:
        return None
    counts = {name: settled[name] for name in ("applied", "unchanged", "stale", "dead")}
    if sum(counts.values()) < stored.message.records:
        return None
    changes = [
        {"entity": change.entity, "id": change.golden_id, "version": change.version, "op": change.op, "row": change.row}
        for change in store.views.message_changes(message)
    ]
    failures = [
        {"letter": letter.id, "row": letter.row, "stage": letter.stage, "code": letter.code, "path": letter.path, "reason": letter.reason}
        for letter in store.letters.of_message(message)
    ]
    return {"outcome": counts, "golden": changes, "failures": failures}
