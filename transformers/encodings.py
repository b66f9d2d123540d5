"""Character encodings of feeds: strict reading, GB 18030-2022, and what happens to characters that a target cannot hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas import errors
from transformers import options

# In all of these the bytes of line ends, quotes, commas and tabs stand for nothing else, so lines are cut before decoding.
# `|` and `\` are second bytes of Chinese characters in some: cells are cut after decoding.
NAMES = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "utf-8-sig": "utf-8-sig",
    "gb18030": "gb18030",
    "gbk": "gbk",
    "cp936": "gbk",
    "gb2312": "gb2312",
    "big5": "big5",
    "ascii": "ascii",
    "us-ascii": "ascii",
    "iso-8859-1": "iso-8859-1",
    "latin-1": "iso-8859-1",
}

# GB 18030-2022 swaps the places of 18 characters with private-use ones (table of changes against 2005); Python has 2005.
_PRIVATE = (*range(0xE78D, 0xE797), 0xE81E, 0xE826, 0xE82B, 0xE82C, 0xE832, 0xE843, 0xE854, 0xE864)
_NOW = (0xFE10, 0xFE12, 0xFE11, *range(0xFE13, 0xFE1A), *range(0x9FB4, 0x9FBC))
_FORMERLY_PRIVATE = dict(zip(_PRIVATE, _NOW, strict=True))
_SWAP = _FORMERLY_PRIVATE | {new: old for old, new in _FORMERLY_PRIVATE.items()}
# Six more were given code points outside the basic plane; their two-byte codes are read as those, and written as four bytes.
_BEYOND = {0xE816: 0x20087, 0xE817: 0x20089, 0xE818: 0x200CC, 0xE831: 0x215D7, 0xE83B: 0x2298F, 0xE855: 0x241FE}
_READ = _SWAP | _BEYOND
_MOVED = re.compile("[" + "".join(map(chr, _READ)) + "]")

_BOMS = {"utf-8": b"\xef\xbb\xbf", "utf-8-sig": b"\xef\xbb\xbf", "gb18030": b"\x84\x31\x95\x33"}


@dataclass(frozen=True)
class Encoding:
    """One encoding with its policy. `replacement` None refuses what cannot be held; `table` is looked at first."""

    name: str = "utf-8"
    replacement: str | None = None
    table: Mapping[str, str] = field(default_factory=dict)

    @property
    def codec(self) -> str:
        """The codec's name without the byte order mark."""
        return "utf-8" if self.name == "utf-8-sig" else self.name

    @property
    def written_bom(self) -> bytes:
        """What a written body begins with."""
        return _BOMS["utf-8-sig"] if self.name == "utf-8-sig" else b""

    def bare(self, start: bytes) -> bytes:
        """The start of a body without its byte order mark."""
        return start.removeprefix(_BOMS.get(self.name, b""))

    def decode(self, raw: bytes) -> str:
        """Text of one line or cell. Raises `Undecodable` that names the byte, counted from 1."""
        try:
            text = raw.decode(self.codec)
        except UnicodeDecodeError as error:
            seen = " ".join(f"0x{byte:02X}" for byte in raw[error.start : error.start + 4])
            raise errors.Undecodable(
                f"byte {error.start + 1} is not {self.name}",
                value=seen,
                hint="Check the encoding that the manifest names, or the sender's export",
            ) from error
        return modern(text) if self.name == "gb18030" else text

    def lenient(self, raw: bytes) -> str:
        """Text in which each wrong byte became a lone surrogate: to find where records end, never to be stored."""
        return raw.decode(self.codec, "surrogateescape")

    def encode(self, text: str) -> bytes:
        """Bytes by the policy. Raises `Unencodable` that names the character."""
        if text.isascii():
            return text.encode("ascii")  # the same bytes in all of them; the Chinese codecs take three times as long
        if self.name == "gb18030" and _MOVED.search(text):
            text = text.translate(_SWAP)
        try:
            return text.encode(self.codec)
        except UnicodeEncodeError:
            return b"".join(self._character(char) for char in text)

    def _character(self, char: str) -> bytes:
        for candidate in (char, self.table.get(char), self.replacement):
            if candidate is not None:
                try:
                    return candidate.encode(self.codec)
                except UnicodeEncodeError:
                    continue
        raise errors.Unencodable(
            f"{self.name} has no {char!r} (U+{ord(char):04X})",
            hint="Set on_unencodable: {replace: '?'} or a table in the format, or write gb18030",
        )


def modern(text: str) -> str:
    """Text that Python read as GB 18030-2005, as GB 18030-2022 reads it."""
    return text.translate(_READ) if not text.isascii() and _MOVED.search(text) else text


def build(given: options.Options, default: str = "utf-8") -> Encoding:
    """Read `encoding` and `on_unencodable` (`refuse`, or `{replace: TEXT, table: {CHARACTER: TEXT}}`)."""
    name = NAMES[given.choice("encoding", NAMES, default)]
    policy = given.spec.get("on_unencodable", "refuse")
    if policy == "refuse":
        return Encoding(name)
    below = given.under("on_unencodable", policy)
    below.only("replace", "table")
    table = dict(below.under("table", below.spec["table"]).spec) if "table" in below.spec else {}
    made = Encoding(name, below.text("replace") if "replace" in below.spec else None, table)
    _check(made, below)
    return made


def _check(made: Encoding, below: options.Options) -> None:
    for key, text in [("replace", made.replacement), *(("table", text) for text in made.table.values())]:
        if text is not None:
            try:
                str(text).encode(made.codec)
            except UnicodeEncodeError:
                raise below.wrong(f"{made.name} cannot hold the substitute either", key, value=text) from None
