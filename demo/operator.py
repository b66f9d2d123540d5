"""A small telecom operator to run the hub against: starts its process, lays out its files, lets its systems send, tells what they got."""

from __future__ import annotations

import base64
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from demo import badness, books, boss, child, journal, queues
from demo.evidence import Attempt, Outcome, Received
from demo.feeds import Push

USER = "mastercopy"
PASSWORD, SECRET = "BILLING_SFTP_PASSWORD", "CARE_WEBHOOK_SECRET"  # names of environment variables, as the manifests have them


@dataclass(frozen=True)
class Places:
    """Where the operator's servers are, and what a hub needs to reach them."""

    folder: Path
    host: str
    port: int
    host_key: str
    url: str
    password: str = field(repr=False)
    secret: str = field(repr=False)

    @property
    def environment(self) -> dict[str, str]:
        """The secrets, under the names that the manifests refer to."""
        return {PASSWORD: self.password, SECRET: self.secret}

    @property
    def systems(self) -> dict[str, Any]:
        """The `systems:` section of hub.yaml that points the packaged systems here."""
        server = {"host": self.host, "port": self.port, "user": USER, "host_key": self.host_key}
        quick = {"interval": "500ms", "settle": "200ms"}
        return {
            "billing": {
                "feeds": {"accounts": {"endpoint": server | quick}, "products": {"endpoint": server | quick}},
                "sinks": {"drop": {"endpoint": server}},
            },
            "care": {"sinks": {"webhook": {"endpoint": {"url": self.url, "allow_loopback": True}}}},
            "telco": {"feeds": {"customers": {"endpoint": quick | {"path": str(self.folder / "telco")}}}},
        }


class Operator:
    """The operator, seen from the hub's process. BOSS and ODS live here, since `memory://` queues reach no further.

    `folder` keeps its files and the logs for the history checker; a second operator in it goes on where the first stopped.
    """

    def __init__(self, folder: Path, *, seed: int = 1, customers: int = 1000, url: str = "memory://") -> None:
        self._folder, self._seed, self._customers, self._url = folder, seed, customers, url
        self._child: child.Child | None = None
        self._journal = journal.Journal(folder / "attempts-boss.jsonl", "boss")
        self._books = books.Books("ods", folder / "received-ods.jsonl")
        self._ods = queues.Ods(url, "ods.changes", self._books)
        self._stop = threading.Event()
        self._boss: threading.Thread | None = None
        self._trouble = ""
        self._told = folder / "files.json"
        self.files: list[dict[str, Any]] = orjson.loads(self._told.read_bytes()) if self._told.exists() else []

    def start(self) -> Places:
        """Start the operator's process and its servers. ODS is started apart, once the hub has declared its queue."""
        password, secret = secrets.token_urlsafe(18), "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
        self._child = child.Child("demo.premises")
        found = self._ask(
            "open", folder=str(self._folder), seed=self._seed, customers=self._customers, user=USER, password=password, secret=secret
        )
        return Places(self._folder, found["host"], found["port"], found["host_key"], found["url"], password, secret)

    def listen(self) -> None:
        """Let ODS consume its queue."""
        self._ods.start()

    def lay_out(self, turn: int = 0, *, bad: bool = True, telco: bool = True) -> None:
        """Billing's files of this turn, in turn 0 with the catalogue, the telco file and bad files."""
        told = self._ask("lay_out", turn=turn, bad=bad, with_telco=telco)
        known = {(file["source"], file["name"]) for file in self.files}
        self.files += [file for file in told if (file["source"], file["name"]) not in known]
        self._told.write_bytes(orjson.dumps(self.files))

    def post(
        self, host: str, port: int, key: str, turn: int = 0, *, connections: int = 4, rate: float | None = None, bad: bool = True
    ) -> None:
        """Let CRM post this turn's messages in the background; `rate` in messages a second."""
        self._ask("post", host=host, port=port, key=key, turn=turn, connections=connections, rate=rate, bad=bad)

    def publish(self, turn: int = 0, *, rate: float | None = None, bad: bool = True) -> None:
        """Let BOSS publish this turn's messages in the background, after those that it still publishes."""
        before = self._boss
        self._boss = threading.Thread(target=self._publish, args=(before, turn, rate, bad), name="demo-boss", daemon=True)
        self._boss.start()

    def _publish(self, before: threading.Thread | None, turn: int, rate: float | None, bad: bool) -> None:
        if before is not None:
            before.join()
        try:
            pushes = self._pushes(turn, bad=bad)
            queues.publish(self._url, "boss.instances", pushes, self._journal, rate=rate, stop=self._stop)
        except Exception as error:  # told by `progress`, where somebody looks
            self._trouble = repr(error)

    def _pushes(self, turn: int, *, bad: bool) -> Iterator[Push]:
        yield from boss.pushes(self._seed, self._customers, turn)
        for one in badness.over_amqp() if bad else ():
            yield from (push for push in (one.before, one.push) if push is not None)

    def halt(self) -> None:
        """CRM and BOSS send nothing more."""
        self._stop.set()
        self._ask("halt")
        if self._boss is not None:
            self._boss.join(5)

    def refuse(self, *numbers: str) -> None:
        """Customer care refuses these records from now on (422); without any, it takes all again."""
        self._ask("refuse", numbers=list(numbers))

    def down(self, down: bool = True) -> None:
        """Customer care is down (503), or up again."""
        self._ask("down", down=down)

    @property
    def sending(self) -> bool:
        """Whether CRM or BOSS still have something to send."""
        return bool(self.progress()["sending"]) or (self._boss is not None and self._boss.is_alive())

    def progress(self) -> dict[str, Any]:
        """What was sent and what arrived: see `premises.Premises.progress`; of ODS and BOSS are added."""
        found: dict[str, Any] = self._ask("progress")
        published = {"published": self._journal.outcomes["ok"], "published_records": self._journal.records}
        return found | published | {"ods": self._books.totals(), "trouble": self._trouble}

    def attempts(self) -> list[Attempt]:
        """The clients' logs, for the history checker. A file counts as acknowledged once it stands in its `done` folder."""
        tries = [*journal.read(self._folder / "attempts-crm.jsonl"), *journal.read(self._folder / "attempts-boss.jsonl")]
        return [*tries, *(self._file(number, file) for number, file in enumerate(self.files))]

    def waiting(self) -> list[str]:
        """The names of the files that were laid out and are not loaded yet."""
        return [file["name"] for file in self.files if not self._loaded(file)]

    def _loaded(self, file: dict[str, Any]) -> bool:
        folder = {"billing/accounts": "sftp/out/accounts", "billing/products": "sftp/out/products"}.get(file["source"], "telco")
        return (self._folder / folder / "done" / str(file["name"])).exists()

    def _file(self, number: int, file: dict[str, Any]) -> Attempt:
        outcome: Outcome = "ok" if self._loaded(file) else "unknown"
        return Attempt(f"file.{number}", file["source"], file["sha256"][:24], file["sha256"], file["rows"], outcome, None, chunked=True)

    def received(self) -> list[Received]:
        """The receivers' logs, each in the order of arrival."""
        self._ask("look")
        return [one for name in ("ods", "care", "billing") for one in books.read(self._folder / f"received-{name}.jsonl")]

    def stop(self) -> None:
        """Stop sending, listening and serving. May be called twice; the logs stay."""
        self._stop.set()
        self._ods.stop()
        if self._boss is not None:
            self._boss.join(5)
        if self._child is not None:
            self._child.stop()
        self._books.close()

    def _ask(self, do: str, **values: Any) -> Any:
        assert self._child is not None, "start() comes first"
        return self._child.ask(do, **values)
