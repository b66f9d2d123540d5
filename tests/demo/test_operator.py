"""The operator's process serves, sends and tells; the load generator measures; both over real sockets."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Literal

import asyncssh
import pytest

from adapters import catalogue, contract, protocols
from demo import badness, billing, child, feeds, history, journal, load, operator, parts, sender, sftp_server, telco, wire
from demo.evidence import Store
from schemas import envelope, errors
from transformers import formats

Reply = Callable[[bytes, bytes], tuple[int, bytes]]


@asynccontextmanager
async def listening(reply: Reply) -> AsyncIterator[int]:
    """A server that reads whole requests and answers each with `reply(head, body)`; status 0 hangs up instead."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                status, body = reply(head, await reader.readexactly(length))
                if not status:
                    break
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@contextmanager
def hub(reply: Reply) -> Iterator[int]:
    """The same in a thread, for callers of another process."""
    found: list[int] = []
    ready, stop = threading.Event(), threading.Event()

    async def main() -> None:
        async with listening(reply) as port:
            found.append(port)
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    assert ready.wait(5)
    yield found[0]
    stop.set()
    thread.join()


def receipts() -> Reply:
    """Receipts 1, 2, 3 ... for all that comes."""
    numbers = iter(range(1, 10**9))
    return lambda _head, _body: (202, json.dumps({"receipt": str(next(numbers)), "duplicate": False}).encode())


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await work()

    asyncio.run(main())


def test_a_sender_repeats_what_got_no_clear_answer_and_notes_every_try(tmp_path: Path) -> None:
    """503 and a lost connection are unknown and sent again, 429 is a refusal for now, 422 one for good."""
    answers = iter([(503, b""), (0, b""), (429, b""), (202, b'{"receipt": "7"}'), (422, b'{"detail": "no"}')])
    log = journal.Journal(tmp_path / "log", "crm")
    seen: list[bytes] = []

    def reply(head: bytes, _body: bytes) -> tuple[int, bytes]:
        seen.append(head)
        return next(answers)

    async def work() -> None:
        async with listening(reply) as port:
            sending = sender.Sender("127.0.0.1", port, "k3y", log, connections=1)
            await sending.send([feeds.Push("crm/customers", b"{}", "application/json", name) for name in ("m1", None)])
            assert (sending.sent, sending.refusals) == (1, [("", 422, '{"detail": "no"}')])

    run(work)
    assert [one.outcome for one in journal.read(tmp_path / "log") if one.outcome != "invoke"] == [
        "unknown",
        "unknown",
        "fail",
        "ok",
        "fail",
    ]
    assert journal.read(tmp_path / "log")[7].receipt == 7
    assert seen[0].startswith(b"POST /in/crm/customers HTTP/1.1\r\n")
    assert b"Authorization: Bearer k3y\r\n" in seen[0]
    assert b"Idempotency-Key: m1\r\n" in seen[0]
    assert b"Idempotency-Key" not in seen[-1]


def test_answers_may_come_in_pieces() -> None:
    """One byte at a time, with the next answer's head behind it."""
    connection = wire.Connection()
    answers: list[tuple[int, bytes]] = []
    connection._done = lambda status, body: answers.append((status, body))
    for byte in b"HTTP/1.1 202 Accepted\r\ncontent-length: 5\r\n\r\nhello":
        connection.data_received(bytes([byte]))
    assert answers == [(202, b"hello")]
    connection._done = lambda status, body: answers.append((status, body))
    connection.connection_lost(None)
    assert answers[1] == (0, b"")


def test_load_sends_each_prepared_request_once() -> None:
    """From its own process, over many connections; what is pushed back is sent again and counted apart."""
    bodies: Counter[bytes] = Counter()
    turns = iter(range(10**9))

    def reply(_head: bytes, body: bytes) -> tuple[int, bytes]:
        if next(turns) % 50 == 0:
            return 503, b""
        bodies[body] += 1
        return 202, b"{}"

    with hub(reply) as port:
        generator = load.Generator(load.Plan("127.0.0.1", port, "/in/crm/customers", "k", count=1000, connections=16))
        result = generator.send()
        generator.stop()
    assert (result.accepted, result.refused, result.unknown) == (1000, 0, 0)
    assert result.pushed_back > 10
    assert set(bodies.values()) == {1}
    assert 0 < result.p50_ms <= result.p99_ms <= result.max_ms


