"""What the conformance suite needs of a protocol: a peer to put something in and to look at, and ways to make our own end of it."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kombu

from adapters import catalogue, contract, manifest, protocols
from tests import services
from tests.adapters import cutters

SECRET = "hunter2-of-the-tests"
FILES = {"inbound.yaml": b"", "outbound.yaml": b""}


def system(over: str, feed: dict[str, Any] | None, sink: dict[str, Any] | None, **extra: Any) -> catalogue.System:
    """A system `peer` with a feed `in` or a sink `out`; `extra` are further keys of it."""
    data: dict[str, Any] = {"system": "peer"}
    if feed is not None:
        data["feeds"] = {"in": {"over": over, "endpoint": feed, "format": {"kind": "json"}, "mapping": "inbound.yaml", **extra}}
    if sink is not None:
        data["sinks"] = {"out": {"over": over, "endpoint": sink, "format": {"kind": "json"}, "mapping": "outbound.yaml", **extra}}
    files = {**FILES, "manifest.yaml": b"system: peer\n"}
    return catalogue.System("peer", files, manifest.parse(files, "peer", manifest.Override(data)), Path())


@dataclass
class SourceKit:
    """`put` makes bodies available at the peer, in order; `left` counts what the peer still holds; `down` ends the peer."""

    name: str
    make: Callable[[], contract.Source]
    put: Callable[[list[bytes]], None]
    left: Callable[[], int]
    down: Callable[[], None] = lambda: None


@dataclass
class SinkKit:
    """`got` lists what the peer has: (name or id, body)."""

    name: str
    make: Callable[[], contract.Sink]
    got: Callable[[], list[tuple[str, bytes]]]
    down: Callable[[], None] = lambda: None
    up: Callable[[], None] | None = None


def _queue(url: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    name = f"q{uuid.uuid4().hex}"
    password = {} if url.startswith("memory") else {"password": "env:KIT_RABBIT"}
    return {"url": url, "queue": name, **password}, {"url": url, "queue": name, **password}, name


def _broker(url: str) -> kombu.Connection:
    opened = kombu.Connection(url, transport_options={"polling_interval": 0.001} if url.startswith("memory") else {"confirm_publish": True})
    if not url.startswith("memory"):
        opened.password = "guest"
    return opened


def _size(url: str, name: str) -> int:
    with _broker(url) as broker:
        return int(broker.channel().queue_declare(name, passive=True).message_count)


@contextlib.contextmanager
def amqp_source(url: str, tmp: Path) -> Iterator[SourceKit]:
    """A queue of its own."""
    feed, _, name = _queue(url)
    one = system("amqp", feed, None)

    def make() -> contract.Source:
        found = protocols.source(one, "in", None, tmp)
        assert found
        return found

    def put(bodies: list[bytes]) -> None:
        with _broker(url) as broker:
            channel = broker.channel()
            queue = kombu.Queue(name, durable=True, queue_arguments={} if url.startswith("memory") else _quorum(name))
            queue(channel).declare()
            for body in bodies:
                kombu.Producer(channel).publish(
                    body, routing_key=name, message_id=uuid.uuid4().hex, content_type="application/json", content_encoding="binary"
                )

    put([])
    yield SourceKit("amqp", make, put, lambda: _size(url, name))


def _quorum(name: str) -> dict[str, str]:
    return {"x-queue-type": "quorum", "x-dead-letter-exchange": "", "x-dead-letter-routing-key": f"{name}.dead"}


@contextlib.contextmanager
def amqp_sink(url: str) -> Iterator[SinkKit]:
    """A queue of its own, behind the default exchange."""
    _, sink, name = _queue(url)
    one = system("amqp", None, sink)

    def got() -> list[tuple[str, bytes]]:
        found = []
        with _broker(url) as broker:
            channel = broker.channel()
            while message := kombu.Queue(name)(channel).get():
                message.ack()
                found.append((message.properties["message_id"], message.body))
        seen.extend(found)
        return list(seen)

    seen: list[tuple[str, bytes]] = []
    yield SinkKit("amqp", lambda: protocols.sink(one, "out"), got)


def _drop(folder: Path) -> Callable[[list[bytes]], None]:
    def put(bodies: list[bytes]) -> None:
        for body in bodies:
            number = len(list(folder.glob("[!.]*"))) + sum(1 for _ in folder.glob("done/*"))
            path = folder / f"f{number:04d}.txt"
            path.write_bytes(body)
            os.utime(path, (1_700_000_000 + number, 1_700_000_000 + number))

    return put


def _waiting(folder: Path) -> Callable[[], int]:
    return lambda: len([path for path in folder.iterdir() if path.is_file()])


def file_source(over: str, endpoint: dict[str, Any], folder: Path, spool: Path, down: Callable[[], None] = lambda: None) -> SourceKit:
    """A folder that is looked into; each body is a file."""
    one = system(over, {**endpoint, "interval": "20ms", "settle": "10ms", "pattern": "*.txt"}, None, chunk=2)

    def make() -> contract.Source:
        found = protocols.source(one, "in", cutters.Lines(), spool)
        assert found
        return found

    return SourceKit(over, make, _drop(folder), _waiting(folder), down)


def file_sink(
    over: str, endpoint: dict[str, Any], folder: Path, down: Callable[[], None] = lambda: None, up: Callable[[], None] | None = None
) -> SinkKit:
    """A folder that is dropped into; what is hidden is seen too."""
    one = system(over, None, endpoint)

    def got() -> list[tuple[str, bytes]]:
        return [(path.name, path.read_bytes()) for path in sorted(folder.iterdir())]

    return SinkKit(over, lambda: protocols.sink(one, "out"), got, down, up)


def openssh(server: services.Sshd) -> dict[str, Any]:
    """The endpoint of a private sshd."""
    return {
        "host": "127.0.0.1",
        "port": server.port,
        "user": server.user,
        "key_file": server.key_file,
        "host_key": server.host_key,
        "folder": str(server.folder),
        "timeout": "3s",
    }


def asyncssh(server: services.AsyncSftp) -> dict[str, Any]:
    """The endpoint of an asyncssh server."""
    return {
        "host": "127.0.0.1",
        "port": server.port,
        "user": server.user,
        "password": "env:KIT_PASSWORD",
        "host_key": server.host_key,
        "folder": "/",
        "timeout": "3s",
    }


@contextlib.contextmanager
def webhook() -> Iterator[SinkKit]:
    """A receiver on loopback."""
    with services.receiver() as one:
        endpoint = {
            "url": f"http://127.0.0.1:{one.port}/hook",
            "allow_loopback": True,
            "timeout": "2s",
            "secret": "env:KIT_SIGNING",
            "headers": {"authorization": "env:KIT_TOKEN"},
        }
        folder = system("http", None, endpoint)

        def got() -> list[tuple[str, bytes]]:
            return [(heard.headers["webhook-id"], heard.body) for heard in one.heard]

        yield SinkKit("http", lambda: protocols.sink(folder, "out"), got, one.stop, one.start)
