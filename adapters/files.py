"""A file feed: looks at a folder, near or far, and loads each finished file once, whole or not at all, resuming where it stopped."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Protocol

from adapters import chunks, control, rejects, spool
from adapters.contract import Door, FileIdentity
from adapters.endpoints import FolderIn, SftpIn
from adapters.manifest import Feed
from schemas import errors

UNFINISHED = (".part", ".tmp", ".filepart")  # what senders call a file that they still write
_CONTROL_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class Entry:
    """A regular file in a folder. `name` may hold escaped bytes (surrogates); `mtime` in seconds since 1970."""

    name: str
    size: int
    mtime: int

    @property
    def shown(self) -> str:
        """The name as it may be stored and printed."""
        text = self.name
        if any("\udc80" <= char <= "\udcff" for char in text):
            text = text.encode("utf-8", "surrogateescape").decode("ascii", "backslashreplace")
        return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


class Place(Protocol):
    """A folder of files. Raises `OSError` for what concerns one file, `EndpointDown` when the folder cannot be reached."""

    def list(self) -> list[Entry]: ...

    def look(self, name: str) -> Entry | None:
        """None for what is not there, or is no regular file (links are not followed)."""

    def fetch(self, entry: Entry) -> Iterator[bytes]: ...

    def move(self, name: str, target: str) -> None:
        """Rename within the folder; `target` may begin with a folder, which is made."""

    def put(self, name: str, body: bytes) -> None:
        """A whole file under its name, or none; `name` holds no folder."""

    def close(self) -> None: ...


class FileSource:
    """One file feed; `run` works in one thread."""

    def __init__(self, place: Place, feed: Feed, cutter: chunks.Cutter, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        endpoint = feed.endpoint
        if not isinstance(endpoint, SftpIn | FolderIn):
            raise errors.Misconfigured(f"{feed.path} is not a file feed")
        self._place, self._feed, self._cutter, self._clock = place, feed, cutter, clock
        self._spool = spool.Spool(folder, feed.path)
        self._endpoint = endpoint
        self._looks: dict[str, tuple[Entry, float]] = {}
        self._judged: dict[str, tuple[Entry, Entry | None]] = {}  # refused as they are: not fetched again until they change
        self._loaded: dict[str, tuple[Entry, FileIdentity]] = {}  # loaded, but not moved away yet
        self._alarmed: dict[str, str] = {}
        self._trouble: dict[str, int] = {}

    def run(self, door: Door, stop: threading.Event) -> None:
        """Load files until `stop` is set. Raises `Retry` when the folder cannot be reached or the store does not answer."""
        self._spool.sweep()
        while not stop.is_set():
            unsettled = not door.busy() and self._poll(door, stop)
            stop.wait(min(self._endpoint.settle, self._endpoint.interval) if unsettled else self._endpoint.interval)

    def ping(self) -> str:
        """How many files wait."""
        return f"{len(self._data(self._place.list()))} files wait in {self._feed.path}"

    def close(self) -> None:
        """Let go of the connection; files in the spool are swept by the next run."""
        self._place.close()

    def _poll(self, door: Door, stop: threading.Event) -> bool:
        """One look at the folder; True if some file was not seen long enough to be trusted."""
        entries = {entry.name: entry for entry in self._place.list()}
        data = self._data(list(entries.values()))
        self._forget(door, entries)
        self._orphans(door, data, entries)
        self._tell_refused(door)
        unsettled = False
        for entry in data:
            if stop.is_set() or door.busy():
                break
            if not self._settled(door, entry):
                unsettled = True
                continue
            try:
                self._take(door, stop, entry, entries)
            except errors.EndpointDown:
                self._trouble[entry.name] = self._trouble.get(entry.name, 0) + 1
                raise
            except OSError as error:
                self._alarm(door, entry, f"cannot be read: {error}")
        return unsettled

    def _tell_refused(self, door: Door) -> None:
        """Rows that could not be used go back beside their file, once all of it is applied."""
        if self._feed.rejects is None:
            return
        for found in door.files.refused(self._feed.system, self._feed.name):
            target = found.target + self._feed.rejects.suffix
            body = rejects.body(self._feed, found.rows)
            try:
                if body:
                    part = f".{target.rpartition('/')[2]}.part"
                    self._place.put(part, body)
                    self._place.move(part, target)
            except OSError as error:
                door.files.alarm(self._feed.system, target, f"the refused rows cannot be written: {error}")
            else:
                door.files.told(found.file)
                door.files.clear(self._feed.system, target)

    def _data(self, entries: list[Entry]) -> list[Entry]:
        """The files to load, oldest first; those that broke the connection before come last, so that one cannot block the rest."""
        wanted = [entry for entry in entries if self._wanted(entry.name)]
        return sorted(wanted, key=lambda entry: (self._trouble.get(entry.name, 0), entry.mtime, entry.name))

    def _wanted(self, name: str) -> bool:
        done, totals = self._endpoint.done, self._feed.control
        return not (
            name.startswith(".")
            or "/" in name
            or "\0" in name
            or name.endswith(UNFINISHED)
            or (not done.endswith("/") and name.endswith(done))
            or (totals and totals.kind == "ctl" and name.endswith(totals.suffix))
            or (self._feed.rejects and name.endswith(self._feed.rejects.suffix))
            or not fnmatchcase(name, self._endpoint.pattern)
        )

    def _settled(self, door: Door, entry: Entry) -> bool:
        """Two looks, far enough apart, saw the same size and time."""
        before, now = self._looks.get(entry.name), self._clock()
        if before and before[0] == entry:
            return now - before[1] >= self._endpoint.settle * 0.9
        self._looks[entry.name] = (entry, now)
        if before and entry.name not in self._judged:
            self._alarm(door, entry, "still growing")
        return False

    def _orphans(self, door: Door, data: list[Entry], entries: dict[str, Entry]) -> None:
        """Control files whose data is not there."""
        totals = self._feed.control
        if not totals or totals.kind != "ctl":
            return
        awaited = {totals.beside(entry.name) for entry in data}
        for entry in entries.values():
            if entry.name.endswith(totals.suffix) and not entry.name.startswith(".") and entry.name not in awaited:
                before = self._looks.setdefault(entry.name, (entry, self._clock()))
                if self._clock() - before[1] >= self._endpoint.settle:
                    self._alarm(door, entry, "control file without its data")
            elif entry.name in self._alarmed and entry.name in awaited:
                self._clear(door, entry)

    def _forget(self, door: Door, entries: dict[str, Entry]) -> None:
        for memory in (self._looks, self._judged, self._loaded, self._trouble):
            for name in [name for name in memory if name not in entries]:
                del memory[name]
        for shown in set(self._alarmed) - {entry.shown for entry in entries.values()}:
            del self._alarmed[shown]
            door.files.clear(self._feed.system, shown)

    def _take(self, door: Door, stop: threading.Event, entry: Entry, entries: dict[str, Entry]) -> None:
        beside = self._control_of(entry, entries)
        if entry.name in self._loaded and self._loaded[entry.name][0] == entry:
            self._move(door, entry, beside, self._loaded[entry.name][1])
        elif self._judged.get(entry.name) != (entry, beside):
            try:
                self._load(door, stop, entry, beside)
            except errors.Reject as reason:
                self._judged[entry.name] = (entry, beside)
                self._alarm(door, entry, str(reason))

    def _control_of(self, entry: Entry, entries: dict[str, Entry]) -> Entry | None:
        totals = self._feed.control
        return entries.get(totals.beside(entry.name)) if totals and totals.kind == "ctl" else None

    def _load(self, door: Door, stop: threading.Event, entry: Entry, beside: Entry | None) -> None:
        if any(ord(char) < 32 for char in entry.name):
            raise errors.Unsafe("the name holds control characters", hint="Ask the sender to name it otherwise")
        if entry.size > self._feed.limit:
            raise errors.TooLarge(f"{entry.size} bytes, {self._feed.limit} allowed", hint="Raise limit: in the manifest")
        if self._feed.control and self._feed.control.kind == "ctl" and not beside and not self._moved_before(entry):
            self._alarm(door, entry, f"waits for its control file {self._feed.control.beside(entry.shown)}")
            return
        copy = self._fetch(door, entry)
        if copy is None:
            return
        try:
            self._read(door, stop, entry, beside, copy)
        finally:
            copy.remove()

    def _moved_before(self, entry: Entry) -> bool:
        """A crash between the two renames leaves the data behind after its control file has gone."""
        totals = self._feed.control
        return bool(totals and self._endpoint.done.endswith("/") and self._place.look(self._endpoint.done + totals.beside(entry.name)))

    def _fetch(self, door: Door, entry: Entry) -> spool.Copy | None:
        """A copy in the spool; None if the file was not what the listing said."""
        digests = [name for name in ("md5", "sha256") if name == "sha256" or (self._feed.control and name in self._feed.control.fields)]
        copy = self._spool.copy(entry.name, self._place.fetch(entry), digests)
        after = self._place.look(entry.name)
        if after == entry and copy.size == entry.size:
            return copy
        copy.remove()
        self._looks.pop(entry.name, None)
        if after is not None:
            self._alarm(door, entry, f"changed while it was fetched: {entry.size} bytes announced, {copy.size} came")
        return None

    def _read(self, door: Door, stop: threading.Event, entry: Entry, beside: Entry | None, copy: spool.Copy) -> None:
        identity = FileIdentity(self._feed.system, f"{self._feed.name}/{entry.shown}", entry.size, entry.mtime, copy.digests["sha256"])
        totals = self._totals(entry, beside, copy)
        claim = door.files.claim(identity)
        if claim != "done":
            if self._feed.control and self._feed.control.kind == "ctl" and not beside:
                self._alarm(door, entry, f"waits for its control file {self._feed.control.beside(entry.shown)}")
                return
            if not chunks.load(door, stop, self._feed, self._cutter, identity, totals.rows, copy.path, resume=claim == "resume"):
                return
            if self._feed.rejects or self._feed.complete:
                wanted = {"rejects": self._feed.rejects is not None, "complete": self._feed.complete is not None}
                door.files.ends(identity, messages=chunks.prefix(self._feed, identity), rows=totals.rows, **wanted)
            door.files.finish(identity, rows=totals.rows)
        self._loaded[entry.name] = (entry, identity)
        self._move(door, entry, beside, identity)

    def _totals(self, entry: Entry, beside: Entry | None, copy: spool.Copy) -> control.Totals:
        rules = self._feed.control
        with copy.path.open("rb") as stream:
            totals = self._cutter.totals(stream, rules.column if rules else "")
        if rules and (beside or rules.kind == "trailer"):
            said = control.parse(rules, self._small(beside)) if beside else control.trailer(rules, totals)
            found = {"name": entry.name, "rows": totals.rows, "bytes": entry.size, "sum": totals.sum, **copy.digests}
            control.compare(said, found)
        return totals

    def _small(self, entry: Entry) -> bytes:
        if entry.size > _CONTROL_LIMIT:
            raise errors.TooLarge(f"the control file has {entry.size} bytes")
        return b"".join(self._place.fetch(entry))

    def _move(self, door: Door, entry: Entry, beside: Entry | None, identity: FileIdentity) -> None:
        """Away from the sender's eyes, the control file first: data alone is asked for its claim, a control file alone says nothing."""
        try:
            for one in (beside, entry):
                if one is None:
                    continue
                target = self._target(one.name, identity.sha256)
                if one is entry and self._feed.rejects:
                    door.files.moved(identity, target)
                self._place.move(one.name, target)
        except FileNotFoundError:
            pass  # somebody else took it away; what it held is stored
        except OSError as error:
            self._alarm(door, entry, f"loaded, but cannot be moved to {self._endpoint.done}: {error}")
            return
        self._loaded.pop(entry.name, None)
        self._clear(door, entry)

    def _target(self, name: str, sha256: str) -> str:
        """Yesterday's file of the same name is kept."""
        done = self._endpoint.done
        target = done + name if done.endswith("/") else name + done
        if self._place.look(target) is None:
            return target
        stem = f"{done}{name}.{sha256[:8]}" if done.endswith("/") else f"{name}.{sha256[:8]}{done}"
        numbered = (f"{stem}.{number}" if done.endswith("/") else f"{name}.{sha256[:8]}.{number}{done}" for number in itertools.count(2))
        return next(one for one in itertools.chain([stem], numbered) if self._place.look(one) is None)

    def _alarm(self, door: Door, entry: Entry, reason: str) -> None:
        if self._alarmed.get(entry.shown) != reason:
            self._alarmed[entry.shown] = reason
            door.files.alarm(self._feed.system, entry.shown, reason)

    def _clear(self, door: Door, entry: Entry) -> None:
        self._alarmed.pop(entry.shown, None)
        door.files.clear(self._feed.system, entry.shown)