def test_paced_load_keeps_its_rate_whatever_the_answers_do() -> None:
    """A stall of the server shows up in the times of the requests that fell due meanwhile."""
    stalled = iter([False] * 20 + [True] + [False] * 1000)

    def reply(_head: bytes, _body: bytes) -> tuple[int, bytes]:
        if next(stalled):
            time.sleep(0.3)
        return 202, b"{}"

    with hub(reply) as port:
        generator = load.Generator(load.Plan("127.0.0.1", port, "/in/crm/customers", "k", count=100, connections=4, rate=200.0, size=3))
        result = generator.send()
        generator.stop()
    assert (result.accepted, result.records) == (100, 300)
    assert 0.45 < result.seconds < 1.5
    assert result.p99_ms > 150


def test_the_sftp_server_lets_in_one_account_and_keeps_it_in_its_folder(tmp_path: Path) -> None:
    """A wrong password is refused, `..` ends at the root, and the host key stays over restarts."""

    async def work() -> None:
        (tmp_path / "root").mkdir()
        (tmp_path / "root" / "hello.txt").write_text("你好")
        (tmp_path / "secret.txt").write_text("no")
        server = sftp_server.SftpServer(tmp_path / "root", tmp_path / "key", user="u", password="p")
        address = await server.start()
        known = asyncssh.import_known_hosts(f"[127.0.0.1]:{address.port} {address.host_key}\n")
        with pytest.raises(asyncssh.PermissionDenied):
            await asyncssh.connect("127.0.0.1", address.port, username="u", password="wrong", known_hosts=known, client_keys=None)
        async with (
            asyncssh.connect("127.0.0.1", address.port, username="u", password="p", known_hosts=known, client_keys=None) as connection,
            connection.start_sftp_client() as client,
        ):
            assert sorted(name for name in await client.listdir("/") if not name.startswith(".")) == ["hello.txt"]
            assert not await client.exists("../secret.txt")
        await server.stop()
        again = sftp_server.SftpServer(tmp_path / "root", tmp_path / "key", user="u", password="p")
        assert (await again.start()).host_key == address.host_key
        await again.stop()

    run(work)


def test_the_operator_starts_lays_out_sends_and_stops(tmp_path: Path) -> None:
    """One process beside the hub's; its settings fit the packaged systems; its logs are what the history checker reads."""
    with hub(receipts()) as port:
        one = operator.Operator(tmp_path, seed=1, customers=30)
        try:
            places = one.start()
            pid = one._child.pid if one._child else 0
            catalogue.load([catalogue.PACKAGED], places.systems)
            one.lay_out()
            assert (tmp_path / "sftp" / billing.PRODUCTS / "PROD_20261101_0001.txt.ctl").exists()
            assert len(list((tmp_path / "sftp" / billing.ACCOUNTS).glob("*.txt"))) == 2 + len(badness.files())
            assert (tmp_path / "telco" / telco.FILE.name).exists()
            one.post("127.0.0.1", port, "k3y")
            one.publish()
            end = time.monotonic() + 20
            while one.sending:
                assert time.monotonic() < end
                time.sleep(0.05)
            progress = one.progress()
            attempts = one.attempts()
        finally:
            one.stop()
            one.stop()
    assert (progress["failed"], progress["trouble"]) == ("", "")
    assert progress["outcomes"]["ok"] == progress["sent"]
    assert progress["published"] > 8
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    report = history.judge(attempts, [], Store())
    assert (report.lost, report.unknown) == (report.acknowledged, 4)
    assert operator.Operator(tmp_path).attempts()[0] == attempts[0]


class Door:
    """Keeps in memory what a source hands over."""

    def __init__(self) -> None:
        self.files = Claims()
        self.messages: list[envelope.Message] = []

    def receive(self, messages: Sequence[envelope.Message]) -> list[envelope.Receipt | errors.Reject]:
        self.messages += messages
        return [envelope.Receipt(len(self.messages)) for _ in messages]

    def park(self, message: envelope.Message, reason: errors.Reject) -> envelope.Receipt:
        raise AssertionError(reason)

    def stored(self, source: str, feed: str, message_ids: Sequence[str]) -> set[str]:
        return {str(one.message_id) for one in self.messages if (one.source, one.feed) == (source, feed)} & set(message_ids)

    def busy(self) -> bool:
        return False


