"""Benchmarks of a whole hub: real doors, real receivers, everything on; the load comes from other processes."""

from __future__ import annotations

import json
import os
import resource
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.settings import Settings
from demo import bulk, load, operator, queues
from hub.run import Hub
from routes import access, receive

SUBSCRIBERS = {
    "ods": "AMQP in memory, JSON, up to 200 changes a message, a consumer that acknowledges",
    "care": "signed webhook to another process, up to 100 events a request, 4 lanes",
    "billing": "GB18030 files with control files over SFTP to another process",
}
_WARM = 4.0  # seconds until the decode pool has compiled the feeds: a hub runs for months
_LIMIT = 1800.0  # seconds for any one wait


@dataclass(frozen=True)
class Bed:
    """A hub with three subscribers in a folder of its own, and the key that CRM pushes with."""

    hub: Hub
    operator: operator.Operator
    folder: Path
    key: str


@contextmanager
def bed(folder: Path | None = None) -> Iterator[Bed]:
    """Start everything; stop and remove it afterwards."""
    root = Path(tempfile.mkdtemp(prefix="mastercopy-bench-", dir=folder))
    outside = operator.Operator(root / "operator", customers=1)
    try:
        places = outside.start()
        os.environ.update(places.environment)
        home = root / "home"
        home.mkdir()
        systems = {"crm": {}, "ods": {}, **places.systems}
        del systems["telco"]
        (home / "hub.yaml").write_text(json.dumps({"systems": systems, "routes": ["ods", "care", "billing"]}), encoding="utf-8")
        with Hub(Settings(home=home, port=0)) as hub, queues.draining("memory://", "ods.changes"):
            time.sleep(_WARM)
            yield Bed(hub, outside, root / "operator", access.make(hub.store.keys, "crm", receive.now()))
    finally:
        outside.stop()
        shutil.rmtree(root, ignore_errors=True)


def ingest(messages: int, *, connections: int = 64, rate: float | None = None, folder: Path | None = None) -> dict[str, Any]:
    """Single customers pushed over HTTP, each a new one: receipts a second, and drained to the last subscriber."""
    with bed(folder) as it:
        plan = load.Plan("127.0.0.1", it.hub.port, "/in/crm/customers", it.key, messages, connections, rate)
        generator = load.Generator(plan)
        started = time.perf_counter()
        try:
            result = generator.send()
        finally:
            generator.stop()
        _wait(lambda: _drained(it.hub, messages))
        seconds = time.perf_counter() - started
        answer = _answer(it, "ingest", seconds, messages)
        return answer | {"per_second": round(result.per_second), "p50_ms": result.p50_ms, "p99_ms": result.p99_ms, "messages": messages}


def file(rows: int, *, rate: float = 200.0, folder: Path | None = None) -> dict[str, Any]:
    """One file of accounts over SFTP, while `rate` customers a second are pushed over HTTP; its latencies are the pushes'."""
    with bed(folder) as it:
        pushes: list[load.Result] = []
        stop = threading.Event()
        pusher = threading.Thread(target=_push, args=(it, rate, pushes, stop))
        bulk.write(it.folder / "sftp", "ACCT_BENCH.txt", rows)
        pusher.start()
        started = time.perf_counter()
        _wait(lambda: _applied(it.hub, "billing") >= rows)
        loaded = time.perf_counter() - started
        stop.set()
        pusher.join()
        pushed = sum(result.requests for result in pushes)
        _wait(lambda: _drained(it.hub, rows + pushed))
        seconds = time.perf_counter() - started
        worst = max(pushes, key=lambda result: result.p99_ms)
        return _answer(it, "file", seconds, rows) | {
            "per_second": round(rows / loaded),
            "messages": _messages(it.hub),
            "p50_ms": worst.p50_ms,
            "p99_ms": worst.p99_ms,
            "pushes_per_second": rate,
        }


def _push(it: Bed, rate: float, results: list[load.Result], stop: threading.Event) -> None:
    """Customers at a steady rate, in portions of some seconds, until told to stop."""
    first, portion = 0, int(rate * 5)
    while not stop.is_set():
        plan = load.Plan("127.0.0.1", it.hub.port, "/in/crm/customers", it.key, portion, 64, rate, first=first)
        generator = load.Generator(plan)
        try:
            results.append(generator.send())
        finally:
            generator.stop()
        first += portion


def _messages(hub: Hub) -> int:
    return int(next(iter(hub.store.views.dump("inbox", ["count(*)"])))[0])


def _applied(hub: Hub, source: str) -> int:
    return sum(lane["applied"] for lane in hub.store.views.totals()["lanes"] if lane["source"] == source)


def _drained(hub: Hub, changes: int) -> bool:
    head = hub.store.subscriptions.head()
    return head >= changes and all(progress.mark >= head for progress in hub.store.subscriptions.all())


def _wait(done: Callable[[], bool]) -> None:
    limit = time.monotonic() + _LIMIT
    while not done():
        if time.monotonic() > limit:
            raise TimeoutError("the hub did not get through in time")
        time.sleep(0.02)


def _answer(it: Bed, name: str, seconds: float, records: int) -> dict[str, Any]:
    totals = it.hub.store.views.totals()
    goldens, changes = totals["golden"], totals["changes"]
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "bench": name,
        "engine": "sqlite",
        "per_second": 0,
        "drained_per_second": round(records / seconds),
        "messages": 0,
        "records": records,
        "versions": changes,
        "changes": changes,
        "p50_ms": 0.0,
        "p99_ms": 0.0,
        "bytes_per_record": round(it.hub.store.views.size() / max(1, goldens)),
        "max_rss_mb": round(own / 1024),
        "seconds": round(seconds, 2),
        "matching": "cross-reference and one exact key",
        "subscribers": SUBSCRIBERS,
        "delivered": {progress.name: progress.tallies["delivered"] for progress in it.hub.store.subscriptions.all()},
    }
