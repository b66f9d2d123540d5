"""One system compiled from its files, to try bodies and changes on: nothing is read, stored or sent."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from adapters import catalogue, manifest
from schemas import canonical, checks, errors
from schemas.envelope import Failure, Mapped
from transformers import formats, mapping

Stage = Literal["receive", "check", "map", "canonical"]


@dataclass
class Received:
    """What became of a body: canonical records, failures by record number, and the rows that reached the mapping."""

    records: list[Mapped] = field(default_factory=list)
    failures: list[tuple[int, Failure]] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)


class End:
    """One feed or sink with its format, own schema and mapping. Raises `BadManifest`, `BadMapping` when one is wrong."""

    def __init__(self, system: catalogue.System, name: str) -> None:
        """`name` is that of a feed or a sink of the system."""
        self._system = system
        self._section = "feeds" if name in system.manifest.feeds else "sinks"
        self._name = name
        self.manifest: manifest.Feed | manifest.Sink = system.manifest.feeds.get(name) or system.manifest.sinks[name]

    @cached_property
    def format(self) -> formats.Format:
        """Bytes to rows and back."""

        def locate(*path: str | int) -> errors.Place:
            return self._system.manifest.marked.place(self._section, self._name, "format", *path)

        return formats.build(self.manifest.format, self._system.files, locate)

    @cached_property
    def mapping(self) -> mapping.Mapping:
        """Rows to canonical records, or changes to the subscriber's records."""
        return mapping.parse(self._system.files, self.manifest.mapping, system=self._system.name)

    @cached_property
    def check(self) -> checks.Check | None:
        """The system's own JSON Schema, if it has one; an XSD is the format's."""
        if isinstance(self.manifest, manifest.Sink) or self.manifest.schema is None:
            return None
        return checks.Check(json.loads(self._system.files[self.manifest.schema]), f"{self._system.name}/{self.manifest.schema}")

    def receive(self, body: bytes) -> Received:
        """A body's way from the door to canonical records. A row with one failure gives no record at all."""
        found = Received()
        try:
            self.format.inspect(body)
        except errors.Reject as error:
            found.failures.append((0, _failure("receive", error)))
            return found
        for row in self.format.read(body):
            if isinstance(row, formats.Bad):
                found.failures.append((row.number, row.failure))
            elif failure := self._row(row.data, found):
                found.failures.append((row.number, failure))
        return found

    def send(self, changes: Iterable[dict[str, Any]]) -> bytes:
        """The body that a subscriber gets for these changes. Raises `Reject` for what its mapping or format cannot hold."""
        return self.format.write([record for change in changes for record in self.mapping.run(change)])

    def _row(self, row: dict[str, Any], found: Received) -> Failure | None:
        stage: Stage = "check"
        try:
            if self.check:
                self.check.raise_for(row, errors.SchemaViolation)
            stage = "map"
            found.rows.append(row)
            records = self.mapping.run(row)
            stage = "canonical"
            for record in records:
                if record.op == "upsert":
                    canonical.validator(record.kind).raise_for(record.state, errors.NotCanonical)
        except errors.Reject as error:
            return _failure(stage, error)
        found.records.extend(records)
        return None


def _failure(stage: Stage, error: errors.Reject) -> Failure:
    return Failure(stage, error.code, error.place.path, str(error), b"")
