"""Named work that goes on until it is told to stop: what fails is begun again, after a pause that grows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from schemas import errors

log = structlog.get_logger("flow")

_AGAIN = (0.2, 5.0)  # seconds between two starts of work that failed
_JOIN = 20.0  # seconds that a stop waits for work to end

Work = Callable[[threading.Event], None]


@dataclass(frozen=True, slots=True)
class _Job:
    thread: threading.Thread
    stop: threading.Event


class Jobs:
    """Threads by name, each with a stop of its own."""

    def __init__(self) -> None:
        self._jobs: dict[str, _Job] = {}

    def start(self, name: str, work: Work) -> None:
        """`work` is called with its stop, and again whenever it returns or fails before that is set."""
        stop = threading.Event()
        thread = threading.Thread(target=_keep_working, args=(name, work, stop), name=name, daemon=True)
        self._jobs[name] = _Job(thread, stop)
        thread.start()

    def stop(self, *names: str, wake: Callable[[], None] = lambda: None) -> None:
        """Tell them to stop, `wake` what they wait for, and wait until they have ended. Names that are not known do nothing."""
        jobs = [job for name in names if (job := self._jobs.pop(name, None))]
        for job in jobs:
            job.stop.set()
        wake()
        for job in jobs:
            job.thread.join(_JOIN)

    def names(self) -> list[str]:
        """All that was started and not stopped."""
        return list(self._jobs)

    def ended(self) -> list[str]:
        """Which have ended though nobody stopped them: another process took over."""
        return [name for name, job in self._jobs.items() if not job.thread.is_alive()]


def _keep_working(name: str, work: Work, stop: threading.Event) -> None:
    pause = _AGAIN[0]
    while not stop.is_set():
        began = time.monotonic()
        try:
            work(stop)
        except errors.FenceLost:
            log.exception("another process has taken over", work=name)
            return
        except errors.MastercopyError as error:
            log.warning("work failed, it begins again", work=name, reason=str(error))
        except Exception:
            log.exception("work broke, it begins again", work=name)
        pause = _AGAIN[0] if time.monotonic() - began > 30 else min(pause * 2, _AGAIN[1])
        stop.wait(pause)
