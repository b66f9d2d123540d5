"""The embedded engine as a whole."""

from __future__ import annotations

from pathlib import Path

from master.sqlite.attempts import Attempts
from master.sqlite.database import Database
from master.sqlite.endings import Endings
from master.sqlite.inbox import Inbox
from master.sqlite.leader import Leader
from master.sqlite.leases import Leases
from master.sqlite.letters import Letters
from master.sqlite.registers import Alarms, FileClaims, Keys, Revisions
from master.sqlite.subscriptions import Subscriptions
from master.sqlite.views import Views


class SqliteStore:
    """One file, opened once per process. Fills the contract of `master.store`."""

    engine = "sqlite"

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._database = Database(path, read_only=read_only)
        self.inbox = Inbox(self._database)
        self.leader = Leader(self._database)
        self.attempts = Attempts(path)
        self.subscriptions = Subscriptions(self._database)
        self.letters = Letters(self._database)
        self.files = FileClaims(self._database)
        self.endings = Endings(self._database)
        self.alarms = Alarms(self._database)
        self.leases = Leases(self._database)
        self.revisions = Revisions(self._database)
        self.keys = Keys(self._database)
        self.views = Views(self._database)

    def close(self) -> None:
        """Checkpoint and let go of the file."""
        self.attempts.close()
        self._database.close()
