"""What a receiver keeps: the order of arrival for the history checker, the newest of each key, and totals over it."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import orjson

from demo.evidence import Received


class Arrival(NamedTuple):
    """One change as it came. `number` is what people know the record by, `monthly` in fen where it is a customer with one."""

    entity: str
    golden_id: str
    version: int
    event_id: str
    gone: bool = False
    number: str = ""
    monthly: int | None = None


class Kept(NamedTuple):
    """The newest of one key."""

    entity: str
    version: int
    gone: bool
    number: str
    monthly: int | None


@dataclass
class Books:
    """The books of one subscriber. Safe to use from any thread; `file` takes the log as lines of JSON and is read again at the start."""

    subscription: str
    file: Path | None = None
    log: list[Received] = field(default_factory=list)
    newest: dict[str, Kept] = field(default_factory=dict)
    repeats: int = 0
    disordered: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    _seen: set[tuple[str, int]] = field(default_factory=set)
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _open: TextIO | None = None

    def __post_init__(self) -> None:
        if self.file is not None and self.file.exists():
            for line in self.file.read_bytes().splitlines():
                self._take(Arrival(*orjson.loads(line)[1:]))

    def take(self, arrivals: list[Arrival]) -> None:
        """Write down what came; what is not newer than what is there changes nothing."""
        with self._turn:
            for arrival in arrivals:
                self._take(arrival)
            self._write(arrivals)

    def _take(self, arrival: Arrival) -> None:
        self.log.append(Received(self.subscription, arrival.golden_id, arrival.version, arrival.event_id))
        kept = self.newest.get(arrival.golden_id)
        if (arrival.golden_id, arrival.version) in self._seen:
            self.repeats += 1
        elif kept is not None and arrival.version < kept.version:
            self.disordered.append(f"{arrival.golden_id}: version {arrival.version} after {kept.version}")
        self._seen.add((arrival.golden_id, arrival.version))
        if kept is None or arrival.version > kept.version:
            self.newest[arrival.golden_id] = Kept(arrival.entity, arrival.version, arrival.gone, arrival.number, arrival.monthly)

    def _write(self, arrivals: list[Arrival]) -> None:
        if self.file is None or not arrivals:
            return
        if self._open is None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self._open = self.file.open("a", encoding="utf-8")
        self._open.writelines(orjson.dumps((self.subscription, *arrival)).decode() + "\n" for arrival in arrivals)
        self._open.flush()

    def totals(self) -> dict[str, Any]:
        """How much came, how often again, and count and monthly charges (fen) of what this receiver has now."""
        with self._turn:
            present = [kept for kept in self.newest.values() if not kept.gone]
            charged = [kept.monthly for kept in present if kept.monthly is not None]
            return {
                "arrived": len(self.log),
                "repeats": self.repeats,
                "disordered": len(self.disordered),
                "refused": self.refused.total(),
                "has": dict(Counter(kept.entity for kept in present)),
                "charged": len(charged),
                "monthly_fen": sum(charged),
            }

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


def read(file: Path) -> list[Received]:
    """A log that was written before, in the order of arrival."""
    if not file.exists():
        return []
    lines = (orjson.loads(line) for line in file.read_bytes().splitlines())
    return [Received(name, golden_id, version, event_id) for name, _, golden_id, version, event_id, *_ in lines]


def monthly(state: dict[str, Any]) -> int | None:
    """The monthly charge of a canonical customer, in fen."""
    for one in state.get("characteristic") or ():
        if one.get("name") == "monthlyCharge":
            return int(one["value"])
    return None
