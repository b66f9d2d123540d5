"""The demo at work: a small operator and a hub in one process, and when both have come to rest."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from config.settings import Settings
from demo import badness, people, portfolio
from demo.operator import Operator, Places
from hub import demo_home
from hub.home import Home
from hub.run import Hub
from routes import access, receive

_DRAIN = 10.0  # seconds that what was published may take to be taken, when the demo is told to stop


@dataclass(frozen=True)
class Plan:
    """How large the operator is and whose life it leads."""

    home: Path
    fresh: bool
    customers: int
    seed: int
    port: int


class Showcase:
    """`with Showcase(plan) as show:` runs both; leaving stops them, the operator's senders first, its receivers last."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.home: Home = demo_home.make(plan.home, fresh=plan.fresh)
        self.operator = Operator(self.home.folder / "operator", seed=plan.seed, customers=plan.customers)
        self._stack = contextlib.ExitStack()
        self._turns = self.home.folder / "operator" / "turns.json"

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def _start(self) -> None:
        self._stack.callback(self.operator.stop)
        places: Places = self.operator.start()
        os.environ.update(places.environment)
        demo_home.point(self.home, places.systems)
        self.hub = self._stack.enter_context(Hub(Settings(home=self.home.folder, port=self.plan.port)))
        self.store, self.setup = self.hub.store, self.hub.flow.setup
        self._before = self._taken_from_boss()
        self._key = access.make(self.store.keys, "crm", receive.now())
        self._stack.callback(self.store.keys.revoke, access.prefix(self._key))
        self.operator.listen()
        self.operator.refuse(*refused(self.plan.seed, self.plan.customers))

    @property
    def next_turn(self) -> int:
        """The turn that this home has not seen."""
        return int(orjson.loads(self._turns.read_bytes())) + 1 if self._turns.exists() else 0

    def send(self, turn: int, *, rate: float | None = None) -> None:
        """Let every system send what it has in this turn; with turn 0 come the bad records. `rate` in messages a second."""
        first = turn == 0
        self.operator.lay_out(turn, bad=first, telco=first)
        self.operator.publish(turn, rate=rate, bad=first)
        self.operator.post(self.hub.settings.host, self.hub.port, self._key, turn, rate=rate, bad=first)
        self._turns.write_bytes(orjson.dumps(max(turn, self.next_turn - 1)))

    def restless(self) -> list[str]:
        """What is still at work, one line each; empty when all is quiet."""
        return self._inside() + self._outside()

    def _inside(self) -> list[str]:
        """In the hub."""
        waiting, _ = self.store.inbox.waiting()
        found = [f"{waiting} records wait to be applied"] if waiting else []
        head = self.store.subscriptions.head()
        for one in self.store.subscriptions.all():
            if one.state != "active":
                found.append(f"{one.name} is {one.state}: {one.reason}")
            if one.mark < head or one.tallies["pending"]:
                found.append(f"{one.name} is at {one.mark} of {head}, {one.tallies['pending']} changes wait behind refused keys")
        return found

    def _outside(self) -> list[str]:
        """In the operator, and between the two."""
        told = self.operator.progress()
        found = ["CRM or BOSS is sending"] if self.operator.sending else []
        found += [f"{name} is not loaded" for name in self.operator.waiting()]
        if queued := self._queued(told):
            found.append(f"{queued} records of BOSS are in its queue")
        for one in self.store.subscriptions.all():
            if _arrived(told[one.name]) < one.tallies["delivered"]:
                found.append(f"{one.name} has taken {_arrived(told[one.name])} of {one.tallies['delivered']} changes")
        alarmed = {alarm["place"] for alarm in self.store.alarms.active() if alarm["kind"] == "file"}
        return found + [f"{one.file.name} is not looked at" for one in badness.files() if f"billing:{one.file.name}" not in alarmed]

    def _queued(self, told: dict[str, Any]) -> int:
        return max(0, int(told["published_records"]) + self._before - self._taken_from_boss())

    def _taken_from_boss(self) -> int:
        return sum(lane["accepted"] + lane["duplicate"] for lane in self.store.views.totals()["lanes"] if lane["source"] == "boss")

    def wait(self, stop: threading.Event, limit: float, meanwhile: Callable[[], None]) -> list[str]:
        """Until all is quiet, told to stop, or `limit` seconds have gone; answers what is not quiet. `meanwhile` is called now and then."""
        end = time.monotonic() + limit
        while (self._inside() or self._outside()) and time.monotonic() < end and not stop.wait(0.25):  # asking outside costs more
            meanwhile()
        return self.restless()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._stack:
            if error is None:
                self.operator.halt()
                end = time.monotonic() + _DRAIN  # memory:// queues end with this process: what BOSS was told is taken must be stored
                while self._queued(self.operator.progress()) and time.monotonic() < end:
                    time.sleep(0.1)


def _arrived(told: dict[str, Any]) -> int:
    return int(told["arrived"] - told["repeats"])


def refused(seed: int, customers: int) -> list[str]:
    """What customer care refuses for its content: two customers and one subscription, by the numbers that people know them by."""
    used = (one for number in range(customers) for one in portfolio.holding(seed, number).subscriptions if one.status == "active")
    found = next(used, None)
    return [people.customer_number(1), people.customer_number(3), *([found.number] if found else [])]
