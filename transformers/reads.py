"""What a mapping reads of its rows: the fields that its rules and conditions name, from the row's root on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from transformers import paths, rules


class Read(NamedTuple):
    """A rule and the field that it names: `("items", "code")`; steps into lists are left out."""

    rule: rules.Rule
    names: tuple[str, ...]


_Level = tuple[tuple[str, ...], ...]  # where the row and each repeated item stand, the innermost last


def fields(record: rules.Record) -> Iterator[Read]:
    """Every field that a record's rules and conditions name; whole rows and items are not told."""
    levels: _Level = ((),)
    if record.each:
        yield from _path(record.each.rule, record.each.path, levels)
        levels = _inside(record.each.path, levels)
    for when in (record.when, record.delete):
        yield from _when(when, levels)
    for value in (record.key, record.sequence):
        yield from _value(value, levels) if value else ()
    yield from _node(record.fields, levels)


def references(record: rules.Record) -> Iterator[tuple[rules.Rule, str]]:
    """Every reference that a record makes, with the system whose key it is."""
    yield from ((value.rule, value.reference) for value in _values(record.fields) if value.reference is not None)


def _node(node: rules.Node, levels: _Level) -> Iterator[Read]:
    match node:
        case rules.Value():
            yield from _value(node, levels)
        case rules.Object():
            yield from _when(node.when, levels)
            for _, child in node.fields:
                yield from _node(child, levels)
        case rules.Each():
            yield from _path(node.rule, node.path, levels)
            yield from _node(node.body, _inside(node.path, levels))
        case rules.Many():
            for item in node.items:
                yield from _node(item, levels)


def _value(value: rules.Value, levels: _Level) -> Iterator[Read]:
    yield from _when(value.when, levels)
    if isinstance(value.source, paths.Path):
        yield from _path(value.rule, value.source, levels)
    elif isinstance(value.source, rules.Join | rules.First):
        for part in value.source.parts:
            yield from _value(part, levels)


def _values(node: rules.Node) -> Iterator[rules.Value]:
    match node:
        case rules.Value():
            yield node
        case rules.Object():
            for _, child in node.fields:
                yield from _values(child)
        case rules.Each():
            yield from _values(node.body)
        case rules.Many():
            for item in node.items:
                yield from _values(item)


def _path(rule: rules.Rule, path: paths.Path, levels: _Level) -> Iterator[Read]:
    names = _full(path, levels)
    if names:
        yield Read(rule, names)


def _when(when: rules.When | None, levels: _Level) -> Iterator[Read]:
    for name in sorted(when.condition.reads("row")) if when else ():
        yield Read(when.rule, (*levels[-1], name))  # type: ignore[union-attr]


def _inside(path: paths.Path, levels: _Level) -> _Level:
    return (*levels, _full(path, levels))


def _full(path: paths.Path, levels: _Level) -> tuple[str, ...]:
    base = levels[-1 - path.up] if path.up < len(levels) else ()
    return (*base, *(step.name for step in path.steps if isinstance(step, paths.Key)))
