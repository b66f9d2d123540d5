"""What a sample wanted and what came instead, as a difference that a person can read; "" where they agree."""

from __future__ import annotations

import difflib
import json
from typing import Any

_LONGEST = 60  # lines


def pretty(value: object) -> bytes:
    """JSON as the sample files hold it."""
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode()


def of_values(wanted: object, found: object) -> str:
    """Two JSON values."""
    return "" if found == wanted else _diff(pretty(wanted).decode(), pretty(found).decode())


def of_failures(wanted: Any, found: list[dict[str, Any]]) -> str:
    """The failures of a body: one object or a list. All that the sample names must agree; of the reason a part is enough."""
    expected: list[dict[str, Any]] = wanted if isinstance(wanted, list) else [wanted]
    if len(expected) == len(found) and all(map(_agrees, expected, found)):
        return ""
    shown = [{**got, "reason": want["reason"]} if _reasons(want, got) else got for want, got in zip(expected, found, strict=False)]
    return _diff(pretty(expected).decode(), pretty([*shown, *found[len(expected) :]]).decode())


def of_bytes(wanted: bytes, found: bytes, encoding: str) -> str:
    """Two bodies: JSON by value, everything else byte by byte."""
    try:
        return of_values(json.loads(wanted), json.loads(found))
    except ValueError:
        return "" if found == wanted else _diff(wanted.decode(encoding, "backslashreplace"), found.decode(encoding, "backslashreplace"))


def _agrees(wanted: dict[str, Any], found: dict[str, Any]) -> bool:
    return all(_reasons(wanted, found) if name == "reason" else found.get(name) == value for name, value in wanted.items())


def _reasons(wanted: dict[str, Any], found: dict[str, Any]) -> bool:
    return "reason" in wanted and str(wanted["reason"]) in found["reason"]


def _diff(wanted: str, found: str) -> str:
    lines = list(difflib.unified_diff(wanted.splitlines(), found.splitlines(), "wanted", "found", lineterm="", n=2))
    more = [f"... and {len(lines) - _LONGEST} more lines"] if len(lines) > _LONGEST else []
    return "\n".join([*lines[:_LONGEST], *more]) or "the bytes differ: line ends, or the end of the file"
