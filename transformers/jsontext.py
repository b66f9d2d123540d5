"""JSON: one document, a list in it, or one record a line; what parsers disagree on is refused at the door."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import orjson

from schemas import errors
from schemas.envelope import Mapped, Piece
from transformers import columns, encodings, formats, linewise, options, strictjson

_SPACE = re.compile(r"[ \t\n\r]*")
_SCAN = json.JSONDecoder().raw_decode


def _dump(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except (orjson.JSONEncodeError, RecursionError) as error:
        raise errors.Unencodable(str(error)) from error


def _object(state: Mapping[str, Any]) -> bytes:
    """A record. Raises `Unencodable` with the field."""
    try:
        return _dump(state)
    except errors.Unencodable as error:
        culprits = (f"$.{name}" for name, value in state.items() if _fits(name) and not _fits(value))
        error.place = errors.Place(path=next(culprits, "$"))
        raise


def _fits(value: Any) -> bool:
    try:
        _dump(value)
    except errors.Unencodable:
        return False
    return True


@dataclass(frozen=True)
class Document:
    """A body that is one JSON text. `path` leads to the list of records; empty: the text is the list, or the one record."""

    path: tuple[str, ...] = ()
    single: bool = False

    content_type = "application/json"

    def inspect(self, body: bytes) -> int:
        """See `Format.inspect`."""
        return len(self._records(strictjson.load(body)))

    def read(self, body: bytes) -> Iterator[formats.Row | formats.Bad]:
        """See `Format.read`; the door has looked at the body before, so this is the quick parser."""
        try:
            value = orjson.loads(body.removeprefix(strictjson.BOM))
            records = self._records(value)
        except (orjson.JSONDecodeError, errors.Reject) as error:
            wrong = error if isinstance(error, errors.Reject) else errors.Undecodable(str(error))
            yield formats.bad(0, wrong, "", body)
            return
        base = "$" + "".join(f".{part}" for part in self.path)
        listed = bool(self.path) or isinstance(value, list)
        text, spans = "", None
        for number, record in enumerate(records):
            place = f"{base}[{number}]" if listed else base
            if isinstance(record, dict):
                yield formats.Row(number, place, record)
                continue
            if spans is None:
                text = strictjson.text(body)
                spans = _spans(text, self.path)
            payload = _wrapped(text, spans, [spans[number]]) if spans else body
            wrong = errors.Undecodable("a record is an object", value=record, hint="Send {...}, or a list of them")
            yield formats.bad(number, wrong, place, payload)

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
            text = strictjson.text(body)
            spans = _spans(text, self.path)
        except (errors.Reject, ValueError, RecursionError):
            return body
        if number >= max(len(spans), 1):
            raise errors.NotFound(f"this body has no record {number}")
        return _wrapped(text, spans, [spans[number]]) if spans else body

    def part(self, record: Mapped) -> bytes:
        """See `Format.part`."""
        return _object(record.state)

    def join(self, parts: Sequence[bytes]) -> bytes:
        """See `Format.join`. A list in the path's wrappers; with `single` the one object."""
        if self.single and len(parts) != 1:
            hint = "Set `batch: 1` in the route, or remove `single`"
            raise errors.Misconfigured(f"{len(parts)} records in a body that holds one", hint=hint)
        start, end = self._wrappers
        if not parts:
            return start + end
        held = [*parts]
        held[0] = start + held[0]  # not around the whole: a long body is copied once
        held[-1] += end
        return b",".join(held)

    def write(self, records: Sequence[Mapped]) -> bytes:
        """See `Format.write`."""
        return self.join([self.part(record) for record in records])

    @functools.cached_property
    def _wrappers(self) -> tuple[bytes, bytes]:
        """What stands before and behind the records."""
        start = b"".join(b"{" + _dump(name) + b":" for name in self.path)
        end = b"}" * len(self.path)
        return (start, end) if self.single else (start + b"[", b"]" + end)

    def split(self, stream: BinaryIO, rows: int) -> Iterator[Piece]:
        """See `Format.split`; a document is read whole."""
        body = stream.read()
        strictjson.load(body)
        text = strictjson.text(body)
        spans = _spans(text, self.path)
        if not spans and self._records(strictjson.load(body)):
            yield Piece(body, 0)
        for start in range(0, len(spans), rows):
            yield Piece(_wrapped(text, spans, spans[start : start + rows]), start)

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

    def together(self, _header: bytes | None, /) -> None:
        """See `linewise.Grammar`: each line is a document."""

    def frame(self, _raw: bytes, /) -> dict[str, str]:
        """See `linewise.Grammar`."""
        return {}

    def part(self, record: Mapped, /) -> bytes:
        """See `linewise.Grammar`."""
        return _object(record.state) + b"\n"

    def join(self, parts: Sequence[bytes], /) -> bytes:
        """See `linewise.Grammar`."""
        return b"".join(parts)


def _record(raw: bytes) -> dict[str, Any]:
    value = strictjson.load(raw)
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
