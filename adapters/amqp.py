"""Messages in and out over AMQP (kombu): RabbitMQ by URL, `memory://` inside one process."""

from __future__ import annotations

import contextlib
import functools
import select
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import kombu
from amqp.exceptions import AccessRefused, AMQPError, PreconditionFailed
from kombu.exceptions import KombuError

from adapters import intake, labels
from adapters.contract import Batch, Door, Idempotent
from adapters.endpoints import AmqpIn, AmqpOut
from adapters.lanes import Lanes
from adapters.manifest import Feed, Sink
from config import secrets
from schemas import errors
from schemas.envelope import Message

_LOOK = 0.2  # seconds between looks at the stop event while nothing comes
_POLL = 0.005  # seconds between memory://'s looks at its queues; kombu's own is one second
_LOST = (AMQPError, KombuError, OSError, EOFError)


def connect(endpoint: AmqpIn | AmqpOut) -> kombu.Connection:
    """An open connection. kombu's objects are for one thread: each thread needs its own."""
    url = secrets.resolve(endpoint.url)
    parts = urlsplit(url)
    if parts.scheme == "memory":
        return kombu.Connection(url, transport_options={"polling_interval": _POLL})
    verified = {"context": {"check_hostname": True, "cafile": endpoint.ca}, "server_hostname": parts.hostname}
    tls = verified if parts.scheme == "amqps" else False
    times = {"confirm_publish": True, "read_timeout": endpoint.timeout, "write_timeout": endpoint.timeout}
    opened = kombu.Connection(url, heartbeat=endpoint.heartbeat, connect_timeout=endpoint.timeout, ssl=tls, transport_options=times)
    if endpoint.user:
        opened.userid = endpoint.user
    if endpoint.password:
        opened.password = secrets.resolve(endpoint.password)
    return opened


@contextlib.contextmanager
def _reached(path: str, kind: type[errors.Retry] = errors.EndpointDown) -> Iterator[None]:
    """Every failure of the broker or of the way to it as `Retry`."""
    try:
        yield
    except PreconditionFailed as error:
        hint = "It exists with other settings: set kind: or declare: false"
        raise errors.EndpointDown(f"{path}: {error.reply_text}", hint=hint) from error
    except AccessRefused as error:
        raise errors.EndpointDown(f"{path}: {error.reply_text}", hint="Check user, password and permissions") from error
    except _LOST as error:
        raise kind(f"{path}: {str(error) or 'the broker does not answer in time'}") from error


