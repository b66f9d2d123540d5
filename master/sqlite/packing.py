"""Values as the store keeps them: bytes compressed where that saves room, the part of a file as JSON."""

from __future__ import annotations

import orjson
import zstandard

from schemas.envelope import Part

PLAIN, ZSTD = 0, 1
_FROM = 2048  # bytes; shorter ones gain little


def pack(body: bytes) -> tuple[int, bytes]:
    """The encoding, and the bytes to keep."""
    return (ZSTD, compress(body)) if len(body) >= _FROM else (PLAIN, body)


def unpack(encoding: int, stored: bytes) -> bytes:
    """What was packed."""
    return decompress(stored) if encoding == ZSTD else stored


def compress(body: bytes, level: int = 1) -> bytes:
    """In one frame that knows its own size."""
    return zstandard.ZstdCompressor(level=level).compress(body)


def decompress(stored: bytes) -> bytes:
    """One frame."""
    return zstandard.ZstdDecompressor().decompress(stored)


def unpart(part: Part | None) -> str | None:
    """The part of a file, as text."""
    return None if part is None else orjson.dumps([part.file, part.first, part.shifts, part.absent]).decode()


def part(stored: str | None) -> Part | None:
    """And back."""
    if stored is None:
        return None
    file, first, shifts, absent = orjson.loads(stored)
    return Part(file, first, tuple((start, lines) for start, lines in shifts), absent)
