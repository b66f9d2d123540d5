"""What `mastercopy check` finds: each finding with its rule, place, sentence and hint, told once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hub import rulebook
from schemas import errors


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One mistake. `file` is relative to the folder that holds adapters/ and routes/; `field` is the path of keys in it."""

    file: str
    line: int
    field: str
    rule: str
    level: rulebook.Level
    message: str
    hint: str

    @property
    def place(self) -> str:
        """`FILE:LINE FIELD`, as far as they are known."""
        return str(errors.Place(self.file, self.line, self.field))


class Findings:
    """All findings of one check."""

    def __init__(self) -> None:
        self._found: dict[Finding, None] = {}
        self._unreadable: set[str] = set()

    def add(self, rule: str, place: errors.Place, message: str, hint: str = "") -> None:
        """Note what a rule found."""
        kind = rulebook.get(rule)
        self._found[Finding(place.file, place.line, place.path, rule, kind.level, message, hint or kind.remedy)] = None

    def complain(self, context: str, error: errors.Stop, *, under: str = "") -> None:
        """Note what a loader complains of, with all that it found beside. `under` is the folder that its files are relative to."""
        for each in error.all:
            place = errors.Place(inside(under, each.place.file), each.place.line, each.place.path)
            if place.file in self._unreadable and context != "yaml":
                continue
            message = each.detail if each.value is None else f"{each.detail} (got {str(each.value)[:200]!r})"
            self.add(rulebook.of_complaint(context, place.path, each.detail).id, place, message, each.hint)

    def unreadable(self, file: str) -> None:
        """Nothing more is said about this file: what it means is not known."""
        self._unreadable.add(file)

    def is_readable(self, file: str) -> bool:
        """No complaint keeps this file from being read."""
        return file not in self._unreadable

    def stands_at(self, place: errors.Place) -> bool:
        """Something is said about this very place already."""
        return any((each.file, each.line, each.field) == (place.file, place.line, place.path) for each in self._found)

    def all(self) -> list[Finding]:
        """By file, line and field."""
        return sorted(self._found)


def inside(under: str, file: str) -> str:
    """A file's name from the house's root on: loaders name it within its system, with or without the system's own name."""
    if not under or not file:
        return file
    room, _, system = under.rpartition("/")
    if file.startswith(f"{under}/"):
        return file
    return f"{room}/{file}" if file.startswith(f"{system}/") else f"{under}/{file}"


def counted(found: Iterable[Finding], level: rulebook.Level) -> int:
    """How many of a level."""
    return sum(finding.level == level for finding in found)
