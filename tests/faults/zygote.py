"""A process that has imported the hub and forks one whenever it is told: a real hub to kill, without the second that imports take."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from config.settings import Settings
from hub import run
from routes import setup
from tests.faults import bugs

children: set[int] = set()


def start(home: str, port: int, bug: str = "", trap: str = "", **settings: int) -> int:
    """A hub in a child; answers its process id. `bug` and `trap` are names in `bugs`."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        children.add(pid)
        return pid
    code = 70
    try:
        log = os.open(Path(home).parent / "hub.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for place, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(place, target)
        bugs.apply(bug, trap, Path(home))
        run.serve(Settings(home=Path(home), port=port, **settings), lambda hub: bugs.up(hub, bug, trap))  # type: ignore[arg-type]
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    sys.exit(code)  # as the command ends: workers and semaphores are put away


def reap(pid: int) -> int:
    """Wait for the child's end; its exit code, negative for a signal."""
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    children.discard(pid)
    return code


def ended(pid: int) -> bool:
    """Whether the child has ended; it still has to be reaped."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def main() -> None:
    """One question a line, one answer a line, until the input ends; then no child outlives it."""
    setup.load(None)  # what a hub imports on the way
    known: dict[str, Callable[..., Any]] = {"start": start, "reap": reap, "ended": ended}
    for line in sys.stdin:
        question = json.loads(line)
        try:
            answer = {"answer": known[question.pop("do")](**question)}
        except Exception as error:
            answer = {"error": repr(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    for pid in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
