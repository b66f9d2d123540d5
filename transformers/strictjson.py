"""JSON read strictly: what parsers disagree on, or no store can keep, is refused with its place."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any, NoReturn

from schemas import errors

DEEPEST = 64
_MOST = 2**63 - 1
BOM = b"\xef\xbb\xbf"
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_SUSPECT = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


class _Doubtful(Exception):
    """Never leaves this module: the slow look finds the place."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _Doubtful
    return made


def _integer(digits: str) -> int:
    if len(digits) > 18 and (len(digits) > 20 or not -_MOST - 1 <= int(digits) <= _MOST):
        raise _Doubtful
    return int(digits)


def _decimal(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise _Doubtful
    return value


def _constant(_word: str) -> NoReturn:
    raise _Doubtful


_STRICT = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_decimal, parse_constant=_constant)


def load(raw: bytes) -> Any:
    """One JSON text, strictly: UTF-8, no doubled keys, no NaN, no NUL or lone surrogate, 64-bit integers, 64 levels.

    Raises `Undecodable` or `Unsafe` with the JSON path, or line and column, and a hint.
    """
    source = text(raw)
    try:
        value = _STRICT.decode(source)
    except _Doubtful:
        _explain(source)
    except json.JSONDecodeError as error:
        raise errors.Undecodable(error.msg, place=_spot(error)) from error
    except RecursionError:
        raise _too_deep() from None
    if source.count("[") + source.count("{") > DEEPEST:
        _shallow(value)
    if _SUSPECT.search(source):
        _walk(value, "$", 0)
    return value


def _shallow(value: Any) -> None:
    """Raises for more levels than allowed. Level by level: a list of many records costs a look at each value."""
    level = [value]
    for _ in range(DEEPEST):
        level = [item for box in level if isinstance(box, dict | list) for item in (box.values() if isinstance(box, dict) else box)]
        level = [item for item in level if type(item) is dict or type(item) is list]
        if not level:
            return
    _walk(value, "$", 0)


def _too_deep(path: str = "") -> errors.Unsafe:
    return errors.Unsafe(f"it is nested deeper than {DEEPEST} levels", place=errors.Place(path=path))


def text(raw: bytes) -> str:
    """The text of a body, without byte order mark. Raises `Undecodable` with line and byte."""
    raw = raw.removeprefix(BOM)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        place = errors.Place(path=f"line {line}")
        hint = "JSON is UTF-8 (RFC 8259, 8.1)"
        raise errors.Undecodable(
            f"byte {error.start + 1} is not UTF-8", place=place, value=f"0x{raw[error.start]:02X}", hint=hint
        ) from error


def _spot(error: json.JSONDecodeError) -> errors.Place:
    line = f"line {error.lineno} " if error.lineno > 1 else ""
    return errors.Place(path=f"{line}column {error.colno}")


class _Pairs(list[tuple[str, Any]]):
    """An object as it was written."""


@dataclass(frozen=True)
class _Raw:
    """A number or constant as it was written."""

    text: str


def _explain(text: str) -> NoReturn:
    """The slow look at a text in which the quick one found something doubtful."""
    try:
        written = json.JSONDecoder(object_pairs_hook=_Pairs, parse_int=_Raw, parse_float=_Raw, parse_constant=_Raw).decode(text)
    except json.JSONDecodeError as error:
        raise errors.Undecodable(error.msg, place=_spot(error)) from error
    except RecursionError:
        raise _too_deep() from None
    _walk(written, "$", 0)
    raise errors.Undecodable("it holds what parsers read differently")


def _walk(value: Any, path: str, depth: int) -> None:
    """Raises for the first thing that the hub does not take in."""
    if isinstance(value, str):
        _storable(value, path)
    elif isinstance(value, _Raw):
        _number(value.text, path)
    elif isinstance(value, dict | list):
        if depth >= DEEPEST:
            raise _too_deep(path)
        if isinstance(value, _Pairs):
            _pairs(value, path, depth)
        elif isinstance(value, dict):
            _members(value.items(), path, depth)
        else:
            for at, item in enumerate(value):
                if isinstance(item, str | dict | list | _Raw):
                    _walk(item, f"{path}[{at}]", depth + 1)


def _pairs(pairs: _Pairs, path: str, depth: int) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise errors.Unsafe(
                f"the key {key!r} stands twice", place=errors.Place(path=path), hint="Parsers differ on which one counts: send it once"
            )
        seen.add(key)
    _members(pairs, path, depth)


def _members(pairs: Any, path: str, depth: int) -> None:
    for key, item in pairs:
        _storable(key, path)
        if isinstance(item, str | dict | list | _Raw):
            _walk(item, f"{path}.{key}", depth + 1)


def _storable(text: str, path: str) -> None:
    found = _UNSTORABLE.search(text)
    if found:
        what = "NUL" if found[0] == "\0" else "half of a surrogate pair"
        raise errors.Unsafe(
            f"\\u{ord(found[0]):04x} is {what}", place=errors.Place(path=path), hint="No store can keep it: send the text without it"
        )


def _number(text: str, path: str) -> None:
    place = errors.Place(path=path)
    if text.lstrip("-").isdigit():
        if len(text) > 20 or not -_MOST - 1 <= int(text) <= _MOST:
            raise errors.Unsafe("an integer has more than 64 bits", place=place, value=text, hint="Send it as a string")
    elif not math.isfinite(float(text)):
        raise errors.Unsafe(
            "a number is no finite one", place=place, value=text, hint="JSON has no NaN or Infinity (RFC 8259, 6); send null"
        )
