"""What is said to be sent is with the broker for good, and what was not stored comes again, whatever happens to the broker."""

from __future__ import annotations

import contextlib
import functools
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kombu
import pytest

from adapters import amqp, protocols
from schemas import errors
from tests import services
from tests.adapters.doors import MemoryDoor
from tests.conformance import kits
from tests.conformance.test_sinks import batch
from tests.conformance.test_sources import running


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[services.Rabbit]:
    """A broker that may be killed; it is up again when a test ends."""
    with services.rabbit(tmp_path_factory.mktemp("mortal")) as one:
        yield one


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIT_RABBIT", "guest")


def sink(url: str, **endpoint: Any) -> amqp.QueueSink:
    """A sink of that broker."""
    password = {} if url.startswith("memory") else {"password": "env:KIT_RABBIT"}
    made = protocols.sink(kits.system("amqp", None, {"url": url, "timeout": "2s", **password, **endpoint}), "out")
    assert isinstance(made, amqp.QueueSink)
    return made


def test_what_nobody_would_get_is_not_sent(broker: services.Rabbit) -> None:
    """A confirm does not mean routed: without a queue it is a failure of the endpoint, on memory:// too."""
    for url in (broker.url, "memory://"):
        lonely = sink(url, exchange="lonely", routing_key="nobody")
        with pytest.raises(errors.EndpointDown):
            lonely.send(batch(1))
        lonely.close()
        with pytest.raises(errors.EndpointDown):
            sink(url, queue="q", declare=False, routing_key="absent").send(batch(1))


def test_an_exchange_routes_to_the_queues_that_are_bound(broker: services.Rabbit) -> None:
    """Declared, bound, sent, with headers and a durable body."""
    for url in (broker.url, "memory://"):
        one = sink(url, exchange="changes", routing_key="customer.update", queue="ods")
        one.send(batch(1, b"body"))
        with kits._broker(url) as connection:
            message = kombu.Queue("ods")(connection.channel()).get()
            message.ack()
            assert (bytes(message.body), message.content_type) == (b"body", "application/json")
            assert message.headers["mastercopy-first-seq"] == "1"
            assert message.properties["delivery_mode"] == 2
        one.close()


def test_a_wrong_password_is_a_retry_that_says_so(broker: services.Rabbit, monkeypatch: pytest.MonkeyPatch) -> None:
    """And does not repeat the password."""
    monkeypatch.setenv("KIT_RABBIT", "hunter2hunter2")
    with pytest.raises(errors.EndpointDown) as caught:
        sink(broker.url, queue="q1").send(batch(1))
    assert "Check user" in caught.value.hint
    assert "hunter2" not in str(caught.value)


def test_a_queue_that_exists_otherwise_is_said(broker: services.Rabbit) -> None:
    """The hint names the keys that help."""
    one = sink(broker.url, queue="classic", kind="classic")
    one.send(batch(1))
    one.close()
    with pytest.raises(errors.EndpointDown) as caught:
        sink(broker.url, queue="classic").send(batch(1))
    assert "kind:" in caught.value.hint
    sink(broker.url, queue="classic", declare=False).send(batch(1))


def test_what_waits_is_taken_in_one_batch_without_a_timer(broker: services.Rabbit, tmp_path: Path) -> None:
    """A full queue comes in few calls, a single message at once."""
    for url in (broker.url, "memory://"):
        with kits.amqp_source(url, tmp_path) as kit:
            kit.put([b"%d" % number for number in range(1000)])
            door = MemoryDoor()
            with running(kit.make(), door):
                services.wait_for(functools.partial(_has, door, 1000))
                assert len(door.batches) < 60
                started = time.monotonic()
                kit.put([b"one more"])
                services.wait_for(functools.partial(_has, door, 1001))
                assert time.monotonic() - started < 1.0


def _has(door: MemoryDoor, count: int) -> bool:
    return len(door.messages) == count


def _grown(found: set[bytes], count: int) -> bool:
    return len(found) > count


def test_an_idle_sink_is_not_surprised(broker: services.Rabbit) -> None:
    """A connection that nobody kept alive is renewed before it is used."""
    one = sink(broker.url, queue="idle", heartbeat="1s")
    one.send(batch(1))
    time.sleep(3.5)
    one.send(batch(2))
    one.close()


def test_a_waiting_source_keeps_its_connection_alive(broker: services.Rabbit) -> None:
    """Heartbeats go on while nothing comes and while the hub is too busy to take anything."""
    feed = {"url": broker.url, "password": "env:KIT_RABBIT", "queue": "beats", "heartbeat": "1s"}
    source = protocols.source(kits.system("amqp", feed, None), "in", None, Path())
    assert source
    door = MemoryDoor()
    door.over = True
    with running(source, door) as ended:
        time.sleep(3)
        door.over = False
        sink(broker.url, queue="beats").send(batch(1))
        services.wait_for(lambda: door.messages)
        assert ended == []


@pytest.mark.fault
def test_a_killed_broker_loses_nothing_that_was_confirmed(broker: services.Rabbit) -> None:
    """Sent, unknown or refused: every body whose `send` returned is in the queue when the broker is back, and the same sink goes on."""
    one = sink(broker.url, queue="kills")
    returned: set[bytes] = set()
    stop = threading.Event()

    def work() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            body = b"%d" % number
            with contextlib.suppress(errors.Retry):
                one.send(batch(number, body))
                returned.add(body)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    for _ in range(2):
        before = len(returned)
        services.wait_for(functools.partial(_grown, returned, before + 50), 40, "sending")
        broker.stop(signal.SIGKILL)
        time.sleep(0.3)
        broker.start()
    before = len(returned)
    services.wait_for(functools.partial(_grown, returned, before + 10), 40, "sending again")
    stop.set()
    thread.join(10)
    one.close()
    found = set()
    with kits._broker(broker.url) as connection:
        queue = kombu.Queue("kills")(connection.channel())
        while message := queue.get(no_ack=True):
            found.add(bytes(message.body))
    assert returned - found == set()


@pytest.mark.fault
def test_a_frozen_broker_is_noticed(broker: services.Rabbit) -> None:
    """A confirm that does not come ends in time; the sink and the source go on after the thaw, and the late confirm counts for nobody."""
    one = sink(broker.url, queue="frozen")
    one.send(batch(1, b"1"))
    feed = {"url": broker.url, "password": "env:KIT_RABBIT", "queue": "frozen", "heartbeat": "1s", "timeout": "2s"}
    source = protocols.source(kits.system("amqp", feed, None), "in", None, Path())
    assert source
    door = MemoryDoor()
    with running(source, door) as ended:
        services.wait_for(lambda: door.messages)
        broker.freeze()
        try:
            started = time.monotonic()
            with pytest.raises(errors.EndpointDown):
                one.send(batch(2, b"2"))
            assert time.monotonic() - started < 10
            services.wait_for(lambda: ended, 20, "the source noticing")
        finally:
            broker.thaw()
    assert isinstance(ended[0], errors.Retry)
    services.wait_for(lambda: _sent(one), 20, "sending after the thaw")
    with running(source, door):
        services.wait_for(lambda: b"3" in door.bodies, 20)
    one.close()


def _sent(one: amqp.QueueSink) -> bool:
    try:
        one.send(batch(3, b"3"))
    except errors.Retry:
        return False
    return True
