"""The page that the compiler writes on: lines, blocks, fresh names, and where the writer stands in the row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from transformers import rules

Text = tuple[str, ...]  # plain text, expression, plain text, ...: an odd number of them, or none


@dataclass
class Page:
    """Python source, line by line. `names` are the objects that it uses, by the names that it uses for them.

    Everything that comes from a mapping file enters the source through `repr` or as such a name, so that a file cannot
    put code into it. `tracing`: every step is recorded.
    """

    names: dict[str, Any]
    tracing: bool
    outbound: bool
    lines: list[str] = field(default_factory=list)
    _depth: int = 0
    _count: int = 0

    def line(self, text: str) -> None:
        self.lines.append("    " * self._depth + text)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """A line that opens a block, and the block."""
        self.line(head)
        self._depth += 1
        yield
        self._depth -= 1

    @contextmanager
    def maybe(self, test: str) -> Iterator[None]:
        """A block under a test, or no block where the test is ""."""
        if test:
            with self.block(f"if {test}:"):
                yield
        else:
            yield

    def spare(self, letter: str) -> str:
        """A fresh local name."""
        self._count += 1
        return f"{letter}{self._count}"

    def object(self, value: object, letter: str) -> str:
        """The name of an object that the source uses."""
        for name, known in self.names.items():
            if known is value:
                return name
        name = f"_{letter}{len(self.names)}"
        self.names[name] = value
        return name

    def rule(self, rule: rules.Rule, value: str = "") -> None:
        """From here on a failure is this rule's, and names this value."""
        self.line(f"rule = {rule.index}")
        if value:
            self.line(f"s = {value}")

    def step(self, rule: rules.Rule, target: str, read: str, before: str, after: str) -> None:
        """Record a step, where steps are recorded; all but the rule are expressions."""
        if self.tracing:
            self.line(f"steps.append(_Step({rule.index}, {rule.line}, {target}, {read}, {before}, {after}))")

    def text(self) -> str:
        return "\n".join(self.lines) + "\n"


@dataclass(frozen=True)
class Level:
    """One level of `each`: the local name of its row, where it is read from, and whether it is an object for sure."""

    row: str
    read: Text = ()
    sure: bool = True


@dataclass(frozen=True)
class Scope:
    """Where the writer stands: the levels of `each` from the outside in, and what is being written."""

    levels: tuple[Level, ...]
    target: Text = ()

    @property
    def row(self) -> str:
        """The innermost row or item."""
        return self.levels[-1].row

    def level(self, up: int) -> Level:
        """That many levels out; the outermost at most."""
        return self.levels[max(0, len(self.levels) - 1 - up)]

    def named(self, *text: str) -> Scope:
        """One step further in what is written."""
        first = text[0] if self.target else text[0].removeprefix(".")
        return replace(self, target=joined(self.target, (first, *text[1:])))

    def inside(self, row: str, path: str, at: str, *, sure: bool) -> Scope:
        """Inside a loop over a path of this level."""
        read = joined(self.levels[-1].read, (f"{'.' if self.levels[-1].read else ''}{path}[", at, "]"))
        return replace(self, levels=(*self.levels, Level(row, read, sure)))


def joined(before: Text, after: Text) -> Text:
    """Two texts as one."""
    return (*before[:-1], before[-1] + after[0], *after[1:]) if before else after


def expression(text: Text) -> str:
    """A text with places in it as an expression: places in lists are known only when it runs."""
    return " + ".join(f"str({part})" if odd % 2 else repr(part) for odd, part in enumerate(text)) or "''"
