"""Files in and out of a folder of this machine."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from adapters import chunks, drops, files
from adapters.endpoints import FolderIn, FolderOut
from adapters.files import Entry
from adapters.lanes import Lanes
from adapters.manifest import Feed, Sink
from schemas import errors

_PIECE = 1 << 20


class Folder:
    """A local folder as a place to read from and to drop into."""

    def __init__(self, path: str) -> None:
        self._path = Path(path).expanduser()

    def list(self) -> list[Entry]:
        """Regular files only; links, pipes and folders are not even looked into."""
        try:
            with os.scandir(self._path) as found:
                entries = [_entry(one.name, one.stat(follow_symlinks=False)) for one in found if one.is_file(follow_symlinks=False)]
        except OSError as error:
            raise errors.EndpointDown(f"the folder {self._path} cannot be listed: {error.strerror}") from error
        return entries

    def look(self, name: str) -> Entry | None:
        try:
            status = (self._path / name).lstat()
        except FileNotFoundError:
            return None
        return _entry(name, status) if stat.S_ISREG(status.st_mode) else None

    def fetch(self, entry: Entry) -> Iterator[bytes]:
        with os.fdopen(os.open(self._path / entry.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise OSError("not a regular file")
            while piece := stream.read(_PIECE):
                yield piece

    def move(self, name: str, target: str) -> None:
        (self._path / target).parent.mkdir(exist_ok=True)
        (self._path / name).replace(self._path / target)

    def put(self, name: str, body: bytes) -> None:
        part = self._path / f".{name}.part"
        with part.open("wb") as stream:
            stream.write(body)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(self._path / name)
        folder = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def ping(self) -> str:
        if not os.access(self._path, os.W_OK | os.X_OK):
            raise errors.EndpointDown(f"the folder {self._path} is not there or cannot be written")
        return f"{self._path} can be written"

    def close(self) -> None:
        """Nothing is held open."""


def _entry(name: str, status: os.stat_result) -> Entry:
    return Entry(name, status.st_size, int(status.st_mtime))


def source(feed: Feed, endpoint: FolderIn, cutter: chunks.Cutter, spool: Path) -> files.FileSource:
    """The source of a folder feed."""
    return files.FileSource(Folder(endpoint.path), feed, cutter, spool)


def sink(declared: Sink, endpoint: FolderOut, cutter: chunks.Cutter | None) -> drops.FileSink:
    """The sink of a folder."""
    return drops.FileSink(Lanes[drops.Target](lambda: Folder(endpoint.path), drops.Target.close), declared, cutter)
