"""What a mapping file says, parsed: rules, and the shapes that they stand in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from transformers import cel, paths
from transformers.registry import Call

Part = Literal["value", "part", "key", "sequence", "delete", "when", "each"]

# The words of a rule. A field of that name goes under `fields:`.
WORDS = ("from", "const", "join", "with", "first", "ref", "source", "each", "fields", "do", "call", "table", "default", "required", "when")
SOURCES = ("from", "const", "join", "first", "ref", "fields", "call")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its number, where it stands, what it writes (`identification[].number`) and what it reads, in words.

    `part` says what it does: it writes a value, is a part of another's value, or steers its record.
    """

    index: int
    line: int
    path: str
    target: str
    source: str
    part: Part


@dataclass(frozen=True, slots=True)
class When:
    """A condition and the number of its rule."""

    rule: Rule
    condition: cel.Condition


@dataclass(frozen=True, slots=True)
class Join:
    """Several values put together."""

    parts: tuple[Value, ...]
    by: str


@dataclass(frozen=True, slots=True)
class First:
    """The first that is not missing."""

    parts: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Const:
    """A value that stands in the mapping."""

    value: Any


@dataclass(frozen=True, slots=True)
class Nothing:
    """No value: a Python function makes one from the row."""


Source = paths.Path | Join | First | Const | Nothing


@dataclass(frozen=True, slots=True)
class Value:
    """One value: where it comes from, what is done with it, and what stands in for it.

    `steps` are called in turn, then `python` with the row as well, then `table`. `reference` is the source's name where the value
    becomes a reference. `default` None: there is none.
    """

    rule: Rule
    source: Source
    steps: tuple[Call, ...] = ()
    python: Callable[[Any, Any], Any] | None = None
    table: Call | None = None
    default: Any = None
    required: bool = False
    reference: str | None = None
    when: When | None = None

    @property
    def sourced(self) -> bool:
        """It comes from the data, not from the mapping alone."""
        return not isinstance(self.source, Const)

    @property
    def plain(self) -> bool:
        """Nothing is done with it, and nothing is asked of it."""
        return not (self.steps or self.python or self.table or self.when or self.reference is not None)


@dataclass(frozen=True, slots=True)
class Object:
    """Named values together."""

    fields: tuple[tuple[str, Node], ...]
    when: When | None = None

    @property
    def sourced(self) -> bool:
        """Something in it comes from the data."""
        return any(node.sourced for _, node in self.fields)


@dataclass(frozen=True, slots=True)
class Each:
    """One shape, repeated over a list of the row."""

    rule: Rule
    path: paths.Path
    body: Node

    sourced = True


@dataclass(frozen=True, slots=True)
class Many:
    """A list, item by item."""

    items: tuple[Node, ...]

    @property
    def sourced(self) -> bool:
        """Something in it comes from the data."""
        return any(node.sourced for node in self.items)


Node = Value | Object | Each | Many


@dataclass(frozen=True, slots=True)
class Record:
    """One kind of record that a mapping makes. Inbound `kind` is the entity; outbound the record type, for changes of `of`."""

    kind: str
    of: str
    each: Each | None
    when: When | None
    key: Value | None
    sequence: Value | None
    delete: When | None
    fields: Object
