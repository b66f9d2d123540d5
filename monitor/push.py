"""The HTTP door: POST /in/SYSTEM/FEED stores a body and answers with a receipt, after commit only."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import threading
from collections import deque
from typing import Any

import orjson
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from monitor.problems import problem
from routes.access import Guard
from routes.front import Front
from routes.outcome import outcome
from routes.receive import Answer
from schemas import errors
from schemas.envelope import Message, Receipt

_LONGEST_WAIT = 60.0
_WAIT = re.compile(rb"(?:^|[,;\s])wait=(\d{1,4})\b")


class Mailbox:
    """Carries answers from the committing thread into the event loop, many with one wake-up."""

    def __init__(self) -> None:
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        self._answers: deque[tuple[asyncio.Future[Answer], Answer]] = deque()
        self._lock = threading.Lock()
        self._scheduled = False

    def put(self, future: asyncio.Future[Answer], answer: Answer) -> None:
        """Called from any thread."""
        if threading.get_ident() == self._thread:
            if not future.done():
                future.set_result(answer)
            return
        with self._lock:
            self._answers.append((future, answer))
            if self._scheduled:
                return
            self._scheduled = True
        self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        with self._lock:
            self._scheduled = False
        while self._answers:
            future, answer = self._answers.popleft()
            if not future.done():
                future.set_result(answer)


class PushDoor:
    """Stands before the rest of the application, with nothing between the request and the inbox that is not needed."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._guard = Guard(front.store.keys)
        self._mailbox: Mailbox | None = None

    def before(self, rest: ASGIApp) -> ASGIApp:
        """Answers what is pushed, and hands everything else on."""

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and scope["path"].startswith("/in/"):
                await self._push(scope, receive, send)
            else:
                await rest(scope, receive, send)

        return application

    async def _push(self, scope: Scope, receive: Receive, send: Send) -> None:
        """202 with the receipt; problem+json with the reason otherwise."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        try:
            message = await self._message(scope, headers, receive)
            answer = await self._stored(message)
            if not isinstance(answer, Receipt):
                raise answer
            wait = _WAIT.search(headers.get(b"prefer", b""))
            if wait is None:
                await _send_receipt(answer, message.records, send)
                return
            response = await self._waited(answer, message, min(float(wait[1]), _LONGEST_WAIT))
        except errors.MastercopyError as error:
            response = problem(error)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _message(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive) -> Message:
        _, _, source, feed = (scope["path"] + "/").split("/", 3)
        feed = feed.rstrip("/")
        if scope["method"] != "POST":
            raise errors.NotAllowed(f"{scope['method']} {scope['path']}", hint="Push with POST")
        owner = self._guard.source(_key(headers.get(b"authorization"), headers.get(b"x-api-key")))
        if owner is None:
            raise errors.Unauthorized(
                "there is no valid key in this request", hint="Send Authorization: Bearer KEY; `mastercopy key create` makes one"
            )
        if owner != source:
            raise errors.Forbidden(f"this key is {owner}'s", hint=f"It may push to /in/{owner}/... only")
        body = await _body(receive, headers.get(b"content-length", b""), self._front.limit(source, feed))
        content_type = headers.get(b"content-type", b"").decode("latin-1")
        message = Message(source, feed, _message_id(headers.get(b"idempotency-key")), body, content_type)
        if len(body) > 200_000:  # the check takes long enough to hold up other requests
            return await asyncio.to_thread(self._front.door.checked, message)
        return self._front.door.checked(message)

    async def _stored(self, message: Message) -> Answer:
        if self._mailbox is None:
            self._mailbox = Mailbox()
        mailbox = self._mailbox
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._front.door.submit(message, lambda answer: mailbox.put(future, answer))
        return await future

    async def _waited(self, receipt: Receipt, message: Message, seconds: float) -> Response:
        """The outcome once applied; 202 with the receipt if that takes longer."""
        loop, touched = asyncio.get_running_loop(), asyncio.Event()

        def tell() -> None:
            loop.call_soon_threadsafe(touched.set)

        await asyncio.to_thread(self._front.work.expect, receipt.id, tell)
        try:
            deadline = loop.time() + seconds
            while True:
                touched.clear()
                found = await asyncio.to_thread(outcome, self._front.store, receipt.id)
                if found is not None:
                    body: dict[str, Any] = {"receipt": str(receipt.id), "duplicate": receipt.duplicate, "records": message.records, **found}
                    return Response(orjson.dumps(body), 200, media_type="application/json")
                await asyncio.wait_for(touched.wait(), max(0.0, deadline - loop.time()))
        except TimeoutError:
            return Response(_receipt(receipt, message.records), 202, media_type="application/json")
        finally:
            await asyncio.to_thread(self._front.work.forget, receipt.id)


def _receipt(receipt: Receipt, records: int) -> bytes:
    return b'{"receipt":"%d","duplicate":%s,"records":%d}' % (receipt.id, b"true" if receipt.duplicate else b"false", records)


async def _send_receipt(receipt: Receipt, records: int, send: Send) -> None:
    body = _receipt(receipt, records)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 202, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _message_id(header: bytes | None) -> str | None:
    if header is None:
        return None
    try:
        found = header.decode()
    except UnicodeDecodeError:
        found = ""
    if not 0 < len(found) <= 200 or not found.isprintable():
        raise errors.Undecodable("an Idempotency-Key has 1 to 200 printable characters", place=errors.Place(path="Idempotency-Key"))
    return found


def _key(authorization: bytes | None, api_key: bytes | None) -> str:
    """The key of a request: a bearer token, the password of basic credentials, or X-API-Key; "" if there is none."""
    if authorization is None:
        return (api_key or b"").decode("latin-1")
    kind, _, rest = authorization.decode("latin-1").partition(" ")
    if kind.lower() == "bearer":
        return rest.strip()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(rest, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""


async def _body(receive: Receive, length: bytes, limit: int) -> bytes:
    """The whole body; raises `TooLarge` without reading on, `ClientDisconnect` when the caller hangs up."""
    if length.isdigit() and int(length) > limit:
        raise errors.TooLarge(f"{int(length)} bytes", hint=f"Send less than {limit} bytes at once")
    parts: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise ClientDisconnect
        part = event.get("body", b"")
        size += len(part)
        if size > limit:
            raise errors.TooLarge(f"more than {limit} bytes", hint=f"Send less than {limit} bytes at once")
        parts.append(part)
        if not event.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)