def _queue(name: str, kind: str, *, memory: bool, exchange: kombu.Exchange | None = None, routing_key: str = "") -> kombu.Queue:
    """A durable queue. A quorum queue's delivery limit would drop innocents with the poison: what it drops goes to NAME.dead."""
    arguments: dict[str, Any] = {"x-queue-type": kind}
    if kind == "quorum":
        arguments |= {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": f"{name}.dead"}
    return kombu.Queue(name, exchange=exchange or "", routing_key=routing_key, durable=True, queue_arguments={} if memory else arguments)


def _declare(queue: kombu.Queue, channel: Any) -> None:
    queue(channel).declare()
    if (queue.queue_arguments or {}).get("x-queue-type") == "quorum":
        kombu.Queue(f"{queue.name}.dead", durable=True, queue_arguments={"x-queue-type": "quorum"})(channel).declare()


def _memory(connection: kombu.Connection) -> bool:
    return bool(connection.transport.driver_type == "memory")


class QueueSource:
    """Consumes one queue; what the door has not stored is not acknowledged."""

    def __init__(self, feed: Feed, endpoint: AmqpIn) -> None:
        self._feed, self._endpoint = feed, endpoint
        self._connection: kombu.Connection | None = None

    def run(self, door: Door, stop: threading.Event) -> None:
        """Consume until `stop` is set. Raises `EndpointDown` when the broker is gone, `UnknownOutcome` when the store does not answer."""
        try:
            with _reached(self._feed.path):
                consumption = _Consumption(self._open(), self._feed, self._endpoint, stop)
                try:
                    consumption.work(door)
                finally:
                    consumption.give_back()
        finally:
            self.close()

    def ping(self) -> str:
        """How many messages wait in the queue."""
        with _reached(self._feed.path), connect(self._endpoint) as connection:
            waiting = connection.channel().queue_declare(self._endpoint.queue, passive=True).message_count
        return f"{waiting} messages wait in {self._endpoint.queue}"

    def close(self) -> None:
        """Whatever was not acknowledged is delivered again."""
        connection, self._connection = self._connection, None
        if connection:
            with contextlib.suppress(*_LOST):
                connection.release()

    def _open(self) -> kombu.Connection:
        self.close()
        self._connection = connect(self._endpoint)
        self._connection.connect()
        return self._connection


class _Consumption:
    """One connection's worth of consuming."""

    def __init__(self, connection: kombu.Connection, feed: Feed, endpoint: AmqpIn, stop: threading.Event) -> None:
        self._connection, self._feed, self._stop = connection, feed, stop
        self._prefetch = endpoint.prefetch
        self._memory = _memory(connection)
        self._held: list[kombu.Message] = []
        channel = connection.channel()
        channel.basic_qos(0, self._prefetch, False)
        queue = _queue(endpoint.queue, endpoint.kind, memory=self._memory)
        if endpoint.declare:
            _declare(queue, channel)
        self._consumer = kombu.Consumer(channel, [queue], on_message=self._held.append, auto_declare=False)
        self._consuming = False

    def work(self, door: Door) -> None:
        while not self._stop.is_set():
            if door.busy():
                self._rest(_LOOK)
                continue
            self._gather()
            if self._held:
                batch = self._held[: self._prefetch]
                if not intake.hand_over(door, [self._message(one) for one in batch], self._rest):
                    return
                self._acknowledge(batch)
                del self._held[: len(batch)]

    def give_back(self) -> None:
        """A broker delivers again by itself; memory:// forgets unless it is told."""
        if self._memory:
            for one in self._held:
                one.requeue()
        self._held.clear()

    def _gather(self) -> None:
        """Take what is waiting already, up to the prefetch; wait only for the first."""
        if not self._consuming:
            self._consumer.consume()
            self._consuming = True
        if not self._held:
            self._drain(_LOOK)
        while 0 < len(self._held) < self._prefetch and self._more():
            pass
        self._connection.heartbeat_check()

    def _more(self) -> bool:
        """Take one more, if it is there already."""
        if self._memory:
            return self._drain(0.0)
        sock = self._connection.connection.sock
        waiting = getattr(sock, "pending", lambda: 0)() or select.select([sock], [], [], 0)[0]
        return bool(waiting) and self._drain(_LOOK)

    def _drain(self, seconds: float) -> bool:
        try:
            self._connection.drain_events(timeout=seconds)
        except TimeoutError:
            return False
        return True

    def _rest(self, seconds: float) -> bool:
        """Stop consuming for a while, answering heartbeats; True when it is time to stop for good."""
        if self._consuming:
            self._consumer.cancel()
            self._consuming = False
        end = time.monotonic() + seconds
        while not self._stop.is_set() and (left := end - time.monotonic()) > 0:
            self._drain(min(left, _LOOK))
            self._connection.heartbeat_check()
        return self._stop.is_set()

    def _message(self, one: kombu.Message) -> Message:
        body = one.body if isinstance(one.body, bytes) else str(one.body).encode()
        return Message(self._feed.system, self._feed.name, one.properties.get("message_id"), body, one.content_type or "")

    def _acknowledge(self, batch: list[kombu.Message]) -> None:
        if self._memory:
            for one in batch:
                one.ack()
        else:
            batch[-1].ack(multiple=True)


@dataclass
class _Lane:
    connection: kombu.Connection
    producer: kombu.Producer
    used: float


class QueueSink:
    """Publishes each batch as one message, and returns when the broker has confirmed it."""

    def __init__(self, declared: Sink, endpoint: AmqpOut) -> None:
        self.idempotent: Idempotent = declared.idempotent or "version"
        self._sink, self._endpoint = declared, endpoint
        self._key = endpoint.routing_key or (endpoint.queue or "")
        self._lanes: Lanes[_Lane] = Lanes(self._open, lambda lane: lane.connection.release())

    def send(self, batch: Batch) -> None:
        """Raises `EndpointDown` when the message was not confirmed, or nobody would get it."""
        try:
            with _reached(self._sink.path):
                lane = self._lane()
            with _reached(self._sink.path, errors.UnknownOutcome if self.idempotent == "no" else errors.EndpointDown):
                self._publish(lane, batch)
        except BaseException:
            self._lanes.drop()  # a confirm that comes late would be credited to the next message
            raise
        lane.used = time.monotonic()

    def ping(self) -> str:
        """Reaches the broker; declares what `send` would."""
        try:
            with _reached(self._sink.path):
                self._lane()
        except BaseException:
            self._lanes.drop()
            raise
        return f"the broker of {self._sink.path} answers"

    def close(self) -> None:
        """Let go of all connections."""
        self._lanes.close()

    def _lane(self) -> _Lane:
        """This thread's connection; one that nobody has kept alive for two heartbeats is not trusted."""
        lane = self._lanes.here()
        if time.monotonic() - lane.used < self._endpoint.heartbeat * 1.5 or _memory(lane.connection):
            return lane
        self._lanes.drop()
        return self._lanes.here()

    def _open(self) -> _Lane:
        connection = connect(self._endpoint)
        try:
            connection.connect()
            channel = connection.channel()
            self._declare(channel, memory=_memory(connection))
            producer = kombu.Producer(channel, exchange=kombu.Exchange(self._endpoint.exchange), auto_declare=False)
        except BaseException:
            with contextlib.suppress(*_LOST):
                connection.release()
            raise
        return _Lane(connection, producer, time.monotonic())

    def _declare(self, channel: Any, *, memory: bool) -> None:
        endpoint = self._endpoint
        if not endpoint.declare:
            return
        exchange = kombu.Exchange(endpoint.exchange, type=endpoint.exchange_type, durable=True) if endpoint.exchange else None
        if exchange:
            exchange(channel).declare()
        if endpoint.queue:
            _declare(_queue(endpoint.queue, endpoint.kind, memory=memory, exchange=exchange, routing_key=self._key), channel)

    def _publish(self, lane: _Lane, batch: Batch) -> None:
        if _memory(lane.connection) and not self._routed(lane.producer.channel):
            raise errors.EndpointDown(f"{self._sink.path}: no queue takes {self._key!r} from {self._endpoint.exchange!r}")
        time_limit = self._endpoint.timeout
        confirm = {} if _memory(lane.connection) else {"mandatory": True, "timeout": time_limit, "confirm_timeout": time_limit}
        lane.producer.publish(
            batch.body,
            routing_key=self._key,
            content_type=batch.content_type or "application/octet-stream",
            content_encoding="binary",
            headers=labels.headers(batch),
            delivery_mode=2,
            message_id=labels.delivery_id(batch),
            **confirm,
        )

    def _routed(self, channel: Any) -> bool:
        """memory:// knows no `mandatory`: it would drop the message without a word."""
        if not self._endpoint.exchange:
            with contextlib.suppress(*_LOST):
                channel.queue_declare(self._key, passive=True)
                return True
            return False
        exchange = channel.typeof(self._endpoint.exchange)
        find = functools.partial(exchange.lookup, channel.get_table(self._endpoint.exchange), self._endpoint.exchange, self._key)
        return bool(find(None))


def source(feed: Feed, endpoint: AmqpIn) -> QueueSource:
    """The source of an AMQP feed."""
    return QueueSource(feed, endpoint)


def sink(declared: Sink, endpoint: AmqpOut) -> QueueSink:
    """The sink of an AMQP exchange."""
    return QueueSink(declared, endpoint)
