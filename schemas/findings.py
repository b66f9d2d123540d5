"""One thing that is wrong with a value, said in one readable line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple


class Finding(NamedTuple):
    """Where (`identification[0].number`, `$` for the whole), what the schema expects, and what stands there."""

    path: str
    expected: str
    got: str

    @property
    def line(self) -> str:
        """`kind: expected one of individual, organization, got 'robot'`."""
        return f"{self.path}: expected {self.expected}, got {self.got}"


def dotted(path: Iterable[str | int]) -> str:
    """A path as people write it."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "$"


def expected(keyword: str, value: Any) -> str:
    """What a schema keyword with this value asks for."""
    words = _WORDS.get(keyword)
    return words(value) if words else f"{keyword} {value}"


def got(value: object, *, personal: bool) -> str:
    """What stands there, short. Personal text is counted, not shown."""
    if isinstance(value, str):
        return _text(value, personal)
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, Mapping):
        return "an object with " + (", ".join(list(map(str, value))[:5]) or "no fields")
    if value is None or isinstance(value, bool):
        return {True: "true", False: "false", None: "null"}[value]
    return str(value)[:60]


def _text(value: str, personal: bool) -> str:
    if not value:
        return "empty text"
    if personal:
        return f"{len(value)} characters (personal, not shown)"
    return repr(value if len(value) <= 60 else value[:60] + "…")


def _kinds(kinds: str | list[str]) -> str:
    return " or ".join(_TYPES.get(kind, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds))


_TYPES = {
    "object": "an object",
    "array": "a list",
    "string": "text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}
_SHAPES = {"date": "a date YYYY-MM-DD", "date-time": "a time with offset such as 2026-01-31T08:00:00+08:00"}
_WORDS: dict[str, Callable[[Any], str]] = {
    "type": _kinds,
    "enum": lambda values: "one of " + ", ".join(map(str, values)),
    "const": lambda value: f"{value!r}",
    "format": lambda name: _SHAPES.get(name, f"the format {name}"),
    "pattern": lambda pattern: f"text like {pattern}",
    "minLength": lambda count: "text that is not empty" if count == 1 else f"at least {count} characters",
    "maxLength": lambda count: f"at most {count} characters",
    "minimum": lambda bound: f"{bound} or more",
    "maximum": lambda bound: f"{bound} or less",
    "exclusiveMinimum": lambda bound: f"more than {bound}",
    "exclusiveMaximum": lambda bound: f"less than {bound}",
    "minItems": lambda count: f"at least {count} item{'s' * (count != 1)}",
    "maxItems": lambda count: f"at most {count} item{'s' * (count != 1)}",
    "multipleOf": lambda step: f"a multiple of {step}",
    "uniqueItems": lambda _: "no item twice",
}
