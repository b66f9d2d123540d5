"""XML: one hardened parser, records as plain values, large bodies as streams, XSD and XSLT from the system's folder."""

from __future__ import annotations

import codecs
import copy
import io
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from lxml import etree

from schemas import errors
from schemas.envelope import Mapped
from transformers import encodings, formats, options

LARGE = 1_000_000  # bytes from which on a body is read as a stream
_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
_DECLARED = re.compile(rb"<\?xml[^>]{0,100}?encoding\s*=\s*[\"']([A-Za-z0-9._-]+)")
_DOCTYPE = re.compile(rb"(?:\s++|<\?.*?\?>|<!--.*?-->)*+<!DOCTYPE", re.DOTALL)
# What senders call GB2312 is GBK or more: it is read as the superset of all three.
_ENCODINGS = {
    **encodings.NAMES,
    "gbk": "gb18030",
    "gb2312": "gb18030",
    "cp936": "gb18030",
    "utf-16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
}
_HARDENED: dict[str, Any] = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
    "encoding": "utf-8",
}

Path = tuple[str, ...]
Element = etree._Element  # noqa: SLF001 - the class's only name


def _parser() -> etree.XMLParser[etree._Element]:
    """The one parser of the house: no DTD, no entities, no network, no huge trees."""
    parser: etree.XMLParser[etree._Element] = etree.XMLParser(**_HARDENED)
    return parser


def _tree(body: bytes, fallback: str) -> etree._Element:
    """The root. Raises `Undecodable` with line and column, or `Unsafe`."""
    try:
        root = etree.fromstring(_utf8(body, fallback), _parser())
    except etree.XMLSyntaxError as error:
        raise _broken(error) from error
    _without_dtd(root)
    return root


def _without_dtd(root: etree._Element) -> None:
    if root.getroottree().docinfo.internalDTD is not None:
        raise _dtd()


def _dtd() -> errors.Unsafe:
    return errors.Unsafe("it has a DOCTYPE", place=errors.Place(path="line 1"), hint="Send the document without DOCTYPE and entities")


def _broken(error: etree.XMLSyntaxError) -> errors.Reject:
    line, column = error.position
    place = errors.Place(path=f"line {line} column {column}")
    if "depth" in error.msg or "huge" in error.msg.lower():
        return errors.Unsafe("it is nested too deeply, or one text is too long", place=place)
    return errors.Undecodable(error.msg or "it is not well-formed", place=place)


def _utf8(body: bytes, fallback: str) -> bytes:
    """The body in UTF-8, checked to have no DOCTYPE."""
    name = _encoding(body[:400], fallback)
    if name != "utf-8":
        body = _decoded(body, name).encode("utf-8", "surrogatepass")
    body = body.removeprefix(b"\xef\xbb\xbf")
    if _DOCTYPE.match(body):
        raise _dtd()
    return body


def _encoding(start: bytes, fallback: str) -> str:
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    if start.startswith(b"\xef\xbb\xbf"):
        return "utf-8"
    found = _DECLARED.match(start.lstrip())
    name = found[1].decode("ascii").lower() if found else fallback
    if name not in _ENCODINGS or (found and name.startswith("utf-16")):
        raise errors.Undecodable(
            "the encoding is not known here", place=errors.Place(path="line 1"), value=name, hint=options.nearest(name, _ENCODINGS)
        )
    return _ENCODINGS[name].removesuffix("-sig")


def _decoded(body: bytes, name: str) -> str:
    if not name.startswith("utf-16"):
        return encodings.Encoding(name).decode(body)
    try:
        return body.decode(name)
    except UnicodeDecodeError as error:
        raise errors.Undecodable(f"byte {error.start + 1} is not UTF-16") from error


class _Utf8:
    """A stream in another encoding, read as UTF-8."""

    def __init__(self, stream: BinaryIO, name: str, start: bytes) -> None:
        self._stream, self._start = stream, start
        self._decoder = codecs.getincrementaldecoder(name)()
        self._plain = name == "utf-8"

    def read(self, size: int = -1) -> bytes:
        raw, self._start = (self._start, b"") if self._start else (self._stream.read(size), b"")
        if self._plain:
            return raw
        try:
            text = self._decoder.decode(raw, not raw)
        except UnicodeDecodeError as error:
            raise errors.Undecodable(f"a byte is not {error.encoding}", value=f"0x{error.object[error.start]:02X}") from error
        return encodings.modern(text).encode("utf-8") if text or not raw else self.read(size)


