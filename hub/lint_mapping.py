"""What `mastercopy check` looks for in a mapping beside the mapping's own grammar: that what it reads and writes is there."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from adapters import catalogue, fields, manifest
from hub.findings import Findings
from hub.house import ADAPTERS, House
from schemas import canonical, errors
from transformers import mapping, reads, rules


def check(findings: Findings, system: catalogue.System, end: manifest.Feed | manifest.Sink, found: mapping.Mapping) -> bool:
    """A mapping against the feed that it reads or the sink that it writes for. Whether samples can be replayed."""
    file = f"{ADAPTERS}/{system.name}/{found.file}"
    if isinstance(end, manifest.Feed):
        return _rows(findings, system, end, found, file)
    _changes(findings, found, file)
    return _fits(findings, end, found, file)


def columns(spec: Mapping[str, Any]) -> set[str]:
    """The names of all columns that a `format:` declares; empty where it declares none."""
    lists = [spec.get(key) for key in ("columns", "head", "trailer")]
    for key in ("columns", "types"):
        section = spec.get(key)
        lists += list(section.values()) if isinstance(section, Mapping) else []
    items = [item if isinstance(item, Mapping) else {"name": item} for each in lists if isinstance(each, list) for item in each]
    return {str(item["name"]) for item in items if "name" in item}


def references(house: House, found: mapping.Mapping, file: str) -> None:
    """The systems that references name have folders."""
    for record in found.records if found.direction == "inbound" else ():
        for rule, source in reads.references(record):
            if source not in house.known:
                hint = fields.nearest(source, house.known)
                house.findings.add("MC226", _place(file, rule), f"there is no system {source!r}", hint)


def _rows(findings: Findings, system: catalogue.System, feed: manifest.Feed, found: mapping.Mapping, file: str) -> bool:
    """Inbound: fields of the row, by the format's columns or else by the feed's own schema. Whether all columns are there."""
    fits = True
    known = columns(feed.format)
    schema = json.loads(system.files[feed.schema]) if feed.schema and not known else {}
    for record in found.records:
        for read in reads.fields(record):
            if known and read.names[0] not in known:
                message = f"{feed.path} has no column {read.names[0]!r}"
                findings.add("MC221", _place(file, read.rule), message, fields.nearest(read.names[0], known))
                fits = False
            elif stranger := _unnamed(schema, schema, read.names):
                message = f"{feed.schema} does not name the field {stranger[0]!r}"
                findings.add("MC222", _place(file, read.rule), message, fields.nearest(*stranger))
    return fits


def _unnamed(root: Any, node: Any, names: tuple[str, ...]) -> tuple[str, Collection[str]] | None:
    """The first name that a JSON Schema's `properties` lack, and those that they have; None where all are named, or anything may be."""
    for name in names:
        while isinstance(node, Mapping) and ("$ref" in node or "items" in node):
            node = _definition(root, node["$ref"]) if "$ref" in node else node["items"]
        known = node.get("properties") if isinstance(node, Mapping) else None
        if not isinstance(known, Mapping):
            return None
        if name not in known:
            return name, list(known)
        node = known[name]
    return None


def _definition(root: Any, reference: str) -> Any:
    for part in reference.removeprefix("#").split("/")[1:]:
        root = root[part.replace("~1", "/").replace("~0", "~")]
    return root


def _changes(findings: Findings, found: mapping.Mapping, file: str) -> None:
    """Outbound: fields of the change, and of the state inside it."""
    envelope = tuple(canonical.schema("envelope")["properties"])
    for record in found.records:
        entities = [record.of] if record.of else canonical.entity_names()
        known = {path.replace("[]", "") for entity in entities for path in canonical.property_paths(entity)}
        for rule, names in reads.fields(record):
            first, inside = names[0], names[1:] if names[0] == "state" else names[1:2]
            if first not in envelope:
                findings.add("MC224", _place(file, rule), f"a change has no field {first!r}", fields.nearest(first, envelope))
            elif first in ("state", "changed") and inside and ".".join(inside) not in known:
                what = record.of or "no entity"
                message = f"{what} has no field {'.'.join(inside)!r}" if record.of else f"no entity has a field {'.'.join(inside)!r}"
                findings.add("MC224", _place(file, rule), message, fields.nearest(".".join(inside), known))


def _fits(findings: Findings, sink: manifest.Sink, found: mapping.Mapping, file: str) -> bool:
    """Outbound: columns of the sink, by record type where each has its own. Whether all are there."""
    fits = True
    by_kind = sink.format.get("columns")
    for number, record in enumerate(found.records):
        own = by_kind.get(record.kind) if isinstance(by_kind, Mapping) else None
        known = columns({"columns": own} if own else sink.format)
        for name, _ in record.fields.fields if known else ():
            if name not in known:
                rule = next((rule for rule in found.rules if rule.path == f"records[{number}].fields.{name}"), None)
                place = _place(file, rule) if rule else errors.Place(file, 0, f"records[{number}].fields.{name}")
                findings.add("MC223", place, f"{sink.path} has no column {name!r}", fields.nearest(name, known))
                fits = False
    return fits


def _place(file: str, rule: rules.Rule) -> errors.Place:
    return errors.Place(file, rule.line, rule.path)
