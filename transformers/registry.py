"""What a function of a mapping is: its name, argument, description, and the words of its refusals."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

Call = Callable[[Any], Any]
Shape = Literal["one", "list"]


class Unfit(ValueError):
    """A value that a function cannot take. The detail is a sentence; the hint says what to do."""

    def __init__(self, detail: str, hint: str = "") -> None:
        super().__init__(detail)
        self.hint = hint


@dataclass(frozen=True)
class Function:
    """One function: `make(argument)` checks the argument (`ValueError`) and answers the call.

    `argument` describes it in words, "" where there is none; an `optional` one may be left out. `takes` and `gives` say
    whether the value is one or a list.
    """

    name: str
    doc: str
    zh: str
    argument: str
    optional: bool
    takes: Shape
    gives: Shape
    make: Callable[[Any], Call]


REGISTRY: dict[str, Function] = {}


def plain(name: str, zh: str, *, takes: Shape = "one", gives: Shape = "one") -> Callable[[Call], Call]:
    """Register a function without an argument; its docstring is its description."""

    def register(call: Call) -> Call:
        REGISTRY[name] = Function(name, _sentence(call), zh, "", False, takes, gives, lambda _: call)
        return call

    return register


def asking(
    name: str, zh: str, argument: str, *, optional: bool = False, takes: Shape = "one", gives: Shape = "one"
) -> Callable[[Callable[[Any], Call]], Callable[[Any], Call]]:
    """Register a function with an argument: the decorated one checks the argument and answers the call."""

    def register(make: Callable[[Any], Call]) -> Callable[[Any], Call]:
        REGISTRY[name] = Function(name, _sentence(make), zh, argument, optional, takes, gives, make)
        return make

    return register


def text(value: Any) -> str:
    """A value as text: integers by their digits, decimals of JSON by their shortest form. Raises `Unfit` for the rest."""
    if type(value) is str:
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(value)
    raise Unfit(f"text is expected, not {kind(value)}")


def folded(value: Any) -> str:
    """Text for reading numbers and times: outer space off, full width to ASCII."""
    found = value.strip() if type(value) is str else text(value)
    return found if found.isascii() else unicodedata.normalize("NFKC", found).strip()


def kind(value: Any) -> str:
    """What a value is, in the words of a mapping's author."""
    if isinstance(value, bool):
        return "true or false"
    names = {dict: "an object", list: "a list", type(None): "nothing", int: "an integer", float: "a number with a point", str: "text"}
    return names.get(type(value), type(value).__name__)


def option(argument: Any, choices: dict[str, Any], default: str) -> Any:
    """One of the words that an argument may be. Raises `Unfit` with the nearest."""
    word = default if argument is None else str(argument)
    if word in choices:
        return choices[word]
    near = get_close_matches(word, choices, 1, 0.5)
    raise Unfit(f"{word!r} is not one of {', '.join(choices)}", f"Did you mean {near[0]!r}?" if near else "")


def _sentence(call: Callable[..., Any]) -> str:
    return (call.__doc__ or "").strip().split("\n", 1)[0]
