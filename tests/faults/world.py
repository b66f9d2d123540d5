"""A small world for fault tests: a hub in a process of its own, receivers that log what they get, and the verdict over it all."""

from __future__ import annotations

import contextlib
import functools
import http.client
import os
import shutil
import signal
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import yaml

from adapters import catalogue
from demo import books, history, queues, webhook
from demo.child import Child
from demo.evidence import Attempt, Received
from hub.evidence import collect
from master.sqlite.store import SqliteStore
from routes import access, receive, setup
from tests import services
from tests.services import Heard, Receiver

LAKE = """
system: lake
name: {en: Data lake, zh: 数据湖}
owner: {team: Data, contact: data@example.cn}
sinks:
  hook:
    over: http
    endpoint: {url: "http://127.0.0.1/", allow_loopback: true, timeout: 5s}
    format: {kind: json, records: changes}
    mapping: outbound.yaml
    idempotent: version
  drop:
    over: folder
    endpoint: {path: drops}
    format: {kind: json, lines: true}
    mapping: outbound.yaml
    idempotent: name
"""
RETRY = {"first": "100ms", "longest": "1s", "give_up": "72h"}
ROUTES = {
    "lake": {"to": "lake/hook", "mode": "history", "batch": 20, "concurrency": 2, "retry": RETRY},
    "drops": {"to": "lake/drop", "mode": "history", "batch": 500, "concurrency": 1, "retry": RETRY},
}


@dataclass
class Log:
    """What a receiver took, in the order of arrival."""

    entries: list[Received] = field(default_factory=list)
    turn: threading.Lock = field(default_factory=threading.Lock)

    def take(self, name: str, arrivals: list[books.Arrival]) -> None:
        with self.turn:
            self.entries += [Received(name, one.golden_id, one.version, one.event_id) for one in arrivals]


