"""The load generator of `bench ingest`: prepared requests over many connections, as fast as answered or at a steady rate."""

from __future__ import annotations

import array
import asyncio
import collections
import dataclasses
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import uvloop

from demo import child, crm, wire

_LATER = 0.05  # seconds to wait after 429 or 503


@dataclass(frozen=True)
class Plan:
    """What to send. `rate` in requests a second, None for as fast as answered; `first` and `turn` choose the customers and their state.

    Each request holds `size` customers (one: a single record; more: a list); every record is a change that no other makes.
    """

    host: str
    port: int
    path: str
    key: str
    count: int
    connections: int = 64
    rate: float | None = None
    size: int = 1
    first: int = 0
    turn: int = 0
    named: bool = True


@dataclass(frozen=True)
class Result:
    """What came of it. Times in milliseconds from the moment a request was due to its answer; `pushed_back`: 429 and 503, sent again."""

    requests: int
    records: int
    accepted: int
    refused: int
    unknown: int
    pushed_back: int
    seconds: float
    per_second: float
    p50_ms: float
    p99_ms: float
    max_ms: float


class Run:
    """One run over open connections; `requests` gives whole requests, each a prepared piece of bytes."""

    def __init__(self, connections: list[wire.Connection], requests: Iterator[bytes], rate: float | None = None) -> None:
        self._idle = collections.deque(connections)
        self._requests = requests
        self._rate = rate
        self._waiting: collections.deque[tuple[float, bytes]] = collections.deque()
        self._busy = 0
        self._finished = asyncio.Event()
        self._ended = False
        self.times = array.array("d")
        self.statuses: Counter[int] = Counter()

    async def run(self) -> float:
        """Send all and answer the seconds it took."""
        start = time.perf_counter()
        if self._rate is None:
            while self._idle:
                self._send(self._idle.popleft())
        else:
            await self._pace(start, self._rate)
        if self._busy or self._waiting:
            await self._finished.wait()
        return time.perf_counter() - start

    async def _pace(self, start: float, rate: float) -> None:
        """Requests fall due by the clock, whatever the answers do: a slow hub cannot slow the measurement down."""
        for number, request in enumerate(self._requests):
            due = start + number / rate
            if due > time.perf_counter():
                await asyncio.sleep(due - time.perf_counter())
            self._waiting.append((due, request))
            if self._idle:
                self._send(self._idle.popleft())
        self._ended = True

    def _send(self, connection: wire.Connection) -> None:
        due, request = self._next()
        if request is None:
            self._idle.append(connection)
            if not self._busy and (self._ended or self._rate is None):
                self._finished.set()
            return
        self._busy += 1
        connection.send(request, self._receiver(connection, due, request))

    def _next(self) -> tuple[float, bytes | None]:
        if self._waiting:
            return self._waiting.popleft()
        return time.perf_counter(), (next(self._requests, None) if self._rate is None else None)

    def _receiver(self, connection: wire.Connection, due: float, request: bytes) -> Callable[[int, bytes], None]:
        def done(status: int, _body: bytes) -> None:
            self.statuses[status] += 1
            if status in (429, 503):
                asyncio.get_running_loop().call_later(_LATER, self._again, connection, due, request)
                return
            self.times.append(time.perf_counter() - due)
            self._busy -= 1
            if status:
                self._send(connection)
            elif not self._busy:
                self._finished.set()

        return done

    def _again(self, connection: wire.Connection, due: float, request: bytes) -> None:
        connection.send(request, self._receiver(connection, due, request))


def prepare(plan: Plan) -> list[bytes]:
    """All requests as bytes, so that making them costs nothing while the clock runs."""
    start = wire.head(f"{plan.host}:{plan.port}", plan.path, plan.key, "application/json")
    bodies = crm.load_bodies(plan.first, plan.count, plan.size, plan.turn)
    return [
        wire.request(start, body, f"L{plan.turn}-{plan.first + n * plan.size}" if plan.named else None) for n, body in enumerate(bodies)
    ]


async def send(plan: Plan, requests: list[bytes]) -> Result:
    """Carry the plan out with requests that were prepared."""
    connections = list(await asyncio.gather(*(wire.connect(plan.host, plan.port) for _ in range(plan.connections))))
    run = Run(connections, iter(requests), plan.rate)
    seconds = await run.run()
    for connection in connections:
        connection.close()
    times = sorted(run.times)
    accepted = run.statuses[202] + run.statuses[200]
    pushed_back = run.statuses[429] + run.statuses[503]
    return Result(
        requests=len(times),
        records=accepted * plan.size,
        accepted=accepted,
        refused=len(times) - accepted - run.statuses[0],
        unknown=run.statuses[0],
        pushed_back=pushed_back,
        seconds=round(seconds, 3),
        per_second=round(accepted * plan.size / seconds, 1),
        p50_ms=_quantile(times, 0.50),
        p99_ms=_quantile(times, 0.99),
        max_ms=_quantile(times, 1.0),
    )


def _quantile(times: list[float], share: float) -> float:
    return round(times[min(len(times) - 1, int(len(times) * share))] * 1000, 3) if times else 0.0


class Generator:
    """The load from a process of its own: prepared first, sent when told."""

    def __init__(self, plan: Plan) -> None:
        self._child = child.Child("demo.load")
        self._child.ask("prepare", plan=dataclasses.asdict(plan))

    def send(self) -> Result:
        """Send everything; blocks until all is answered."""
        return Result(**self._child.ask("send"))

    def stop(self) -> None:
        self._child.stop()


def main() -> None:
    """The child's side: one question a line, one answer a line."""
    plan: Plan | None = None
    requests: list[bytes] = []
    for line in sys.stdin:
        question: dict[str, Any] = json.loads(line)
        answer: Any = None
        if question["do"] == "prepare":
            plan = Plan(**question["plan"])
            requests = prepare(plan)
        elif plan is not None:
            answer = dataclasses.asdict(uvloop.run(send(plan, requests)))
        sys.stdout.write(json.dumps({"answer": answer}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
