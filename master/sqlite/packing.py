"""Bytes as the store keeps them: compressed where that saves room."""

from __future__ import annotations

import zstandard

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
