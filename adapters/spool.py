"""The spool: where a file is copied to before it is read, under a name that its sender does not choose."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Copy:
    """A file in the spool. `digests` by name, in hex."""

    path: Path
    size: int
    digests: dict[str, str]

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


class Spool:
    """One feed's part of the spool folder, which several feeds share."""

    def __init__(self, folder: Path, feed: str) -> None:
        self._folder = folder
        self._mark = hashlib.sha256(feed.encode()).hexdigest()[:12]

    def copy(self, name: str, pieces: Iterable[bytes], digests: Iterable[str]) -> Copy:
        """Write the pieces of the file that the sender calls `name`; nothing is left behind if they break off."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._folder / f"{self._mark}-{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:24]}"
        hashes = {one: hashlib.new(one, usedforsecurity=False) for one in digests}
        size = 0
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as target:
                for piece in pieces:
                    target.write(piece)
                    size += len(piece)
                    for one in hashes.values():
                        one.update(piece)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return Copy(path, size, {one: value.hexdigest() for one, value in hashes.items()})

    def sweep(self) -> None:
        """Remove this feed's leftovers of a crash: the source still has the files."""
        for path in self._folder.glob(f"{self._mark}-*"):
            path.unlink(missing_ok=True)
