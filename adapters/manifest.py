"""A system's manifest: who it is, and what it sends and takes; parsed into frozen values, every mistake with its place."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from adapters import contract, control, endpoints, extract, fields
from adapters.fields import Spot, need, opt
from config import marked
from schemas import errors

FILE = "manifest.yaml"
_FILE_FEEDS = ("sftp", "folder")
_OF_FILES = {"control": "control totals", "complete": "full extracts", "rejects": "reject files"}
End = TypeVar("End", "Feed", "Sink")
_PLACEHOLDERS = {"name", "subscription", "first", "last", "count"}


@dataclass(frozen=True, kw_only=True)
class Title:
    """A name in both languages."""

    en: str = need(fields.text)
    zh: str = opt(fields.text, "")


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Whom to call."""

    team: str = opt(fields.text, "")
    contact: str = opt(fields.text, "")


@dataclass(frozen=True, kw_only=True)
class Feed:
    """One inbound stream. `limit` in bytes, `chunk` in rows, `format` as the transformers read it; `endpoint` is of `endpoints.IN`."""

    system: str
    name: str
    endpoint: endpoints.AnyIn
    over: str = need(fields.choice(*endpoints.IN))
    format: dict[str, Any] = need(fields.section)
    schema: str | None = opt(fields.text)
    mapping: str = need(fields.text)
    identity: str = opt(fields.choice("caller", "body"), "caller")
    limit: int = opt(fields.size, 10_000_000)
    chunk: int = opt(fields.number(1, 100_000), 5000)
    control: control.Control | None = opt(control.read)
    complete: extract.Complete | None = opt(extract.complete)
    rejects: extract.Rejects | None = opt(fields.part(extract.Rejects))
    test: bool = opt(fields.switch, False)

    @property
    def path(self) -> str:
        """`system/feed`, as people write it."""
        return f"{self.system}/{self.name}"


@dataclass(frozen=True, kw_only=True)
class Sink:
    """One outbound endpoint; `endpoint` is of `endpoints.OUT`."""

    system: str
    name: str
    endpoint: endpoints.AnyOut
    over: str = need(fields.choice(*endpoints.OUT))
    format: dict[str, Any] = need(fields.section)
    mapping: str = need(fields.text)
    control: control.Control | None = opt(control.read)
    idempotent: contract.Idempotent | None = opt(fields.choice("version", "name", "no"))

    @property
    def path(self) -> str:
        """`system/sink`, as people write it."""
        return f"{self.system}/{self.name}"


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """All that a system says of itself. `marked` keeps the merged values and the lines for other rooms' findings."""

    system: str
    title: Title
    owner: Owner
    feeds: dict[str, Feed]
    sinks: dict[str, Sink]
    marked: marked.Marked


@dataclass(frozen=True, kw_only=True)
class _Top:
    system: str = need(fields.name)
    name: Title | None = opt(fields.part(Title))
    owner: Owner = opt(fields.part(Owner), Owner())
    feeds: dict[str, Any] = opt(fields.section, {})
    sinks: dict[str, Any] = opt(fields.section, {})


@dataclass(frozen=True)
class Override:
    """What the instance says instead: its values, and where they stand (`at` is their path in `origin`)."""

    data: Mapping[str, Any]
    origin: marked.Marked | None = None
    at: marked.Path = ()

    def place(self, path: marked.Path) -> errors.Place | None:
        """The place of a value that came from here, None for one that did not."""
        node: Any = self.data
        for key in path:
            if not isinstance(node, dict) or key not in node:
                return None
            node = node[key]
        if self.origin:
            return self.origin.place(*self.at, *path)
        return errors.Place("hub.yaml", 0, marked.dotted((*self.at, *path)))


def parse(files: Mapping[str, bytes], folder: str, override: Override | None = None) -> Manifest:
    """Parse `manifest.yaml` of a system folder with the instance's values laid over it.

    `folder` is the folder's name, used in places (`folder/manifest.yaml`). Raises `BadManifest`, which carries every mistake.
    """
    shown = f"{folder}/{FILE}"
    if FILE not in files:
        raise errors.BadManifest(f"{folder} has no {FILE}", place=errors.Place(shown))
    try:
        source = marked.load(files[FILE], shown)
    except errors.Misconfigured as error:
        raise errors.together([errors.BadManifest(each.detail, place=each.place, hint=each.hint) for each in error.all]) from error
    over = override or Override({})
    data = _merged(source.data, over.data)
    spot = Spot(lambda path: (path and over.place(path)) or source.place(*path))
    wrong: list[errors.BadManifest] = []
    top = fields.noted(wrong, lambda: fields.read(_Top, data, spot))
    if top and top.system != folder:
        wrong.append(spot.child("system").wrong("the system is not named as its folder", top.system, f"Rename it to {folder}"))
    feeds = _ends(wrong, data, spot.child("feeds"), lambda key, value, at: _feed(files, folder, key, value, at))
    sinks = _ends(wrong, data, spot.child("sinks"), lambda key, value, at: _sink(files, folder, key, value, at))
    if top is None or wrong:
        raise errors.together(wrong)
    return Manifest(
        system=top.system,
        title=top.name or Title(en=top.system),
        owner=top.owner,
        feeds=feeds,
        sinks=sinks,
        marked=marked.Marked(source.file, data, source.lines),
    )


