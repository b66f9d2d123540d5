"""The `format:` mapping of a manifest, read key by key; every mistake names its place and the nearest word."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas import errors

Locate = Callable[..., errors.Place]


def nowhere(*path: str | int) -> errors.Place:
    """The place of a format that stands in no file."""
    return errors.Place(path=".".join(str(part) for part in path))


@dataclass(frozen=True)
class Options:
    """One level of the mapping; what is wrong with one key is noted in `found`, so that the others are looked at too.

    `locate(*path)` gives the place of a key; `files` is the system's folder in memory.
    """

    spec: Mapping[str, Any]
    files: Mapping[str, bytes]
    locate: Locate = nowhere
    path: tuple[str | int, ...] = ()
    found: list[errors.BadManifest] = field(default_factory=list)  # shared by all levels

    def wrong(self, detail: str, *path: str | int, value: object = None, hint: str = "") -> errors.BadManifest:
        """The error for a key of this level."""
        return errors.BadManifest(detail, place=self.locate(*self.path, *path), value=value, hint=hint)

    def only(self, *known: str) -> None:
        """Note keys that this level does not have."""
        for key in self.spec:
            if key not in known:
                self.found.append(self.wrong(f"there is no key {key!r} here", key, hint=nearest(str(key), known)))

    def text(self, key: str, default: str = "") -> str:
        """A text, or the default where the key is absent."""
        value = self.spec.get(key, default)
        if not isinstance(value, str):
            self.found.append(self.wrong(f"{key} is a text", key, value=value, hint="Put it in quotes"))
            return default
        return value

    def flag(self, key: str, default: bool = False) -> bool:
        """True or false."""
        value = self.spec.get(key, default)
        if not isinstance(value, bool):
            self.found.append(self.wrong(f"{key} is true or false", key, value=value))
            return default
        return value

    def number(self, key: str, default: int) -> int:
        """A whole number of at least 0."""
        value = self.spec.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            self.found.append(self.wrong(f"{key} is a whole number", key, value=value))
            return default
        return value

    def choice(self, key: str, known: Iterable[str], default: str) -> str:
        """One of the known words."""
        words = list(known)
        value = self.text(key, default)
        if value not in words:
            wrong = self.wrong(f"{key} is one of {', '.join(words)}", key, value=value, hint=nearest(value, words))
            if default not in words:
                raise wrong
            self.found.append(wrong)
            return default
        return value

    def file(self, key: str) -> bytes | None:
        """The bytes of a file of the system's folder, None where the key is absent."""
        if key not in self.spec:
            return None
        name = self.text(key)
        if name not in self.files:
            raise self.wrong(f"there is no file {name!r} in the system's folder", key, hint=nearest(name, self.files))
        return self.files[name]

    def items(self, key: str) -> list[Any]:
        """A list, empty where the key is absent."""
        value = self.spec.get(key, [])
        if not isinstance(value, list):
            self.found.append(self.wrong(f"{key} is a list", key, value=value))
            return []
        return value

    def under(self, key: str | int, value: object) -> Options:
        """The level below."""
        if not isinstance(value, Mapping):
            raise self.wrong(f"{key} is a mapping of keys", key, value=value)
        return Options(value, self.files, self.locate, (*self.path, key), self.found)


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint that names the most similar of the known words."""
    words = list(known)
    found = difflib.get_close_matches(word, words, 1)
    return f"Did you mean {found[0]!r}?" if found else f"Known: {', '.join(words)}" if words else ""
