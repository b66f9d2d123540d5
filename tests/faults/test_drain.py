"""SIGTERM drains: what was acknowledged is stored, what is being sent is settled, and nothing is sent again after the restart."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from demo import crm
from demo.child import ROOT, Child
from tests import services
from tests.faults import clients
from tests.faults.world import world

pytestmark = pytest.mark.fault


def test_sigterm_drains_under_load(tmp_path: Path, forks: Child) -> None:
    """Told to stop three times under load: exit code 0, all that was acknowledged is stored, no settled delivery is repeated."""
    with world(tmp_path, forks) as one:
        load = clients.Load(one.port, one.key, one.attempts)
        for seed in range(3):
            load.run(clients.stream(seed, 40))
        load.run(clients.nameless(9, 40))
        load.files(one.telco, 200, 0.2)
        for _ in range(3):
            one.start()
            one.ready()
            load.more(100)
            began = time.monotonic()
            assert one.end(signal.SIGTERM) == 0, one.hub_log()
            print(f"drained in {time.monotonic() - began:.1f} s")
        one.start()
        one.ready()
        load.stop()
        one.quiet()
        assert one.end() == 0
        report = one.judge()
        assert report.ok, "\n".join(report.lines())
        assert report.late_duplicates == 0
        assert report.recovered == 0, "something was stored, and its sender was not told"


def test_the_command_drains_too(tmp_path: Path, forks: Child) -> None:
    """`mastercopy up` itself: up within seconds, ended by SIGTERM with exit code 0; the seconds are printed."""
    with world(tmp_path, forks) as one:
        command = [sys.executable, str(ROOT / "mastercopy.py"), "up", "--home", str(one.home), "--port", str(one.port)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=os.environ, start_new_session=True) as hub:
            print(f"up after {one.ready():.2f} s")
            client = clients.Client(one.port, one.key, one.attempts)
            assert client.send(next(clients.stream(1, 5))) == "ok"
            hub.send_signal(signal.SIGTERM)
            assert hub.wait(60) == 0
        one.start()
        one.ready()
        one.quiet()
        one.end()
        report = one.judge()
        assert report.ok, "\n".join(report.lines())


def test_a_killed_hub_leaves_no_process_behind(tmp_path: Path, forks: Child) -> None:
    """Its decoding processes end with it."""
    with world(tmp_path, forks) as one:
        one.start()
        one.ready()
        attempt = clients.drop(one.telco, "large.csv", clients.rows(0, 3000, 20), one.attempts)
        large = crm.push("customers", [clients.customer(number, 1) for number in range(400)], "large")
        clients.Client(one.port, one.key, one.attempts).send(large)
        one.quiet()
        assert clients.told(one.telco, "large.csv", attempt, one.attempts)
        assert one.pid
        workers = [pid for pid in below(one.pid) if b"resource_tracker" not in cmdline(pid)]
        assert workers, "no process decoded"
        one.end(signal.SIGKILL)
        services.wait_for(lambda: not any(map(cmdline, workers)), 60, "the end of the hub's processes")


def below(pid: int) -> list[int]:
    """The processes that a process has started."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if int((place / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(place.name))
        except OSError:
            continue
    return found


def cmdline(pid: int) -> bytes:
    """Empty for a process that has ended."""
    try:
        return (Path("/proc") / str(pid) / "cmdline").read_bytes()
    except OSError:
        return b""
