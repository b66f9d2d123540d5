"""Customer care's door for webhooks: checks each signature, keeps books, and can be told to refuse keys or to be down."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import socket
import time
from decimal import Decimal
from typing import Any

import orjson
import uvicorn

from demo.books import Arrival, Books

ENTITIES = {"customer": "no", "subscription": "number", "order": "no"}
_AGE = 300  # seconds that a signature holds


def signed(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """The signature of Standard Webhooks: HMAC-SHA256 over id.timestamp.body; `secret` is whsec_ and base64."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


def arrivals(body: bytes) -> list[Arrival]:
    """The events of one delivery. Raises ValueError and KeyError for what is not what care agreed on."""
    found = []
    for event in orjson.loads(body)["events"]:
        entity = next(entity for entity in ENTITIES if f"{entity}Key" in event)
        about: dict[str, Any] = event.get(entity) or {}
        gone = event["type"].endswith((".removed", ".closed"))
        monthly = int(Decimal(str(about["monthlyYuan"])) * 100) if "monthlyYuan" in about else None
        number = str(about.get(ENTITIES[entity], ""))
        found.append(Arrival(entity, event[f"{entity}Key"], event["version"], event["eventId"], gone, number, monthly))
    return found


class Webhook:
    """An HTTP server for POST. 401 for a wrong signature, 422 where a refused key is among the events, 503 while it is down."""

    def __init__(self, books: Books, secret: str) -> None:
        self._books = books
        self._secret = secret
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None
        self.refuse: set[str] = set()
        self.down = False
        self.forged = 0

    def judge(self, headers: dict[str, str], body: bytes, now: float) -> tuple[int, str]:
        """The answer to one delivery, and the entry in the books; pure but for them."""
        if self.down:
            return 503, "care is down for maintenance"
        message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        wanted = signed(self._secret, message_id, timestamp, body)
        given = headers.get("webhook-signature", "").split()
        if not timestamp.isdigit() or abs(now - int(timestamp)) > _AGE or not any(hmac.compare_digest(wanted, one) for one in given):
            self.forged += 1
            return 401, "the signature is wrong"
        try:
            came = arrivals(body)
        except (ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
            return 400, f"not what care agreed on: {error!r}"
        refused = [one.number for one in came if one.number in self.refuse]
        if refused:
            self._books.refused.update(refused)
            return 422, f"care refuses {', '.join(refused)}"
        self._books.take(came)
        return 204, ""

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """The ASGI side."""
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            part = await receive()
            body += part.get("body", b"")
            more = part.get("more_body", False)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        status, text = self.judge(headers, body, time.time()) if scope["method"] == "POST" else (405, "POST only")
        head = [(b"content-type", b"text/plain; charset=utf-8")] if text else []
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": text.encode()})

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen, and answer the address to deliver to; port 0 takes a free one."""
        listening = socket.create_server((host, port))
        config = uvicorn.Config(self, lifespan="off", log_level="warning", access_log=False, timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._task = asyncio.create_task(self._server.serve([listening]))
        while not self._server.started and not self._task.done():  # noqa: ASYNC110  uvicorn says it by a flag
            await asyncio.sleep(0.005)
        return f"http://{host}:{listening.getsockname()[1]}/hooks/mastercopy"

    async def stop(self) -> None:
        """Stop listening. May be called twice."""
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await self._task
            self._server = self._task = None
