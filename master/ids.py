"""Golden ids: UUID version 7 (RFC 9562), so that they sort by the time of their making."""

from __future__ import annotations

import random as dice
from collections.abc import Callable

_ROOM = 61  # bits of the 62: a series has as much again to count on in


def uuid7(micros: int, low: int) -> bytes:
    """A UUIDv7 of microseconds since 1970: the part below a millisecond goes to rand_a (RFC 9562, 6.2 method 3), `low` to rand_b."""
    millis, rest = divmod(micros, 1000)
    return ((millis << 80) | (0x7 << 76) | ((rest * 4096 // 1000) << 64) | (0b10 << 62) | low).to_bytes(16, "big")


def series(micros: int, random: Callable[[int], int] = dice.getrandbits) -> Callable[[], bytes]:
    """Ids of one moment, each above the one before (RFC 9562, 6.2 method 2): the store appends them, and keeps its pages full."""
    first = int.from_bytes(uuid7(micros, random(_ROOM)), "big")

    def following() -> bytes:
        nonlocal first
        first += 1 + random(32)
        return first.to_bytes(16, "big")

    return following


def pack(public: str) -> bytes:
    """The 16 bytes that the store keeps."""
    return bytes.fromhex(public.replace("-", ""))


def unpack(stored: bytes) -> str:
    """The public form of 16 stored bytes."""
    return hyphened(stored.hex())


def hyphened(text: str) -> str:
    """The public form of 32 hex digits."""
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
