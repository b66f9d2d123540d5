"""A file as messages: cut into chunks whose ids come out the same again, so that a broken load goes on where it stopped."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from adapters import control, intake
from adapters.contract import Door, FileIdentity
from adapters.manifest import Feed
from schemas.envelope import Message, Part, Piece

_GROUP = 4  # chunks in one call of the door
_GROUP_BYTES = 8_000_000


class Cutter(Protocol):
    """What a file feed must know of its format; the transformers' formats are such."""

    @property
    def content_type(self) -> str: ...

    def split(self, stream: BinaryIO, rows: int) -> Iterator[Piece]:
        """The file in pieces of at most `rows` rows, each readable alone (a header is repeated, a trailer left out)."""

    def totals(self, stream: BinaryIO, column: str = "") -> control.Totals:
        """Count the rows, add up `column` unless it is empty, and read the trailer. Raises `Reject` for what cannot be cut."""


def load(
    door: Door, stop: threading.Event, feed: Feed, cutter: Cutter, file: FileIdentity, total: int, path: Path, *, resume: bool
) -> bool:
    """Hand over chunk after chunk of the copy at `path`, skipping what is stored; False if told to stop before the last."""
    done = 0
    with path.open("rb") as stream:
        for group in _groups(_messages(feed, cutter, file, stream)):
            ids = [message.message_id for message in group if message.message_id]
            stored = door.stored(feed.system, feed.name, ids) if resume else set()
            waiting = [message for message in group if message.message_id not in stored]
            if stop.is_set() or (waiting and not intake.hand_over(door, waiting, stop.wait)):
                return False
            done += len(group)
            door.files.progress(file, rows=min(done * feed.chunk, total), total=total)
    return True


def prefix(feed: Feed, file: FileIdentity) -> str:
    """How the ids of a file's messages begin.

    It holds the file's time and how it is cut: a file that is sent anew is new, even if it says what it said the week before.
    """
    source = repr((file, feed.chunk, sorted(feed.format.items(), key=str)))
    return hashlib.sha256(source.encode()).hexdigest()[:24]


def _messages(feed: Feed, cutter: Cutter, file: FileIdentity, stream: BinaryIO) -> Iterator[Message]:
    start = prefix(feed, file)
    for number, piece in enumerate(cutter.split(stream, feed.chunk)):
        part = Part(file.name, piece.first, piece.shifts)
        yield Message(feed.system, feed.name, f"{start}:{number:06d}", piece.body, cutter.content_type, part=part)


def _groups(messages: Iterator[Message]) -> Iterator[list[Message]]:
    group: list[Message] = []
    size = 0
    for message in messages:
        group.append(message)
        size += len(message.body)
        if len(group) >= _GROUP or size >= _GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group
