"""What comes twice, shuffled, poisoned or too fast: the master copy is what it should be, and every record is accounted for."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from demo import crm
from demo.child import Child
from demo.feeds import Push
from master.sqlite.store import SqliteStore
from routes import setup
from tests import services
from tests.faults import clients
from tests.faults.world import SECRET, World, world

pytestmark = pytest.mark.fault


def sent(one: World, pushes: list[Push], lanes: int = 4) -> None:
    """Send these over several connections, each a share."""
    load = clients.Load(one.port, one.key, one.attempts, pause=0.0)
    for lane in range(lanes):
        load.run(pushes[lane::lanes])
    load.join()


def golden(one: World) -> dict[tuple[str, str, str], dict[str, Any]]:
    """The newest state behind every source record of a hub that has ended."""
    store = SqliteStore(one.home / "mastercopy.db")
    query = "source_record s JOIN golden g ON g.n = s.golden JOIN change c ON c.seq = g.seq"
    found = {(entity, source, key): json.loads(state) for entity, source, key, state in
             store.views.dump(query, ("s.entity", "s.source", "s.key", "c.state"))}  # fmt: skip
    store.close()
    return found


def model(one: World, pushes: list[Push]) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Of every key the record with the highest sequence."""
    os.environ["CARE_SECRET"] = SECRET
    configured = setup.load(one.home)
    newest: dict[tuple[str, str, str], tuple[int, dict[str, Any]]] = {}
    inbounds = {feed: configured.inbound(feed) for feed in configured.feeds()}
    for push in pushes:
        for decoded in inbounds[push.source].decode(push.body):
            for candidate in decoded.candidates:
                name = (candidate.entity, candidate.source, candidate.key)
                if name not in newest or (candidate.sequence or 0) > newest[name][0]:
                    newest[name] = (candidate.sequence or 0, json.loads(candidate.state))
    return {name: state for name, (_, state) in newest.items()}


def without_ids(value: Any) -> Any:
    """A state without the golden ids in its references."""
    if isinstance(value, dict):
        reference = "source" in value and "key" in value
        return {name: without_ids(part) for name, part in value.items() if not (reference and name == "id")}
    return [without_ids(part) for part in value] if isinstance(value, list) else value


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_duplicates_and_shuffles_end_as_the_model_says(seed: int, tmp_path: Path, forks: Child) -> None:
    """Three in ten sent again, shuffled within a hundred: every golden record is its newest source record."""
    with world(tmp_path, forks) as one:
        one.start()
        one.ready()
        pushes = list(itertools.islice(clients.stream(seed, 40), 600))
        sent(one, pushes)
        one.quiet()
        one.end()
        report = one.judge()
        assert report.ok, "\n".join(report.lines())
        found = {name: without_ids(state) for name, state in golden(one).items()}
        assert found == {name: without_ids(state) for name, state in model(one, pushes).items()}
        repeats = len(pushes) - len({push.message_id for push in pushes})
        assert one.query("SELECT sum(duplicate) > 0 FROM lane") == [(1,)]
        assert report.stored == len(pushes) - repeats


def test_of_one_percent_poison_exactly_the_poison_is_parked(tmp_path: Path, forks: Child) -> None:
    """Alone and within lists: a dead letter for every bad record, and everything beside it applied."""
    with world(tmp_path, forks) as one:
        one.start()
        one.ready()
        records = [clients.customer(number, 1) | ({"CUST_TYPE": "9"} if number % 100 == 50 else {}) for number in range(1200)]
        singles = [crm.push("customers", [record], f"s{number}") for number, record in enumerate(records[:400])]
        lists = [crm.push("customers", records[start : start + 40], f"l{start}") for start in range(400, 1200, 40)]
        sent(one, singles + lists)
        one.quiet()
        one.end()
        report = one.judge()
        assert report.ok, "\n".join(report.lines())
        store = SqliteStore(one.home / "mastercopy.db")
        letters = store.letters.select(state="dead", filters={}, limit=100)
        store.close()
        assert len(letters) == 12
        payloads = [json.loads(letter.payload or b"") for letter in letters]
        parked = {record["CUST_ID"] for payload in payloads for record in (payload if isinstance(payload, list) else [payload])}
        assert parked == {f"L{n:09}" for n in range(50, 1200, 100)}
        assert len(golden(one)) == 1188


def test_active_suspended_active_without_ids_makes_three_versions(tmp_path: Path, forks: Child) -> None:
    """Without an id every copy is a message of its own; with one, ten copies are one."""
    with world(tmp_path, forks) as one:
        one.start()
        one.ready()
        base = clients.customer(1, 1)  # all three say the same second
        client = clients.Client(one.port, one.key, one.attempts)
        for state in ("1", "3", "1"):
            push = crm.push("customers", [base | {"CUST_STATE": state}], None)
            assert client.send(push) == "ok"
        named = crm.push("customers", [clients.customer(2, 1)], "once")
        for _ in range(10):
            assert client.send(named) == "ok"
        one.quiet()
        one.end()
        report = one.judge()
        assert report.ok, "\n".join(report.lines())
        assert report.stored == 4
        assert sorted(version for (version,) in one.query("SELECT version FROM golden")) == [1, 3]


