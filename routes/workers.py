"""Processes beside the hub for work that is nothing but computing: they begin quietly, and end with the hub however that ends."""

from __future__ import annotations

import concurrent.futures
import concurrent.futures.process
import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from typing import Any


class Workers:
    """An executor that is made when it is first asked, and made anew when a worker has died. `start(*args)` runs first in each worker."""

    def __init__(self, count: int, start: Callable[..., None], *args: Any) -> None:
        self._count, self._start = count, (start, args)
        self._executor: concurrent.futures.ProcessPoolExecutor | None = None
        self._lock = threading.Lock()

    def submit(self, work: Callable[..., Any], *args: Any) -> concurrent.futures.Future[Any]:
        """Work to be done beside. Its future raises `BrokenProcessPool` if it, or other work of the same moment, ended a worker."""
        with self._lock:
            if self._executor is None:
                self._executor = self._fresh()
            try:
                return self._executor.submit(work, *args)
            except concurrent.futures.process.BrokenProcessPool:
                self._executor = self._fresh()
                return self._executor.submit(work, *args)

    def _fresh(self) -> concurrent.futures.ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        return concurrent.futures.ProcessPoolExecutor(self._count, context, _begin, self._start)

    def close(self) -> None:
        """End the workers; work that has not begun is cancelled. What is submitted later begins anew."""
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)


def _begin(start: Callable[..., None], args: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the hub's to handle
    threading.Thread(target=end_with_the_hub, daemon=True).start()
    start(*args)
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


def end_with_the_hub() -> None:
    """A hub that was killed tells its workers nothing."""
    hub = multiprocessing.parent_process()
    if hub is not None:
        hub.join()
        os._exit(0)
