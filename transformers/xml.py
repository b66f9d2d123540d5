"""XML through one hardened parser: trees, streams, elements as plain values, XSD and XSLT from the system's folder."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from lxml import etree

from schemas import errors
from transformers import encodings, options

Element = etree._Element
Schema = etree.XMLSchema
Transform = etree.XSLT

_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
_DECLARED = re.compile(rb"<\?xml[^>]{0,100}?encoding\s*=\s*[\"']([A-Za-z0-9._-]+)")
_DOCTYPE = re.compile(rb"(?:\s++|<\?.*?\?>|<!--.*?-->)*+<!DOCTYPE", re.DOTALL)
_BOM = b"\xef\xbb\xbf"
# What senders call GB2312 or GBK is read as their superset.
_ENCODINGS = {**encodings.NAMES, "gbk": "gb18030", "gb2312": "gb18030", "cp936": "gb18030", "utf-16": "utf-16"}
_HARDENED: dict[str, Any] = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
    "encoding": "utf-8",
}


def _parser() -> etree.XMLParser[Element]:
    """The one parser of the house: no DTD, no entities, no network, no huge trees."""
    parser: etree.XMLParser[Element] = etree.XMLParser(**_HARDENED)
    return parser


def tree(body: bytes, fallback: str) -> Element:
    """The root; `fallback` is the encoding of a body that names none. Raises `Undecodable` with line and column, or `Unsafe`."""
    try:
        root = etree.fromstring(_utf8(body, fallback), _parser())
    except etree.XMLSyntaxError as error:
        raise _broken(error) from error
    _without_dtd(root)
    return root


def stream(source: BinaryIO, fallback: str, name: str) -> Iterator[Element]:
    """Each element of this local name (`*` for all) at its end, as the stream is read; the last item is the root, whatever its name.

    Memory grows with what the caller leaves in the tree. Raises as `tree` does.
    """
    events = etree.iterparse(_opened(source, fallback), events=("end",), tag=None if name == "*" else "{*}" + name, **_HARDENED)
    checked = False
    try:
        for _, element in events:
            if not checked:
                _without_dtd(element)
                checked = True
            yield element
    except etree.XMLSyntaxError as error:
        raise _broken(error) from error
    if events.root is not None:
        _without_dtd(events.root)
        yield events.root


def _without_dtd(element: Element) -> None:
    if element.getroottree().docinfo.internalDTD is not None:
        raise _dtd()


def _dtd() -> errors.Unsafe:
    return errors.Unsafe("it has a DOCTYPE", place=errors.Place(path="line 1"), hint="Send the document without DOCTYPE and entities")


def _broken(error: etree.XMLSyntaxError) -> errors.Reject:
    line, column = error.position
    place = errors.Place(path=f"line {line} column {column}")
    reason = re.sub(r", line \d+, column \d+$", "", error.msg or "it is not well-formed")
    if "depth" in reason or "huge" in reason.lower():
        return errors.Unsafe("it is nested too deeply, or one text in it is too long", place=place)
    return errors.Undecodable(reason, place=place)


def _utf8(body: bytes, fallback: str) -> bytes:
    """The body in UTF-8, seen to have no DOCTYPE."""
    name = _encoding(body[:400], fallback)
    if name == "utf-16":
        body = _utf16(body)
    elif name != "utf-8":
        body = encodings.Encoding(name).decode(body).encode("utf-8")
    body = body.removeprefix(_BOM)
    if _DOCTYPE.match(body):
        raise _dtd()
    return body


def _utf16(body: bytes) -> bytes:
    try:
        return body.decode("utf-16").encode("utf-8")
    except UnicodeDecodeError as error:
        raise errors.Undecodable(f"byte {error.start + 1} is not UTF-16") from error


def _encoding(start: bytes, fallback: str) -> str:
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    if start.startswith(_BOM):
        return "utf-8"
    found = _DECLARED.match(start.lstrip())
    name = found[1].decode("ascii").lower() if found else fallback
    if name not in _ENCODINGS or name == "utf-16":
        raise errors.Undecodable(
            "its encoding is not known here", place=errors.Place(path="line 1"), value=name, hint=options.nearest(name, _ENCODINGS)
        )
    return _ENCODINGS[name].removesuffix("-sig")


class _Utf8:
    """A stream in another encoding, read as UTF-8."""

    def __init__(self, source: BinaryIO, name: str, start: bytes) -> None:
        self._source, self._start, self._name = source, start, name
        self._decoder = codecs.getincrementaldecoder(name)()

    def read(self, size: int = -1) -> bytes:
        raw = self._start or self._source.read(size)
        self._start = b""
        if self._name == "utf-8":
            return raw
        try:
            text = self._decoder.decode(raw, not raw)
        except UnicodeDecodeError as error:
            seen = f"0x{error.object[error.start]:02X}"
            raise errors.Undecodable(f"a byte is not {self._name}", value=seen) from error
        if raw and not text:
            return self.read(size)
        return (encodings.modern(text) if self._name == "gb18030" else text).encode("utf-8")


def _opened(source: BinaryIO, fallback: str) -> _Utf8:
    """Refuses a DOCTYPE in the first 64 kB; a later one is met when the tree begins."""
    start = source.read(65_536)
    name = _encoding(start[:400], fallback)
    readable = start if name == "utf-8" else codecs.getincrementaldecoder(name)("replace").decode(start).encode("utf-8", "replace")
    if _DOCTYPE.match(readable.removeprefix(_BOM)):
        raise _dtd()
    return _Utf8(source, name, start.removeprefix(_BOM) if name == "utf-8" else start)


def local(tag: str) -> str:
    """A name without its namespace."""
    return tag.rpartition("}")[2] if tag[0] == "{" else tag


def value(element: Element, lists: frozenset[str]) -> Any:
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
    if not found:
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


def fill(element: Element, content: Any, namespace: str, path: str) -> None:
    """The opposite of `value`; None leaves nothing. Raises `Unencodable` with the path of what XML cannot hold."""
    try:
        if isinstance(content, Mapping):
            for name, item in content.items():
                _member(element, name, item, namespace, f"{path}/{name}")
        elif content is not None:
            element.text = _written(content)
    except (ValueError, TypeError) as error:
        raise errors.Unencodable(str(error), place=errors.Place(path=path), value=content) from error


def _member(element: Element, name: str, item: Any, namespace: str, path: str) -> None:
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


def element(name: str, namespace: str, path: str) -> Element:
    """A new root. Raises `Unencodable` for what is no element name."""
    try:
        return etree.Element(f"{{{namespace}}}{name}", nsmap={None: namespace}) if namespace else etree.Element(name)
    except ValueError as error:
        raise errors.Unencodable(str(error), place=errors.Place(path=path), value=name) from error


def shell(original: Element) -> Element:
    """A new element with the name, attributes and namespaces of another one."""
    return etree.Element(original.tag, {str(name): str(text) for name, text in original.attrib.items()}, nsmap=original.nsmap)


def serialized(root: Element, encoding: encodings.Encoding) -> bytes:
    """A document. Characters that the encoding lacks become character references."""
    text = f'<?xml version="1.0" encoding="{encoding.codec}"?>\n' + etree.tostring(root, encoding="unicode", with_tail=False)
    try:
        return encoding.encode(text)
    except errors.Unencodable:
        return text.encode(encoding.codec, "xmlcharrefreplace")


def violations(schema: Schema, found: Element) -> Iterator[tuple[str, errors.SchemaViolation]]:
    """What a schema says against an element, each with the XPath of the culprit."""
    if schema.validate(found):
        return
    for fault in schema.error_log:
        message = re.sub(r"\{[^}]*\}", "", fault.message)
        place = errors.Place(path=f"{fault.path or ''} line {fault.line}".strip())
        yield fault.path or "", errors.SchemaViolation(message, place=place, hint="See the system's XSD")


def transformed(step: Transform, root: Element) -> Element:
    """The root of what an XSLT step makes. Raises `Undecodable`."""
    try:
        result = step(root.getroottree()).getroot()
    except etree.XSLTError as error:
        raise errors.Undecodable(f"the XSLT step failed: {error}") from error
    if result is None:
        raise errors.Undecodable("the XSLT step made no element")
    return result


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


def schema(given: options.Options) -> tuple[Schema | None, set[str]]:
    """The XSD that `xsd` names, and the elements that it declares for themselves. Raises `BadManifest`."""
    root = _source(given, "xsd")
    if root is None:
        return None, set()
    try:
        return etree.XMLSchema(root), {str(child.get("name")) for child in root if local(str(child.tag)) == "element"}
    except (etree.LxmlError, errors.MastercopyError) as error:
        raise given.wrong(f"{given.text('xsd')} cannot be used: {error}", "xsd") from error


def transform(given: options.Options) -> Transform | None:
    """The style sheet that `xslt` names; it reads no other document. Raises `BadManifest`."""
    root = _source(given, "xslt")
    if root is None:
        return None
    try:
        return etree.XSLT(root, access_control=etree.XSLTAccessControl.DENY_ALL)
    except (etree.LxmlError, errors.MastercopyError) as error:
        raise given.wrong(f"{given.text('xslt')} cannot be used: {error}", "xslt") from error


def _source(given: options.Options, key: str) -> Element | None:
    body = given.file(key)
    if body is None:
        return None
    parser = _parser()
    parser.resolvers.add(_Folder(given.files))
    try:
        return etree.fromstring(_utf8(body, "utf-8"), parser, base_url=f"folder:///{given.text(key)}")
    except (etree.LxmlError, errors.MastercopyError) as error:
        raise given.wrong(f"{given.text(key)} cannot be read: {error}", key) from error
