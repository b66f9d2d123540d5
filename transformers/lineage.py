"""Lineage: which rule made a value, from what; and which rules a set of rows uses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.envelope import Mapped
from schemas.errors import MastercopyError

if TYPE_CHECKING:
    from transformers import mapping, rules


class Step(NamedTuple):
    """One rule at work: the number and line of the rule, where its value goes and comes from, before and after.

    `target` and `source` name list items by their place: `identification[0].number`. `after` None: it gave nothing, or
    its item had nothing from the data and vanished.
    """

    rule: int
    line: int
    target: str
    source: str
    before: Any
    after: Any


class Explained(NamedTuple):
    """One record and the steps that made it; or the error that ended it; or neither, where a condition said no."""

    mapped: Mapped | None
    error: MastercopyError | None
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Used:
    """How often a rule ran over some rows, and how often it gave a value (a condition: said yes)."""

    rule: rules.Rule
    runs: int
    hits: int


def origin(explained: Explained, target: str) -> Step | None:
    """The step that wrote a value, such as `identification[0].number`."""
    return next((step for step in reversed(explained.steps) if step.target == target and step.after is not None), None)


def coverage(found: mapping.Mapping, rows: Iterable[dict[str, Any]]) -> tuple[Used, ...]:
    """How often each rule of a mapping ran and hit over these rows, in the order of the file."""
    runs, hits = [0] * len(found.rules), [0] * len(found.rules)
    for row in rows:
        for explained in found.explain(row):
            for step in explained.steps:
                runs[step.rule] += 1
                refused = step.after is False and found.rules[step.rule].part in ("when", "delete")
                hits[step.rule] += step.after is not None and not refused
    return tuple(Used(rule, runs[rule.index], hits[rule.index]) for rule in sorted(found.rules, key=lambda rule: (rule.line, rule.index)))
