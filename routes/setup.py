"""An instance as configured: its systems, routes and rules, read from the packaged folders and from its home."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters import catalogue
from config import marked, rules
from master.merge import Rules
from routes import route
from routes.inbound import Inbound
from routes.outbound import Outbound
from schemas import canonical, errors
from transformers import formats

FILE = "hub.yaml"


@dataclass(frozen=True)
class Setup:
    """Everything that is configured. `systems` are those that the instance uses."""

    systems: Mapping[str, catalogue.System]
    routes: Mapping[str, route.Route]
    master: rules.MasterRules

    @property
    def merge_rules(self) -> Rules:
        """What the merge follows."""
        return Rules(self.master.rank, {entity: canonical.refs(entity) for entity in canonical.entity_names()})

    def inbound(self, feed: str) -> Inbound:
        """The feed `system/feed`, compiled."""
        system, name = feed.split("/", 1)
        return Inbound(self.systems[system], name, self.master)

    def outbound(self, name: str) -> Outbound:
        """The subscription of a route, compiled."""
        found = self.routes[name]
        system, sink = found.to.split("/", 1)
        return Outbound(found, self.systems[system], sink)

    def line_in(self, feed: str) -> Any:
        """All that the source of a feed is made of, to be compared: its part of the manifest, and the files of its format."""
        system, name = feed.split("/", 1)
        found = self.systems[system].manifest.feeds[name]
        return found, formats.files(found.format, self.systems[system].files)

    def line_out(self, name: str) -> Any:
        """All that the sinks of a route are made of, to be compared, and how many there are."""
        route = self.routes[name]
        system, sink = route.to.split("/", 1)
        found = self.systems[system].manifest.sinks[sink]
        return route.to, route.concurrency, route.mode, found, formats.files(found.format, self.systems[system].files)

    def feeds(self) -> list[str]:
        """`system/feed` of every feed."""
        return [feed.path for system in self.systems.values() for feed in system.manifest.feeds.values()]


def load(home: Path | None) -> Setup:
    """Read it all. Raises `Misconfigured`, `BadManifest`, `BadRoute`, `BadMapping` with file, line, path and hint.

    `hub.yaml` names the systems and routes in use with the instance's own values for them; without that file every packaged system and
    no route is in use.
    """
    doc = document(home)
    data: dict[str, Any] = doc.data if doc else {}
    systems = _systems(home, doc)
    sinks = [sink.path for system in systems.values() for sink in system.manifest.sinks.values()]
    asked = data.get("routes") or {}
    named = dict.fromkeys(asked) if isinstance(asked, list) else asked
    routes = route.load([route.PACKAGED, *([home / "routes"] if home else [])], named, sinks)
    setup = Setup(systems, routes, rules.load(home, canonical.entity_names()))
    for feed in setup.feeds():
        with _inside(feed.partition("/")[0]):
            setup.inbound(feed)
    for name, found in routes.items():
        with _inside(found.system):
            setup.outbound(name)
    return setup


@contextlib.contextmanager
def _inside(system: str) -> Iterator[None]:
    """A mapping names its files within its folder; here it is said whose folder that is."""
    try:
        yield
    except errors.BadMapping as error:
        for each in error.all:
            each.place = dataclasses.replace(each.place, file=f"{system}/{each.place.file}")
        raise


def systems(home: Path | None) -> dict[str, catalogue.System]:
    """The systems in use. Raises `Misconfigured`, `BadManifest`."""
    return _systems(home, document(home))


def _systems(home: Path | None, doc: marked.Marked | None) -> dict[str, catalogue.System]:
    folders = [catalogue.PACKAGED, *([home / "adapters"] if home else [])]
    wanted = doc.data.get("systems") if doc else None
    found = catalogue.load(folders, wanted or {}, origin=doc)
    return {name: system for name, system in found.systems.items() if wanted is None or name in wanted}


def document(home: Path | None) -> marked.Marked | None:
    """The instance's `hub.yaml`, None without one. Raises `Misconfigured`, which carries every mistake."""
    file = home / FILE if home else None
    if file is None or not file.exists():
        return None
    doc = marked.load(file.read_bytes(), FILE)
    if doc.data is None:
        return marked.Marked(FILE, {}, doc.lines)
    if not isinstance(doc.data, dict):
        raise errors.Misconfigured("hub.yaml has the keys systems and routes", place=doc.place())
    wrong = [
        errors.Misconfigured(f"unknown key {key!r}", place=doc.place(key), hint="Known: systems, routes")
        for key in doc.data
        if key not in ("systems", "routes")
    ]
    wrong += [*_misnamed(doc, "systems", (dict,)), *_misnamed(doc, "routes", (list, dict))]
    if wrong:
        raise errors.together(wrong)
    return doc


def _misnamed(doc: marked.Marked, key: str, kinds: tuple[type, ...]) -> list[errors.Misconfigured]:
    """What is wrong with a section of names: a list of them, or a value with keys for each."""
    hint = "routes: [NAME, ...], or routes: {NAME: {...}}" if list in kinds else "systems: {NAME: {...}}"
    section: Any = doc.data.get(key) or {}
    if type(section) not in kinds:
        return [errors.Misconfigured(f"{key} has names below it", place=doc.place(key), value=section, hint=hint)]
    named = isinstance(section, dict)
    found: list[tuple[str | int, Any]] = [*(section.items() if named else enumerate(list(section)))]
    strange = [(name, value) for name, value in found if not isinstance(value, (dict, type(None)) if named else str)]
    detail = f"not a name in {key}, or not its values"
    return [errors.Misconfigured(detail, place=doc.place(key, name), value=value, hint=hint) for name, value in strange]
