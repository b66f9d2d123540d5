"""Frames between the hub and its web process: a length and a pickle. Both ends are one program, started by one another."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Iterator
from typing import Any

_HEAD = struct.Struct("<Q")


def pack(value: Any) -> bytes:
    """One frame."""
    body = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return _HEAD.pack(len(body)) + body


class Unpacker:
    """Bytes as they come to whole values."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Any]:
        """The values that are whole by now."""
        self._buffer += data
        start = 0
        while len(self._buffer) - start >= _HEAD.size:
            (size,) = _HEAD.unpack_from(self._buffer, start)
            end = start + _HEAD.size + size
            if len(self._buffer) < end:
                break
            with memoryview(self._buffer) as view:
                value = pickle.loads(view[start + _HEAD.size : end])  # noqa: S301 from our own process
            start = end
            yield value
        del self._buffer[:start]
