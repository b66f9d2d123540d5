"""What is said about a batch outside its body: its id, and which changes it holds."""

from __future__ import annotations

import hashlib

from adapters.contract import Batch


def delivery_id(batch: Batch) -> str:
    """The same for the same content only: a receiver that drops repeated ids never drops a batch that has grown since."""
    return f"{batch.name}-{hashlib.sha256(batch.body).hexdigest()[:16]}"


def headers(batch: Batch) -> dict[str, str]:
    """Names and values for HTTP headers and AMQP application headers."""
    found = {"mastercopy-subscription": batch.subscription, "mastercopy-count": str(len(batch.items))}
    if batch.items:
        found |= {"mastercopy-first-seq": str(batch.items[0].seq), "mastercopy-last-seq": str(batch.items[-1].seq)}
    if len(batch.items) == 1:
        one = batch.items[0]
        found |= {"mastercopy-event-id": one.id, "mastercopy-key": one.key, "mastercopy-version": str(one.version)}
    return found
