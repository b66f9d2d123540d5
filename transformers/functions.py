"""The functions that a mapping may call, by name."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from transformers import amounts, identities, phones, registry, texts, times

Function = registry.Function
Unfit = registry.Unfit
Call = registry.Call

REGISTRY = registry.REGISTRY
ROOMS = (texts, times, amounts, phones, identities)  # each registers its own


def find(name: str) -> Function:
    """The function of this name. Raises `Unfit` with the nearest name."""
    if name in REGISTRY:
        return REGISTRY[name]
    near = get_close_matches(name, REGISTRY, 1, 0.5)
    raise Unfit(f"there is no function {name!r}", f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(sorted(REGISTRY))}")


def build(name: str, argument: Any = None) -> Call:
    """The call of a function with its argument checked. Raises `Unfit` with a sentence and a hint."""
    function = find(name)
    if argument is None and function.argument and not function.optional:
        raise Unfit(f"{name} needs an argument: {function.argument}", f"Write {{{name}: ...}}")
    if argument is not None and not function.argument:
        raise Unfit(f"{name} takes no argument", f"Write {name} alone")
    return function.make(argument)
