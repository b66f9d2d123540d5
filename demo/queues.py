"""The operator's side of AMQP: BOSS publishes to its queue, ODS consumes its own and keeps books."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import kombu
import orjson

from demo import books
from demo.feeds import Push
from demo.journal import Journal

_OPTIONS = {"polling_interval": 0.01, "confirm_publish": True}  # the first is for memory://, the second for a broker


@contextmanager
def _connection(url: str) -> Iterator[Any]:
    with kombu.Connection(url, transport_options=_OPTIONS, heartbeat=10) as connection:
        yield connection


def publish(url: str, queue: str, pushes: Iterable[Push], journal: Journal, *, rate: float | None = None, stop: threading.Event) -> int:
    """Send these to a queue, in order, confirmed one by one; `rate` in messages a second. Answers how many were sent."""
    sent, start = 0, time.monotonic()
    with _connection(url) as connection:
        producer = connection.Producer()
        for push in pushes:
            if stop.is_set() or (rate is not None and stop.wait(max(0.0, start + sent / rate - time.monotonic()))):
                break
            attempt = journal.invoke(push)
            identity = {} if push.message_id is None else {"message_id": push.message_id}
            producer.publish(
                push.body,
                exchange="",
                routing_key=queue,
                content_type=push.content_type,
                content_encoding="binary",
                delivery_mode=2,
                **identity,
            )
            journal.settle(attempt, "ok")
            sent += 1
    return sent


def arrivals(body: bytes) -> list[books.Arrival]:
    """The changes of one message to ODS."""
    told = orjson.loads(body)
    return [_arrival(one) for one in (told if isinstance(told, list) else [told])]


def _arrival(one: dict[str, Any]) -> books.Arrival:
    state = one.get("state") or {}
    gone = one["event"] == "leave" or one.get("op") == "delete"
    number = (
        state.get("customerNo") or state.get("accountNo") or state.get("serviceNumber") or state.get("code") or state.get("orderNo") or ""
    )
    monthly = books.monthly(state) if one["entity"] == "customer" else None
    return books.Arrival(one["entity"], one["key"], one["version"], one["id"], gone, number, monthly)


class Ods:
    """ODS: a thread that consumes its queue, writes its books, and acknowledges after that."""

    def __init__(self, url: str, queue: str, kept: books.Books) -> None:
        self._url, self._queue, self._books = url, queue, kept
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="demo-ods", daemon=True)
        self.trouble = ""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop consuming. May be called twice."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._consume()
            except Exception as error:  # the queue is not there yet, or the broker went away: a consumer comes back
                self.trouble = repr(error)
                self._stop.wait(0.2)

    def _consume(self) -> None:
        with _connection(self._url) as connection, connection.channel() as channel:
            queue = kombu.Queue(self._queue, channel=channel, no_declare=True)
            consumer = kombu.Consumer(channel, [queue], on_message=self._take, auto_declare=False, prefetch_count=50)
            with consumer:
                while True:
                    try:
                        connection.drain_events(timeout=0.2)
                    except TimeoutError:  # told to stop, it takes what is there already: memory:// would lose it
                        if self._stop.is_set():
                            return
                        connection.heartbeat_check()

    def _take(self, message: Any) -> None:
        body = message.body if isinstance(message.body, bytes) else str(message.body).encode()
        self._books.take(arrivals(body))
        message.ack()


@contextmanager
def draining(url: str, queue: str) -> Iterator[list[int]]:
    """Consume and acknowledge a queue without looking inside; the list's one number counts the messages."""
    count, stop = [0], threading.Event()

    def take(message: Any) -> None:
        count[0] += 1
        message.ack()

    def consume() -> None:
        with (
            _connection(url) as connection,
            connection.channel() as channel,
            kombu.Consumer(channel, [kombu.Queue(queue, channel=channel)], on_message=take, prefetch_count=50),
        ):
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    connection.drain_events(timeout=0.2)

    thread = threading.Thread(target=consume, name="draining", daemon=True)
    thread.start()
    try:
        yield count
    finally:
        stop.set()
        thread.join(5)
