"""A hub: store and flow in this process, the web doors in one beside it, started together and drained on the way out."""

from __future__ import annotations

import functools
import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import structlog

from config.settings import Settings
from hub.doors import Doors, Site, listen
from hub.home import Home
from master.sqlite.store import SqliteStore
from routes import setup
from routes.flow import Flow
from routes.front import Limits
from schemas import errors

log = structlog.get_logger("hub")

_SWITCH = 0.001  # seconds a thread may compute before another gets its turn: pushes must be answered while files load


class Hub:
    """`with Hub(settings) as hub:` runs it; leaving drains and stops it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.home = Home(settings.home)
        self._lock = self.home.locked()

    def __enter__(self) -> Self:
        self.home.prepare()
        held = self._lock.__enter__()
        try:
            self._start(held.fileno())
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise
        return self

    def _start(self, lock: int) -> None:
        settings = self.settings
        configured = setup.load(self.home.folder)
        limits = Limits(settings.pending_limit, settings.age_limit, settings.free_limit, settings.workers)
        doors = listen(settings.host, settings.port)
        self.port = int(doors.getsockname()[1])
        self.url = f"http://{settings.host}:{self.port}"
        self.control = self.home.announce(self.url)
        site = Site(doors, self.home.folder, self.home.store, self.control.token, limits, settings.log_level, settings.log_json, lock)
        self._doors = Doors(site, self.reload)
        try:
            self.store = SqliteStore(self.home.store)
            holder = f"{socket.gethostname()}:{os.getpid()}"
            reading = functools.partial(SqliteStore, self.home.store, read_only=True)
            self.flow = Flow(self.store, configured, self.home.folder, limits, holder, reading, self.reload)
            self.flow.start()
            self._doors.open(self.flow)
            self.flow.warm()
        except BaseException:
            self._doors.close()
            raise
        _settle_down()
        log.info("hub is up", url=self.url, home=str(self.home.folder), feeds=len(configured.feeds()), routes=len(configured.routes))

    def reload(self) -> None:
        """Read mappings, routes and rules again. A mistake in one changes nothing: it is raised, and the hub goes on as it was."""
        self.flow.use(setup.load(self.home.folder))
        self._doors.reloaded()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        log.info("hub drains")
        self._doors.close()
        self.flow.stop()
        self.store.close()
        self.home.withdraw()
        self._lock.__exit__(kind, error, trace)


def serve(settings: Settings, ready: Callable[[Hub], None]) -> None:
    """Run a hub until SIGTERM or Ctrl-C, which also count while it starts; SIGHUP reads the configuration again."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with Hub(settings) as hub:
        signal.signal(signal.SIGHUP, lambda *_: threading.Thread(target=_reload, args=(hub,), daemon=True).start())
        ready(hub)
        while not stop.wait(1.0):
            pass


def _reload(hub: Hub) -> None:
    try:
        hub.reload()
        log.info("configuration read again")
    except errors.MastercopyError as error:
        log.error("configuration is wrong; the hub goes on with the old one", reason=str(error))  # noqa: TRY400 the place is in the reason


def _settle_down() -> None:
    """What is loaded by now stays: the garbage collector need not walk it again and again, with all threads waiting."""
    sys.setswitchinterval(_SWITCH)
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)
