"""Records in XML: found below a path, checked, transformed, written, cut out of long streams."""

from __future__ import annotations

import copy
import functools
import io
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from schemas import errors
from schemas.envelope import Mapped, Piece
from transformers import encodings, formats, options, xml

LARGE = 1_000_000  # bytes from which on a body is read as a stream
_FAULTS = 200  # violations that are told apart by record; with more, the body is bad as a whole


@dataclass(frozen=True)
class Xml:
    """The format. `path` runs from the root to the record, `*` for any name; empty: the root is the one record."""

    path: tuple[str, ...]
    encoding: encodings.Encoding
    namespace: str = ""
    lists: frozenset[str] = frozenset()
    xslt: xml.Transform | None = None
    schema: xml.Schema | None = None
    whole: bool = False  # the schema describes the document, not the record

    @property
    def content_type(self) -> str:
        """As sent to subscribers."""
        return f"application/xml; charset={self.encoding.codec}"

    def inspect(self, body: bytes) -> int:
        """See `Format.inspect`."""
        if len(body) > LARGE and len(self.path) > 1:
            return sum(1 for _ in self._each(io.BytesIO(body)))
        return len(self._records(xml.tree(body, self.encoding.name)))

    def read(self, body: bytes) -> Iterator[formats.Row | formats.Bad]:
        """See `Format.read`."""
        number = -1
        try:
            for number, element, fault in self._streamed(body) if len(body) > LARGE and self._streams else self._parsed(body):
                yield self._row(number, element, fault)
        except errors.Reject as error:
            yield formats.bad(number + 1, error, "", body)

    @property
    def _streams(self) -> bool:
        return len(self.path) > 1 and self.xslt is None and not self.whole

    def _streamed(self, body: bytes) -> Iterator[tuple[int, xml.Element, errors.Reject | None]]:
        for number, element in enumerate(self._each(io.BytesIO(body))):
            yield number, element, None

    def _parsed(self, body: bytes) -> Iterator[tuple[int, xml.Element, errors.Reject | None]]:
        """Each record, alone in its document while it is looked at."""
        root = xml.tree(body, self.encoding.name)
        records = self._records(root)
        faults = self._faults(root, records)
        homes = [_taken_out(element) for element in records] if len(self.path) > 1 else []
        for number, element in enumerate(records):
            if homes:
                _put_back(element, *homes[number])
            yield number, element, faults.get(number)
            if homes:
                _taken_out(element)

    def _row(self, number: int, element: xml.Element, fault: errors.Reject | None) -> formats.Row | formats.Bad:
        names = [*self.path[:-1], xml.local(str(element.tag))]
        place = "/" + "/".join(names) + (f"[{number + 1}]" if len(self.path) > 1 else "")
        try:
            if fault is None and self.schema is not None and not self.whole:
                fault = next((violation for _, violation in xml.violations(self.schema, element)), None)
            if fault is not None:
                raise fault
            made = xml.transformed(self.xslt, element.getroottree().getroot()) if self.xslt else element
            found = xml.value(made, self.lists)
        except errors.Reject as error:
            return formats.bad(number, error, place, self._alone(element))
        data = found if isinstance(found, dict) else {"#text": found} if found else {}
        if self.path[-1:] == ("*",):
            data["#name"] = xml.local(str(element.tag))
        return formats.Row(number, place, data)

    def _alone(self, element: xml.Element) -> bytes:
        parent = element.getparent()
        if parent is None:
            return xml.serialized(element, encodings.Encoding())
        twin = copy.deepcopy(element)
        twin.tail = None
        inner = self._shell(parent, element)
        inner.append(twin)
        return xml.serialized(inner.getroottree().getroot(), encodings.Encoding())

    def _shell(self, parent: xml.Element, record: xml.Element) -> xml.Element:
        """A copy of the document around a record, as far as it has been read; answers the copy of the record's parent."""
        chain = [*reversed([parent, *parent.iterancestors()]), record]
        inner: xml.Element | None = None
        for element, following in itertools.pairwise(chain):
            made = xml.shell(element)
            if inner is not None:
                inner.append(made)
            if element is not parent or self.path[-1] != "*":
                made.extend([copy.deepcopy(child) for child in element if child is not following and child.tag != following.tag])
            inner = made
        return inner if inner is not None else xml.shell(parent)

    def _faults(self, root: xml.Element, records: list[xml.Element]) -> dict[int, errors.Reject]:
        """Violations of a schema for the whole document, by record. Raises one that lies outside the records."""
        if self.schema is None or not self.whole:
            return {}
        numbers = {element: number for number, element in enumerate(records)}
        prefixes = {prefix: uri for prefix, uri in root.nsmap.items() if prefix}
        faults: dict[int, errors.Reject] = {}
        for count, (path, violation) in enumerate(xml.violations(self.schema, root)):
            steps = "/".join(path.split("/")[: len(self.path) + 1])
            found = root.getroottree().xpath(steps, namespaces=prefixes) if steps else []
            number = numbers.get(found[0]) if isinstance(found, list) and found else None
            if number is None or count >= _FAULTS:
                raise violation
            faults.setdefault(number, violation)
        return faults

    def _records(self, root: xml.Element) -> list[xml.Element]:
        """The record elements. Raises `Undecodable` where the path leads nowhere."""
        if self.path:
            self._rooted(root)
        level = [root]
        for depth, name in enumerate(self.path[1:], 2):
            above = level
            level = [child for element in above for child in element if name in ("*", xml.local(str(child.tag)))]
            if not level and depth < len(self.path):
                raise _astray(above[0], name)
        return level

    def _rooted(self, root: xml.Element) -> None:
        name = xml.local(str(root.tag))
        if self.path[0] not in ("*", name):
            raise errors.Undecodable(f"the root is <{name}>", place=errors.Place(path="/"), hint=f"The manifest expects <{self.path[0]}>")

    def _each(self, source: BinaryIO) -> Iterator[xml.Element]:
        """The record elements of a stream, one at a time; each is emptied when the next one is asked for."""
        last: xml.Element | None = None
        root: xml.Element | None = None
        for root in xml.stream(source, self.encoding.name, self.path[-1]):
            if not self._matches(root):
                continue
            yield root
            root.clear()
            if last is not None and (parent := last.getparent()) is not None:
                parent.remove(last)
            last = root
        if root is not None:
            self._rooted(root)

    def _matches(self, element: xml.Element) -> bool:
        chain = [element, *element.iterancestors()]
        if len(chain) != len(self.path):
            return False
        return all(name in ("*", xml.local(str(one.tag))) for name, one in zip(self.path[::-1], chain, strict=True))

    def excerpt(self, body: bytes, number: int) -> bytes:
        """See `Format.excerpt`. What stands around the records is kept."""
        try:
            root = xml.tree(body, self.encoding.name)
            records = self._records(root)
        except errors.Reject:
            return body
        if number >= len(records):
            raise errors.NotFound(f"this body has no record {number}")
        for at, element in enumerate(records):
            if at != number:
                _taken_out(element)
        return xml.serialized(root, encodings.Encoding())

    def part(self, record: Mapped) -> bytes:
        """See `Format.part`: the record's element; where the root is the record, the document."""
        name = record.kind if self.path[-1:] in ((), ("*",)) else self.path[-1]
        place = f"/{name}" if self._single else f"/{name}[1]"
        element = xml.element(name, self.namespace, place)
        root = self._document(element)
        xml.fill(element, record.state, f"{{{self.namespace}}}" if self.namespace else "", place)
        body = xml.serialized(root, self.encoding)
        start, end = self._frame
        return body[len(start) : len(body) - len(end)]

    def join(self, parts: Sequence[bytes]) -> bytes:
        """See `Format.join`."""
        if self._single and len(parts) != 1:
            hint = "Set root and record in the format, or `batch: 1` in the route"
            raise errors.Misconfigured(f"{len(parts)} records in a document that is one record", hint=hint)
        start, end = self._frame
        return b"".join([start, *parts, end]) if parts else xml.serialized(self._document(), self.encoding)

    def write(self, records: Sequence[Mapped]) -> bytes:
        """See `Format.write`."""
        return self.join([self.part(record) for record in records])

    @property
    def _single(self) -> bool:
        return len(self.path) < 2

    @functools.cached_property
    def _frame(self) -> tuple[bytes, bytes]:
        """What stands in a document before and behind its records."""
        if self._single:
            return b"", b""
        start, _, end = xml.serialized(self._document(xml.element("x", self.namespace, "/")), self.encoding).partition(b"<x/>")
        return start, end

    def _document(self, *held: xml.Element) -> xml.Element:
        """The root of a document that holds these elements; where the root is the record, that one."""
        for name in reversed(self.path[:-1]):
            outer = xml.element(name, self.namespace, "/")
            outer.extend(held)
            held = (outer,)
        return held[0]

    def split(self, stream: BinaryIO, rows: int) -> Iterator[Piece]:
        """See `Format.split`."""
        if len(self.path) < 2:
            yield Piece(stream.read(), 0)
            return
        inner: xml.Element | None = None
        home: xml.Element | None = None
        first = count = 0
        for element in self._each(stream):
            parent = element.getparent()
            if inner is not None and (count == rows or parent is not home):
                yield Piece(xml.serialized(inner.getroottree().getroot(), encodings.Encoding()), first)
                inner, first = None, first + count
            if inner is None and parent is not None:
                inner, home, count = self._shell(parent, element), parent, 0
            if inner is not None:
                twin = copy.deepcopy(element)
                twin.tail = None
                inner.append(twin)
                count += 1
        if inner is not None:
            yield Piece(xml.serialized(inner.getroottree().getroot(), encodings.Encoding()), first)

    def totals(self, stream: BinaryIO, column: str = "") -> formats.Totals:
        """See `Format.totals`."""
        if len(self.path) < 2 or (column and not self._streams):
            body = stream.read()
            self.inspect(body)
            return formats.summed(column, self.read(body))
        rows = (formats.Row(number, "", self._data(element, column)) for number, element in enumerate(self._each(stream)))
        return formats.summed(column, rows)

    def _data(self, element: xml.Element, column: str) -> dict[str, Any]:
        found = xml.value(element, self.lists) if column else {}
        return found if isinstance(found, dict) else {}


