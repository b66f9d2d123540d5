"""Billing's side of the file drops: reads each finished file, holds it against its control file, keeps books."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from demo.billing import ENCODING
from demo.books import Arrival, Books

_ENTITIES = {"CUST": "customer", "ACCT": "account", "PROD": "product"}
_WIDTHS = {"CUST": 15, "ACCT": 11, "PROD": 13}
_PATIENCE = 5  # looks at a file that does not agree with its control file: it may be on its way to being replaced


def arrivals(body: bytes) -> list[Arrival]:
    """The rows of one file. Raises ValueError for what billing cannot read."""
    found = []
    for line in body.decode(ENCODING).splitlines():
        kind, event, golden_id, version, number, *rest = line.split("|")
        if len(rest) + 5 != _WIDTHS.get(kind):
            raise ValueError(f"{len(rest) + 5} columns in a {kind} row")
        monthly = int(rest[-1]) if kind == "CUST" and rest[-1] else None
        found.append(Arrival(_ENTITIES[kind], golden_id, int(version), f"{golden_id}.{version}", event == "D", number, monthly))
    return found


def wrong(name: str, body: bytes, control: bytes) -> str:
    """Where a file and its control file (name|rows|bytes|md5) differ; empty where they agree."""
    said = control.decode(ENCODING).strip().split("|")
    rows = sum(bool(line.strip()) for line in body.splitlines())
    real = [name, str(rows), str(len(body)), hashlib.md5(body, usedforsecurity=False).hexdigest()]
    labels = ("name", "rows", "bytes", "md5")
    differ = [f"{label} {ours} announced as {theirs}" for label, ours, theirs in zip(labels, real, said, strict=False) if ours != theirs]
    return ", ".join(differ) if len(said) == len(real) else f"{len(said)} values in the control file"


@dataclass
class Drops:
    """One folder that the hub drops files into; `problems` says what billing would complain about, by file name.

    `memory` is a file that keeps which files were read, over restarts.
    """

    folder: Path
    books: Books
    memory: Path | None = None
    problems: dict[str, str] = field(default_factory=dict)
    files: int = 0
    _done: set[str] = field(default_factory=set)
    _looks: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.memory is not None and self.memory.exists():
            self._done.update(self.memory.read_text(encoding="utf-8").splitlines())

    def look(self) -> None:
        """Take the files that are complete, in the order in which their control files appeared."""
        if not self.folder.is_dir():
            return
        controls = [(path.stat().st_mtime_ns, path.name, path) for path in self.folder.glob("*.ctl") if not path.name.startswith(".")]
        for _, _, control in sorted(controls):
            data = control.with_name(control.name.removesuffix(".ctl"))
            if data.exists():
                self._read(data, control)

    def _read(self, data: Path, control: Path) -> None:
        about = data.stat()
        mark = f"{data.name} {about.st_mtime_ns} {about.st_size}"
        if mark in self._done:
            return
        body = data.read_bytes()
        problem = wrong(data.name, body, control.read_bytes())
        if problem:
            self._looks[data.name] = self._looks.get(data.name, 0) + 1
            if self._looks[data.name] >= _PATIENCE:
                self.problems[data.name] = problem
            return
        try:
            self.books.take(arrivals(body))
        except (ValueError, KeyError) as error:
            self.problems[data.name] = f"cannot be read: {error!r}"
        else:
            self.problems.pop(data.name, None)
            self.files += 1
        self._done.add(mark)
        if self.memory is not None:
            with self.memory.open("a", encoding="utf-8") as file:
                file.write(f"{mark}\n")
