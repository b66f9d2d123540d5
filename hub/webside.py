"""The web process: HTTP doors, API and status page, with an interpreter of their own, so that files that load do not slow down answers.

It reads the store for itself; what changes something is asked of the hub. It ends with the hub, however that ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hub import frames, logs
from master import relayed
from master.sqlite.store import SqliteStore
from routes import pace, setup, workers
from routes.front import Front, Limits
from routes.receive import Answer
from routes.setup import Setup
from schemas import errors
from schemas.envelope import Message

_GROUP = 0.002  # seconds between two groups of pushes while many wait for their answers
_IDLE = 75  # seconds that a connection is kept for its next request: longer than clients keep theirs, who else meet a closed one
_PATIENCE = 60.0  # seconds for an answer of the hub


@dataclass(frozen=True)
class Charge:
    """What the web process is started with: where the hub lives, the socket that listens, and the two lines to the hub."""

    home: Path
    store: Path
    token: str
    limits: Limits
    log_level: str
    log_json: bool
    doors: socket.socket
    pushes: socket.socket
    calls: Connection


def main(charge: Charge, close: Sequence[int] = ()) -> None:
    """Serve until the hub says so. `close`: the hub's own ends, where this process was forked with them."""
    for end in close:
        os.close(end)
    threading.Thread(target=workers.end_with_the_hub, daemon=True).start()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the hub hears them, and drains
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    logs.set_up(charge.log_level, as_json=charge.log_json)
    thread = threading.Thread(target=lambda: uvloop.run(_serve(charge)), name="web")  # uvicorn takes signals in a main thread
    thread.start()
    thread.join()
    os._exit(0)  # nothing is left to be said


async def _serve(charge: Charge) -> None:
    loop = asyncio.get_running_loop()
    side = Side(charge)
    await loop.create_unix_connection(lambda: side.line, sock=charge.pushes)
    await side.line.ready.wait()
    server = _Server(side.configuration(), lambda: side.line.say("started"))
    side.line.drained = lambda: setattr(server, "should_exit", True)
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)
    await server.serve(sockets=[charge.doors])


class _Gathering:
    """A transport that writes once in a turn of the loop: head and body of an answer in one go, which is half the work of the network."""

    def __init__(self, inner: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._inner, self._loop = inner, loop
        self._parts: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def write(self, data: bytes) -> None:
        """Soon."""
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)

    def _flush(self) -> None:
        parts, self._parts = self._parts, []
        if parts:
            self._inner.write(b"".join(parts))

    def close(self) -> None:
        """What was written goes first."""
        self._flush()
        self._inner.close()


class _Protocol(HttpToolsProtocol):
    """uvicorn's own, over a transport that gathers."""

    def connection_made(self, transport: Any) -> None:
        """See `asyncio.Protocol`."""
        super().connection_made(_Gathering(transport, asyncio.get_running_loop()))  # type: ignore[arg-type]


