"""A hub in one process: store, flow and web doors, started together and drained on the way out."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import structlog
import uvicorn

from config.settings import Settings
from hub.home import Home
from master.sqlite.store import SqliteStore
from monitor import web
from routes import setup
from routes.flow import Flow, Limits
from schemas import errors

log = structlog.get_logger("hub")

_SWITCH = 0.001  # seconds a thread may compute before another gets its turn: the doors must answer while files load


class Hub:
    """`with Hub(settings) as hub:` runs it; leaving drains and stops it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.home = Home(settings.home)
        self._lock = self.home.locked()

    def __enter__(self) -> Self:
        self.home.prepare()
        self._lock.__enter__()
        try:
            self._start()
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise
        return self

    def _start(self) -> None:
        settings = self.settings
        configured = setup.load(self.home.folder)
        self._socket = _listen(settings.host, settings.port)
        self.port = int(self._socket.getsockname()[1])
        self.url = f"http://{settings.host}:{self.port}"
        self.store = SqliteStore(self.home.store)
        limits = Limits(settings.pending_limit, settings.age_limit, settings.free_limit, settings.workers)
        self.flow = Flow(self.store, configured, self.home.folder, limits, f"{socket.gethostname()}:{os.getpid()}")
        self.control = self.home.announce(self.url)
        application = web.application(self.flow, self.control.token, self.reload)
        quiet: dict[str, Any] = {"log_level": "warning", "access_log": False, "lifespan": "off", "proxy_headers": False}
        self._server = uvicorn.Server(uvicorn.Config(application, timeout_graceful_shutdown=10, **quiet))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, name="web", daemon=True)
        self.flow.start()
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise errors.Misconfigured(f"the web doors could not open on {self.url}")
            time.sleep(0.01)
        _settle_down()
        log.info("hub is up", url=self.url, home=str(self.home.folder), feeds=len(configured.feeds()), routes=len(configured.routes))

    def reload(self) -> None:
        """Read mappings, routes and rules again. A mistake in one changes nothing: it is raised, and the hub goes on as it was."""
        self.flow.reload(setup.load(self.home.folder))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        log.info("hub drains")
        self._server.should_exit = True
        self._thread.join(timeout=15)
        self.flow.stop()
        self.store.close()
        self.home.withdraw()
        self._lock.__exit__(kind, error, trace)


def until_told(hub: Hub, ready: Callable[[], None] = lambda: None) -> None:
    """Wait for SIGTERM or Ctrl-C; SIGHUP reads the configuration again."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    signal.signal(signal.SIGHUP, lambda *_: threading.Thread(target=_reload, args=(hub,), daemon=True).start())
    ready()
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
    gc.set_threshold(20_000, 20, 50)


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), backlog=1024)
    except OSError as error:
        raise errors.Misconfigured(f"cannot listen on {host}:{port}: {error.strerror}", hint="Choose another --port") from error
