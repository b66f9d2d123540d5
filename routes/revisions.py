"""Mappings as they were: which revisions are stored, what is in them, and how an old one comes back."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from adapters import catalogue, manifest
from config import rules
from master.store import Store
from routes import receive, route
from routes.inbound import Inbound
from routes.outbound import Outbound
from routes.setup import Setup
from schemas import errors

_ROUTES = "routes/"


class Revisions:
    """A revision is a feed's (`system/feed`) or a route's, with every file that it is compiled from.

    `home` is where old ones are restored to. Works where the configuration is wrong by now, too: that is when it is needed.
    """

    def __init__(self, store: Store, home: Path | None, setup: Callable[[], Setup]) -> None:
        self._store, self._home, self._setup = store, home, setup

    def all(self) -> list[dict[str, Any]]:
        """Newest first: whose it is, its hash, since when it was in use, and whether it is the one in use."""
        active = {compiled.hash for compiled in self._compiled().values()}
        return [
            {"revision": number, "of": name, "hash": hash_, "first_at": at, "state": "active" if hash_ in active else ""}
            for number, hash_, name, at in self._store.revisions.all()
        ]

    def show(self, number: int) -> dict[str, Any]:
        """One revision with its files as text."""
        name, files = self._load(number)
        row = next(each for each in self.all() if each["revision"] == number)
        return row | {"files": {path: text.decode("utf-8", "replace") for path, text in files.items()}, "of": name}

    def restore(self, number: int, reload: Callable[[], None], *, dry_run: bool = False) -> dict[str, Any]:
        """Write the files of a revision into the home, and read the configuration again: `reload` raises what is wrong with it.

        Then the files are as they were before. What is in use now is kept as a revision first. Files that the revision does not hold
        stay, and so do the rules of the master copy.
        """
        name, files = self._load(number)
        if self._home is None:
            raise errors.NotAllowed("there is no home to restore into")
        plan = _plan(self._home, name, files)
        changes = [
            {"file": path.relative_to(self._home).as_posix(), "difference": _difference(old, new)}
            for path, (old, new) in plan.items()
            if old != new
        ]
        answer = {"revision": number, "of": name, "dry_run": dry_run, "files": len(changes), "changes": changes}
        if dry_run or not changes:
            return answer
        for kept, compiled in self._compiled().items():
            self._store.revisions.keep(kept, compiled.hash, compiled.files, receive.now())
        before = {path: _read(path) for path in plan}
        try:
            for path, (_, new) in plan.items():
                _write(path, new)
            reload()
        except BaseException:
            for path, old in before.items():
                _write(path, old)
            raise
        return answer

    def _compiled(self) -> dict[str, Inbound | Outbound]:
        """Every feed and route that is in use, by name; none where the configuration is wrong."""
        try:
            setup = self._setup()
        except errors.Stop:
            return {}
        feeds: dict[str, Inbound | Outbound] = {feed: setup.inbound(feed) for feed in setup.feeds()}
        return feeds | {name: setup.outbound(name) for name in setup.routes}

    def _load(self, number: int) -> tuple[str, Mapping[str, bytes]]:
        found = self._store.revisions.load(number)
        if found is None:
            raise errors.NotFound(f"no revision {number}", hint="`mastercopy revision list` shows them")
        return found


def _plan(home: Path, name: str, files: Mapping[str, bytes]) -> dict[Path, tuple[bytes | None, bytes]]:
    """Every file to write: what stands in its place now, and what shall.

    A system's whole folder where the home has none of its own yet, for that takes the packaged one's place.
    """
    system = name.partition("/")[0] if "/" in name else route.parse(files[f"{_ROUTES}{name}.yaml"], name).system
    folder = home / "adapters" / system
    own = (folder / manifest.FILE).exists()
    now = catalogue.read(folder if own else catalogue.PACKAGED / system)
    mine = {path: text for path, text in files.items() if path != rules.FILE and not path.startswith(_ROUTES)}
    plan = {
        folder / path: (now.get(path), text)
        for path, text in (mine if own else {**now, **mine}).items()
    }
    for path in files:
        if path.startswith(_ROUTES):
            used = home / path if (home / path).exists() else route.PACKAGED / path.removeprefix(_ROUTES)
            plan[home / path] = (_read(used), files[path])
    return plan


def _difference(old: bytes | None, new: bytes) -> str:
    before, after = ((text or b"").decode("utf-8", "replace").splitlines() for text in (old, new))
    return "\n".join(difflib.unified_diff(before, after, "now", "restored", lineterm=""))


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _write(path: Path, text: bytes | None) -> None:
    if text is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(text)
    part.replace(path)
