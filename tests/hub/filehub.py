"""A hub with a system of its own that drops files into a folder: accounts, a line each."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from config.settings import Settings
from hub import run
from tests.hub import instance

MANIFEST = """\
system: bank
feeds:
  accounts:
    over: folder
    endpoint: {{path: "{drop}", pattern: "*.txt", interval: 50ms, settle: 50ms, done: done/}}
    format: {{kind: delimited, delimiter: "|", header: {header}, columns: [ID, NAME, STATE]}}
    mapping: accounts.yaml
    chunk: 3
{more}
  live:
    over: http
    format: {{kind: delimited, delimiter: "|", columns: [ID, NAME, STATE]}}
    mapping: accounts.yaml
"""
MAPPING = """\
mapping: bank-accounts
direction: inbound
records:
  - entity: account
    key: ID
    fields:
      accountNo: ID
      customer: {ref: ID, source: crm}
      name: {from: NAME, do: [trim], required: true}
      billingCycle: STATE
"""


class FileHub(instance.Instance):
    """The hub, and the folder that its files come from."""

    drop: Path

    def put(self, name: str, *rows: str, at: float | None = None) -> None:
        """A file of these lines, written at this time (by default a little in the future: after all that came before)."""
        part = self.drop / f"{name}.part"
        part.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
        stamp = time.time() + 5 if at is None else at
        os.utime(part, (stamp, stamp))
        part.replace(self.drop / name)

    def load(self, name: str, *rows: str, at: float | None = None) -> None:
        """The same, loaded and applied."""
        self.put(name, *rows, at=at)
        instance.soon(lambda: (self.drop / "done" / name).exists() or any((self.drop / "done").glob(f"{name}.*")))
        instance.soon(self.quiet)

    def quiet(self) -> bool:
        """Nothing waits to be applied, no extract to be judged."""
        store = self.hub.store
        return store.inbox.waiting()[0] == 0 and not [each for each in store.endings.open() if each.absent in ("waiting", "confirmed")]

    def live(self) -> list[str]:
        """The keys of the accounts that live."""
        rows = self.hub.store.views.dump("source_record", ("entity", "key", "op"))
        return sorted(key for entity, key, op in rows if (entity, op) == ("account", "upsert"))

    def names(self) -> dict[str, str]:
        """Their names by key."""
        store = self.hub.store
        return {key: self.golden(key)["state"]["name"] for key in self.live() if store.views.find_golden(key, "account")}

    def golden(self, key: str) -> dict[str, Any]:
        """The golden record behind a key."""
        [found] = self.hub.store.views.find_golden(key, "account")
        golden = self.hub.store.views.golden(found)
        assert golden is not None
        return golden

    def alarms(self, kind: str) -> list[str]:
        """The reasons of the alarms that stand."""
        return [each["reason"] for each in self.hub.store.alarms.active() if each["kind"] == kind]


def manifest(home: Path, more: str = "", *, header: bool = False) -> str:
    """The system's manifest; `more` are keys of the file feed."""
    return MANIFEST.format(drop=home.parent / "drop", header=str(header).lower(), more=f"    {more}" if more else "")


def written(home: Path, more: str = "", *, header: bool = False) -> None:
    """The home with the system in it."""
    folder = home / "adapters" / "bank"
    folder.mkdir(parents=True, exist_ok=True)
    (home.parent / "drop").mkdir(exist_ok=True)
    (folder / "manifest.yaml").write_text(manifest(home, more, header=header), encoding="utf-8")
    (folder / "accounts.yaml").write_text(MAPPING, encoding="utf-8")
    (home / "hub.yaml").write_text("systems: {bank: {}}\nroutes: []\n", encoding="utf-8")


@contextlib.contextmanager
def running(home: Path) -> Iterator[FileHub]:
    """A hub in this process, over what is written there."""
    with run.Hub(Settings(home=home, port=0, workers=1, free_limit=0)) as hub:
        found = FileHub(hub, home, None)  # type: ignore[arg-type]
        found.drop = home.parent / "drop"
        yield found
