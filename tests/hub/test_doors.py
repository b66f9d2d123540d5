"""The web process: it ends with the hub, comes back when it dies, and holds up nothing when it stands still."""

from __future__ import annotations

import http.client
import multiprocessing
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from config.settings import Settings
from hub import doors, run
from routes import receive
from schemas import errors
from schemas.envelope import Message, Receipt
from tests.hub.instance import Instance, customer, soon

UP = "import sys; from hub import cli; sys.argv = ['mastercopy', 'up', '--port', '{port}']; cli.app()"


def web(hub: Instance) -> int:
    """The process that answers now."""
    pid = hub.hub._doors._life.process.pid
    assert pid
    return pid


def ready(hub: Instance) -> bool:
    return status(hub.hub.port) == 200


def status(port: int) -> int:
    """What /readyz answers, 0 if nothing does."""
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/readyz")
        return connection.getresponse().status
    except OSError:
        return 0


def test_the_web_process_comes_back_when_it_dies(hub: Instance) -> None:
    """What was answered before is there, and what comes after is taken."""
    first = hub.send(CUST_ID="W1", CUST_NAME="王一")
    before = web(hub)
    os.kill(before, signal.SIGKILL)
    soon(lambda: web(hub) != before and ready(hub), 60)
    assert hub.send(CUST_ID="W2", CUST_NAME="王二")["outcome"]["applied"] == 1
    assert hub.json("trace", first["receipt"])
    soon(lambda: {"王一", "王二"} <= set(hub.subscriber.names()))


def test_a_web_process_that_stands_still_holds_up_nobody_else(hub: Instance) -> None:
    """Its unread answers fill its line; commits for others go on. When it goes on, its callers are answered."""
    key = hub.json("key", "create", "crm")["key"]
    pid = web(hub)
    answers: list[int] = []

    def push() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", hub.hub.port, timeout=60)
        for number in range(20):
            connection.request("POST", "/in/crm/customers", customer(CUST_ID=f"S{number}"), {"Authorization": f"Bearer {key}"})
            answer = connection.getresponse()
            answer.read()
            answers.append(answer.status)

    pushing = threading.Thread(target=push)
    pushing.start()
    soon(lambda: answers)
    os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(5_000):  # more than its line holds
            hub.hub._doors._life.outbox.put(0, ("touched", 1))
        many = [Message("crm", "customers", None, customer(CUST_ID=f"T{number}")) for number in range(50)]
        assert all(isinstance(each, Receipt) for each in receive.append(hub.hub.flow.group, many))
    finally:
        os.kill(pid, signal.SIGCONT)
    pushing.join(60)
    assert answers == [202] * 20


def test_a_reload_reaches_the_doors(hub: Instance) -> None:
    """A feed whose body may be shorter now: the door says so."""
    assert hub.send(CUST_ID="R1")["outcome"]["applied"] == 1
    text = (hub.home / "hub.yaml").read_text(encoding="utf-8")
    (hub.home / "hub.yaml").write_text(text.replace("crm: {}", "crm: {feeds: {customers: {limit: 100}}}"), encoding="utf-8")
    try:
        hub.hub.reload()
        soon(lambda: "Send less than 100 bytes" in hub.type("send", "crm/customers", stdin=customer(CUST_ID="R2")).output)
    finally:
        (hub.home / "hub.yaml").write_text(text, encoding="utf-8")
        hub.hub.reload()
    soon(lambda: hub.type("send", "crm/customers", stdin=customer(CUST_ID="R3")).exit_code == 0)
    assert hub.send(CUST_ID="R4")["outcome"]["applied"] == 1


@pytest.mark.fault
def test_a_killed_hub_leaves_neither_its_port_nor_its_home_taken(tmp_path: Path) -> None:
    """Its web process ends with it: the next hub starts at once on the same port. Twice, the second time while it is starting."""
    (tmp_path / "hub.yaml").write_text("systems: {crm: {}}\nroutes: []\n", encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    for pause in (0.0, 0.5, None):
        one = subprocess.Popen(
            [sys.executable, "-c", UP.format(port=port)], env={**os.environ, "MASTERCOPY_HOME": str(tmp_path)}, stderr=subprocess.PIPE
        )
        try:
            if pause is None:
                soon(lambda: status(port) == 200, 60)
                one.send_signal(signal.SIGTERM)
                assert one.wait(30) == 0
            else:
                soon(lambda: status(port) == 200, 60) if pause == 0.0 else time.sleep(pause)
                one.kill()
                one.wait()
        finally:
            one.kill()
            one.wait()
            assert one.stderr is not None
            text = one.stderr.read().decode()
        assert "cannot listen" not in text
        assert "HomeLocked" not in text


def test_a_hub_that_cannot_open_its_store_leaves_no_web_process(tmp_path: Path) -> None:
    """Nor does it wait for one."""
    (tmp_path / "mastercopy.db").write_bytes(b"no database at all" * 100)
    before, began = {child.pid for child in multiprocessing.active_children()}, time.monotonic()
    with pytest.raises(sqlite3.DatabaseError), run.Hub(Settings(home=tmp_path, port=0)):
        pass
    assert time.monotonic() - began < 14
    assert {child.pid for child in multiprocessing.active_children()} <= before


def test_a_port_that_stays_taken_is_told() -> None:
    """With what to do."""
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(errors.Misconfigured, match="--port"):
        doors.listen("127.0.0.1", other.getsockname()[1])
