"""One subscription, compiled: changes of the master copy to what the subscriber gets. Pure."""

from __future__ import annotations

import copy
import datetime
import functools
from typing import Any, NamedTuple

import orjson

from adapters import catalogue, manifest
from adapters.contract import Item
from master import references
from master.store import Own
from routes.inbound import digest
from routes.route import Route
from schemas import canonical, errors
from schemas.envelope import Change, Event
from transformers import formats, mapping

_ZONE = datetime.timezone(datetime.timedelta(hours=8))


class Outgoing(NamedTuple):
    """One change as the subscriber gets it: `item` names it, `parts` are its records as the format's `join` takes them.

    `failure` says why it has no content. `echo`: it says what the receiver's own record says, and that record caused it; the first version
    of a key that does has no content either.
    """

    item: Item
    golden: int
    parts: tuple[Any, ...]
    failure: errors.Reject | None = None
    echo: bool = False


class Outbound:
    """A route with its sink's mapping and format. Raises `BadManifest`, `BadMapping` when one is wrong."""

    def __init__(self, route: Route, system: catalogue.System, sink: str) -> None:
        self.route = route
        self._system = system
        self.sink: manifest.Sink = system.manifest.sinks[sink]
        place = system.manifest.marked.place
        self.format = formats.build(self.sink.format, system.files, lambda *path: place("sinks", sink, "format", *path))
        self.mapping = mapping.parse(system.files, self.sink.mapping, system=system.name)
        self.files = {**self.mapping.files, manifest.FILE: system.files[manifest.FILE], f"routes/{route.name}.yaml": route.text}
        self.files |= formats.files(self.sink.format, system.files)
        self.hash = digest(route.name, self.files)
        self._entities = frozenset(route.entities)

    def __reduce__(self) -> tuple[object, ...]:
        """They cross process borders as what they were made of."""
        return (Outbound, (self.route, self._system, self.sink.name))

    @property
    def risky(self) -> bool:
        """It runs Python of its system's folder, which may end the process."""
        return any(name.endswith(".py") for name in self.mapping.files)

    def project(self, golden: int, change: Change, own: Own | None = None) -> Outgoing | None:
        """What the subscriber gets of this change, None if it does not match. `own`: the receiver's own record, where it is the cause."""
        if change.entity not in self._entities:
            return None
        try:
            event = self.event(change)
        except ValueError as reason:  # a condition that does not fit this state parks this key, and no other
            failure = errors.MappingFailure(str(reason), place=errors.Place(f"routes/{self.route.name}.yaml"))
            return Outgoing(item(change, "update"), golden, (), failure)
        return None if event is None else self.render(golden, change, item(change, event), own)

    def render(self, golden: int, change: Change, item: Item, own: Own | None = None) -> Outgoing | None:
        """The content for an event that was decided already; None where the mapping has nothing for this entity."""
        try:
            records = self.mapping.run(self.envelope(change, item))
            if not records:
                return None
            echo = own is not None and change.op != "delete" and (own.seq == change.seq or self.echoes(change, orjson.loads(own.body)))
            parts = () if echo and change.version == 1 else tuple([self.format.part(record) for record in records])
        except errors.Reject as failure:
            return Outgoing(item, golden, (), failure)
        return Outgoing(item, golden, parts, None, echo)

    def event(self, change: Change) -> Event | None:
        """enter, update or leave, by the filter over the state before and after; None if it matches neither."""
        condition = self.route.filter.get(change.entity)
        if change.op == "delete":
            return "leave" if condition is None or condition(change.state) else None
        if condition is None:
            event: Event = "enter" if change.changed is None else "update"
            return event if self._passes(change, event) else None
        now = condition(change.state)
        before = change.changed is not None and condition(old_state(change))
        if not now:
            return "leave" if before else None
        event = "update" if before else "enter"
        return event if self._passes(change, event) else None

    def _passes(self, change: Change, event: Event) -> bool:
        only = self.route.only
        return only is None or event == "enter" or only(change.state, old_state(change), change.changed or {})

    def envelope(self, change: Change, item: Item) -> dict[str, Any]:
        """The change as outbound mappings see it (schemas/envelope.json)."""
        view = self.route.fields.get(change.entity)
        state = change.state if view is None else {name: value for name, value in change.state.items() if name in view}
        changed = change.changed or {}
        return {
            "event": item.event,
            "op": change.op,
            "id": item.id,
            "key": change.golden_id,
            "version": change.version,
            "entity": change.entity,
            "seq": change.seq,
            "at": _told(change.at),
            "source": change.source,
            "state": state,
            "changed": changed if view is None else {name: pair for name, pair in changed.items() if name in view},
        }

    def echoes(self, change: Change, own: dict[str, Any]) -> bool:
        """What would be sent equals the receiver's own record: the fields that it gets are those that it has."""
        view = self.route.fields.get(change.entity)
        differ = {
            name: value for name, value in change.state.items() if own.get(name) != value and (view is None or name in view)
        }  # without references that is nothing; with them, what is sent keeps its ids, and the receiver's own has none
        if not differ:
            return True
        paths = canonical.refs(change.entity)
        bare = references.strip(paths, copy.deepcopy(differ))
        own = references.strip(paths, own)
        return all(own.get(name) == value for name, value in bare.items())


@functools.lru_cache(maxsize=64)
def _told(at: int) -> str:
    """A moment in Chinese time; all changes of a slice share theirs."""
    return datetime.datetime.fromtimestamp(at / 1_000_000, _ZONE).isoformat(timespec="microseconds")


def item(change: Change, event: Event) -> Item:
    """How a change is named to the subscriber."""
    return Item(f"{change.golden_id}.{change.version}", change.seq, change.entity, change.golden_id, change.version, event)


def old_state(change: Change) -> dict[str, Any]:
    """The state before this change."""
    old = dict(change.state)
    for name, (before, _) in (change.changed or {}).items():
        if before is None:
            old.pop(name, None)
        else:
            old[name] = before
    return old
