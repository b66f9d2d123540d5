"""The clients' log of attempts: what was sent, and what became of it; the history checker reads it."""

from __future__ import annotations

import itertools
import secrets
import threading
from collections import Counter
from pathlib import Path

import orjson

from demo.evidence import Attempt, Outcome
from demo.feeds import Push


class Journal:
    """One client's log, a line of JSON for each word on a try. Safe to use from any thread."""

    def __init__(self, file: Path, client: str) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file.open("ab", buffering=0)
        self._prefix = f"{client}.{secrets.token_hex(4)}"
        self._numbers = itertools.count(1)
        self._turn = threading.Lock()
        self.outcomes: Counter[Outcome] = Counter()
        self.records = 0  # of the tries that were acknowledged

    def invoke(self, push: Push) -> Attempt:
        """Write down that this is about to be sent."""
        attempt = Attempt(f"{self._prefix}.{next(self._numbers)}", push.source, push.message_id, push.digest, push.records, "invoke")
        self._write(attempt)
        return attempt

    def settle(self, attempt: Attempt, outcome: Outcome, receipt: int | None = None) -> None:
        """Write down what became of it."""
        self.outcomes[outcome] += 1
        self.records += attempt.records if outcome == "ok" else 0
        self._write(attempt._replace(outcome=outcome, receipt=receipt))

    def _write(self, attempt: Attempt) -> None:
        with self._turn:
            self._file.write(orjson.dumps(list(attempt)) + b"\n")

    def close(self) -> None:
        self._file.close()


def read(file: Path) -> list[Attempt]:
    """A log that was written before."""
    if not file.exists():
        return []
    return [Attempt(*orjson.loads(line)) for line in file.read_bytes().splitlines()]
