"""JSON: one document, a list in it, or one record a line; what parsers disagree on is refused at the door."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn

import orjson

from schemas import errors
from schemas.envelope import Mapped
from transformers import columns, encodings, formats, linewise, options

DEEPEST = 64
_MOST = 2**63 - 1
_BOM = b"\xef\xbb\xbf"
_SPACE = re.compile(r"[ \t\n\r]*")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_SCAN = json.JSONDecoder().raw_decode


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
    text = _text(raw)
    try:
        value = _STRICT.decode(text)
    except _Doubtful:
        _explain(text)
    except json.JSONDecodeError as error:
        raise errors.Undecodable(error.msg, place=_spot(error)) from error
    except RecursionError:
        raise errors.Unsafe(f"it is nested deeper than {DEEPEST} levels") from None
    if "\\u" in text or text.count("[") + text.count("{") > DEEPEST:
        _walk(value, "$", 0)
    return value


def _text(raw: bytes) -> str:
    raw = raw.removeprefix(_BOM)
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
        raise errors.Unsafe(f"it is nested deeper than {DEEPEST} levels") from None
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
            raise errors.Unsafe(f"it is nested deeper than {DEEPEST} levels", place=errors.Place(path=path))
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


def _dump(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except (orjson.JSONEncodeError, RecursionError) as error:
        raise errors.Unencodable(str(error)) from error


@dataclass(frozen=True)
class Document:
    """A body that is one JSON text. `path` leads to the list of records; empty: the text is the list, or the one record."""

    path: tuple[str, ...] = ()
    single: bool = False

    content_type = "application/json"

    def inspect(self, body: bytes) -> int:
        """See `Format.inspect`."""
        return len(self._records(load(body)))

    def read(self, body: bytes) -> Iterator[formats.Row | formats.Bad]:
        """See `Format.read`; the door has looked at the body before, so this is the quick parser."""
        try:
            value = orjson.loads(body.removeprefix(_BOM))
            records = self._records(value)
        except (orjson.JSONDecodeError, errors.Reject) as error:
            wrong = error if isinstance(error, errors.Reject) else errors.Undecodable(str(error))
            yield formats.bad(0, wrong, "", body)
            return
        listed = bool(self.path) or isinstance(value, list)
        base = "$" + "".join(f".{part}" for part in self.path)
        for number, record in enumerate(records):
            place = f"{base}[{number}]" if listed else base
            if isinstance(record, dict):
                yield formats.Row(number, place, record)
            else:
                wrong = errors.Undecodable("a record is an object", value=record, hint="Send {...}, or a list of them")
                yield formats.bad(number, wrong, place, self.excerpt(body, number))

    def _records(self, value: Any) -> list[Any]:
        at = "$"
        for part in self.path:
            if not isinstance(value, dict) or part not in value:
                near = options.nearest(part, value) if isinstance(value, dict) else ""
                raise errors.Undecodable(f"there is no {part!r} here", place=errors.Place(path=at), hint=near)
            value, at = value[part], f"{at}.{part}"
        if isinstance(value, list):
            return value
        if self.path and not isinstance(value, dict):
            raise errors.Undecodable("the records are a list", place=errors.Place(path=at), value=value)
        return [value]

    def excerpt(self, body: bytes, number: int) -> bytes:
        """See `Format.excerpt`; numbers keep the digits that were sent."""
        try:
            text = _text(body)
            spans = _spans(text, self.path)
        except (errors.Reject, ValueError, RecursionError):
            return body
        if number >= max(len(spans), 1):
            raise errors.NotFound(f"this body has no record {number}")
        return _wrapped(text, spans, [spans[number]]) if spans else body

    def write(self, records: Sequence[Mapped]) -> bytes:
        """See `Format.write`. A list in the path's wrappers; with `single` the one object."""
        if self.single:
            if len(records) != 1:
                raise errors.Misconfigured(
                    f"{len(records)} records in a body that holds one", hint="Set `batch: 1` in the route, or remove `single`"
                )
            value: Any = records[0].state
        else:
            value = [record.state for record in records]
        for part in reversed(self.path):
            value = {part: value}
        return _dump(value)

    def split(self, stream: BinaryIO, rows: int) -> Iterator[bytes]:
        """See `Format.split`; a document is read whole."""
        body = stream.read()
        load(body)
        text = _text(body)
        spans = _spans(text, self.path)
        if not spans and self._records(load(body)):
            yield body
        for start in range(0, len(spans), rows):
            yield _wrapped(text, spans, spans[start : start + rows])

    def totals(self, stream: BinaryIO, column: str = "") -> formats.Totals:
        """See `Format.totals`."""
        body = stream.read()
        self.inspect(body)
        return formats.summed(column, self.read(body))


