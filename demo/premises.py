"""The operator's own process: SFTP server, customer care's webhook door, file drops and CRM's sender, in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import json
import sys
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

from demo import badness, billing, crm, telco
from demo.books import Books
from demo.drops import Drops
from demo.feeds import Push
from demo.journal import Journal
from demo.sender import Sender
from demo.sftp_server import SftpServer
from demo.webhook import Webhook

LOOK = 0.5  # seconds between looks at the file drops

Answer = Coroutine[Any, Any, Any]


class Premises:
    """Everything of the operator that stands outside the hub; each public coroutine is one thing that it can be asked."""

    def __init__(self) -> None:
        self._folder = Path()
        self._seed = self._count = 0
        self._care = Books("care")
        self._drops = Drops(Path(), Books("billing"))
        self._webhook = Webhook(self._care, "")
        self._sftp: SftpServer | None = None
        self._journal: Journal | None = None
        self._sender: Sender | None = None
        self._looking: asyncio.Task[None] | None = None
        self._sending: asyncio.Task[None] | None = None

    async def open(self, folder: str, seed: int, customers: int, user: str, password: str, secret: str) -> dict[str, Any]:
        """Start the servers; answers where they are."""
        self._folder, self._seed, self._count = Path(folder), seed, customers
        self._care = Books("care", self._folder / "received-care.jsonl")
        kept = Books("billing", self._folder / "received-billing.jsonl")
        self._drops = Drops(self._folder / "sftp" / "in" / "master", kept, self._folder / "read-billing.txt")
        self._journal = Journal(self._folder / "attempts-crm.jsonl", "crm")
        self._webhook = Webhook(self._care, secret)
        self._sftp = SftpServer(self._folder / "sftp", self._folder / "sftp.key", user=user, password=password)
        for name in ("out/accounts", "out/products", "in/master"):
            (self._folder / "sftp" / name).mkdir(parents=True, exist_ok=True)
        (self._folder / "telco").mkdir(parents=True, exist_ok=True)
        address = await self._sftp.start()
        self._looking = asyncio.create_task(self._look())
        return {**dataclasses.asdict(address), "url": await self._webhook.start()}

    async def _look(self) -> None:
        while True:
            await asyncio.to_thread(self._drops.look)
            await asyncio.sleep(LOOK)

    async def lay_out(self, turn: int, bad: bool, with_telco: bool) -> list[dict[str, Any]]:
        """Put this turn's files out, but for those that were put out before; answers what the hub is to load.

        Bad files come with turn 0: they hold bad rows, or are not to be touched.
        """
        root = self._folder / "sftp"
        files = [billing.accounts(self._seed, self._count, turn)] + ([billing.catalogue()] if turn == 0 else [])
        files += [badness.account_rows()[0]] if bad and turn == 0 else []
        for file in files:
            if not (root / file.folder / "done" / file.name).exists():
                file.lay_out(root)
        for untouched in badness.files() if bad and turn == 0 else []:
            untouched.file.lay_out(root)
        if with_telco and turn == 0 and not (self._folder / "telco" / "done" / telco.FILE.name).exists():
            telco.lay_out(self._folder / "telco")
        told: list[dict[str, Any]] = [
            {"source": file.source, "name": file.name, "rows": file.rows, "sha256": file.sha256} for file in files
        ]
        figures = telco.figures() if with_telco and turn == 0 else None
        if figures is not None:
            told.append({"source": telco.SOURCE, "name": telco.FILE.name, "rows": figures.rows, "sha256": figures.sha256})
        return told

    async def post(self, host: str, port: int, key: str, turn: int, connections: int, rate: float | None, bad: bool) -> None:
        """Let CRM send this turn's messages, in the background; with `bad`, the bad ones after the good."""
        assert self._journal is not None
        if self._sending is not None:
            await self._sending
        self._sender = Sender(host, port, key, self._journal, connections=connections)
        pushes: Iterable[Push] = crm.pushes(self._seed, self._count, turn)
        if bad:
            lane = itertools.count()
            wrong = [(one.before, one.push) for one in badness.over_http()]
            pushes = itertools.chain(
                pushes, *([dataclasses.replace(p, lane=n) for p in pair if p] for n, pair in zip(lane, wrong, strict=False))
            )
        self._sending = asyncio.create_task(self._sender.send(pushes, rate))

    async def halt(self) -> None:
        """CRM sends nothing more; what is on its way gets no word on its outcome."""
        if self._sending is not None:
            self._sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await self._sending
            self._sending = None

    async def progress(self) -> dict[str, Any]:
        """How far everybody is."""
        sender = self._sender
        return {
            "sending": self._sending is not None and not self._sending.done(),
            "failed": repr(self._sending.exception()) if self._sending and self._sending.done() and self._sending.exception() else "",
            "sent": sender.sent if sender else 0,
            "records": sender.records if sender else 0,
            "refusals": sender.refusals if sender else [],
            "outcomes": dict(self._journal.outcomes) if self._journal else {},
            "care": self._care.totals(),
            "billing": self._drops.books.totals() | {"files": self._drops.files, "problems": self._drops.problems},
            "forged": self._webhook.forged,
        }

    async def refuse(self, numbers: list[str]) -> None:
        """Customer care refuses these customers, subscriptions and orders (422), by the numbers that people know them by."""
        self._webhook.refuse = set(numbers)

    async def down(self, down: bool) -> None:
        """Customer care answers 503, or no longer."""
        self._webhook.down = down

    async def look(self) -> None:
        """Read the file drops at once."""
        await asyncio.to_thread(self._drops.look)

    async def close(self) -> None:
        """Stop everything."""
        for task in (self._sending, self._looking):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await task
        await self._webhook.stop()
        if self._sftp is not None:
            await self._sftp.stop()
        for books in (self._care, self._drops.books):
            books.close()


async def serve() -> None:
    """Answer one question a line until the input ends."""
    premises = Premises()
    known: dict[str, Callable[..., Answer]] = {
        one.__name__: one
        for one in (
            premises.open, premises.lay_out, premises.post, premises.halt, premises.progress, premises.refuse, premises.down, premises.look,
        )
    }  # fmt: skip
    while line := await asyncio.to_thread(sys.stdin.readline):
        question = json.loads(line)
        try:
            answer = {"answer": await known[question.pop("do")](**question)}
        except Exception as error:  # the one who asked decides
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    await premises.close()


if __name__ == "__main__":
    asyncio.run(serve())
