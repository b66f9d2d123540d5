"""CRM's sender: posts messages over several kept connections, at a chosen rate, and repeats what got no clear answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

import orjson

from demo import wire
from demo.feeds import Push
from demo.journal import Journal

_LATER = 0.25  # seconds before the next try
_REFUSED = {400, 401, 403, 404, 405, 409, 413, 415, 422}


class Sender:
    """Sends to one hub. `refusals` keeps what was refused: label or id, status and the reason that was given."""

    def __init__(self, host: str, port: int, key: str, journal: Journal, *, connections: int = 4) -> None:
        self._host, self._port, self._key = host, port, key
        self._journal = journal
        self._connections = connections
        self.sent = 0
        self.records = 0
        self.refusals: list[tuple[str, int, str]] = []
        self.finished = asyncio.Event()

    async def send(self, pushes: Iterable[Push], rate: float | None = None) -> None:
        """Send them all; `rate` in messages a second, None for as fast as answered. Ends when each was taken or refused."""
        lanes: list[asyncio.Queue[Push | None]] = [asyncio.Queue(maxsize=4) for _ in range(self._connections)]
        workers = [asyncio.create_task(self._lane(lane)) for lane in lanes]
        try:
            start = asyncio.get_running_loop().time()
            for number, push in enumerate(pushes):
                if rate is not None:
                    await asyncio.sleep(max(0.0, start + number / rate - asyncio.get_running_loop().time()))
                await lanes[(number if push.lane is None else push.lane) % len(lanes)].put(push)
            for lane in lanes:
                await lane.put(None)
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
        self.finished.set()

    async def _lane(self, queue: asyncio.Queue[Push | None]) -> None:
        connection: wire.Connection | None = None
        while (push := await queue.get()) is not None:
            while True:
                if connection is None or not connection.open:
                    connection = await self._connect()
                if await self._try(connection, push):
                    break
                await asyncio.sleep(_LATER)
        if connection is not None:
            connection.close()

    async def _connect(self) -> wire.Connection:
        """As soon as somebody listens: the hub may be starting again."""
        while True:
            with contextlib.suppress(OSError):
                return await wire.connect(self._host, self._port)
            await asyncio.sleep(_LATER)

    async def _try(self, connection: wire.Connection, push: Push) -> bool:
        """One try; answers whether it is over with this message."""
        start = wire.head(f"{self._host}:{self._port}", f"/in/{push.source}", self._key, push.content_type)
        attempt = self._journal.invoke(push)
        status, body = await connection.post(wire.request(start, push.body, push.message_id))
        if status in (200, 202):
            self._journal.settle(attempt, "ok", int(orjson.loads(body)["receipt"]))
            self.sent += 1
            self.records += push.records
            return True
        if status in _REFUSED:
            self._journal.settle(attempt, "fail")
            self.refusals.append((push.message_id or "", status, body.decode("utf-8", "replace")[:500]))
            return True
        self._journal.settle(attempt, "fail" if status == 429 else "unknown")
        return False
