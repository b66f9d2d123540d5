"""The hub's side of its web process: starts it, takes its pushes into the inbox, carries out what it asks, starts it again if it dies."""

from __future__ import annotations

import contextlib
import errno
import multiprocessing
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import structlog

from hub import frames, webside
from master import relayed
from routes.flow import Flow
from routes.front import Limits
from routes.receive import Answer
from schemas import errors

log = structlog.get_logger("hub")

_CHUNK = 1 << 18
_STARTED = 60.0  # seconds for a start
_AGAIN = 0.2  # seconds until it is started again
_FREED = 2.0  # seconds for the web process of a killed hub to be gone


@dataclass(frozen=True)
class Site:
    """Where the doors are, and what the web process has to know."""

    doors: socket.socket
    home: Path
    store: Path
    token: str
    limits: Limits
    log_level: str
    log_json: bool
    lock: int  # the file that says who works in the home


class Outbox:
    """Frames to the web process: at once while its line has room, else from a thread, since nobody may wait for one that stands still."""

    def __init__(self, line: socket.socket) -> None:
        self._line, self._rest = line, bytearray()
        self._lock, self._bell = threading.Lock(), threading.Event()
        self._closed = False

    def put(self, number: int, answer: Any) -> None:
        """One entry; what cannot be sent any more is dropped."""
        frame = frames.pack((number, answer))
        with self._lock:
            if not self._rest:
                try:
                    frame = frame[self._line.send(frame, socket.MSG_DONTWAIT) :]
                except BlockingIOError:
                    pass
                except OSError:
                    return
            if frame:
                self._rest += frame
                self._bell.set()

    def run(self) -> None:
        """Send what did not go at once, until closed."""
        while not self._closed:
            self._bell.wait()
            self._bell.clear()
            while part := bytes(self._rest[:_CHUNK]):
                try:
                    sent = self._line.send(part)
                except OSError:
                    return
                with self._lock:
                    del self._rest[:sent]

    def close(self) -> None:
        """End `run`."""
        self._closed = True
        self._bell.set()


@dataclass
class _Life:
    """One life of the web process, and the hub's ends of its two lines."""

    process: BaseProcess
    pushes: socket.socket
    calls: Connection
    outbox: Outbox
    started: threading.Event = field(default_factory=threading.Event)


class Doors:
    """The web process begins while the hub still opens its store; `open` returns once the doors answer."""

    def __init__(self, site: Site, reload: Callable[[], None]) -> None:
        self._site, self._reload = site, reload
        self._stopping = threading.Event()
        self._life = self._begin()

    def _begin(self) -> _Life:
        pushes, their_pushes = socket.socketpair()
        calls, their_calls = multiprocessing.Pipe()
        one = self._site
        charge = webside.Charge(
            one.home, one.store, one.token, one.limits, one.log_level, one.log_json, one.doors, their_pushes, their_calls
        )
        # A process that is still alone can be forked, which saves a second of imports; one with threads cannot safely be.
        forked = threading.active_count() == 1
        context: Any = multiprocessing.get_context("fork" if forked else "spawn")
        ours = (pushes.fileno(), calls.fileno(), one.lock) if forked else ()
        process = context.Process(target=webside.main, args=(charge, ours), name="web", daemon=True)
        process.start()
        their_pushes.close()
        their_calls.close()
        return _Life(process, pushes, calls, Outbox(pushes))

    def open(self, flow: Flow) -> None:
        """Let it answer. Raises `Misconfigured` if it cannot."""
        self._attend(self._life, flow)
        until = time.monotonic() + _STARTED
        while not self._life.started.wait(0.1):
            if not self._life.process.is_alive() or time.monotonic() > until:
                raise errors.Misconfigured("the web doors could not open", hint="The lines above say why")
        threading.Thread(target=self._keep, args=(flow,), name="doors", daemon=True).start()

    def _attend(self, life: _Life, flow: Flow) -> None:
        life.outbox.put(0, ("ready", None))
        for name, work in (("pushes", self._listen), ("answers", lambda *_: life.outbox.run()), ("calls", self._answer)):
            threading.Thread(target=work, args=(life, flow), name=name, daemon=True).start()

    def _keep(self, flow: Flow) -> None:
        """Start it again when it has died."""
        self._life.process.join()
        while not self._stopping.is_set():
            log.error("the web process has ended, it starts again", exitcode=self._life.process.exitcode)
            self._close(self._life)
            if self._stopping.wait(_AGAIN):
                return
            self._life = self._begin()
            self._attend(self._life, flow)
            self._life.process.join()

    def reloaded(self) -> None:
        """The configuration was read again: the web process does so too."""
        self._life.outbox.put(0, ("reload", None))

    def close(self) -> None:
        """Let it finish what it is at, then end it."""
        self._stopping.set()
        self._life.outbox.put(0, ("drain", None))
        self._life.process.join(15)
        if self._life.process.is_alive():
            self._life.process.kill()
            self._life.process.join()
        self._close(self._life)

    @staticmethod
    def _close(life: _Life) -> None:
        life.outbox.close()
        life.started.set()
        with contextlib.suppress(OSError):
            life.pushes.shutdown(socket.SHUT_RDWR)  # whoever reads it is told
        life.pushes.close()
        life.calls.close()

    def _listen(self, life: _Life, flow: Flow) -> None:
        unpacker = frames.Unpacker()
        while True:
            try:
                data = life.pushes.recv(_CHUNK)
            except OSError:
                return
            if not data:
                return
            for number, messages in unpacker.feed(data):
                if number:
                    flow.group.add(messages, _answering(life, number))
                elif messages == "started":
                    life.started.set()
            flow.group.commit()  # all that has come meanwhile, at once

    def _answer(self, life: _Life, flow: Flow) -> None:
        while True:
            try:
                number, what, args, values = life.calls.recv()
            except (EOFError, OSError):
                return
            try:
                answer: tuple[int, bool, Any] = (number, True, self._carry_out(life, flow, what, *args, **values))
            except errors.MastercopyError as error:
                answer = (number, False, error)
            except Exception as error:
                log.exception("a question of the web process failed", what=what)
                answer = (number, False, errors.UnknownOutcome(f"{type(error).__name__}: {error}"))
            with contextlib.suppress(OSError):
                life.calls.send(answer)

    def _carry_out(self, life: _Life, flow: Flow, what: str, *args: Any, **values: Any) -> Any:
        if what == "store":
            return relayed.carry_out(flow.store, *args, **values)
        if what == "expect":
            [message] = args
            return flow.expect(message, lambda: life.outbox.put(0, ("touched", message)))
        known: dict[str, Callable[..., Any]] = {
            "ring": flow.ring, "ended": flow.ended, "forget": flow.forget, "reload": self._reload,
        }  # fmt: skip
        return known[what](*args, **values)


def _answering(life: _Life, number: int) -> Callable[[Sequence[Answer]], None]:
    return lambda answers: life.outbox.put(number, answers)


def listen(host: str, port: int) -> socket.socket:
    """The socket of the doors. Raises `Misconfigured` when the port is taken, also after a moment."""
    until = time.monotonic() + _FREED
    while True:
        try:
            return socket.create_server((host, port), backlog=1024)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > until:
                reason = os.strerror(error.errno or 0)
                raise errors.Misconfigured(f"cannot listen on {host}:{port}: {reason}", hint="Choose another --port") from error
            time.sleep(0.05)