class World:
    """`home` is the hub's; `attempts` is the clients' log. A `broker` is the URL of a RabbitMQ: BOSS and ODS are then there too."""

    def __init__(self, tmp: Path, zygote: Child, receiver: Receiver, broker: str | None, hooks: Mapping[str, str] | None) -> None:
        """`hooks`: more subscribers of everything, name -> URL."""
        self.tmp, self.zygote, self.receiver, self.broker = tmp, zygote, receiver, broker
        self.home, self.port = tmp / "home", services.free_port()
        self.telco, self.drops = tmp / "telco", tmp / "drops"
        for folder in (self.home, self.telco, self.drops):
            folder.mkdir(exist_ok=True)
        self.hooks = dict(hooks or {})
        self.attempts: list[Attempt] = []
        self.log = Log()
        self.pid: int | None = None
        self.starts: list[float] = []
        self.refuse: Callable[[str, list[books.Arrival]], bool] = lambda _name, _arrivals: False
        receiver.answer = self._answer
        self.routes: dict[str, Any] = {**ROUTES, "care": {"retry": RETRY, "batch": 20}, **({"ods": {"retry": RETRY}} if broker else {})}
        self.routes |= {name: {**ROUTES["lake"], "to": f"lake/{name}"} for name in self.hooks}
        self._write()
        fresh, self.key = empty_store()
        shutil.copy(fresh, self.home / "mastercopy.db")

    def _write(self) -> None:
        """The instance: two hooks at our receiver, a folder of ours, files of ours."""
        lake = self.home / "adapters" / "lake"
        lake.mkdir(parents=True)
        manifest = yaml.safe_load(LAKE)
        for name in self.hooks:
            manifest["sinks"][name] = manifest["sinks"]["hook"]
        (lake / "manifest.yaml").write_text(yaml.safe_dump(manifest, allow_unicode=True))
        ods = (catalogue.PACKAGED / "ods" / "outbound.yaml").read_text()
        (lake / "outbound.yaml").write_text(ods.replace("ods-changes", "lake-changes"))
        (self.home / "routes").mkdir()
        for name, route in self.routes.items():
            if "to" in route:
                (self.home / "routes" / f"{name}.yaml").write_text(yaml.safe_dump({"route": name, **route}))
        hook = f"http://127.0.0.1:{self.receiver.port}"
        files = {"path": str(self.telco), "interval": "50ms", "settle": "40ms"}
        systems: dict[str, Any] = {
            "crm": {},
            "telco": {"feeds": {"customers": {"endpoint": files, "chunk": 40}}},
            "lake": {"sinks": {"hook": {"endpoint": {"url": f"{hook}/lake"}}, "drop": {"endpoint": {"path": str(self.drops)}}}},
            "care": {"sinks": {"webhook": {"endpoint": {"url": f"{hook}/care", "allow_loopback": True, "secret": "env:CARE_SECRET"}}}},
        }
        for name, url in self.hooks.items():
            systems["lake"]["sinks"][name] = {"endpoint": {"url": url}}
        if self.broker:
            quick = {"url": self.broker, "kind": "classic"}
            systems["boss"] = {"feeds": {"instances": {"endpoint": quick}}}
            systems["ods"] = {"sinks": {"changes": {"endpoint": quick}}}
        (self.home / setup.FILE).write_text(yaml.safe_dump({"systems": systems, "routes": self.routes}))

    def _answer(self, heard: Heard) -> tuple[int, dict[str, str], bytes]:
        name = heard.path.strip("/")
        told = heard.body if name == "care" else orjson.dumps(orjson.loads(heard.body)["changes"])
        arrivals = webhook.arrivals(told) if name == "care" else queues.arrivals(told)
        if self.refuse(name, arrivals):
            return 422, {}, b"refused"
        self.log.take(name, arrivals)
        return 200, {}, b""

    # -- the hub

    def start(self, bug: str = "", trap: str = "", **settings: int) -> None:
        """Start the hub; `ready` waits for it."""
        self.pid = int(self.zygote.ask("start", home=str(self.home), port=self.port, bug=bug, trap=trap, **settings))

    def ready(self, seconds: float = 60.0) -> float:
        """Wait until the hub answers; the seconds that it took are kept in `starts`."""
        began = time.monotonic()
        while not self.answers():
            assert time.monotonic() - began < seconds, f"the hub did not come up: {self.hub_log()}"
            time.sleep(0.01)
        self.starts.append(time.monotonic() - began)
        return self.starts[-1]

    def answers(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        return False

    def ended(self) -> bool:
        """The hub has ended by itself."""
        return self.pid is not None and bool(self.zygote.ask("ended", pid=self.pid))

    def end(self, sign: int = signal.SIGTERM) -> int:
        """End the hub; its exit code, or the number of the signal that ended it, negative."""
        assert self.pid is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, sign)
        code = int(self.zygote.ask("reap", pid=self.pid))
        self.pid = None
        return code

    def hub_log(self) -> str:
        """The end of what the hub said."""
        file = self.tmp / "hub.log"
        return file.read_text(errors="replace")[-3000:] if file.exists() else ""

    # -- the end

    def query(self, text: str) -> list[tuple[Any, ...]]:
        """Look into the store beside the hub."""
        with contextlib.closing(sqlite3.connect(f"file:{self.home / 'mastercopy.db'}?mode=ro", uri=True, timeout=10)) as reader:
            return reader.execute(text).fetchall()

    def unsettled(self) -> str:
        """What still moves, "" if nothing does."""
        pending = "SELECT count(*) FROM lane l WHERE EXISTS (SELECT 1 FROM inbox i WHERE i.lane = l.id AND i.id > l.mark AND i.refused = 0)"
        (lanes,) = self.query(pending)[0]
        behind = self.query("SELECT name FROM subscription WHERE pending > 0 OR mark < (SELECT coalesce(max(seq), 0) FROM change)")
        files = [file.name for file in self.telco.iterdir() if file.is_file()]
        return f"{lanes} lanes wait, behind: {behind}, files: {files}" if lanes or behind or files else ""

    def quiet(self, seconds: float = 60.0) -> None:
        """Wait until everything that was received is applied and delivered."""
        end = time.monotonic() + seconds
        while left := self.unsettled():
            assert time.monotonic() < end, f"not quiet after {seconds:g} s: {left}\n{self.hub_log()}"
            time.sleep(0.05)

    def received(self) -> list[Received]:
        """What all receivers got; the drops in the order of their names."""
        with self.log.turn:
            found = list(self.log.entries)
        for file in sorted(self.drops.glob("[!.]*")):
            for line in file.read_bytes().splitlines():
                found += [Received("drops", one.golden_id, one.version, one.event_id) for one in queues.arrivals(line)]
        return found

    def judge(self) -> history.Report:
        """The checker's verdict over a hub that has ended."""
        os.environ["CARE_SECRET"] = SECRET
        store = SqliteStore(self.home / "mastercopy.db")
        try:
            configured = setup.load(self.home)
            return history.judge(self.attempts, self.received(), collect(store, [configured.outbound(name) for name in configured.routes]))
        finally:
            store.close()

    def close(self) -> None:
        """Leave nothing running."""
        if self.pid is not None:
            self.end(signal.SIGKILL)


FOLDER = tempfile.TemporaryDirectory()


@functools.cache
def empty_store() -> tuple[Path, str]:
    """A store with its tables and CRM's key, made once: a world begins with a copy."""
    file = Path(FOLDER.name) / "empty.db"
    store = SqliteStore(file)
    key = access.make(store.keys, "crm", receive.now())
    store.close()
    return file, key


SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LQ=="


@contextlib.contextmanager
def zygote() -> Iterator[Child]:
    """The process that hubs are forked from."""
    os.environ["CARE_SECRET"] = SECRET
    child = Child("tests.faults.zygote")
    try:
        yield child
    finally:
        child.stop()


@contextlib.contextmanager
def world(tmp: Path, forks: Child, broker: str | None = None, hooks: Mapping[str, str] | None = None) -> Iterator[World]:
    """A world; its hub is not started yet. Nothing of it is left behind if all went well."""
    with services.receiver() as receiver:
        one = World(tmp, forks, receiver, broker, hooks)
        try:
            yield one
        finally:
            one.close()
    shutil.rmtree(tmp, ignore_errors=True)
