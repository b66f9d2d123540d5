"""Files as the hub stores them, in parts, put together again: which parts are which file, told by content alone."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable


def names(parts: Iterable[tuple[str, bytes]]) -> dict[str, str]:
    """From (message id, body) of the stored parts, in their order: what stands before the `:n` of their ids -> the file's SHA-256 in hex.

    The history checker knows a file by the first 24 digits of it; parts are renamed to that before they are judged.
    """
    files: dict[str, list[bytes]] = defaultdict(list)
    for message_id, body in parts:
        files[message_id.rpartition(":")[0]].append(body)
    return {prefix: hashlib.sha256(whole(bodies)).hexdigest() for prefix, bodies in files.items()}


def whole(bodies: list[bytes]) -> bytes:
    """The file again: a first line that all parts have is its header, repeated in each so that it can be read alone."""
    heads = {body.split(b"\n", 1)[0] for body in bodies}
    if len(bodies) == 1 or len(heads) > 1:
        return b"".join(bodies)
    return bodies[0] + b"".join(body.split(b"\n", 1)[1] for body in bodies[1:])
