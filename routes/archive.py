"""Feeds and subscriptions as they were: recompiled from the revision that made a version or a delivery."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from adapters import catalogue, manifest
from config import rules
from master.store import Store
from routes import route
from routes.inbound import Inbound
from routes.outbound import Outbound
from routes.setup import Setup
from schemas import canonical, errors


@dataclass(frozen=True, slots=True)
class Made:
    """Which revision was at work: 0 if that is not known and today's stands in for it. `note` says when it could not be compiled."""

    revision: int
    hash: str
    current: bool
    note: str = ""


class Archive:
    """Compiles on first use and keeps what it compiled. Safe to use from several threads: at worst something is compiled twice."""

    def __init__(self, store: Store, setup: Callable[[], Setup]) -> None:
        self._store, self._setup = store, setup
        self._of: Setup | None = None
        self._inbounds: dict[tuple[str, int], tuple[Inbound, Made]] = {}
        self._outbounds: dict[tuple[str, int], tuple[Outbound, Made]] = {}

    @property
    def setup(self) -> Setup:
        """What is configured now. After a reload everything is compiled again."""
        setup = self._setup()
        if setup is not self._of:
            self._of, self._inbounds, self._outbounds = setup, {}, {}
        return setup

    def inbound(self, feed: str, revision: int = 0) -> tuple[Inbound, Made]:
        """The feed `system/feed`. Raises `NotFound` when it is not configured any more."""
        setup = self.setup
        if (feed, revision) not in self._inbounds:
            if feed not in setup.feeds():
                raise errors.NotFound(f"no feed {feed!r} is configured", hint="It was taken away; bring it back to read its messages")
            current = setup.inbound(feed)
            self._inbounds[feed, revision] = self._inbound(setup, feed, revision, current)
        return self._inbounds[feed, revision]

    def outbound(self, name: str, revision: int = 0) -> tuple[Outbound, Made]:
        """The subscription of a route. Raises `NotFound` when it is not configured any more."""
        setup = self.setup
        if (name, revision) not in self._outbounds:
            if name not in setup.routes:
                raise errors.NotFound(f"no route {name!r} is configured", hint="It was taken away; its deliveries are still on record")
            self._outbounds[name, revision] = self._outbound(setup, name, revision, setup.outbound(name))
        return self._outbounds[name, revision]

    def _files(self, revision: int, current: Mapping[str, bytes]) -> Mapping[str, bytes]:
        stored = self._store.revisions.load(revision) if revision else None
        return stored[1] if stored else current

    def _inbound(self, setup: Setup, feed: str, revision: int, current: Inbound) -> tuple[Inbound, Made]:
        files = self._files(revision, current.files)
        if files == current.files:
            return current, Made(revision, current.hash, current=True)
        name = feed.split("/", 1)[0]
        try:
            master = rules.parse(files[rules.FILE], rules.FILE, canonical.entity_names())
            old = Inbound(_system(setup.systems[name], files), feed.split("/", 1)[1], master)
        except (errors.Stop, KeyError) as error:
            return current, Made(revision, current.hash, current=False, note=_note(revision, error))
        return old, Made(revision, old.hash, current=False)

    def _outbound(self, setup: Setup, name: str, revision: int, current: Outbound) -> tuple[Outbound, Made]:
        files = self._files(revision, current.files)
        if files == current.files:
            return current, Made(revision, current.hash, current=True)
        system, sink = current.route.to.split("/", 1)
        text = files.get(f"routes/{name}.yaml", current.route.text)
        try:
            way = current.route if text == current.route.text else route.parse(text, name)
            old = Outbound(way, _system(setup.systems[system], files), sink)
        except (errors.Stop, KeyError) as error:
            return current, Made(revision, current.hash, current=False, note=_note(revision, error))
        return old, Made(revision, old.hash, current=False)


def _system(now: catalogue.System, files: Mapping[str, bytes]) -> catalogue.System:
    """The system with its files of then; what a revision does not hold (schemas of a format) is today's."""
    whole = {**now.files, **{name: text for name, text in files.items() if not name.startswith("routes/")}}
    if whole[manifest.FILE] == now.files[manifest.FILE]:
        return catalogue.System(now.name, whole, now.manifest, now.folder)
    return catalogue.System(now.name, whole, manifest.parse(whole, now.name), now.folder)


def _note(revision: int, error: Exception) -> str:
    return f"revision {revision} cannot be compiled any more, today's stands in for it: {error}"