def _stream(source: BinaryIO, fallback: str) -> _Utf8:
    """A stream as UTF-8. Raises `Unsafe` for a DOCTYPE at its beginning; deeper ones are found when the first record is read."""
    start = source.read(65_536)
    name = _encoding(start[:400], fallback)
    readable = codecs.getincrementaldecoder(name)("replace").decode(start).encode("utf-8", "replace") if name != "utf-8" else start
    if _DOCTYPE.match(readable.removeprefix(b"\xef\xbb\xbf")):
        raise _dtd()
    return _Utf8(source, name, start)


def local(tag: str) -> str:
    """A name without its namespace."""
    return tag.rpartition("}")[2] if tag[0] == "{" else tag


def value(element: etree._Element, lists: frozenset[str]) -> Any:
    """An element as plain values: text, or a dict of children by local name, `@attribute`s and `#text`; None for `xsi:nil`.

    A child that stands more than once, or is named in `lists`, is a list. Space between children is nothing.
    """
    attributes = element.attrib
    if not len(element) and not attributes:
        return element.text or ""
    found: dict[str, Any] = {}
    for name, text in attributes.items():
        if not str(name).startswith(_XSI):
            found["@" + local(str(name))] = str(text)
        elif local(str(name)) == "nil" and text in ("true", "1"):
            return None
    for child in element:
        _add(found, local(str(child.tag)), value(child, lists), lists)
    text = (element.text or "") + "".join(child.tail or "" for child in element)
    if not len(element) and not found:
        return text
    if text.strip():
        found["#text"] = text
    return found


def _add(found: dict[str, Any], name: str, item: Any, lists: frozenset[str]) -> None:
    if name not in found:
        found[name] = [item] if name in lists else item
    elif isinstance(found[name], list):
        found[name].append(item)
    else:
        found[name] = [found[name], item]


def fill(element: etree._Element, content: Any, namespace: str, path: str) -> None:
    """The opposite of `value`. Raises `Unencodable` with the path of what XML cannot hold."""
    try:
        if isinstance(content, Mapping):
            for name, item in content.items():
                _member(element, name, item, namespace, f"{path}/{name}")
        elif content is not None:
            element.text = _written(content)
    except (ValueError, TypeError) as error:
        raise errors.Unencodable(str(error), place=errors.Place(path=path), value=content) from error


def _member(element: etree._Element, name: str, item: Any, namespace: str, path: str) -> None:
    if name == "#text":
        element.text = _written(item)
    elif name.startswith("@"):
        if item is not None:
            element.set(name[1:], _written(item))
    elif name != "#name":
        for one in item if isinstance(item, list | tuple) else [item]:
            if one is not None:
                fill(etree.SubElement(element, f"{namespace}{name}"), one, namespace, path)


def _written(content: Any) -> str:
    if isinstance(content, bool):
        return "true" if content else "false"
    if isinstance(content, Mapping | list | tuple):
        raise TypeError("a text is expected here, not a list or object")
    return str(content)


