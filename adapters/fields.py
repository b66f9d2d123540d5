"""A field of a manifest declares itself once, on its dataclass: how it is read, whether it is needed, what it is without a word."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import ipaddress
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from config import marked, secrets
from schemas import errors

T = TypeVar("T")

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZES = {"B": 1, "kB": 1000, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")


@dataclass(frozen=True)
class Spot:
    """A place inside a manifest: it knows how to complain about itself."""

    where: Callable[[marked.Path], errors.Place]
    path: marked.Path = ()

    def child(self, key: str | int) -> Spot:
        return Spot(self.where, (*self.path, key))

    def wrong(self, detail: str, value: object = None, hint: str = "") -> errors.BadManifest:
        return errors.BadManifest(detail, place=self.where(self.path), value=value, hint=hint)


Reader = Callable[[Any, Spot], Any]


def need(read: Reader) -> Any:
    """A key that must be there."""
    return dataclasses.field(metadata={"read": read})


def opt(read: Reader, default: Any = None) -> Any:
    """A key that may be left out."""
    factory = (lambda: dict(default)) if isinstance(default, dict) else None
    if factory:
        return dataclasses.field(default_factory=factory, metadata={"read": read})
    return dataclasses.field(default=default, metadata={"read": read})


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint: the nearest valid name, or the list of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Valid here: {', '.join(names)}" if names else "Nothing may stand here"


def read(kind: type[T], data: Any, spot: Spot, **given: Any) -> T:
    """Build a dataclass of declared fields from parsed YAML; raises `BadManifest`, which carries every mistake."""
    if not isinstance(data, dict):
        raise spot.wrong("a section with keys is expected", data)
    declared = {field.name: field for field in dataclasses.fields(kind) if "read" in field.metadata}  # type: ignore[arg-type]
    wrong = [spot.child(key).wrong(f"unknown key {key!r}", hint=nearest(key, declared)) for key in data if key not in declared]
    values = dict(given)
    for name, field in declared.items():
        if data.get(name) is not None:
            values[name] = noted(wrong, functools.partial(field.metadata["read"], data[name], spot.child(name)))
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING and name not in given:
            wrong.append(spot.wrong(f"the key {name!r} is missing", hint=f"Add {name}:"))
    if wrong:
        raise errors.together(wrong)
    return kind(**values)


def noted(wrong: list[errors.BadManifest], step: Callable[[], T]) -> T | None:
    """The answer of a step; what is wrong with it is noted instead of raised, so that the next can be looked at."""
    try:
        return step()
    except errors.BadManifest as error:
        wrong.append(error)
        return None


def text(value: Any, spot: Spot) -> str:
    """Any text that is not empty."""
    if isinstance(value, str) and value:
        return value
    raise spot.wrong("text is expected", value)


def name(value: Any, spot: Spot) -> str:
    """The name of a system, feed or sink."""
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value
    raise spot.wrong("a name is expected", value, "Small letters, digits, - and _, starting with a letter")


def switch(value: Any, spot: Spot) -> bool:
    """True or false; nothing else counts as either."""
    if isinstance(value, bool):
        return value
    raise spot.wrong("true or false is expected", value)


def number(low: int, high: int) -> Reader:
    """A whole number within bounds, both included."""

    def check(value: Any, spot: Spot) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        raise spot.wrong(f"a whole number from {low} to {high} is expected", value)

    return check


def choice(*known: str) -> Reader:
    """One of the given words."""

    def check(value: Any, spot: Spot) -> str:
        if value in known:
            return str(value)
        raise spot.wrong(f"one of {', '.join(known)} is expected", value, nearest(str(value), known))

    return check


def duration(value: Any, spot: Spot) -> float:
    """`500ms`, `5s`, `2m`, `2h`, `30d` as seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", str(value))
    if match:
        return float(match[1]) * _UNITS[match[2]]
    raise spot.wrong("a duration is expected", value, "Write it as 500ms, 5s, 2m or 2h")


def size(value: Any, spot: Spot) -> int:
    """`10MB`, `64KiB` or a plain number as bytes."""
    match = re.fullmatch(r"(\d+)\s*(B|[kK]B|MB|GB|[KMG]iB)?", str(value))
    if match and int(match[1]) > 0:
        return int(match[1]) * _SIZES[match[2] or "B"]
    raise spot.wrong("a size is expected", value, "Write it as 500kB, 10MB or 5GB")


def percent(value: Any, spot: Spot) -> float:
    """`20%` or a plain number from 0 to 100."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%?", str(value))
    if match and float(match[1]) <= 100:
        return float(match[1])
    raise spot.wrong("a share is expected", value, "Write it as 20%")


def secret(value: Any, spot: Spot) -> str:
    """A reference to a secret; the value that was written in clear is not repeated."""
    if isinstance(value, str) and secrets.is_reference(value):
        return value
    raise spot.wrong("a secret stands here in clear", hint=secrets.HINT)


def url(*schemes: str) -> Reader:
    """An address without a password in it, or a reference to a whole one."""

    def check(value: Any, spot: Spot) -> str:
        if isinstance(value, str) and secrets.is_reference(value):
            return value
        scheme, divider, rest = str(value).partition("://")
        if not divider or scheme not in schemes:
            starts = " or ".join(f"{name}://" for name in schemes)
            raise spot.wrong("an address is expected", None if "@" in rest else value, f"It starts with {starts}")
        if ":" in rest.split("/", 1)[0].rpartition("@")[0]:
            raise spot.wrong("the address holds a password in clear", hint=f"Use user: and password:. {secrets.HINT}")
        return str(value)

    return check


def networks(value: Any, spot: Spot) -> tuple[str, ...]:
    """A list of address ranges in CIDR form."""
    items = value if isinstance(value, list) else [value]
    for index, item in enumerate(items):
        try:
            ipaddress.ip_network(str(item))
        except ValueError as error:
            raise spot.child(index).wrong(f"not an address range: {error}", item, "Write it as 10.20.0.0/16") from error
    return tuple(str(item) for item in items)


def headers(value: Any, spot: Spot) -> dict[str, str]:
    """HTTP headers; those that look like credentials must be references."""
    if not isinstance(value, dict):
        raise spot.wrong("header names with values are expected", value)
    for key, item in value.items():
        if not re.fullmatch(r"[A-Za-z0-9-]+", key) or not isinstance(item, (str, int)) or re.search(r"[\r\n]", str(item)):
            raise spot.child(key).wrong("not an HTTP header")
        if re.search(r"auth|key|token|secret|cookie|password", key, re.IGNORECASE):
            secret(item, spot.child(key))
    return {key: str(item) for key, item in value.items()}


def texts(value: Any, spot: Spot) -> tuple[str, ...]:
    """One text, or a list of them."""
    items = value if isinstance(value, list) else [value]
    return tuple(text(item, spot.child(index)) for index, item in enumerate(items))


def section(value: Any, spot: Spot) -> dict[str, Any]:
    """A section that another room reads."""
    if isinstance(value, dict):
        return value
    raise spot.wrong("a section with keys is expected", value)


def part(kind: type[Any]) -> Reader:
    """A section with fields of its own."""
    return lambda value, spot: read(kind, value, spot)
