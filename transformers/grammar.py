"""The mapping language: records and shapes, from YAML into rules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from schemas import canonical
from transformers import phrases, registry, rules, targets
from transformers.draft import At, Draft, nearest

_TOP = ("mapping", "direction", "records")
_INBOUND = ("entity", "each", "when", "key", "sequence", "delete", "fields")
_OUTBOUND = ("record", "of", "each", "when", "fields")


def read(draft: Draft) -> tuple[str, str, list[rules.Record]]:
    """(name, direction, records) of a file; what is wrong stands in the draft."""
    data = draft.doc.data
    if not isinstance(data, dict):
        draft.wrong((), "a mapping file has mapping, direction and records")
        return "", "", []
    draft.known(data, (), _TOP, required=_TOP)
    direction, records = data.get("direction"), data.get("records")
    if direction not in ("inbound", "outbound"):
        if "direction" in data:
            draft.wrong(("direction",), "the direction is inbound or outbound", value=direction)
        return "", "", []  # every key of a record hangs on it
    draft.outbound = direction == "outbound"
    if not isinstance(records, list) or not records:
        draft.wrong(
            ("records",), "records is a list with at least one record", "Write - record: NAME" if draft.outbound else "Write - entity: NAME"
        )
        return "", "", []
    found = [_record(draft, each, ("records", number)) for number, each in enumerate(records)]
    return str(data.get("mapping") or ""), direction, [each for each in found if each]


def _record(draft: Draft, data: Any, at: At) -> rules.Record | None:
    """One entry of `records`."""
    if not isinstance(data, dict):
        draft.wrong(at, f"a record has keys of its own, and is not {registry.kind(data)}")
        return None
    head = "record" if draft.outbound else "entity"
    words, required = (_OUTBOUND, (head, "fields")) if draft.outbound else (_INBOUND, (head, "key", "fields"))
    draft.known(data, at, words, required=required)
    kind, of = str(data.get(head) or ""), str(data.get("of") or "")
    draft.target = _target(draft, kind, (*at, head)) if head in data and not draft.outbound else None
    if of:
        _target(draft, of, (*at, "of"))
    fields = _fields(draft, data, at)
    record = rules.Record(
        kind,
        of,
        _repeat(draft, data, at, "") if "each" in data else None,
        phrases.condition(draft, data["when"], (*at, "when"), "") if "when" in data else None,
        phrases.value(draft, data["key"], (*at, "key"), "key", "key") if "key" in data else None,
        phrases.value(draft, data["sequence"], (*at, "sequence"), "sequence", "sequence") if "sequence" in data else None,
        phrases.condition(draft, data["delete"], (*at, "delete"), "", part="delete") if "delete" in data else None,
        _object(draft, fields, (*at, "fields"), ""),
    )
    lacking = draft.target.missing(set(fields)) if draft.target and fields else []
    if lacking:
        draft.wrong((*at, "fields"), f"{kind} requires {', '.join(lacking)}, and no rule writes it", f"Add {lacking[0]}: PATH")
    return record


def _target(draft: Draft, entity: str, at: At) -> targets.Target | None:
    if entity in canonical.entity_names():
        return targets.Target(entity)
    draft.wrong(at, f"there is no entity {entity!r}", nearest(entity, canonical.entity_names()))
    return None


def _fields(draft: Draft, data: dict[str, Any], at: At) -> dict[str, Any]:
    """The dict under `fields`."""
    fields = data.get("fields")
    if isinstance(fields, dict):
        return fields
    if "fields" in data:
        draft.wrong((*at, "fields"), "fields is an object: what is written, and by which rule")
    return {}


def _node(draft: Draft, data: Any, at: At, target: str) -> rules.Node:
    """What writes `target`: a path, a rule, an object or a list."""
    if isinstance(data, list):
        draft.checked(draft.target.listed(target) if draft.target else None, at)
        return rules.Many(tuple(_node(draft, each, (*at, number), f"{target}[]") for number, each in enumerate(data)))
    if isinstance(data, dict) and "each" in data:
        return _each(draft, data, at, target)
    if isinstance(data, dict) and "fields" in data:
        return _shape(draft, data, at, target)
    if isinstance(data, dict) and not any(word in data for word in rules.WORDS):
        return _object(draft, data, at, target)
    return phrases.value(draft, data, at, target, "value")


def _object(draft: Draft, data: dict[str, Any], at: At, target: str, when: rules.When | None = None) -> rules.Object:
    """An object, field by field."""
    draft.checked(draft.target.filled(target) if draft.target else None, at)
    before = f"{target}." if target else ""
    return rules.Object(tuple((name, _node(draft, each, (*at, name), before + name)) for name, each in data.items()), when)


def _shape(draft: Draft, data: dict[str, Any], at: At, target: str) -> rules.Object:
    """An object that is written with `fields:`, and perhaps `when:`."""
    draft.known(data, at, ("fields", "when"))
    when = phrases.condition(draft, data["when"], (*at, "when"), target) if "when" in data else None
    return _object(draft, _fields(draft, data, at), (*at, "fields"), target, when)


def _each(draft: Draft, data: dict[str, Any], at: At, target: str) -> rules.Each:
    """A rule that repeats over a list. Inside a YAML list its items join that list."""
    if not target.endswith("[]"):
        draft.checked(draft.target.listed(target) if draft.target else None, at)
        target = f"{target}[]"
    rest = {name: value for name, value in data.items() if name != "each"}
    return replace(_repeat(draft, data, at, target), body=_node(draft, rest or {"from": "."}, at, target))


def _repeat(draft: Draft, data: dict[str, Any], at: At, target: str) -> rules.Each:
    path = phrases.path(draft, data["each"], (*at, "each"), repeats=True)
    return rules.Each(draft.rule((*at, "each"), target, path.text, "each"), path, rules.Object(()))
