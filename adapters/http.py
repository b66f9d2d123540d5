"""Webhooks out: signed as Standard Webhooks, sent to the address that was checked, every answer sorted by what happens next."""

from __future__ import annotations

import base64
import binascii
import email.utils
import hashlib
import hmac
import http.client
import io
import select
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from adapters import addresses, labels
from adapters.contract import Batch, Idempotent
from adapters.endpoints import HttpOut
from adapters.lanes import Lanes
from adapters.manifest import Sink
from config import secrets
from schemas import errors

_ANSWER = 65536  # bytes of an answer that are read; more costs the connection
_EXCERPT = 300  # characters of it that are kept
_REFUSED = (400, 409, 413, 415, 422)
_THROTTLED = (408, 425, 429)


class WebhookSink:
    """One webhook. `clock` gives seconds since 1970; `lookup` resolves names."""

    def __init__(
        self, declared: Sink, endpoint: HttpOut, clock: Callable[[], float] = time.time, lookup: addresses.Resolve = addresses.resolve
    ) -> None:
        self.idempotent: Idempotent = declared.idempotent or "version"
        self._sink, self._endpoint, self._clock, self._lookup = declared, endpoint, clock, lookup
        self._turn = 0
        self._lanes: Lanes[_Line] = Lanes(self._open, lambda line: line.close())

    def send(self, batch: Batch) -> None:
        """POST the batch and sort the answer: see `sort`."""
        try:
            line = self._lanes.here()
            status, headers, body = line.request(self._endpoint.method, batch.body, self._headers(batch, line))
            sort(self._sink.path, status, headers.get("retry-after", ""), line.mask(body), self._clock())
        except errors.Reject:
            raise
        except errors.MastercopyError:
            self._fail()
            raise
        except (OSError, http.client.HTTPException) as error:
            self._fail()
            lost = errors.UnknownOutcome if self.idempotent == "no" and not isinstance(error, _NotSent) else errors.EndpointDown
            raise lost(f"{self._sink.path}: {_said(error)}") from error

    def ping(self) -> str:
        """Connects, and sends nothing."""
        try:
            self._lanes.here().connect()
        except OSError as error:
            self._fail()
            raise errors.EndpointDown(f"{self._sink.path}: {_said(error)}") from error
        except errors.MastercopyError:
            self._fail()
            raise
        return f"{urlsplit(secrets.resolve(self._endpoint.url)).hostname} answers"

    def close(self) -> None:
        """Let go of all connections."""
        self._lanes.close()

    def _fail(self) -> None:
        """The next try resolves the name, reads the secrets and takes the next address anew."""
        self._turn += 1
        self._lanes.drop()

    def _open(self) -> _Line:
        endpoint = self._endpoint
        parts = urlsplit(secrets.resolve(endpoint.url))
        secure, host = parts.scheme == "https", parts.hostname or ""
        if not secure and not endpoint.allow_loopback:
            raise errors.Misconfigured(f"{self._sink.path}: webhooks go over https", hint="Plain http needs allow_loopback: true")
        port = parts.port or (443 if secure else 80)
        rules = addresses.Rules(loopback=endpoint.allow_loopback, only_loopback=not secure, private=endpoint.allow_private)
        found = addresses.checked(host, port, rules, self._lookup)
        context = ssl.create_default_context(cafile=endpoint.ca) if secure else None
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        line = _Line((host, port, found[self._turn % len(found)]), target, context, endpoint.timeout)
        line.extra = {name: secrets.resolve(value) for name, value in endpoint.headers.items()}
        line.keys = _keys(endpoint.secret)
        return line

    def _headers(self, batch: Batch, line: _Line) -> dict[str, str]:
        event, when = labels.delivery_id(batch), str(int(self._clock()))
        found = {"content-type": batch.content_type, "user-agent": "mastercopy", **line.extra, **labels.headers(batch)}
        found |= {"webhook-id": event, "webhook-timestamp": when}
        if line.keys:
            found["webhook-signature"] = " ".join(sign(key, event, when, batch.body) for key in line.keys)
        return found


