"""A mapping file while it is read: its rules so far, what is wrong with it, and the files that it uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from config import marked
from schemas import errors
from transformers import codetables, rules, targets

At = tuple[str | int, ...]


@dataclass
class Draft:
    """One file while it is read. `found` collects every finding; `uses` names the files of the system that it needs."""

    files: Mapping[str, bytes]
    doc: marked.Marked
    system: str
    outbound: bool = False
    target: targets.Target | None = None
    numbered: list[rules.Rule] = field(default_factory=list)
    found: list[errors.BadMapping] = field(default_factory=list)
    uses: set[str] = field(default_factory=set)
    tables: dict[str, codetables.Table] = field(default_factory=dict)
    modules: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def rule(self, at: At, target: str, source: str, part: rules.Part) -> rules.Rule:
        """Number a rule."""
        place = self.doc.place(*at)
        rule = rules.Rule(len(self.numbered), place.line, place.path, target, source, part)
        self.numbered.append(rule)
        return rule

    def wrong(self, at: At, detail: str, hint: str = "", value: object = None) -> None:
        """Note a finding."""
        self.found.append(errors.BadMapping(detail, place=self.doc.place(*at), hint=hint, value=value))

    def checked(self, objection: tuple[str, str] | None, at: At) -> None:
        """Note what a target has against a rule."""
        if objection:
            self.wrong(at, *objection)

    def known(self, data: dict[str, Any], at: At, words: tuple[str, ...], required: tuple[str, ...] = ()) -> None:
        """Every key is one of these words, and the required are there."""
        for key in data:
            if key not in words:
                self.wrong((*at, key), f"{key!r} is not known here", nearest(key, words))
        for key in required:
            if key not in data:
                self.wrong(at, f"{key!r} is missing", f"Add {key}:")

    def repeated(self, at: At) -> bool:
        """Some level around this place has an `each`."""
        data: Any = self.doc.data
        for part in at[:-1]:
            data = data[part]
            if isinstance(data, dict) and "each" in data:
                return True
        return False


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint with the nearest valid name."""
    names = tuple(known)
    near = get_close_matches(name, names, 1, 0.5)
    return f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(names)}"
