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
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from monitor.problems import problem
from routes.access import Guard
from routes.flow import Flow
from routes.outcome import outcome
from routes.receive import Answer
from schemas import errors
from schemas.envelope import Message, Receipt

_LONGEST_WAIT = 60.0
_WAIT = re.compile(r"(?:^|[,;\s])wait=(\d{1,4})\b")


class Mailbox:
    """Carries answers from the committing thread into the event loop, many with one wake-up."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._answers: deque[tuple[asyncio.Future[Answer], Answer]] = deque()
        self._lock = threading.Lock()
        self._scheduled = False

    def put(self, future: asyncio.Future[Answer], answer: Answer) -> None:
        """Called from another thread."""
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
    """A plain Starlette endpoint: nothing between the request and the inbox that is not needed."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._guard = Guard(flow.store.keys)
        self._mailbox: Mailbox | None = None

    async def push(self, request: Request) -> Response:
        """202 with the receipt; problem+json with the reason otherwise."""
        try:
            message = await self._message(request)
            answer = await self._stored(message)
            if not isinstance(answer, Receipt):
                raise answer
        except errors.MastercopyError as error:
            return problem(error)
        except ClientDisconnect:
            return Response(status_code=400)
        wait = request.headers.get("prefer")
        if wait and (seconds := _WAIT.search(wait)):
            return await self._waited(answer, message, min(float(seconds[1]), _LONGEST_WAIT))
        return _receipt(answer, message.records)

    async def _message(self, request: Request) -> Message:
        source, feed = request.path_params["system"], request.path_params["feed"]
        owner = self._guard.source(_key(request.headers.get("authorization"), request.headers.get("x-api-key")))
        if owner is None:
            raise errors.Unauthorized("there is no valid key in this request", hint="Send Authorization: Bearer KEY; `mastercopy key create` makes one")
        if owner != source:
            raise errors.Forbidden(f"this key is {owner}'s", hint=f"It may push to /in/{owner}/... only")
        limit = self._flow.limit(source, feed)
        body = await _body(request, limit)
        headers = request.headers
        message_id = headers.get("idempotency-key")
        if message_id is not None and not 0 < len(message_id) <= 200:
            raise errors.Undecodable("an Idempotency-Key has 1 to 200 characters", place=errors.Place(path="Idempotency-Key"))
        message = Message(source, feed, message_id, body, headers.get("content-type", ""))
        if len(body) > 200_000:  # the check takes long enough to hold up other requests
            return await asyncio.to_thread(self._flow.door.checked, message)
        return self._flow.door.checked(message)

    async def _stored(self, message: Message) -> Answer:
        if self._mailbox is None:
            self._mailbox = Mailbox()
        mailbox = self._mailbox
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._flow.door.submit(message, lambda answer: mailbox.put(future, answer))
        return await future

    async def _waited(self, receipt: Receipt, message: Message, seconds: float) -> Response:
        """The outcome once applied; 202 with the receipt if that takes longer."""
        loop, touched = asyncio.get_running_loop(), asyncio.Event()

        def tell() -> None:
            loop.call_soon_threadsafe(touched.set)

        self._flow.waits.expect(receipt.id, tell)
        try:
            deadline = loop.time() + seconds
            while True:
                touched.clear()
                found = await asyncio.to_thread(outcome, self._flow.store, receipt.id)
                if found is not None:
                    body: dict[str, Any] = {"receipt": str(receipt.id), "duplicate": receipt.duplicate, "records": message.records, **found}
                    return Response(orjson.dumps(body), 200, media_type="application/json")
                await asyncio.wait_for(touched.wait(), max(0.0, deadline - loop.time()))
        except TimeoutError:
            return _receipt(receipt, message.records)
        finally:
            self._flow.waits.forget(receipt.id)


def _receipt(receipt: Receipt, records: int) -> Response:
    body = b'{"receipt":"%d","duplicate":%s,"records":%d}' % (receipt.id, b"true" if receipt.duplicate else b"false", records)
    return Response(body, 202, media_type="application/json")


def _key(authorization: str | None, api_key: str | None) -> str:
    """The key of a request: a bearer token, the password of basic credentials, or X-API-Key; "" if there is none."""
    if authorization is None:
        return api_key or ""
    kind, _, rest = authorization.partition(" ")
    if kind.lower() == "bearer":
        return rest.strip()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(rest, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""


async def _body(request: Request, limit: int) -> bytes:
    """The whole body; raises `TooLarge` without reading on."""
    length = request.headers.get("content-length")
    if length is not None and length.isdigit() and int(length) > limit:
        raise errors.TooLarge(f"{length} bytes", hint=f"Send less than {limit} bytes at once")
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise errors.TooLarge(f"more than {limit} bytes", hint=f"Send less than {limit} bytes at once")
        parts.append(part)
    return b"".join(parts)
