"""What `mastercopy check` looks for in the rules of the master copy: that sources have ranks, and match paths lead somewhere."""

from __future__ import annotations

from adapters import fields
from config import marked, rules
from hub.house import ADAPTERS, House
from schemas import canonical, errors
from transformers import mapping, paths


def check(house: House, mappings: dict[str, mapping.Mapping]) -> None:
    """`mappings` are those of the feeds, by `system/feed`."""
    master = house.master
    if master is None:
        return
    doc = marked.load(master.text, rules.FILE)
    for feed, found in mappings.items():
        system = feed.partition("/")[0]
        for number, record in enumerate(found.records):
            if system not in master.rank[record.kind]:
                place = marked.load(found.files[found.file], f"{ADAPTERS}/{system}/{found.file}").place("records", number, "entity")
                hint = f"Add {system} to {record.kind}.rank in master.yaml"
                house.findings.add("MC401", place, f"{system} is not in the rank of {record.kind}", hint)
    for entity, ranked in master.rank.items():
        for number, name in enumerate(ranked):
            if name not in house.known:
                place = doc.place(entity, "rank", number)
                house.findings.add("MC402", place, f"there is no system {name!r}", fields.nearest(name, house.known))
    for entity, found_paths in master.match.items():
        for number, text in enumerate(found_paths):
            _path(house, doc.place(entity, "match", number), entity, text)


def _path(house: House, place: errors.Place, entity: str, text: str) -> None:
    known = {path.replace("[]", "") for path in canonical.property_paths(entity)}
    try:
        steps = paths.parse(text).steps
    except ValueError as error:
        house.findings.add("MC403", place, str(error))
        return
    name = ".".join(step.name for step in steps if isinstance(step, paths.Key))
    if name not in known:
        house.findings.add("MC403", place, f"{entity} has no field {name!r}", fields.nearest(name, known))
    elif any(isinstance(step, paths.All) for step in steps):
        house.findings.add("MC403", place, "a match path names one value, not a list")
