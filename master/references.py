"""References between entities inside a canonical state: found by the paths that the schema names, given their golden ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from master.records import SourceId

Paths = Mapping[str, Sequence[tuple[str, str]]]  # entity -> (path like "account[].account", target entity)


def find(paths: Sequence[tuple[str, str]], state: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every reference in the state with the entity that it points to."""
    for path, target in paths:
        here = state.get(path)
        if isinstance(here, dict):  # most paths are one name
            yield target, here
            continue
        for reference in _walk(state, path.split(".")):
            yield target, reference


def _walk(value: Any, parts: Sequence[str]) -> Iterator[dict[str, Any]]:
    if not parts:
        if isinstance(value, dict):
            yield value
        return
    name = parts[0].removesuffix("[]")
    child = value.get(name) if isinstance(value, dict) else None
    if child is None:
        return
    if parts[0].endswith("[]"):
        for item in child:
            yield from _walk(item, parts[1:])
    else:
        yield from _walk(child, parts[1:])


def targets(paths: Sequence[tuple[str, str]], state: dict[str, Any]) -> tuple[SourceId, ...]:
    """The source ids that the state points to, each once."""
    return tuple(dict.fromkeys((target, ref["source"], ref["key"]) for target, ref in find(paths, state)))


def resolve(paths: Sequence[tuple[str, str]], state: dict[str, Any], golden_id: Callable[[SourceId], str | None]) -> list[SourceId]:
    """Write golden ids into the state's references, in place; answers the targets that are not known yet."""
    missing: list[SourceId] = []
    for target, reference in find(paths, state):
        wanted = (target, reference["source"], reference["key"])
        found = golden_id(wanted)
        if found is None:
            reference.pop("id", None)
            missing.append(wanted)
        else:
            reference["id"] = found
    return missing


def strip(paths: Sequence[tuple[str, str]], state: dict[str, Any]) -> dict[str, Any]:
    """Take the golden ids out again, in place: the source's own words remain."""
    for _, reference in find(paths, state):
        reference.pop("id", None)
    return state
