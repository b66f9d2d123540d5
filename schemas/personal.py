"""Personal values: which fields of a canonical record hold them, and how they look when they are hidden."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from schemas import canonical

_INDEX = re.compile(r"\[[^\]]*\]")
# What is personal wherever it stands: a resident's id (with a birth date in it), a mobile number, an e-mail address.
_ANYWHERE = (
    ("idNumber", re.compile(r"(?<![\dA-Za-z])\d{6}(?:19|20)\d{2}(?:0[1-9]|1[0-2])\d{5}[\dXx](?![\dA-Za-z])")),
    ("phone", re.compile(r"(?<![\dA-Za-z])1[3-9]\d{9}(?![\dA-Za-z])")),
    ("email", re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")),
)


@cache
def classes(entity: str) -> Mapping[str, str]:
    """Path to class of the fields that hold personal values: {"identification[].number": "idNumber"}."""
    return {field.path: field.personal for field in canonical.fields(entity) if field.personal != "none"}


def class_of(entity: str, path: str) -> str:
    """The class of a field, "" if it has none; `identification[0].number` is `identification[].number`."""
    path = _INDEX.sub("[]", path)
    known = classes(entity)
    return known.get(path) or known.get(path.removesuffix("[]"), "")


def mask(kind: str, value: object) -> str:
    """The value hidden, with as much of it left as people need to recognise it."""
    text = str(value)
    if "@" in text:
        return f"{text[:1]}***@{text.rpartition('@')[2]}"
    if kind == "birthDate":
        return f"{text[:4]}-**-**"
    head, tail = {"phone": (3, 4), "idNumber": (3, 2), "bankAccount": (0, 4), "address": (3, 0)}.get(kind, (1, 0))
    if len(text) < head + tail + 3:  # too short to leave that much of it
        head, tail = min(1, len(text) - 1), 0
    return text[:head] + "*" * min(8, max(1, len(text) - head - tail)) + (text[-tail:] if tail else "")


def shape(value: object) -> str:
    """What a value looks like without saying it, for a reason that one can act on: `1990-0A` is `####-#X`, 张三 is 字字."""
    return "".join("#" if c.isdigit() else ("X" if c.isascii() else "字") if c.isalpha() else c for c in str(value))


class Veil:
    """Hides known personal values, and what is personal wherever it stands, in any text or document."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None

    def state(self, entity: str, state: Mapping[str, Any]) -> None:
        """Learn the personal values of a canonical record."""
        for path, value in _leaves(state, ""):
            self.value(class_of(entity, path), value)

    def value(self, kind: str, value: object) -> None:
        """Learn one value of a class; "" is none."""
        text = str(value) if value is not None and not isinstance(value, dict | list | bool) else ""
        if not kind or len(text) < (5 if text.isdigit() else 2) or text in self._known:
            return  # what is shorter stands in too many places that are something else
        hidden = mask(kind, text)
        self._known |= dict.fromkeys((text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]), hidden)
        self._pattern = None

    def text(self, text: str) -> str:
        """The text with every known value hidden."""
        if self._known:
            if self._pattern is None:
                self._pattern = re.compile("|".join(re.escape(each) for each in sorted(self._known, key=len, reverse=True)))
            text = self._pattern.sub(lambda found: self._known[found[0]], text)
        for kind, pattern in _ANYWHERE:
            text = pattern.sub(lambda found, kind=kind: mask(kind, found[0]), text)  # type: ignore[misc]
        return text

    def tree(self, value: Any) -> Any:
        """A document with every known value hidden."""
        if isinstance(value, Mapping):
            return {name: self.tree(each) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.tree(each) for each in value]
        if isinstance(value, str):
            return self.text(value)
        if type(value) is int and (str(value) in self._known or abs(value) >= 10**10):
            hidden = self.text(str(value))
            return value if hidden == str(value) else hidden
        return value


class Clear(Veil):
    """Hides nothing: for those who may see, and said why they look."""

    def text(self, text: str) -> str:
        """The text as it is."""
        return text

    def tree(self, value: Any) -> Any:
        """The document as it is."""
        return value


def _leaves(value: Any, path: str) -> Iterable[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _leaves(each, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each, f"{path}[]")
    else:
        yield path, value