@dataclass(frozen=True)
class Xml:
    """The format. `path` runs from the root to the record, `*` for any name; empty: the root is the one record."""

    path: Path
    encoding: encodings.Encoding
    namespace: str = ""
    lists: frozenset[str] = frozenset()
    xslt: etree.XSLT | None = None
    schema: etree.XMLSchema | None = None
    whole: bool = False  # the schema describes the document, not the record

    @property
    def content_type(self) -> str:
        """As sent to subscribers."""
        return f"application/xml; charset={self.encoding.codec}"

    @property
    def _streams(self) -> bool:
        return len(self.path) > 1 and self.xslt is None and not self.whole

    def inspect(self, body: bytes) -> int:
        """See `Format.inspect`."""
        if len(body) > LARGE and len(self.path) > 1:
            return sum(1 for _ in self._each(io.BytesIO(body)))
        return len(self._records(_tree(body, self.encoding.name)))

    def read(self, body: bytes) -> Iterator[formats.Row | formats.Bad]:
        """See `Format.read`."""
        number = 0
        try:
            if len(body) > LARGE and self._streams:
                for number, element in enumerate(self._each(io.BytesIO(body))):
                    yield self._row(number, element, body)
                return
            root = _tree(body, self.encoding.name)
            records = self._records(root)
            faults = self._faults(root, records)
        except errors.Reject as error:
            yield formats.bad(number, error, "", body)
            return
        homes = _taken_out(records) if self.xslt else []
        for number, element in enumerate(records):
            if number in faults:
                yield formats.bad(number, faults[number], self._place(number, element), self.excerpt(body, number))
                continue
            if homes:
                _put_back(homes[number])
            yield self._row(number, element, body)
            if homes:
                _put_away(homes[number])

    def _row(self, number: int, element: etree._Element, body: bytes) -> formats.Row | formats.Bad:
        place = self._place(number, element)
        try:
            if self.schema is not None and not self.whole and not self.schema.validate(element):
                raise _violation(next(iter(self.schema.error_log)))
            found = value(self._transformed(element), self.lists)
        except errors.Reject as error:
            return formats.bad(number, error, place, self.excerpt(body, number))
        data = found if isinstance(found, dict) else {"#text": found} if found else {}
        if self.path[-1:] == ("*",):
            data["#name"] = local(str(element.tag))
        return formats.Row(number, place, data)

    def _place(self, number: int, element: etree._Element) -> str:
        names = [*self.path[:-1], local(str(element.tag))]
        return "/" + "/".join(names) + (f"[{number + 1}]" if len(self.path) > 1 else "")

    def _transformed(self, element: etree._Element) -> etree._Element:
        """The record after the XSLT step, which sees a document with this record alone."""
        if self.xslt is None:
            return element
        try:
            result = self.xslt(element.getroottree()).getroot()
        except etree.XSLTError as error:
            raise errors.Undecodable(f"the XSLT step failed: {error}") from error
        if result is None:
            raise errors.Undecodable("the XSLT step made no element")
        return result

    def _faults(self, root: etree._Element, records: list[etree._Element]) -> dict[int, errors.SchemaViolation]:
        """Violations of a schema for the whole document, by record. Raises for one that lies outside the records."""
        if self.schema is None or not self.whole or self.schema.validate(root):
            return {}
        numbers = {element: number for number, element in enumerate(records)}
        faults: dict[int, errors.SchemaViolation] = {}
        for fault in self.schema.error_log:
            steps = "/".join((fault.path or "").split("/")[: len(self.path) + 1])
            found = root.getroottree().xpath(steps, namespaces={key: uri for key, uri in root.nsmap.items() if key}) if steps else []
            number = numbers.get(found[0]) if isinstance(found, list) and found else None
            if number is None:
                raise _violation(fault)
            faults.setdefault(number, _violation(fault))
        return faults

    def _records(self, root: etree._Element) -> list[etree._Element]:
        """The record elements. Raises `Undecodable` where the path leads nowhere."""
        if self.path:
            self._rooted(root)
        level = [root]
        for depth, name in enumerate(self.path[1:], 2):
            above = level
            level = [child for element in above for child in element if name in ("*", local(str(child.tag)))]
            if not level and depth < len(self.path):
                raise self._astray(above[0], name)
        return level

    def _rooted(self, root: etree._Element) -> None:
        if self.path[0] not in ("*", local(str(root.tag))):
            raise errors.Undecodable(
                f"the root is <{local(str(root.tag))}>", place=errors.Place(path="/"), hint=f"The manifest expects <{self.path[0]}>"
            )

    def _astray(self, element: etree._Element, name: str) -> errors.Undecodable:
        place = errors.Place(path=element.getroottree().getpath(element))
        return errors.Undecodable(
            f"there is no <{name}> here", place=place, hint=options.nearest(name, sorted({local(str(child.tag)) for child in element}))
        )

    def _each(self, source: BinaryIO) -> Iterator[etree._Element]:
        """The record elements of a stream, one at a time; each is emptied when the next one is asked for."""
        last: etree._Element | None = None
        for element in self._events(_stream(source, self.encoding.name)):
            chain = [element, *element.iterancestors()]
            if len(chain) != len(self.path) or any(
                name not in ("*", local(str(one.tag))) for name, one in zip(self.path[::-1], chain, strict=True)
            ):
                continue
            if last is None:
                _without_dtd(element)
            yield element
            element.clear()
            if last is not None and (parent := last.getparent()) is not None:
                parent.remove(last)
            last = element

    def _events(self, source: _Utf8) -> Iterator[etree._Element]:
        tag = None if self.path[-1] == "*" else "{*}" + self.path[-1]
        events = etree.iterparse(source, events=("end",), tag=tag, **_HARDENED)
        try:
            for _, element in events:
                yield element
        except etree.XMLSyntaxError as error:
            raise _broken(error) from error
        root = events.root
        if root is not None:
            _without_dtd(root)
            self._rooted(root)

    def excerpt(self, body: bytes, number: int) -> bytes:
        """See `Format.excerpt`. What stands around the records is kept."""
        try:
            root = _tree(body, self.encoding.name)
            records = self._records(root)
        except errors.Reject:
            return body
        if number >= len(records):
            raise errors.NotFound(f"this body has no record {number}")
        if len(records) > 1:
            _put_back(_taken_out(records)[number])
        return _serialized(root, encodings.Encoding())

    def write(self, records: Sequence[Mapped]) -> bytes:
        """See `Format.write`. Characters that the encoding lacks become character references."""
        namespace = f"{{{self.namespace}}}" if self.namespace else ""
        if len(self.path) < 2 and len(records) != 1:
            raise errors.Misconfigured(
                f"{len(records)} records in a document that is one record",
                hint="Set root and record in the format, or `batch: 1` in the route",
            )
        names = [*self.path[:-1], ""]
        root = inner = etree.Element(namespace + (names[0] or self._name(records[0])), nsmap={None: self.namespace} if namespace else None)
        for name in names[1:-1]:
            inner = etree.SubElement(inner, namespace + name)
        for number, record in enumerate(records):
            element = etree.SubElement(inner, namespace + self._name(record)) if len(names) > 1 else root
            fill(element, record.state, namespace, f"/{self._name(record)}[{number + 1}]")
        return _serialized(root, self.encoding)

    def _name(self, record: Mapped) -> str:
        return record.kind if self.path[-1:] in ((), ("*",)) else self.path[-1]

    def split(self, stream: BinaryIO, rows: int) -> Iterator[bytes]:
        """See `Format.split`."""
        if len(self.path) < 2:
            yield stream.read()
            return
        records = ((element.getparent(), element) for element in self._each(stream))
        for _, group in itertools.groupby(records, key=lambda pair: pair[0]):
            while chunk := list(itertools.islice(_copies(group), rows)):
                inner, elements = chunk[0][0], [element for _, element in chunk]
                inner.extend(elements)
                yield _serialized(inner.getroottree().getroot(), encodings.Encoding())

    def totals(self, stream: BinaryIO, column: str = "") -> formats.Totals:
        """See `Format.totals`."""
        if len(self.path) < 2 or (column and not self._streams):
            body = stream.read()
            self.inspect(body)
            return formats.summed(column, self.read(body))
        rows = (formats.Row(number, "", _flat(value(element, self.lists))) for number, element in enumerate(self._each(stream)))
        return formats.summed(column, rows)