def _wrapped(text: str, spans: list[tuple[int, int]], wanted: list[tuple[int, int]]) -> bytes:
    """The document with only the wanted ones of its records."""
    inner = ",".join(text[start:end] for start, end in wanted)
    return (text[: spans[0][0]] + inner + text[spans[-1][1] :]).encode("utf-8")


def _spans(text: str, path: tuple[str, ...]) -> list[tuple[int, int]]:
    """Where each item of the list at the path begins and ends; empty for an empty list and for a lone object."""
    at = _skip(text, 0)
    for part in path:
        at = dict(_entries(text, at))[part]
    if text[at] != "[":
        return []
    spans: list[tuple[int, int]] = []
    at = _skip(text, at + 1)
    while text[at] != "]":
        end = _SCAN(text, at)[1]
        spans.append((at, end))
        at = _skip(text, end)
        at = _skip(text, at + 1) if text[at] == "," else at
    return spans


def _entries(text: str, at: int) -> Iterator[tuple[str, int]]:
    """The keys of the object at this place, each with the place of its value."""
    at = _skip(text, at + 1)
    while text[at] != "}":
        key, at = _SCAN(text, at)
        at = _skip(text, _skip(text, at) + 1)
        yield key, at
        at = _skip(text, _SCAN(text, at)[1])
        at = _skip(text, at + 1) if text[at] == "," else at


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


class Lines:
    """The grammar of one JSON object a line."""

    content_type = "application/x-ndjson"
    encoding = encodings.Encoding()
    unit = "line"
    ending = b"\n"
    header = False
    keeps_blank = False
    typed = False

    def lines(self, stream: BinaryIO) -> Iterator[bytes]:
        """See `linewise.Grammar`."""
        return linewise.lines(stream)

    def groups(self, lines: Iterator[bytes]) -> Iterator[list[bytes]]:
        """See `linewise.Grammar`."""
        for raw in lines:
            yield [raw]

    def role(self, _raw: bytes, /) -> columns.Role:
        """See `linewise.Grammar`."""
        return "detail"

    def parser(self, _header: bytes | None, /) -> linewise.Parse:
        """See `linewise.Grammar`. Lines go through no other check, so each is read strictly."""
        return _record

    def frame(self, _raw: bytes, /) -> dict[str, str]:
        """See `linewise.Grammar`."""
        return {}

    def write(self, records: Sequence[Mapped]) -> bytes:
        """See `linewise.Grammar`."""
        return b"".join(itertools.chain.from_iterable((_dump(record.state), b"\n") for record in records))


def _record(raw: bytes) -> dict[str, Any]:
    value = load(raw)
    if not isinstance(value, dict):
        raise errors.Undecodable("a record is an object", value=value)
    return value


def build(given: options.Options) -> formats.Format:
    """Read the manifest's keys: `records` (dotted path), `lines`, `single`."""
    given.only("kind", "records", "lines", "single", "encoding")
    given.choice("encoding", ("utf-8", "utf8"), "utf-8")
    path = tuple(part for part in given.text("records").split(".") if part)
    if not given.flag("lines"):
        return Document(path, given.flag("single"))
    if path or given.flag("single"):
        raise given.wrong("lines excludes records and single", "lines")
    return linewise.Linewise(Lines())
