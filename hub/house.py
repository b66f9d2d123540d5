"""The house as `mastercopy check` looks at it: what can be read of systems, routes and rules, and what is wrong with the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters import catalogue, fields, manifest
from config import marked, rules
from hub.findings import Findings
from routes import route, setup
from schemas import canonical, errors

ADAPTERS, ROUTES = "adapters", "routes"


@dataclass
class House:
    """`systems` are those in use that can be read; `broken` those in use that cannot; `known` all that have a folder."""

    home: Path | None
    findings: Findings = field(default_factory=Findings)
    systems: dict[str, catalogue.System] = field(default_factory=dict)
    broken: dict[str, Path] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    routes: dict[str, tuple[Path, Mapping[str, Any]]] = field(default_factory=dict)
    settled: bool = True  # hub.yaml can be read: it is known what is in use
    master: rules.MasterRules | None = None

    def sinks(self) -> dict[str, manifest.Sink]:
        """Every sink of the systems in use, by `system/sink`."""
        return {sink.path: sink for system in self.systems.values() for sink in system.manifest.sinks.values()}


def read(home: Path | None) -> House:
    """Read all there is; what cannot be read stands in the findings."""
    house = House(home)
    doc = _hub(house)
    _yaml(house)
    _systems(house, doc)
    _routes(house, doc)
    try:
        house.master = rules.load(home, canonical.entity_names())
    except errors.Misconfigured as error:
        house.findings.complain("master", error)
    return house


def _hub(house: House) -> marked.Marked | None:
    if house.home and not house.home.is_dir():
        raise errors.NotFound(f"there is no folder {house.home}", hint="Name a hub's home, or leave --home out")
    try:
        return setup.document(house.home)
    except errors.Misconfigured as error:
        house.findings.complain("hub" if error.place.path else "yaml", error)
        house.settled = False
        return None


def _folders(house: House, name: str, packaged: Path) -> list[Path]:
    return [packaged, *([house.home / name] if house.home else [])]


def _yaml(house: House) -> None:
    """Files that are no YAML are told once, and nothing more is said of them."""
    for packaged, room, pattern in ((catalogue.PACKAGED, ADAPTERS, "*/*.yaml"), (route.PACKAGED, ROUTES, "*.yaml")):
        for folder in _folders(house, room, packaged):
            for file in sorted(folder.glob(pattern)):
                _loadable(house, file, f"{room}/{file.relative_to(folder).as_posix()}")
    if house.home and (house.home / rules.FILE).exists():
        _loadable(house, house.home / rules.FILE, rules.FILE)


def _loadable(house: House, file: Path, shown: str) -> None:
    try:
        marked.load(file.read_bytes(), shown)
    except errors.Misconfigured as error:
        house.findings.complain("yaml", error)
        house.findings.unreadable(shown)


def _systems(house: House, doc: marked.Marked | None) -> None:
    """The systems in use, with the instance's values laid over them."""
    folders = _folders(house, ADAPTERS, catalogue.PACKAGED)
    found = {path.parent.name: path.parent for folder in folders if folder.is_dir() for path in sorted(folder.glob(f"*/{manifest.FILE}"))}
    house.known = set(found)
    wanted = (doc.data.get("systems") if doc else None) or None
    over = {name: _meant(house, doc, found, name, value) for name, value in (wanted or {}).items()} if doc else {}
    loaded, wrong = catalogue.load_all(folders, over, origin=doc)
    in_use = [name for name in found if wanted is None or name in wanted]
    for name in in_use:
        if name in loaded.systems:
            house.systems[name] = loaded.systems[name]
        else:
            house.broken[name] = found[name]
    for error in wrong:
        name = error.place.file.partition("/")[0]
        if name in in_use or name not in found:
            context = "hub" if error.place.file == setup.FILE and error.detail.startswith("no system") else "manifest"
            house.findings.complain(context, error, under=f"{ADAPTERS}/{name}" if name in found else "")
    own = sorted((house.home / ADAPTERS).glob(f"*/{manifest.FILE}")) if house.home else []
    for path in own:
        name = path.parent.name
        if house.settled and name not in in_use:
            place = errors.Place(f"{ADAPTERS}/{name}/{manifest.FILE}", 1)
            house.findings.add("MC015", place, f"the system {name!r} is not named in hub.yaml")


def _meant(house: House, doc: marked.Marked, found: Mapping[str, Path], name: str, value: Any) -> Any:
    """The instance's values for a system without feeds and sinks that it does not have; one that brings its own `over` is new."""
    if name not in found or not isinstance(value, dict):
        return value or {}
    try:
        data = marked.load((found[name] / manifest.FILE).read_bytes(), name).data
    except errors.Misconfigured:
        return value
    kept = dict(value)
    for section in ("feeds", "sinks"):
        ends = data.get(section) or {} if isinstance(data, dict) else {}
        for end, inside in (value.get(section) or {}).items():
            if end not in ends and not (isinstance(inside, dict) and "over" in inside):
                place = doc.place("systems", name, section, end)
                house.findings.add("MC013", place, f"{name} has no {section[:-1]} {end!r}", fields.nearest(end, ends))
                kept[section] = {key: one for key, one in kept[section].items() if key != end}
    return kept


def _routes(house: House, doc: marked.Marked | None) -> None:
    """The routes in use; those of the home that are not in use are told."""
    folders = _folders(house, ROUTES, route.PACKAGED)
    found = route.find(folders)
    asked = (doc.data.get("routes") or {}) if doc else {} if house.home else found
    named: dict[str, Any] = dict.fromkeys(asked) if not isinstance(asked, dict) or asked is found else asked
    for number, (name, over) in enumerate(named.items()):
        if name in found:
            house.routes[name] = (found[name], over or {})
        elif doc:
            place = doc.place("routes", number if isinstance(asked, list) else name)
            house.findings.add("MC012", place, f"no route {name!r}", fields.nearest(name, found))
    for name, path in found.items():
        if house.home and house.settled and path.is_relative_to(house.home) and name not in named:
            house.findings.add("MC311", errors.Place(f"{ROUTES}/{name}.yaml", 1), f"the route {name!r} is not named in hub.yaml")
            house.routes[name] = (path, {})
