"""Pace under load: work in few large batches instead of many small ones, without making a lone record wait.

Measured: with a dozen threads taking turns for one interpreter, a hand-over costs as much as a record. A batch that was large already says
that more is on its way, so the next look waits some milliseconds; after a small batch nothing waits.
"""

from __future__ import annotations

import threading

BUSY = 12  # records in a batch that say that more is on its way


def rest(records: int, full: int, seconds: float, stop: threading.Event) -> None:
    """Call after a batch of `records`; one that was as large as it may be (`full`) is followed at once."""
    if BUSY <= records < full:
        stop.wait(seconds)
