"""A running hub with the doors that the parsing suites go through, and how to ask it what became of them."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from config.settings import Settings
from hub import run
from routes import access, receive

QUEUE = "suites.instances"

# Two systems of the instance's own: one takes any text as it is, one takes files of any columns.
NOTES = """\
system: notes
feeds:
  texts: {over: http, format: {kind: json}, mapping: inbound.yaml}
"""
NOTES_IN = """\
mapping: notes
direction: inbound
records:
  - entity: customer
    key: id
    fields:
      customerNo: id
      name: id
      kind: {const: individual}
      address: {street: text}
      characteristic:
        - {name: {const: text}, value: text}
"""
LEDGER = """\
system: ledger
feeds:
  free:
    over: folder
    endpoint: {path: "HOME/free", pattern: "*.csv", interval: 50ms, settle: 50ms, done: done/}
    format: {kind: delimited, encoding: utf-8, header: true, blank: record}
    mapping: inbound.yaml
  strict:
    over: folder
    endpoint: {path: "HOME/strict", pattern: "*.csv", interval: 50ms, settle: 50ms, done: done/}
    format: {kind: delimited, encoding: utf-8, header: true, columns: [foo, bar, baz]}
    mapping: inbound.yaml
"""
LEDGER_IN = """\
mapping: ledger
direction: inbound
records:
  - entity: customer
    key: {call: "own:key"}
    fields:
      customerNo: {call: "own:key"}
      name: {call: "own:key"}
      kind: {const: individual}
      characteristic: {call: "own:cells"}
"""
OWN = '''\
"""A row's key is its content; its cells are kept one by one."""

import hashlib
import json


def key(value, row):
    return hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()[:32]


def cells(value, row):
    return [{"name": name, "value": cell} for name, cell in row.items()]
'''


class World:
    """The hub, and a client at its HTTP door."""

    def __init__(self, hub: run.Hub, home: Path) -> None:
        self.hub, self.home = hub, home
        self.keys = {source: access.make(hub.store.keys, source, receive.now()) for source in ("crm", "notes")}
        self._client = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=10)

    def push(self, feed: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """(status, answer) of one push. A hang is an error of the client's."""
        headers = {"Authorization": f"Bearer {self.keys[feed.partition('/')[0]]}", "Content-Type": "application/json"}
        self._client.request("POST", f"/in/{feed}", body, headers)
        answer = self._client.getresponse()
        return answer.status, json.loads(answer.read())

    def is_well(self) -> bool:
        """The process answers."""
        self._client.request("GET", "/healthz")
        answer = self._client.getresponse()
        answer.read()
        return answer.status == 200

    def quiet(self, seconds: float = 60.0) -> None:
        """Wait until everything that was received is applied."""
        soon(lambda: self.hub.store.inbox.waiting()[0] == 0, seconds)

    def lane(self, source: str) -> dict[str, int]:
        """The tallies of a source, in records."""
        names = ("accepted", "applied", "unchanged", "stale", "dead", "resolved")
        lanes = [lane for lane in self.hub.store.views.totals()["lanes"] if lane["source"] == source]
        return {name: sum(lane[name] for lane in lanes) for name in names}

    def state(self, key: str) -> dict[str, Any] | None:
        """The golden state behind a customer's key, None where there is none."""
        return self._state(key, "customer")

    def subscription(self, key: str) -> dict[str, Any] | None:
        """The same for a subscription."""
        return self._state(key, "subscription")

    def _state(self, key: str, entity: str) -> dict[str, Any] | None:
        for public in self.hub.store.views.find_golden(key, entity):
            found = self.hub.store.views.golden(public)
            return found["state"] if found else None
        return None


def soon(true: Callable[[], Any], seconds: float = 20.0) -> Any:
    """What it answers once it is true."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return found


@contextlib.contextmanager
def running(home: Path) -> Iterator[World]:
    """A hub in this process, with its own systems in its home."""
    files = {"notes/manifest.yaml": NOTES, "notes/inbound.yaml": NOTES_IN, "ledger/inbound.yaml": LEDGER_IN, "ledger/own.py": OWN}
    files["ledger/manifest.yaml"] = LEDGER.replace("HOME", str(home))
    for name, text in files.items():
        path = home / "adapters" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for folder in ("free", "strict"):
        (home / folder).mkdir()
    systems = f"{{crm: {{}}, notes: {{}}, ledger: {{}}, boss: {{feeds: {{instances: {{endpoint: {{queue: {QUEUE}}}}}}}}}}}"
    (home / "hub.yaml").write_text(f"systems: {systems}\nroutes: []\n", encoding="utf-8")
    with run.Hub(Settings(home=home, port=0, workers=1, free_limit=0)) as hub:
        yield World(hub, home)
