"""A route: who gets what, of which entities, how often and how patiently; one YAML file a subscriber."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from adapters import fields as spec
from adapters.fields import Spot, need, opt
from config import marked
from schemas import canonical, errors
from transformers import cel

PACKAGED = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Retry:
    """How a refused key and a failing endpoint are tried again: full jitter between `first` and `longest`, until `give_up`. In seconds."""

    first: float = opt(spec.duration, 2.0)
    longest: float = opt(spec.duration, 7200.0)
    give_up: float = opt(spec.duration, 72 * 3600.0)


def _entities(value: Any, spot: Spot) -> tuple[str, ...]:
    return _words(value, spot, canonical.entity_names())


def _words(value: Any, spot: Spot, known: Collection[str]) -> tuple[str, ...]:
    """One of the known words, or a list of them; every other is noted."""
    wrong: list[errors.BadManifest] = []
    items = value if isinstance(value, list) else [value]
    for index, item in enumerate(items):
        spec.noted(wrong, functools.partial(spec.choice(*known), item, spot.child(index)))
    if wrong:
        raise errors.together(wrong)
    return tuple(items)


def _by_entity(value: Any, spot: Spot, read: spec.Reader) -> dict[str, Any]:
    """A section with entities as keys; everything that is wrong in it is noted."""
    wrong: list[errors.BadManifest] = []
    found = {}
    for entity, inside in spec.section(value, spot).items():
        at = spot.child(entity)
        if spec.noted(wrong, functools.partial(spec.choice(*canonical.entity_names()), entity, at)):
            found[entity] = spec.noted(wrong, functools.partial(read, inside, at))
    if wrong:
        raise errors.together(wrong)
    return found


def _filters(value: Any, spot: Spot) -> dict[str, cel.Condition]:
    """One condition for all entities, or one for each that is named."""
    if isinstance(value, str):
        return dict.fromkeys(canonical.entity_names(), _condition(value, spot, "new"))
    return _by_entity(value, spot, lambda text, at: _condition(text, at, "new"))


def _only(value: Any, spot: Spot) -> cel.Condition:
    return _condition(value, spot, "new", "old", "changed")


def _condition(value: Any, spot: Spot, *variables: str) -> cel.Condition:
    return cel.compile(spec.text(value, spot), variables, place=spot.where(spot.path), error=errors.BadManifest)


def _view(value: Any, spot: Spot) -> dict[str, frozenset[str]]:
    return _by_entity(value, spot, lambda names, at: frozenset(_words(names, at, canonical.schema(str(at.path[-1]))["properties"])))


@dataclass(frozen=True, kw_only=True)
class Route:
    """One subscription. `batch` in records, `concurrency` in lanes (a key always takes the same), `every` in seconds."""

    name: str
    text: bytes = field(repr=False)
    overrides: Mapping[str, Any] = field(repr=False, default_factory=dict)
    route: str = need(spec.name)
    to: str = need(spec.text)
    entities: tuple[str, ...] = opt(_entities, canonical.entity_names())
    filter: dict[str, cel.Condition] = opt(_filters, {})
    only: cel.Condition | None = opt(_only)
    fields: dict[str, frozenset[str]] = opt(_view, {})
    mode: Literal["history", "latest"] = opt(spec.choice("history", "latest"), "history")
    batch: int = opt(spec.number(1, 100_000), 1)
    concurrency: int = opt(spec.number(1, 64), 1)
    every: float = opt(spec.duration, 0.0)
    retry: Retry = opt(spec.part(Retry), Retry())

    @property
    def system(self) -> str:
        """The system that it delivers to."""
        return self.to.partition("/")[0]

    def __reduce__(self) -> tuple[object, ...]:
        """Routes cross process borders as their text; conditions are compiled again there."""
        return (parse, (self.text, self.name, self.overrides))


def parse(text: bytes, name: str, overrides: Mapping[str, Any] | None = None) -> Route:
    """Read a route file; `name` is the file's stem and must be the route's. Raises `BadRoute` with file, line, path and hint."""
    shown = f"routes/{name}.yaml"
    try:
        doc = marked.load(text, shown)
        spot = Spot(lambda path: doc.place(*path))
        data = {**(doc.data or {}), **(overrides or {})} if isinstance(doc.data, dict) else doc.data
        route = spec.read(Route, data, spot, name=name, text=text, overrides=overrides or {})
    except (errors.BadManifest, errors.Misconfigured) as error:
        found = [errors.BadRoute(each.detail, place=each.place, value=each.value, hint=each.hint) for each in error.all]
        raise errors.together(found) from error
    if route.route != name:
        detail = "the route is not named as its file"
        raise errors.BadRoute(detail, place=doc.place("route"), value=route.route, hint=f"Rename it to {name}")
    if "/" not in route.to:
        raise errors.BadRoute("a route goes to system/sink", place=doc.place("to"), value=route.to, hint="For example: care/webhook")
    return route


def find(folders: Sequence[Path]) -> dict[str, Path]:
    """Route files by name; of two with one name the later folder's wins."""
    return {file.stem: file for folder in folders if folder.is_dir() for file in sorted(folder.glob("*.yaml"))}


def load(folders: Sequence[Path], wanted: Mapping[str, Mapping[str, Any] | None], known_sinks: Collection[str]) -> dict[str, Route]:
    """The wanted routes with the instance's own values laid over them. Raises `BadRoute`."""
    files = find(folders)
    routes = {}
    for name, overrides in wanted.items():
        if name not in files:
            place = errors.Place("hub.yaml", path=f"routes.{name}")
            raise errors.BadRoute(f"no route {name!r}", place=place, hint=spec.nearest(name, files))
        route = parse(files[name].read_bytes(), name, overrides)
        if route.to not in known_sinks:
            raise errors.BadRoute(
                f"no sink {route.to!r}", place=errors.Place(f"routes/{name}.yaml", path="to"), hint=spec.nearest(route.to, known_sinks)
            )
        routes[name] = route
    return routes
