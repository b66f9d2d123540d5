"""A hub that is killed with -9 again and again under load loses, doubles, skips and disorders nothing."""

from __future__ import annotations

import datetime
import json
import os
import platform
import random
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import kombu
import pytest

from demo import history, queues
from demo.books import Books
from demo.child import Child
from demo.feeds import Push
from demo.journal import Journal
from tests import services
from tests.faults import clients
from tests.faults.world import World, world

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"
pytestmark = pytest.mark.fault


def killed(one: World, times: int, seed: int, longest: float = 0.8) -> dict[str, Any]:
    """Load, kills at random points, and peace again; answers figures. Every fifth kill comes while the hub is still starting."""
    chance = random.Random(seed)
    load = clients.Load(one.port, one.key, one.attempts)
    for number in range(2):
        load.run(clients.stream(seed * 10 + number, 60))
    load.run(clients.nameless(seed * 10 + 2, 60))
    load.files(one.telco, 200, 0.3)
    ods = boss(one, load, seed) if one.broker else None
    began = time.monotonic()
    one.start()
    for number in range(times):
        if number % 5 == 4:
            time.sleep(chance.uniform(0.0, 0.5))
        else:
            one.ready()
            time.sleep(chance.uniform(0.0, longest))
        assert one.end(signal.SIGKILL) == -signal.SIGKILL, one.hub_log()
        one.start()
    one.ready()
    load.stop()
    one.quiet(60 + 3 * times)
    if ods:
        peace(one, ods)
    assert one.end() == 0
    starts = sorted(one.starts)
    tries = Counter(attempt.outcome for attempt in one.attempts)
    figures = {"kills": times, "seconds": round(time.monotonic() - began, 1), "broker": bool(one.broker)}
    return figures | {"tries": dict(tries), "back_p50": round(starts[len(starts) // 2], 2), "back_max": round(starts[-1], 2)}


def boss(one: World, load: clients.Load, seed: int) -> queues.Ods:
    """BOSS sends over the broker, ODS takes from it."""
    assert one.broker
    url, journal, books = one.broker, Journal(one.tmp / "boss.jsonl", "boss"), Books("ods")
    journal.invoke = lambda push: noted(one, push)  # type: ignore[method-assign]
    journal.settle = lambda attempt, outcome, receipt=None: one.attempts.append(attempt._replace(outcome=outcome))  # type: ignore[method-assign]
    ods = queues.Ods(url, "ods.changes", books)
    books.log = one.log.entries
    ods.start()
    load.start(lambda stop: later(url, journal, seed, stop))
    return ods


def noted(one: World, push: Push) -> Any:
    attempt = clients.attempt(push)
    one.attempts.append(attempt)
    return attempt


def later(url: str, journal: Journal, seed: int, stop: Any) -> None:
    """BOSS begins when the hub has made its queue: before that a broker throws away what it confirms."""
    services.wait_for(lambda: made(url), 60, "BOSS's queue")
    queues.publish(url, "boss.instances", clients.instances(seed, 60), journal, rate=60.0, stop=stop)


def made(url: str) -> bool:
    with kombu.Connection(url) as connection:
        try:
            connection.default_channel.queue_declare("boss.instances", passive=True)
        except connection.channel_errors:
            return False
    return True


def peace(one: World, ods: queues.Ods) -> None:
    """The broker has handed everything on: what BOSS sent is stored and out, and ODS has what the hub sent."""
    sent = {attempt.message_id for attempt in one.attempts if attempt.source == "boss/instances"}
    stored = "SELECT count(*) FROM inbox i JOIN lane l ON l.id = i.lane WHERE l.source = 'boss'"
    services.wait_for(lambda: one.query(stored) == [(len(sent),)], 60, "the last of BOSS's messages")
    one.quiet()
    (delivered,) = one.query("SELECT delivered FROM subscription WHERE name = 'ods'")[0]
    services.wait_for(lambda: len({entry.event_id for entry in one.received() if entry.subscription == "ods"}) >= delivered, 60, "ODS")
    ods.stop()


def check(one: World, figures: dict[str, Any]) -> history.Report:
    report = one.judge()
    print(json.dumps(figures))
    print("\n".join(report.lines()))
    assert report.ok, "\n".join(report.lines())
    assert report.pending == 0
    (blamed,) = one.query("SELECT count(*) FROM dead_letter")[0]
    assert blamed <= 1, f"{blamed} records were parked for kills that had nothing to do with them"
    assert report.acknowledged > 10
    return report


@pytest.mark.timeout(400)
def test_a_hub_killed_forty_times_keeps_its_promise(tmp_path: Path, forks: Child) -> None:
    """Nothing lost, doubled, skipped or out of order over HTTP, files, webhooks and drops; the hub is back within seconds."""
    with world(tmp_path, forks) as one:
        figures = killed(one, 40, seed=1)
        check(one, figures)
        assert figures["back_max"] < 30


@pytest.mark.timeout(400)
def test_a_hub_killed_ten_times_beside_a_broker_keeps_its_promise(tmp_path: Path, forks: Child) -> None:
    """The same with BOSS and ODS over RabbitMQ: what was confirmed is applied once, and every change comes out."""
    (tmp_path / "w").mkdir()
    with services.rabbit(tmp_path) as rabbit, world(tmp_path / "w", forks, rabbit.url) as one:
        check(one, killed(one, 10, seed=2))


@pytest.mark.long
def test_a_hub_killed_two_hundred_times_keeps_its_promise(tmp_path: Path, forks: Child) -> None:
    """The full count, with every protocol; the figures are written down with their date."""
    (tmp_path / "w").mkdir()
    with services.rabbit(tmp_path) as rabbit, world(tmp_path / "w", forks, rabbit.url) as one:
        figures = killed(one, 200, seed=int(time.time()), longest=2.0)
        report = check(one, figures)
        today = datetime.datetime.now(tz=datetime.UTC).date()
        found = {"test": "kills", "date": str(today), "cores": os.cpu_count(), "python": platform.python_version(), **figures}
        names = (*history.FAULTS, "attempted", "acknowledged", "unknown", "recovered", "stored", "delivered")
        kept = {name: getattr(report, name) for name in names}
        RESULTS.mkdir(parents=True, exist_ok=True)
        (RESULTS / f"{today}-kills.json").write_text(json.dumps(found | kept, indent=1) + "\n")