def _ends(wrong: list[errors.BadManifest], data: Any, spot: Spot, read: Callable[[str, Any, Spot], End]) -> dict[str, End]:
    """The feeds or sinks; those with a mistake are noted and left out."""
    section = data.get(spot.path[-1]) if isinstance(data, dict) else None
    found = {}
    for key, value in section.items() if isinstance(section, dict) else ():
        end = fields.noted(wrong, functools.partial(read, key, value, spot.child(key)))
        if end is not None:
            found[key] = end
    return found


def _feed(files: Mapping[str, bytes], system: str, name: str, data: Any, spot: Spot) -> Feed:
    wrong, over, endpoint, rest = _endpoint(files, name, data, spot, endpoints.IN)
    if over in _FILE_FEEDS:
        rest.setdefault("limit", "5GB")
    feed = fields.noted(wrong, lambda: fields.read(Feed, rest, spot, system=system, name=name, endpoint=endpoint))
    for key in _OF_FILES if feed and over not in _FILE_FEEDS else ():
        if getattr(feed, key):
            wrong.append(spot.child(key).wrong(f"{_OF_FILES[key]} belong to files, not to {over}", hint=f"Remove {key}:"))
    if feed:
        fields.noted(wrong, lambda: extract.sense(feed.rejects, feed.control, spot))
    if feed is None or wrong:
        raise errors.together(wrong)
    return feed


def _sink(files: Mapping[str, bytes], system: str, name: str, data: Any, spot: Spot) -> Sink:
    wrong, over, endpoint, rest = _endpoint(files, name, data, spot, endpoints.OUT)
    sink = fields.noted(wrong, lambda: fields.read(Sink, rest, spot, system=system, name=name, endpoint=endpoint))
    if sink and sink.control and (over not in _FILE_FEEDS or sink.control.kind != "ctl"):
        hint = "A trailer is part of the format:"
        wrong.append(spot.child("control").wrong("a sink writes control files beside files only", hint=hint))
    if sink is None or wrong:
        raise errors.together(wrong)
    return sink


def _endpoint(
    files: Mapping[str, bytes], name: str, data: Any, spot: Spot, kinds: dict[str, type[Any]]
) -> tuple[list[errors.BadManifest], str, Any, dict[str, Any]]:
    """(what is wrong, protocol, endpoint, the other keys) of a feed or sink; a wrong protocol is noted once and then taken as any."""
    wrong: list[errors.BadManifest] = []
    fields.noted(wrong, lambda: fields.name(name, spot))
    rest = dict(fields.section(data, spot))
    section, endpoint = rest.pop("endpoint", None) or {}, None
    if "over" not in rest:
        wrong.append(spot.wrong("the key 'over' is missing", hint=f"Add over: {' | '.join(kinds)}"))
    elif fields.noted(wrong, lambda: fields.choice(*kinds)(rest["over"], spot.child("over"))):
        at = spot.child("endpoint")
        endpoint = fields.noted(wrong, lambda: fields.read(kinds[rest["over"]], section, at))
        if endpoint is not None:
            fields.noted(wrong, lambda: _sense(endpoint, at))
    if str(rest.get("over")) not in kinds:
        rest["over"] = next(iter(kinds))
    for key in ("mapping", "schema"):
        if isinstance(rest.get(key), str):
            fields.noted(wrong, functools.partial(_exists, files, rest[key], spot.child(key)))
    return wrong, str(rest["over"]), endpoint, rest


def _sense(endpoint: Any, at: Spot) -> None:
    """What one key alone cannot say."""
    if isinstance(endpoint, (endpoints.SftpIn, endpoints.SftpOut)) and not (endpoint.password or endpoint.key_file):
        raise at.wrong("there is nothing to log in with", hint="Add password: or key_file:")
    if isinstance(endpoint, endpoints.HttpOut) and endpoint.url.startswith("http://") and not endpoint.allow_loopback:
        hint = "Plain http needs allow_loopback: true and stays on this machine"
        raise at.child("url").wrong("webhooks go over https", endpoint.url, hint)
    if isinstance(endpoint, endpoints.AmqpOut) and not (endpoint.exchange or endpoint.routing_key or endpoint.queue):
        raise at.wrong("there is nowhere to publish to", hint="Add exchange:, routing_key: or queue:")
    if isinstance(endpoint, (endpoints.SftpOut, endpoints.FolderOut)):
        names = set(re.findall(r"\{([^{}]*)\}", endpoint.name))
        if names - _PLACEHOLDERS or not names & {"name", "first"} or "/" in endpoint.name or endpoint.name.startswith("."):
            hint = "It holds {name} or {first}; {subscription}, {last}, {count} may be added"
            raise at.child("name").wrong("not a pattern for file names", endpoint.name, hint)


def _exists(files: Mapping[str, bytes], name: str, spot: Spot) -> None:
    if name not in files:
        raise spot.wrong("there is no such file in the folder", name, fields.nearest(name, (file for file in files if file != FILE)))


def _merged(base: Any, over: Any) -> Any:
    if not (isinstance(base, dict) and isinstance(over, Mapping)):
        return over
    return base | {key: _merged(base[key], value) if key in base else value for key, value in over.items()}
