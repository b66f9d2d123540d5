"""A keep-alive HTTP/1.1 client that costs next to nothing, so that a load test measures the hub and not itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

Done = Callable[[int, bytes], None]
_BUSY = "one request at a time"


class Connection(asyncio.Protocol):
    """One connection, one request at a time. The other side must send Content-Length, as the hub does.

    `done(status, body)` is called once for each `send`; status 0 means that the connection ended without an answer,
    so the outcome is not known.
    """

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._done: Done | None = None

    @property
    def open(self) -> bool:
        return self._transport is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none of asyncio's classes

    def send(self, request: bytes, done: Done) -> None:
        """Write these bytes, a whole request, and call `done` with the answer."""
        if self._transport is None:
            done(0, b"")
            return
        assert self._done is None, _BUSY
        self._done = done
        self._transport.write(request)

    async def post(self, request: bytes) -> tuple[int, bytes]:
        """The same for callers that wait."""
        answer: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        self.send(request, lambda status, body: None if answer.done() else answer.set_result((status, body)))
        return await answer

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        head = data.find(b"\r\n\r\n")
        end = head + 4 + _length(data, head) if head >= 0 else len(data) + 1
        if len(data) < end:
            self._buffer = data
            return
        self._buffer = data[end:]
        done, self._done = self._done, None
        if done is not None:
            done(int(data[9:12]), data[head + 4 : end])

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None
        done, self._done = self._done, None
        if done is not None:
            done(0, b"")

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def _length(data: bytes, head: int) -> int:
    start = data.lower().find(b"content-length:", 0, head)
    return int(data[start + 15 : data.find(b"\r\n", start)]) if start >= 0 else 0


async def connect(host: str, port: int) -> Connection:
    """Open one connection. Raises OSError."""
    _, connection = await asyncio.get_running_loop().create_connection(Connection, host, port)
    return connection


def head(host: str, path: str, key: str, content_type: str) -> bytes:
    """The part of a POST that is the same for every request of a source."""
    return f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\nContent-Type: {content_type}\r\n".encode()


def request(start: bytes, body: bytes, message_id: str | None = None) -> bytes:
    """A whole POST: `start` from `head`, the caller's id where it sends one, the body."""
    named = b"Idempotency-Key: " + message_id.encode() + b"\r\n" if message_id is not None else b""
    return b"%bContent-Length: %d\r\n%b\r\n%b" % (start, len(body), named, body)