def test_over_its_marks_the_hub_pushes_back_and_drains(tmp_path: Path, forks: Child) -> None:
    """429 with Retry-After while too much waits; nothing that was acknowledged is lost, and all is applied in the end."""
    with world(tmp_path, forks) as one:
        one.start(trap="apply_waits", pending_limit=300)
        one.ready()
        pushes = [crm.push("customers", [clients.customer(n, 1) for n in range(at, at + 100)], f"o{at}") for at in range(0, 12_000, 100)]
        sent(one, pushes[:4], lanes=1)
        services.wait_for(lambda: retry_after(one, pushes[0]), 60, "a push that is turned away")
        load = clients.Load(one.port, one.key, one.attempts, pause=0.0)
        for lane in range(6):
            load.run(pushes[4 + lane :: 6])
        services.wait_for(lambda: all(client.statuses[429] for client in load.clients), 60, "429 for everybody")
        assert one.query("SELECT sum(accepted) FROM lane") == [(400,)], "something was taken over the marks"
        assert int(retry_after(one, pushes[0])) >= 1
        (one.home / "go").touch()
        load.join()
        one.quiet()
        one.end()
        report = one.judge()
        assert report.ok, "\n".join(report.lines())
        assert report.accepted == 12_000


def retry_after(one: World, push: Push) -> str:
    """What a push that is turned away is told; "" if it came through."""
    headers = {"Authorization": f"Bearer {one.key}", "Idempotency-Key": str(push.message_id)}
    connection = http.client.HTTPConnection("127.0.0.1", one.port, timeout=10)
    with contextlib.closing(connection):
        connection.request("POST", f"/in/{push.source}", push.body, headers)
        answer = connection.getresponse()
        return answer.getheader("Retry-After", "") if answer.status == 429 else ""


def test_a_full_disk_acknowledges_nothing_and_heals_by_itself(tmp_path: Path, forks: Child) -> None:
    """On a small tmpfs: no receipt without a commit; when space is there again, the hub goes on without a restart."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    home = tmp_path / "home"
    home.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", home], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a tmpfs")
    try:
        with world(tmp_path, forks) as one:
            ballast = home / "ballast"
            with ballast.open("wb") as file:
                file.write(b"\0" * 10_000_000)
            one.start(free_limit=0)
            one.ready()
            load = clients.Load(one.port, one.key, one.attempts, pause=0.0)
            for seed in range(3):
                load.run(clients.stream(seed, 5000))
            services.wait_for(lambda: load.answers(429, 503) > 100, 60, "a full disk")
            ballast.unlink()
            began = time.monotonic()
            load.more(50)
            print(f"healed after {time.monotonic() - began:.1f} s")
            load.stop()
            one.quiet()
            one.end()
            report = one.judge()
            assert report.ok, "\n".join(report.lines())
    finally:
        subprocess.run(["umount", "-l", home], capture_output=True, check=False)


def test_every_receipt_follows_an_fsync(tmp_path: Path, forks: Child) -> None:
    """Seen by strace: between two answers of 202 the log of the store was synced."""
    strace = services.binary("strace")
    with world(tmp_path, forks) as one:
        one.start()
        one.ready()
        trace = tmp_path / "trace"
        calls = "trace=fsync,fdatasync,write,writev,sendto,sendmsg"
        pid = one.pid or 0
        both = [pid, *children(pid)]  # who syncs, and who answers
        command = [strace, "-f", "-qq", "-s", "16", "-e", calls, "-o", str(trace), *(f"--attach={pid}" for pid in both)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            services.wait_for(lambda: all(traced(pid) for pid in both), 10, "strace")
            client = clients.Client(one.port, one.key, one.attempts)
            for push in itertools.islice(clients.nameless(1, 1000), 100):
                assert client.send(push) == "ok"
            process.terminate()
            process.wait(10)
        one.quiet()
        one.end()
        synced, answered = 0, 0
        for line in trace.read_text(errors="replace").splitlines():
            if ("fsync(" in line or "fdatasync(" in line or "sync resumed" in line) and line.rstrip().endswith("= 0"):
                synced += 1
            elif "HTTP/1.1 202" in line:
                answered += 1
                assert synced, f"receipt {answered} was given without a sync"
                synced = 0
        assert answered == 100
    assert shutil.which("strace")


def children(pid: int) -> list[int]:
    return [int(word) for file in Path(f"/proc/{pid}/task").glob("*/children") for word in file.read_text().split()]


def traced(pid: int) -> bool:
    return "TracerPid:\t0" not in Path(f"/proc/{pid}/status").read_text()
