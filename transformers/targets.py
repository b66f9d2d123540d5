"""What an inbound mapping may write: the fields of the canonical entities."""

from __future__ import annotations

from difflib import get_close_matches

from schemas import canonical
from transformers import rules


class Target:
    """The fields of one entity, asked by path. Each question answers None or (what is wrong, hint)."""

    def __init__(self, entity: str) -> None:
        self.entity = entity
        self._paths = canonical.property_paths(entity)
        self._refs = dict(canonical.refs(entity))
        self._choices = {field.path: field.choices for field in canonical.fields(entity) if field.choices}
        self._required = tuple(canonical.schema(entity).get("required", ()))

    def value(self, path: str, *, reference: bool) -> tuple[str, str] | None:
        """A plain value or a reference at this path."""
        wrong = self._known(path)
        if wrong:
            return wrong
        if reference and path not in self._refs:
            return f"{path!r} of {self.entity} is no reference", "Write the path alone, without ref:"
        if not reference and path in self._refs:
            return (
                f"{path!r} of {self.entity} is a reference to {self._refs[path]}",
                f"Write {{ref: PATH}}: the path of the {self._refs[path]}'s key",
            )
        if f"{path}[]" in self._paths and not reference:
            return None  # a function may answer with a list
        if any(known.startswith((f"{path}.", f"{path}[].")) for known in self._paths) and not reference:
            return f"{path!r} of {self.entity} is an object", f"Write its fields: {', '.join(self._inside(path))}"
        return None

    def holds(self, path: str, value: object) -> tuple[str, str] | None:
        """This very value at this path."""
        choices = self._choices.get(path.removesuffix("[]"), ())
        if not choices or value is None or value in choices:
            return None
        near = get_close_matches(str(value), choices, 1, 0.5)
        hint = f"Did you mean {near[0]!r}?" if near else f"Its values: {', '.join(choices)}"
        return f"{path!r} of {self.entity} cannot be {value!r}", hint

    def filled(self, path: str) -> tuple[str, str] | None:
        """An object at this path, "" the entity itself."""
        if not path:
            return None
        wrong = self._known(path)
        if wrong:
            return wrong
        if path in self._refs:
            return f"{path!r} of {self.entity} is a reference to {self._refs[path]}", "Write {ref: PATH}"
        if f"{path}[]" in self._paths:
            return f"{path!r} of {self.entity} is a list", "Write a YAML list (- ...), or each:"
        return None if self._inside(path) else (f"{path!r} of {self.entity} is a plain value", "Write a path or a rule with from:")

    def listed(self, path: str) -> tuple[str, str] | None:
        """A list at this path."""
        return self._known(path) or (
            None if f"{path}[]" in self._paths else (f"{path!r} of {self.entity} is no list", "Write one rule, not a list")
        )

    def missing(self, written: set[str]) -> list[str]:
        """The fields that the canonical schema requires and nothing writes."""
        return [name for name in self._required if name not in written]

    def _known(self, path: str) -> tuple[str, str] | None:
        if path in self._paths:
            return None
        before, _, last = path.rpartition(".")
        siblings = self._inside(before)
        near = get_close_matches(last, siblings, 1, 0.5)
        word = get_close_matches(last, rules.WORDS, 1, 0.75)
        if near:
            hint = f"Did you mean {near[0]!r}?"
        elif word:
            hint = f"Did you mean the word {word[0]!r}?"
        else:
            hint = f"Its fields: {', '.join(siblings)}" if siblings else f"{before!r} has no fields"
        return f"{self.entity} has no field {path!r}", hint

    def _inside(self, path: str) -> tuple[str, ...]:
        """The names of the fields right inside a path."""
        head = f"{path}." if path else ""
        names = {known.removeprefix(head).split(".")[0].removesuffix("[]") for known in self._paths if known.startswith(head)}
        return tuple(sorted(names - {""}))
