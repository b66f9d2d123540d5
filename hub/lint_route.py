"""What `mastercopy check` looks for in routes: where they lead, what they ask, and whether anything comes out."""

from __future__ import annotations

from adapters import fields
from config import marked
from hub.findings import Findings
from hub.house import ADAPTERS, ROUTES, House
from routes import route
from schemas import canonical, errors
from transformers import mapping


def check(house: House, mappings: dict[str, mapping.Mapping]) -> None:
    """All routes. `mappings` are those of the sinks, by `system/sink`."""
    reached = set() if house.settled else set(house.sinks())
    for name, (path, over) in house.routes.items():
        text = path.read_bytes()
        if not house.findings.is_readable(f"{ROUTES}/{name}.yaml"):
            reached |= set(house.sinks())  # where it leads is not known
            continue
        try:
            found = route.parse(text, name, over)
        except errors.BadRoute as error:
            house.findings.complain("route", error)
            reached.add(_target(text, name))
            continue
        reached |= {found.to} if found.to in house.sinks() else set(house.sinks())
        doc = marked.load(text, f"{ROUTES}/{name}.yaml")
        _sink(house, found, doc)
        _questions(house.findings, found, doc)
        if found.to in mappings:
            _reaches(house.findings, found, doc, mappings[found.to])
    for sink in sorted(set(house.sinks()) - reached):
        system, _, end = sink.partition("/")
        at = house.systems[system].manifest.marked.place("sinks", end)
        house.findings.add("MC312", errors.Place(f"{ADAPTERS}/{at.file}", at.line, at.path), f"no route in use goes to {sink}")


def _target(text: bytes, name: str) -> str:
    data = marked.load(text, name).data
    return str(data.get("to")) if isinstance(data, dict) else ""


def _sink(house: House, found: route.Route, doc: marked.Marked) -> None:
    sinks = house.sinks()
    if found.to not in sinks and found.system not in house.broken:
        house.findings.add("MC301", doc.place("to"), f"there is no sink {found.to!r}", fields.nearest(found.to, sinks))


def _questions(findings: Findings, found: route.Route, doc: marked.Marked) -> None:
    """Conditions ask for fields that are there, and for entities that are sent."""
    one_for_all = isinstance(doc.data.get("filter"), str)
    for entity, condition in found.filter.items():
        path = ("filter",) if one_for_all else ("filter", entity)
        if entity in found.entities:
            known = set(canonical.schema(entity)["properties"])
            for name in sorted(condition.reads("new") - known):
                if not one_for_all or not any(name in canonical.schema(each)["properties"] for each in found.entities):
                    findings.add("MC314", doc.place(*path), f"{entity} has no field {name!r}", fields.nearest(name, known))
        elif not one_for_all:
            findings.add("MC315", doc.place(*path), f"the route does not send {entity}")
    for entity in found.fields:
        if entity not in found.entities:
            findings.add("MC315", doc.place("fields", entity), f"the route does not send {entity}")
    known = {name for entity in found.entities for name in canonical.schema(entity)["properties"]}
    asked = {name for variable in ("new", "old", "changed") for name in found.only.reads(variable)} if found.only else set()
    for name in sorted(asked - known):
        findings.add("MC314", doc.place("only"), f"no entity of the route has a field {name!r}", fields.nearest(name, known))


def _reaches(findings: Findings, found: route.Route, doc: marked.Marked, sent: mapping.Mapping) -> None:
    """What the route matches, its sink's mapping can write."""
    written = {record.of for record in sent.records}
    listed = doc.data.get("entities")
    for number, entity in enumerate(found.entities):
        if not written & {"", entity}:
            path = ("entities", number) if isinstance(listed, list) else ("entities",) if listed else ("to",)
            findings.add("MC313", doc.place(*path), f"{found.to} has nothing for {entity}: {sent.file} has no record of: {entity}")
