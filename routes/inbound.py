"""One feed, compiled: bytes to candidates for the master copy. Pure, so it runs in the decode pool as well."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import orjson

from adapters import catalogue, manifest
from config import rules
from master import references
from schemas import canonical, checks, errors
from schemas.envelope import Candidate, Failure, Mapped
from transformers import formats, mapping, paths

Stage = Literal["check", "map", "canonical"]


class Decoded(NamedTuple):
    """One record of a body: its candidates, or why there are none."""

    number: int
    candidates: tuple[Candidate, ...]
    failure: Failure | None


@dataclass(frozen=True)
class Step:
    """What one record looked like on its way, for the trace."""

    number: int
    place: str
    row: dict[str, Any] | None
    mapped: list[Mapped]
    failure: Failure | None


class Inbound:
    """A feed with its format, own schema, mapping and match keys. Raises `BadManifest`, `BadMapping` when one is wrong."""

    def __init__(self, system: catalogue.System, name: str, master: rules.MasterRules) -> None:
        self.feed: manifest.Feed = system.manifest.feeds[name]
        self.source = system.name
        place = system.manifest.marked.place
        self.format = formats.build(self.feed.format, system.files, lambda *path: place("feeds", name, "format", *path))
        self.mapping = mapping.parse(system.files, self.feed.mapping, system=system.name)
        self._check = own_check(system, self.feed)
        self._match = {entity: [_finder(path) for path in found] for entity, found in master.match.items()}
        self._refs = {entity: canonical.refs(entity) for entity in canonical.entity_names()}
        self._canonical = {entity: canonical.validator(entity) for entity in canonical.entity_names()}
        self.files = {**self.mapping.files, manifest.FILE: system.files[manifest.FILE], rules.FILE: master.text}
        if self.feed.schema:
            self.files[self.feed.schema] = system.files[self.feed.schema]
        self.files |= formats.files(self.feed.format, system.files)
        self.hash = digest(self.feed.path, self.files)
        check_extract(self.feed, self.mapping, place)

    @property
    def risky(self) -> bool:
        """It runs Python of its own folder, which may end the process."""
        return any(name.endswith(".py") for name in self.mapping.files)

    def inspect(self, body: bytes) -> int:
        """The door's check: how many records; raises `Reject`."""
        return self.format.inspect(body)

    def decode(self, body: bytes) -> list[Decoded]:
        """Every record of a body; a record that fails never spoils another."""
        try:
            return [self._decoded(row, body) for row in self.format.read(body)]
        except Exception as error:  # a mistake of ours: it must not stop what comes after this body
            reason = f"the body cannot be read: {type(error).__name__}: {error}"
            return [Decoded(0, (), Failure("decode", type(error).__name__, "", reason, body))]

    def steps(self, body: bytes) -> Iterator[Step]:
        """The same with what stood in between."""
        for row in self.format.read(body):
            if isinstance(row, formats.Bad):
                yield Step(row.number, row.failure.path, None, [], row.failure)
                continue
            mapped, failure = self._mapped(row.data)
            yield Step(row.number, row.place, row.data, mapped, failure)

    def _decoded(self, row: formats.Row | formats.Bad, body: bytes) -> Decoded:
        if isinstance(row, formats.Bad):
            return Decoded(row.number, (), row.failure)
        mapped, failure = self._mapped(row.data)
        if failure is None:
            try:
                return Decoded(row.number, tuple(self._candidate(one) for one in mapped), None)
            except (TypeError, ValueError) as error:  # what the schema lets pass and JSON cannot hold
                failure = Failure("canonical", errors.NotCanonical.__name__, "", f"the record is no JSON: {error}", b"")
        path = " ".join(part for part in (row.place, failure.path) if part)
        return Decoded(row.number, (), failure._replace(path=path, payload=self.format.excerpt(body, row.number)))

    def _mapped(self, row: dict[str, Any]) -> tuple[list[Mapped], Failure | None]:
        stage: Stage = "check"
        try:
            if self._check is not None and not self._check.ok(row):
                self._check.raise_for(row, errors.SchemaViolation)
            stage = "map"
            mapped = self.mapping.run(row)
            stage = "canonical"
            for one in mapped:
                if one.op == "upsert" and not self._canonical[one.kind].ok(one.state):
                    self._canonical[one.kind].raise_for(one.state, errors.NotCanonical)
        except errors.Reject as error:
            return [], Failure(stage, error.code, error.place.path, str(error), b"")
        except Exception as error:  # a mapping's own Python may raise anything; it must not stop the others
            return [], Failure(stage, type(error).__name__, "", f"{stage} failed: {type(error).__name__}: {error}", b"")
        return mapped, None

    def _candidate(self, one: Mapped) -> Candidate:
        if one.op == "delete":
            return Candidate(one.kind, self.source, one.key, one.sequence, "delete", b"", b"delete", None, ())
        state = orjson.dumps(one.state, option=orjson.OPT_SORT_KEYS)
        refs = self._refs[one.kind]
        found = references.targets(refs, one.state) if refs else ()
        digest = hashlib.blake2b(state, digest_size=16).digest()
        return Candidate(one.kind, self.source, one.key, one.sequence, "upsert", state, digest, self._match_key(one), found)

    def _match_key(self, one: Mapped) -> str | None:
        for find in self._match[one.kind]:
            value = find(one.state)
            if value:
                return str(value)
        return None


def digest(name: str, files: Mapping[str, bytes]) -> str:
    """What a revision is known by: whose it is, and every file of it."""
    parts = (path.encode() + b"\0" + text for path, text in sorted(files.items()))
    return hashlib.sha256(b"\0".join([name.encode(), *parts])).hexdigest()


def check_extract(feed: manifest.Feed, found: mapping.Mapping, place: Callable[..., errors.Place]) -> None:
    """A full extract is the whole of entities that its mapping makes. Raises `BadManifest`."""
    for number, entity in enumerate(feed.complete.entities if feed.complete else ()):
        if entity not in found.kinds:
            hint = f"It makes {', '.join(found.kinds)}"
            where = place("feeds", feed.name, "complete", "entities", number)
            raise errors.BadManifest("the feed's mapping makes no such entity", place=where, value=entity, hint=hint)


def own_check(system: catalogue.System, feed: manifest.Feed) -> checks.Check | None:
    """The system's own JSON Schema, if the feed has one. Raises `BadManifest`, `Misconfigured`."""
    if feed.schema is None:
        return None
    name = f"{system.name}/{feed.schema}"
    try:
        return checks.Check(json.loads(system.files[feed.schema]), name)
    except ValueError as error:
        place = errors.Place(name, getattr(error, "lineno", 0))
        raise errors.BadManifest(f"the schema is not JSON: {error}", place=place) from error


def _finder(text: str) -> Callable[[dict[str, Any]], Any]:
    """A function that answers what a match path finds in a canonical state, or None."""
    try:
        path = paths.parse(text)
    except ValueError as error:
        raise errors.Misconfigured(str(error), place=errors.Place(rules.FILE), value=text) from error

    def find(state: Any) -> Any:
        for step in path.steps:
            match step:
                case paths.Key(name):
                    state = state.get(name) if isinstance(state, dict) else None
                case paths.At(number):
                    state = state[number] if isinstance(state, list) and -len(state) <= number < len(state) else None
                case paths.Pick(field, value):
                    state = next((item for item in state or () if item.get(field) == value), None)
                case paths.All():
                    raise errors.Misconfigured("a match path names one value, not a list", place=errors.Place(rules.FILE), value=text)
            if state is None:
                return None
        return state

    return find
