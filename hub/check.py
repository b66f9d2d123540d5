"""`mastercopy check`: lints the whole house, packaged or an instance's, and tells every mistake with its place and a hint."""

from __future__ import annotations

from pathlib import Path

from adapters import catalogue
from hub import house, lint_master, lint_route, lint_system
from hub.findings import Finding
from transformers import mapping


def check(home: Path | None) -> list[Finding]:
    """Every finding, by file and line. `home` None: the packaged systems and routes. Raises `NotFound` for a home that is none."""
    found = house.read(home)
    for name, folder in found.broken.items():
        lint_system.all_mappings(found.findings, name, catalogue.read(folder))
    for system in found.systems.values():
        lint_system.check(found, system)
    lint_route.check(found, _compiled(found, "sinks"))
    lint_master.check(found, _compiled(found, "feeds"))
    return found.findings.all()


def _compiled(found: house.House, section: str) -> dict[str, mapping.Mapping]:
    """The mappings of all feeds or sinks that have no mistake, by `system/name`."""
    compiled = {}
    for system in found.systems.values():
        for end in (system.manifest.feeds if section == "feeds" else system.manifest.sinks).values():
            one, _ = mapping.parse_all(system.files, end.mapping, system=system.name)
            if one and one.direction == ("inbound" if section == "feeds" else "outbound"):
                compiled[end.path] = one
    return compiled