def _astray(element: xml.Element, name: str) -> errors.Undecodable:
    place = errors.Place(path=element.getroottree().getpath(element))
    near = options.nearest(name, sorted({xml.local(str(child.tag)) for child in element}))
    return errors.Undecodable(f"there is no <{name}> here", place=place, hint=near)


def _taken_out(element: xml.Element) -> tuple[xml.Element | None, xml.Element | None]:
    """Take a record out of its document; answers its parent and the element before it."""
    parent, before = element.getparent(), element.getprevious()
    if parent is not None:
        parent.remove(element)
    return parent, before


def _put_back(element: xml.Element, parent: xml.Element | None, before: xml.Element | None) -> None:
    if before is not None:
        before.addnext(element)
    elif parent is not None:
        parent.insert(0, element)


def build(given: options.Options) -> formats.Format:
    """Read the manifest's keys.

    `records` (ROOT/.../RECORD) or `root` and `record`, `lists`, `namespace`, `encoding`, `xsd`, `xslt`. The XSLT step is
    applied to each record, in a document with that record alone; the root of what it makes is the record.
    """
    given.only("kind", "records", "root", "record", "lists", "namespace", "encoding", "xsd", "xslt")
    path = tuple(part for part in given.text("records").split("/") if part)
    if "root" in given.spec or "record" in given.spec:
        if path or not given.text("root") or not given.text("record"):
            raise given.wrong("records are named by `records`, or by `root` and `record`", "root", hint="records: customers/customer")
        path = (given.text("root"), given.text("record"))
    encoding = encodings.Encoding(encodings.NAMES[given.choice("encoding", encodings.NAMES, "utf-8")])
    schema, declared = xml.schema(given)
    whole = bool(path) and path[-1] not in declared
    return Xml(path, encoding, given.text("namespace"), frozenset(map(str, given.items("lists"))), xml.transform(given), schema, whole)
