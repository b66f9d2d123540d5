"""Keys that a full extract does not hold: the message that withdraws some of them, and what it says to the master copy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import orjson

from routes.inbound import Decoded, Step
from schemas.envelope import Candidate, Message, Part

CONTENT_TYPE = "application/vnd.mastercopy.absent+json"


def message(source: str, feed: str, message_id: str, file: str, entity: str, before: int, keys: Sequence[str]) -> Message:
    """One record for each key. `before` is the place in the inbox where the extract begins: what the source said since then stands."""
    body = orjson.dumps({"file": file, "entity": entity, "before": before, "keys": keys})
    return Message(source, feed, message_id, body, CONTENT_TYPE, len(keys), part=Part(file, absent=True))


def is_one(found: Message) -> bool:
    """Whether a message lists absent keys. No caller can make one: its part is set by the hub alone."""
    return found.part is not None and found.part.absent


def decoded(found: Message) -> list[Decoded]:
    """Its records."""
    said = orjson.loads(found.body)
    return [
        Decoded(number, (Candidate(said["entity"], found.source, key, said["before"], "withdraw", b"", b"delete", None, ()),), None)
        for number, key in enumerate(said["keys"])
    ]


def steps(found: Message) -> Iterator[Step]:
    """The same for the trace."""
    said = orjson.loads(found.body)
    for number, key in enumerate(said["keys"]):
        yield Step(number, f"not in {said['file']}", {"entity": said["entity"], "key": key}, [], None)
