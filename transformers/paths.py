"""Paths into a row: how they are written, and what they find there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

_TOKEN = re.compile(
    r"""\[\]                                    (?P<all>)
      | \[(?P<index>-?[0-9]+)\]
      | \["(?P<quoted>[^"]+)"\]
      | \[(?P<field>[^\[\]=]+)=(?P<value>[^\[\]]*)\]
      | \.?(?P<key>[^.\[\]^]+)""",
    re.VERBOSE,
)


class Key(NamedTuple):
    """The field of an object."""

    name: str


class At(NamedTuple):
    """The n-th of a list, from 0; negative from its end."""

    number: int


class Pick(NamedTuple):
    """The first of a list whose field has this text."""

    field: str
    value: str


class All(NamedTuple):
    """Every one of a list: only where rules repeat."""


Step = Key | At | Pick | All


@dataclass(frozen=True, slots=True)
class Path:
    """A parsed path. `up` is how many levels of `each` it leaves; no steps means the item itself."""

    text: str
    up: int
    steps: tuple[Step, ...]

    @property
    def repeats(self) -> bool:
        """It has `[]` somewhere, so it answers with many values."""
        return any(isinstance(step, All) for step in self.steps)


def parse(text: str) -> Path:
    """Read `a.b`, `a[0].b`, `a[type=mobile].b`, `["odd.name"]`, `^.a` (one `each` up), `.` (the item itself).

    Raises `ValueError` with a sentence for what is none of these.
    """
    if text == ".":
        return Path(text, 0, ())
    up, at = 0, 0
    while text.startswith("^", at):
        up, at = up + 1, at + (2 if text.startswith("^.", at) else 1)
    steps: list[Step] = []
    while at < len(text):
        found = _TOKEN.match(text, at)
        if not found or (text[at] == "." and not steps):
            raise ValueError(f"the path {text!r} cannot be read from {text[at:]!r} on")
        steps.append(_step(found))
        at = found.end()
    if not steps and not up:
        raise ValueError("the path is empty")
    return Path(text, up, tuple(steps))


def _step(found: re.Match[str]) -> Step:
    if found["all"] is not None:
        return All()
    if found["index"] is not None:
        return At(int(found["index"]))
    if found["field"] is not None:
        return Pick(found["field"].strip(), found["value"].strip().strip("\"'"))
    return Key(found["quoted"] or found["key"])


def key(value: Any, name: str) -> Any:
    """The field of an object that may not be one: text of an XML element has only `#text`. None where there is nothing."""
    if isinstance(value, dict):
        return value.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, str) and name[0] in "@#":
        return value if name == "#text" else None
    if isinstance(value, list):
        raise ValueError(f"a list of {len(value)} stands where {name!r} is looked for; name one with [0], or repeat with each:")
    raise ValueError(f"{name!r} is looked for inside a plain value")


def at(value: Any, index: int) -> Any:
    """The n-th of a list; a single value counts as a list of one."""
    found = listed(value)
    return found[index] if -len(found) <= index < len(found) else None


def pick(value: Any, field: str, wanted: str) -> Any:
    """The first object of a list whose field has this text."""
    for item in listed(value):
        if isinstance(item, dict) and str(item.get(field)) == wanted:
            return item
    return None


def listed(value: Any) -> list[Any]:
    """A list as it is, nothing as none, one as a list of one: XML shows a single element so."""
    if isinstance(value, list):
        return value
    return [] if value is None or value == "" else [value]


def item(value: Any) -> dict[str, Any]:
    """An item of a list as an object; the plain text of an XML element becomes its `#text`."""
    if isinstance(value, dict):
        return value
    if value is None or isinstance(value, str):
        return {"#text": value} if value else {}
    raise ValueError("the items of the list are plain values, not objects; write '.' for the value itself")


def every(value: Any, steps: tuple[Step, ...]) -> Iterator[Any]:
    """All values of a path with `[]`, in order; what ends in a list is spread."""
    if not steps:
        yield from listed(value)
        return
    first, rest = steps[0], steps[1:]
    if isinstance(first, All):
        for one in listed(value):
            yield from every(one, rest)
    else:
        yield from every(follow(value, first), rest)


def follow(value: Any, step: Step) -> Any:
    """One step of a path."""
    if isinstance(step, Key):
        return key(value, step.name)
    if isinstance(step, At):
        return at(value, step.number)
    if isinstance(step, Pick):
        return pick(value, step.field, step.value)
    raise ValueError("[] stands only in each:")
