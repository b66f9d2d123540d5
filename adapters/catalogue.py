"""The catalogue: every connected system that the given folders hold, read whole into memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters import fields, manifest
from config import marked
from schemas import errors

PACKAGED = Path(__file__).parent
_SKIPPED = ("__pycache__",)


@dataclass(frozen=True)
class System:
    """One system. `files` maps names relative to the folder (`tables/status.csv`) to bytes; everything is compiled from them."""

    name: str
    files: Mapping[str, bytes]
    manifest: manifest.Manifest
    folder: Path


@dataclass(frozen=True)
class Catalogue:
    """All systems by name."""

    systems: dict[str, System]

    def system(self, name: str) -> System:
        """Raises `NotFound` with the nearest name."""
        if name not in self.systems:
            raise errors.NotFound(f"no system {name!r}", hint=fields.nearest(name, self.systems))
        return self.systems[name]

    def feed(self, path: str) -> manifest.Feed:
        """The feed `system/feed`; raises `NotFound` with the nearest name."""
        feeds = {feed.path: feed for system in self.systems.values() for feed in system.manifest.feeds.values()}
        if path not in feeds:
            raise errors.NotFound(f"no feed {path!r}", hint=fields.nearest(path, feeds))
        return feeds[path]

    def sink(self, path: str) -> manifest.Sink:
        """The sink `system/sink`; raises `NotFound` with the nearest name."""
        sinks = {sink.path: sink for system in self.systems.values() for sink in system.manifest.sinks.values()}
        if path not in sinks:
            raise errors.NotFound(f"no sink {path!r}", hint=fields.nearest(path, sinks))
        return sinks[path]


def load(
    folders: Sequence[Path],
    overrides: Mapping[str, Any] | None = None,
    *,
    origin: marked.Marked | None = None,
    at: marked.Path = ("systems",),
) -> Catalogue:
    """Read every system folder in `folders`; of two with one name the later folder's wins.

    `overrides` maps system names to values laid over their manifests; `origin` and `at` say where they stand, for the places in findings.
    Raises `BadManifest` for the first mistake.
    """
    catalogue, findings = load_all(folders, overrides, origin=origin, at=at)
    if findings:
        raise findings[0]
    return catalogue


def load_all(
    folders: Sequence[Path],
    overrides: Mapping[str, Any] | None = None,
    *,
    origin: marked.Marked | None = None,
    at: marked.Path = ("systems",),
) -> tuple[Catalogue, list[errors.BadManifest]]:
    """As `load`, but systems with a mistake are left out and every mistake of every system is answered."""
    found = {path.name: path for folder in folders for path in _systems(folder)}
    over = dict(overrides or {})
    systems: dict[str, System] = {}
    findings = [_unknown(name, found, origin, at) for name in over if name not in found]
    for name, folder in sorted(found.items()):
        files = read(folder)
        try:
            parsed = manifest.parse(files, name, manifest.Override(over.get(name) or {}, origin, (*at, name)))
        except errors.BadManifest as error:
            findings += [each for each in error.all if isinstance(each, errors.BadManifest)]
        else:
            systems[name] = System(name, files, parsed, folder)
    return Catalogue(systems), findings


def read(folder: Path) -> dict[str, bytes]:
    """All files of a system folder by relative name, without caches and hidden ones."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(".") or part in _SKIPPED for part in path.relative_to(folder).parts)
    }


def _systems(folder: Path) -> list[Path]:
    return [path.parent for path in sorted(folder.glob(f"*/{manifest.FILE}"))] if folder.is_dir() else []


def _unknown(name: str, found: Mapping[str, Path], origin: marked.Marked | None, at: marked.Path) -> errors.BadManifest:
    place = origin.place(*at, name) if origin else errors.Place("hub.yaml", 0, marked.dotted((*at, name)))
    return errors.BadManifest(f"no system {name!r}", place=place, hint=fields.nearest(name, found))
