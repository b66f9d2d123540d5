"""A hub's home: the folder with its store, spool and own systems, the lock on it, and how commands find the hub that runs there."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from master.sqlite.store import SqliteStore
from routes import setup
from schemas import errors

_TEMPLATE = """\
# The instance: which systems and routes are in use, and this instance's own values for them.
# Every key of a system's manifest and of a route's file may be laid over here; secrets by reference only (env:NAME, file:/path).
systems:
  crm: {}
#  billing:
#    feeds: {accounts: {endpoint: {host: sftp.example.cn, host_key: "file:/etc/mastercopy/billing.hostkey"}}}
#  care:
#    sinks: {webhook: {endpoint: {url: "https://care.example.cn/hooks/mastercopy"}}}
routes: []
"""


@dataclass(frozen=True)
class Control:
    """How to reach the hub that runs in a home. `token` opens its control API."""

    pid: int
    url: str
    token: str


class Home:
    """Paths inside the folder; nothing is made before `prepare`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser().resolve()
        self.store = self.folder / "mastercopy.db"
        self._control = self.folder / "control.json"
        self._lock = self.folder / "lock"

    def prepare(self) -> None:
        """Make the folder, with a hub.yaml to begin with. Only its owner may look into it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        config = self.folder / setup.FILE
        if not config.exists():
            config.write_text(_TEMPLATE, encoding="utf-8")

    @contextlib.contextmanager
    def locked(self) -> Iterator[IO[str]]:
        """Hold the home for as long as this file is open. Raises `HomeLocked` when a hub works in it."""
        with self._lock.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                running = self.control()
                where = f" (process {running.pid}, {running.url})" if running else ""
                raise errors.HomeLocked(f"{self.folder}{where}", hint="Stop it, or choose another --home") from error
            yield file

    def announce(self, url: str) -> Control:
        """Say where the hub of this home answers."""
        control = Control(os.getpid(), url, secrets.token_urlsafe(32))
        self._control.touch(mode=0o600)
        self._control.write_text(json.dumps(asdict(control)), encoding="utf-8")
        return control

    def withdraw(self) -> None:
        """The hub has stopped."""
        self._control.unlink(missing_ok=True)

    def control(self) -> Control | None:
        """The hub that runs here, None if none does: a killed hub leaves its note, but not its lock."""
        if not self._control.exists() or not self._is_held():
            return None
        return Control(**json.loads(self._control.read_text(encoding="utf-8")))

    def _is_held(self) -> bool:
        if not self._lock.exists():
            return False
        with self._lock.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return True
            return False

    def exists(self) -> bool:
        """A hub has worked here before."""
        return self.store.exists()

    def open_store(self, *, read_only: bool = False) -> SqliteStore:
        """The store. Raises `NotFound` where no hub has worked."""
        if not self.exists():
            raise errors.NotFound(f"there is no store in {self.folder}", hint="Start a hub there first: mastercopy up --home DIR")
        return SqliteStore(self.store, read_only=read_only)