class _Server(uvicorn.Server):
    """Says when it answers."""

    def __init__(self, configuration: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(configuration)
        self._said = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See `uvicorn.Server`."""
        await super().startup(sockets)
        self._said()


class Side:
    """Everything of this process. Fills `routes.front.Work` by asking the hub."""

    def __init__(self, charge: Charge) -> None:
        from monitor import web  # in this process only, and while the hub still opens its store

        self._web = web
        self._charge = charge
        self._calls = Calls(charge.calls)
        self._setup = setup.load(charge.home)
        self._tells: dict[int, Callable[[], None]] = {}
        self.line = Line(self._told)

    def configuration(self) -> uvicorn.Config:
        """The application, once the store is there."""
        own = SqliteStore(self._charge.store, read_only=True)
        store = relayed.store(own, lambda *args, **values: self._calls("store", *args, **values))
        front = Front(store, self._now, self._charge.home, self._charge.limits, self.line, self)
        quiet: dict[str, Any] = {"log_level": "warning", "access_log": False, "lifespan": "off", "proxy_headers": False, "http": _Protocol}
        patience: dict[str, Any] = {"timeout_graceful_shutdown": 10, "timeout_keep_alive": _IDLE}
        return uvicorn.Config(self._web.application(front, self._charge.token), **patience, **quiet)

    def _now(self) -> Setup:
        return self._setup

    def _told(self, word: str, value: Any) -> None:
        if word == "touched" and (tell := self._tells.get(value)):
            tell()
        if word == "reload":
            threading.Thread(target=self._load, daemon=True).start()

    def _load(self) -> None:
        with contextlib.suppress(errors.MastercopyError):  # the hub has said what is wrong
            self._setup = setup.load(self._charge.home)

    def ring(self, name: str) -> None:
        """See `Work`."""
        self._calls("ring", name)

    def ended(self) -> list[str]:
        """See `Work`."""
        return list(self._calls("ended"))

    def reload(self) -> None:
        """See `Work`."""
        self._calls("reload")
        self._setup = setup.load(self._charge.home)

    def expect(self, message: int, tell: Callable[[], None]) -> None:
        """See `Work`; one caller for each message, which is all that a receipt can have."""
        self._tells[message] = tell
        self._calls("expect", message)

    def forget(self, message: int) -> None:
        """See `Work`."""
        self._tells.pop(message, None)
        self._calls("forget", message)


class Calls:
    """Questions to the hub, one at a time."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._lock, self._number = connection, threading.Lock(), 0

    def __call__(self, what: str, *args: Any, **values: Any) -> Any:
        """The hub's answer, or what it raises. Raises `EndpointDown` when it does not answer."""
        with self._lock:
            self._number += 1
            self._connection.send((self._number, what, args, values))
            while self._connection.poll(_PATIENCE):
                number, good, answer = self._connection.recv()
                if number == self._number and good:
                    return answer
                if number == self._number:
                    raise answer
        raise errors.EndpointDown("the hub does not answer its web process")


Done = Callable[[Sequence[Answer]], None]


class Line(asyncio.Protocol):
    """Pushes to the hub and their answers, in groups: what comes in one turn of the loop goes in one frame, and is one commit there."""

    def __init__(self, told: Callable[[str, Any], None]) -> None:
        self._told = told
        self._unpacker = frames.Unpacker()
        self._gathered: list[tuple[Sequence[Message], Done]] = []
        self._waiting: dict[int, list[tuple[int, Done]]] = {}
        self._number = self._open = 0
        self._sent_at = 0.0
        self._thread = 0
        self.ready = asyncio.Event()
        self.drained: Callable[[], None] = lambda: os._exit(0)  # nothing is served yet

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport: Any = transport
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()

    def connection_lost(self, _: Exception | None) -> None:
        """The hub is gone: so is what this process could say."""
        os._exit(0)

    def submit(self, messages: Sequence[Message], done: Done) -> None:
        """See `receive.Group`; `done` is called in the loop's thread."""
        if threading.get_ident() == self._thread:
            self._gather(messages, done)
        else:
            self._loop.call_soon_threadsafe(self._gather, messages, done)

    def say(self, word: str) -> None:
        """Something that has no answer."""
        self._transport.write(frames.pack((0, word)))

    def _gather(self, messages: Sequence[Message], done: Done) -> None:
        if not self._gathered:
            self._loop.call_later(self._rest(), self._send)
        self._gathered.append((messages, done))
        self._open += 1

    def _rest(self) -> float:
        """How long the next group may grow, in seconds.

        Where syncing a file costs next to nothing, commits would else be of one or two messages each, and every stage behind them busier
        with hand-overs than with records.
        """
        return max(0.0, self._sent_at + _GROUP - self._loop.time()) if self._open >= pace.MANY else 0.0

    def _send(self) -> None:
        gathered, self._gathered = self._gathered, []
        self._number += 1
        self._waiting[self._number] = [(len(messages), done) for messages, done in gathered]
        self._sent_at = self._loop.time()
        self._transport.write(frames.pack((self._number, [message for messages, _ in gathered for message in messages])))

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        for number, answers in self._unpacker.feed(data):
            if number:
                self._answered(self._waiting.pop(number), answers)
            else:
                self._word(*answers)

    def _answered(self, waiting: list[tuple[int, Done]], answers: Sequence[Answer]) -> None:
        self._open -= len(waiting)
        start = 0
        for count, done in waiting:
            done(answers[start : start + count])
            start += count

    def _word(self, word: str, value: Any) -> None:
        if word == "ready":
            self.ready.set()
        elif word == "drain":
            self.drained()
        else:
            self._told(word, value)
