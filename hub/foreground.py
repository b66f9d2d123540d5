"""The terminal for this process alone, so that Ctrl-C reaches it and not the make that started it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """On a terminal under make: make would answer Ctrl-C with an error of its own, however well all ended. Elsewhere nothing changes."""
    mine = "MAKELEVEL" in os.environ and sys.stdin.isatty() and os.tcgetpgrp(0) == os.getpgrp() != os.getpid()
    if not mine:
        yield
        return
    before = os.getpgrp()
    for number in (signal.SIGTTOU, signal.SIGTSTP):  # make could not be woken again by whoever stopped this process
        signal.signal(number, signal.SIG_IGN)
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpgrp())
    try:
        yield
    finally:
        os.tcsetpgrp(0, before)
