"""The canonical entities: their schemas, their fields, and who points to whom."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from schemas import checks, envelope

_HERE = Path(__file__).resolve().parent
_REFERENCE = "#/$defs/reference"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an entity, at any depth, with a path as in `identification[].number`.

    `types` are JSON types; `ref` is the entity that it points to, or ""; `choices` are the only values that it may have, if
    there are such.
    """

    path: str
    title: str
    description: str
    title_zh: str
    description_zh: str
    source: str
    personal: str
    required: bool
    types: tuple[str, ...]
    ref: str
    choices: tuple[str, ...] = ()


def entity_names() -> tuple[str, ...]:
    """The entities that the master copy holds."""
    return envelope.ENTITIES


@cache
def schema(entity: str) -> dict[str, Any]:
    """The JSON Schema of an entity; also of "envelope". Raises `KeyError` for another name. Shared: do not change it."""
    if entity not in (*envelope.ENTITIES, "envelope"):
        raise KeyError(entity)
    found: dict[str, Any] = json.loads((_HERE / f"{entity}.json").read_text(encoding="utf-8"))
    return found


@cache
def validator(entity: str) -> checks.Check:
    """The compiled check of an entity; also of "envelope"."""
    return checks.Check(schema(entity), entity)


@cache
def fields(entity: str) -> tuple[Field, ...]:
    """Every field at every depth in the schema's order. The inside of a reference to another entity is not a field."""
    root = schema(entity)
    return tuple(_walk(root, root, ""))


@cache
def property_paths(entity: str) -> frozenset[str]:
    """All paths that may stand in a state: fields, items of lists (`bundled[]`), and the inside of references (`customer.key`)."""
    found: set[str] = set()
    for field in fields(entity):
        found.add(field.path)
        spot = f"{field.path}[]" if "array" in field.types else field.path
        found.add(spot)
        if field.ref:
            found.update(f"{spot}.{name}" for name in schema(entity)["$defs"]["reference"]["properties"])
    return frozenset(found)


@cache
def refs(entity: str) -> tuple[tuple[str, str], ...]:
    """(path, entity pointed to) of each reference: ("account[].account", "account"), ("bundled[]", "product")."""
    return tuple((f"{field.path}[]" if "array" in field.types else field.path, field.ref) for field in fields(entity) if field.ref)


def _walk(root: dict[str, Any], node: dict[str, Any], before: str) -> Iterator[Field]:
    for name, spec in node.get("properties", {}).items():
        path = f"{before}.{name}" if before else name
        inside = _inside(root, spec)
        yield _field(path, spec, inside, required=name in node.get("required", ()))
        if inside.get("type") == "array":
            yield from _walk(root, _inside(root, inside["items"]), f"{path}[]") if inside["items"].get("$ref") != _REFERENCE else ()
        elif spec.get("$ref") != _REFERENCE:
            yield from _walk(root, inside, path)


def _field(path: str, spec: dict[str, Any], inside: dict[str, Any], *, required: bool) -> Field:
    zh = spec["x-zh"]
    ref = spec.get("x-ref") or inside.get("items", {}).get("x-ref", "")
    heads = (spec["title"], spec["description"], zh["title"], zh["description"], spec["x-source"], spec["x-personal"])
    choices = tuple((inside.get("items") or inside).get("enum", ()))
    return Field(path, *heads, required, _types(inside), ref, choices)


def _inside(root: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in spec:
        return spec
    found: dict[str, Any] = root["$defs"][spec["$ref"].removeprefix("#/$defs/")]
    return found


def _types(inside: dict[str, Any]) -> tuple[str, ...]:
    kinds = inside.get("type", "string")  # enums and days-or-times are text
    return (kinds,) if isinstance(kinds, str) else tuple(kinds)