def _flat(found: Any) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}


def _copies(group: Iterator[tuple[etree._Element | None, etree._Element]]) -> Iterator[tuple[etree._Element, etree._Element]]:
    """Copies of records, each with a copy of what stands around it; the shell is made once for a run of records."""
    shell: etree._Element | None = None
    for parent, element in group:
        if shell is None and parent is not None:
            shell = _shell(parent, element)
        twin = copy.deepcopy(element)
        twin.tail = None
        if shell is not None:
            yield shell, twin


def _shell(parent: etree._Element, record: etree._Element) -> etree._Element:
    """A copy of the document around a record, as far as it has been read; answers the copy of the record's parent."""
    chain = [*reversed([parent, *parent.iterancestors()]), record]
    inner: etree._Element | None = None
    for element, following in itertools.pairwise(chain):
        made = etree.Element(element.tag, dict(element.attrib), nsmap=element.nsmap)
        if inner is not None:
            inner.append(made)
        made.extend([copy.deepcopy(child) for child in element if child is not following and child.tag != following.tag])
        inner = made
    if inner is None:
        raise errors.Undecodable("a record stands alone")
    return inner


_Home = tuple[Element, int, Element]


def _taken_out(records: list[etree._Element]) -> list[_Home]:
    """Take all records out of their document; answers where each belongs among what is left."""
    homes: list[_Home] = []
    for element in records:
        parent = element.getparent()
        if parent is not None:
            homes.append((parent, parent.index(element), element))
            parent.remove(element)
    return homes


