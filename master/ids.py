"""Golden ids: UUID version 7 (RFC 9562), so that they sort by the time of their making."""

from __future__ import annotations

import random as dice
from collections.abc import Callable


def uuid7(micros: int, random: Callable[[int], int] = dice.getrandbits) -> str:
    """A UUIDv7 for a time in microseconds since 1970; the sub-millisecond part goes into rand_a (RFC 9562, 6.2 method 3)."""
    millis, rest = divmod(micros, 1000)
    value = (millis << 80) | (0x7 << 76) | ((rest * 4096 // 1000) << 64) | (0b10 << 62) | random(62)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def pack(public: str) -> bytes:
    """The 16 bytes that the store keeps."""
    return bytes.fromhex(public.replace("-", ""))


def unpack(stored: bytes) -> str:
    """The public form of 16 stored bytes."""
    return hyphened(stored.hex())


def hyphened(text: str) -> str:
    """The public form of 32 hex digits."""
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