class Claims:
    """Claims that nobody made before."""

    def __init__(self) -> None:
        self.alarms: dict[str, str] = {}

    def claim(self, file: contract.FileIdentity) -> Literal["new"]:
        return "new"

    def progress(self, file: contract.FileIdentity, *, rows: int, total: int) -> None: ...

    def finish(self, file: contract.FileIdentity, *, rows: int) -> None: ...

    def alarm(self, system: str, path: str, reason: str) -> None:
        self.alarms[path] = reason

    def clear(self, system: str, path: str) -> None:
        self.alarms.pop(path, None)


def test_the_hubs_own_adapters_reach_the_operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are fetched over SFTP and from the folder, the doubtful ones stay; drops and webhooks arrive, and are refused when told so."""
    one = operator.Operator(tmp_path, seed=1, customers=40)
    try:
        places = one.start()
        for name, value in places.environment.items():
            monkeypatch.setenv(name, value)
        systems = catalogue.load([catalogue.PACKAGED], places.systems).systems
        one.lay_out()
        door = Door()
        for system, feed in (("billing", "accounts"), ("billing", "products"), ("telco", "customers")):
            fetch(door, systems[system], feed, tmp_path / "spool", functools.partial(loaded, one, system, feed))
        whole = parts.names((str(message.message_id), message.body) for message in door.messages)
        inbox = [
            {
                "id": number,
                "source": f"{m.source}/{m.feed}",
                "message_id": renamed(m, whole),
                "digest": "",
                "records": form(systems, m).inspect(m.body),
            }
            for number, m in enumerate(door.messages, 1)
        ]
        report = history.judge(one.attempts(), [], Store(inbox))
        assert (report.lost, report.unexpected, report.acknowledged) == (0, 0, 4)
        assert report.accepted > 7043
        assert len(door.files.alarms) == len(badness.files())
        item = contract.Item("e1", 1, "product", "G1", 1, "enter")
        row = "PROD|A|G1|1|P1|套餐|N||100||1|20240101|20991231\n".encode(billing.ENCODING)
        drop = protocols.sink(systems["billing"], "drop")
        drop.send(contract.Batch("billing", "b1", row, "text/plain", [item]))
        drop.close()
        care = protocols.sink(systems["care"], "webhook")
        body = json.dumps({"events": [{"eventId": "e2", "type": "order.opened", "orderKey": "G2", "version": 1, "order": {"no": "O1"}}]})
        batch = contract.Batch("care", "c1", body.encode(), "application/json", [item])
        care.send(batch)
        one.refuse("O1")
        with pytest.raises(errors.Refused, match="O1"):
            care.send(batch)
        one.down()
        with pytest.raises(errors.EndpointDown):
            care.send(batch)
        care.close()
        assert {(got.subscription, got.golden_id) for got in one.received()} == {("billing", "G1"), ("care", "G2")}
    finally:
        one.stop()


def loaded(one: operator.Operator, system: str, feed: str) -> bool:
    """Whether all files of a feed stand in its `done` folder."""
    waiting = [file["sha256"] for file in one.files if file["source"] == f"{system}/{feed}"]
    return all(attempt.outcome == "ok" for attempt in one.attempts() if attempt.digest in waiting)


def renamed(message: envelope.Message, whole: dict[str, str]) -> str:
    prefix, _, number = str(message.message_id).rpartition(":")
    return f"{whole[prefix][:24]}:{number}"


def form(systems: Mapping[str, catalogue.System], message: envelope.Message) -> formats.Format:
    system = systems[message.source]
    return formats.build(system.manifest.feeds[message.feed].format, system.files)


def fetch(door: Door, system: catalogue.System, feed: str, spool: Path, done: Callable[[], bool]) -> None:
    """Run one file source until `done`."""
    source = protocols.source(system, feed, formats.build(system.manifest.feeds[feed].format, system.files), spool)
    assert source is not None
    stop = threading.Event()
    thread = threading.Thread(target=source.run, args=(door, stop))
    thread.start()
    end = time.monotonic() + 15
    while not done() and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(0.7)  # one more look at what must stay
    stop.set()
    thread.join()
    source.close()


def test_a_child_says_what_went_wrong() -> None:
    """In its own words, and goes on; one that ended is down."""
    process = child.Child("demo.premises")
    with pytest.raises(errors.Misconfigured, match="nonsense"):
        process.ask("nonsense")
    process.stop()
    with pytest.raises(errors.EndpointDown):
        process.ask("progress")
