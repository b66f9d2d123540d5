"""What `mastercopy check` looks for in one system: its folder, formats, schemas, mappings, tables and samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from adapters import catalogue, fields, manifest
from hub import lint_mapping, samples
from hub.findings import Findings
from hub.house import ADAPTERS, House
from routes import inbound
from schemas import errors
from transformers import formats, mapping

_USED_BY_NAME = ("README.md", manifest.FILE)
_JUDGED = (".yaml", ".csv", ".py", ".xsd", ".xslt", ".xsl")


def check(house: House, system: catalogue.System) -> None:
    """Everything about a system whose manifest can be read."""
    under = f"{ADAPTERS}/{system.name}"
    _folder(house.findings, system, under)
    mappings = all_mappings(house.findings, system.name, dict(system.files))
    sound = [end for end in _ends(system) if _end(house, system, end, mappings)]
    for file, found in mappings.items():
        if found:
            lint_mapping.references(house, found, f"{under}/{file}")
    if all(mappings.values()) and len(sound) == len(list(_ends(system))):
        _unused(house.findings, system, mappings, under)
    _samples(house.findings, system, [end.name for end in sound], under)


def all_mappings(findings: Findings, name: str, files: dict[str, bytes]) -> dict[str, mapping.Mapping | None]:
    """Every mapping of a folder, None for one with mistakes: those of a system whose manifest is wrong are looked at all the same."""
    found: dict[str, mapping.Mapping | None] = {}
    for file in sorted(files):
        if file.endswith(".yaml") and "/" not in file and file != manifest.FILE:
            found[file], wrong = mapping.parse_all(files, file, system=name)
            for error in wrong:
                findings.complain("mapping", error, under=f"{ADAPTERS}/{name}")
    return found


def _ends(system: catalogue.System) -> Iterator[manifest.Feed | manifest.Sink]:
    yield from system.manifest.feeds.values()
    yield from system.manifest.sinks.values()


def _folder(findings: Findings, system: catalogue.System, under: str) -> None:
    """What people need of it."""
    marks = system.manifest.marked
    file = f"{under}/{manifest.FILE}"
    if "README.md" not in system.files:
        findings.add("MC121", errors.Place(f"{under}/README.md"), "there is no README.md")
    for rule, key, missing in (("MC122", "name", not system.manifest.title.zh), ("MC123", "owner", not system.manifest.owner.contact)):
        if missing:
            said = "the system has no Chinese name" if key == "name" else "the system has no owner with a contact"
            findings.add(rule, errors.Place(file, marks.place(key).line, key), said)


def _end(house: House, system: catalogue.System, end: manifest.Feed | manifest.Sink, mappings: dict[str, mapping.Mapping | None]) -> bool:
    """A feed or sink: format, schema, mapping. Whether it can be set up."""
    under, section = f"{ADAPTERS}/{system.name}", "feeds" if isinstance(end, manifest.Feed) else "sinks"
    place = system.manifest.marked.place
    sound = mappings.get(end.mapping) is not None
    try:
        formats.build(end.format, system.files, lambda *path: place(section, end.name, "format", *path))
    except errors.BadManifest as error:
        house.findings.complain("format", error, under=under)
        sound = False
    if isinstance(end, manifest.Feed):
        sound = _schema(house.findings, system, end, under) and sound
    _control(house.findings, system, end, section)
    found = mappings.get(end.mapping)
    if found and found.direction != ("inbound" if section == "feeds" else "outbound"):
        at = place(section, end.name, "mapping")
        house.findings.add("MC225", _moved(at), f"{end.mapping} is {found.direction}")
        return False
    if found and isinstance(end, manifest.Feed):
        try:
            inbound.check_extract(end, found, place)
        except errors.BadManifest as error:
            house.findings.complain("manifest", error, under=under)
            return False
    return sound and found is not None and lint_mapping.check(house.findings, system, end, found)


def _schema(findings: Findings, system: catalogue.System, feed: manifest.Feed, under: str) -> bool:
    try:
        inbound.own_check(system, feed)
    except errors.Stop as error:
        findings.complain("schema", error, under=under)
        return False
    return True


def _control(findings: Findings, system: catalogue.System, end: manifest.Feed | manifest.Sink, section: str) -> None:
    columns = lint_mapping.columns(end.format)
    if end.control and end.control.column and columns and end.control.column not in columns:
        at = system.manifest.marked.place(section, end.name, "control", "column")
        findings.add("MC112", _moved(at), f"the format has no column {end.control.column!r}", fields.nearest(end.control.column, columns))


def _moved(place: errors.Place) -> errors.Place:
    return errors.Place(f"{ADAPTERS}/{place.file}", place.line, place.path) if "/" in place.file else place


def _unused(findings: Findings, system: catalogue.System, mappings: dict[str, mapping.Mapping | None], under: str) -> None:
    """Files that nothing names; asked where nothing else is wrong, since a mistake may be what hides the use."""
    named: set[Any] = {*_USED_BY_NAME}
    for end in _ends(system):
        found = mappings.get(end.mapping)
        named |= {end.mapping, *(found.files if found else ()), end.format.get("xsd"), end.format.get("xslt")}
        named |= {end.schema} if isinstance(end, manifest.Feed) else set()
    for file in system.files:
        judged = file.endswith(_JUDGED) or file.endswith(".schema.json")
        if judged and file not in named and not file.startswith("samples/") and findings.is_readable(f"{under}/{file}"):
            findings.add("MC124", errors.Place(f"{under}/{file}"), "no feed, sink or mapping uses this file")


def _samples(findings: Findings, system: catalogue.System, ends: list[str], under: str) -> None:
    """Pairs that stand alone, pairs that fail, rules that none of them covers."""
    pairs, wrong = samples.find_all(system)
    for error in wrong:
        findings.complain("sample", error, under=under)
    results = samples.replay(system, [pair for pair in pairs if pair.end in ends])
    for result in results:
        if not result.ok:
            lines = result.difference.splitlines()
            changed = (line for line in lines if line[:1] in "+-" and line[:3] not in ("---", "+++"))
            told = next((line for line in changed if line.strip(" -+[]{},")), lines[0])
            message = f"what comes out is not {result.pair.wanted}: {told.strip()}"
            findings.add("MC502", errors.Place(f"{under}/{result.pair.given}"), message)
    for covered in samples.coverage(system, results, ends):
        for used in covered.unused:
            place = errors.Place(f"{under}/{covered.file}", used.rule.line, used.rule.path)
            if not findings.stands_at(place):
                findings.add("MC503", place, f"no sample makes the rule for {used.rule.target or used.rule.part!r} give a value")