def sign(key: bytes, event: str, timestamp: str, body: bytes) -> str:
    """One signature as Standard Webhooks wants it (standardwebhooks.com, "Signature scheme")."""
    digest = hmac.digest(key, f"{event}.{timestamp}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode()


def _keys(reference: str | None) -> list[bytes]:
    """The signing keys: `whsec_` and base64 each, several with spaces between while they are changed."""
    keys = []
    for text in secrets.resolve(reference).split() if reference else []:
        try:
            keys.append(base64.b64decode(text.removeprefix("whsec_"), validate=True))
        except binascii.Error as error:
            raise errors.Misconfigured(f"the secret behind {reference} is not base64", hint="Write it as whsec_ and base64") from error
    return keys


def sort(path: str, status: int, retry_after: str, body: str, now: float) -> None:
    """Return for success, raise for all else: `Refused` only where the content is at fault; `now` in seconds since 1970."""
    said = f"{path} answered {status}" + (f": {body}" if body else "")
    if 200 <= status < 300:
        return
    if status in _REFUSED:
        raise errors.Refused(said)
    if status in _THROTTLED:
        raise errors.Throttled(said, after=_seconds(retry_after, now))
    if status == 410:
        raise errors.Gone(said, hint="Ask the subscriber, then enable it again")
    hint = "Redirects are not followed: change url:" if 300 <= status < 400 else ""
    raise errors.EndpointDown(said, after=_seconds(retry_after, now), hint=hint)


def _seconds(text: str, now: float) -> float | None:
    """Retry-After as seconds or as a date (RFC 9110, 10.2.3)."""
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError):
        return None


def _said(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__


class _NotSent(OSError):
    """The connection was not made: the other side has seen nothing."""


class _Line:
    """One kept-alive connection to one checked address."""

    def __init__(self, where: tuple[str, int, str], target: str, context: ssl.SSLContext | None, timeout: float) -> None:
        self.extra: dict[str, str] = {}
        self.keys: list[bytes] = []
        self._host, self._port, self._address = where
        self._target, self._context, self._timeout = target, context, timeout
        self._connection: http.client.HTTPConnection | None = None
        self._sock: _Timed | None = None

    def __repr__(self) -> str:
        return f"_Line({self._host}:{self._port})"

    def connect(self) -> None:
        """Open unless it is open and still good; an idle connection that has something to say has been closed by the other side."""
        if self._sock and not self._sock.readable():
            return
        self.close()
        try:
            raw = socket.create_connection((self._address, self._port), self._timeout)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock = self._context.wrap_socket(raw, server_hostname=self._host) if self._context else raw
        except OSError as error:
            raise _NotSent(_said(error)) from error
        self._sock = _Timed(sock)
        self._connection = http.client.HTTPConnection(self._host, self._port)
        self._connection.default_port = 443 if self._context else 80  # the Host header names other ports
        self._connection.auto_open = 0  # it would resolve the name again, unchecked
        self._connection.sock = self._sock

    def request(self, method: str, body: bytes, headers: dict[str, str]) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Send and read the answer, all within the time limit; the connection is kept if the whole answer was read."""
        self.connect()
        if self._connection is None or self._sock is None:
            raise _NotSent("not connected")
        self._sock.until = time.monotonic() + self._timeout
        self._connection.request(method, self._target, body, headers)
        answer = self._connection.getresponse()
        text = answer.read(_ANSWER)
        if answer.will_close or not answer.isclosed():
            self.close()
        return answer.status, answer.headers, text

    def mask(self, body: bytes) -> str:
        """The answer's beginning, without our own secrets should it repeat them."""
        text = body[: _EXCERPT * 4].decode("utf-8", "replace")
        for value in self.extra.values():
            text = text.replace(value, "***") if len(value) > 7 else text
        return " ".join(text.split())[:_EXCERPT]

    def close(self) -> None:
        sock, self._sock, self._connection = self._sock, None, None
        if sock:
            sock.close()


class _Timed:
    """A socket whose every operation ends at one time, so that an answer that trickles cannot hold a lane."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.until = 0.0

    def readable(self) -> bool:
        return bool(select.select([self._sock], [], [], 0)[0])

    def sendall(self, data: bytes) -> None:
        self._limit()
        self._sock.sendall(data)

    def recv_into(self, buffer: Any) -> int:
        self._limit()
        return self._sock.recv_into(buffer)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        self._sock.close()

    def _limit(self) -> None:
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)


class _Reader(io.RawIOBase):
    """The reading end of a timed socket; closing it leaves the socket open for the next request."""

    def __init__(self, sock: _Timed) -> None:
        self._timed = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._timed.recv_into(buffer)


def sink(declared: Sink, endpoint: HttpOut) -> WebhookSink:
    """The sink of a webhook."""
    return WebhookSink(declared, endpoint)
