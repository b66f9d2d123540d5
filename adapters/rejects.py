"""The reject file: what its sender reads about the rows that could not be used."""

from __future__ import annotations

from collections.abc import Iterable

from adapters.contract import Refused
from adapters.manifest import Feed

_MOST = 50_000_000  # bytes; who sent more wrong rows than that needs no list of them


def body(feed: Feed, rows: Iterable[Refused]) -> bytes:
    """A line for each row: its line in the file, the reason, the row as it came, with tabs between; empty if there is none.

    Where the feed's files have a header line, it stands above. In the feed's encoding; flat memory.
    """
    codec = str(feed.format.get("encoding", "utf-8"))
    header = feed.format.get("header") is True
    lines: list[bytes] = []
    size = more = 0
    for row in rows:
        if size > _MOST:
            more += 1
            continue
        raw = row.body.removesuffix(b"\n").removesuffix(b"\r")
        head, divider, rest = raw.partition(b"\n")
        if header and divider:
            if not lines:
                lines.append(_line("line", "reason", head.removesuffix(b"\r"), codec))
            raw = rest
        lines.append(_line(*_told(row), raw, codec))
        size += len(lines[-1])
    if more:
        lines.append(_line("", f"{more} more refused rows are not listed here", b"", codec))
    return b"".join(lines)


def _told(row: Refused) -> tuple[str, str]:
    unit, _, place = row.place.partition(" ")
    if unit not in ("line", "record"):
        return row.place, row.reason
    number, _, field = place.partition(" ")
    return number, f"{field}: {row.reason}" if field else row.reason


def _line(place: str, reason: str, raw: bytes, codec: str) -> bytes:
    told = "\t".join(" ".join(text.split()) for text in (place, reason))
    return told.encode(codec, "replace") + b"\t" + raw + b"\n"