def _put_back(home: _Home) -> None:
    parent, at, element = home
    parent.insert(at, element)


def _put_away(home: _Home) -> None:
    parent, _, element = home
    parent.remove(element)


def _serialized(root: etree._Element, encoding: encodings.Encoding) -> bytes:
    text = f'<?xml version="1.0" encoding="{encoding.codec}"?>\n' + etree.tostring(root, encoding="unicode", with_tail=False)
    try:
        return encoding.encode(text)
    except errors.Unencodable:
        return text.encode(encoding.codec, "xmlcharrefreplace")


def _violation(fault: etree._LogEntry) -> errors.SchemaViolation:
    message = re.sub(r"\{[^}]*\}", "", fault.message)
    return errors.SchemaViolation(
        message, place=errors.Place(path=f"{fault.path or ''} line {fault.line}".strip()), hint="See the system's XSD"
    )


class _Folder(etree.Resolver):
    """Finds what a schema or style sheet includes in the system's folder, and nowhere else."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        super().__init__()
        self._files = files

    def resolve(self, system_url: str | None, _public_id: str | None, context: Any) -> Any:
        name = (system_url or "").removeprefix("folder:///")
        if name in self._files:
            return self.resolve_string(self._files[name], context, base_url=f"folder:///{name}")
        raise errors.BadManifest(f"there is no file {name!r} in the system's folder")


def _compiled(given: options.Options, key: str, make: Callable[[etree._Element], Any]) -> tuple[Any, etree._Element | None]:
    body = given.file(key)
    if body is None:
        return None, None
    parser = _parser()
    parser.resolvers.add(_Folder(given.files))
    name = given.text(key)
    try:
        root = etree.fromstring(_utf8(body, "utf-8"), parser, base_url=f"folder:///{name}")
        return make(root), root
    except (etree.LxmlError, errors.MastercopyError) as error:
        raise given.wrong(f"{name} cannot be used: {error}", key) from error


def build(given: options.Options) -> formats.Format:
    """Read the manifest's keys: `records` (ROOT/.../RECORD) or `root` and `record`, `lists`, `namespace`, `encoding`, `xsd`, `xslt`."""
    given.only("kind", "records", "root", "record", "lists", "namespace", "encoding", "xsd", "xslt")
    path = tuple(part for part in given.text("records").split("/") if part)
    if "root" in given.spec or "record" in given.spec:
        if path or not given.text("root") or not given.text("record"):
            raise given.wrong("records are named by `records`, or by `root` and `record`", "root", hint="records: customers/customer")
        path = (given.text("root"), given.text("record"))
    encoding = encodings.Encoding(encodings.NAMES[given.choice("encoding", encodings.NAMES, "utf-8")])
    xslt, _ = _compiled(given, "xslt", lambda root: etree.XSLT(root, access_control=etree.XSLTAccessControl.DENY_ALL))
    schema, described = _compiled(given, "xsd", etree.XMLSchema)
    whole = described is not None and bool(path) and path[-1] not in _declared(described)
    return Xml(path, encoding, given.text("namespace"), frozenset(map(str, given.items("lists"))), xslt, schema, whole)


def _declared(schema: etree._Element) -> set[str | None]:
    """The elements that a schema declares for themselves."""
    return {child.get("name") for child in schema if local(str(child.tag)) == "element"}
