"""Webhooks are signed, go only where they may, and every answer is sorted by what happens next."""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from adapters import endpoints, http
from schemas import errors
from tests import services
from tests.conformance import kits
from tests.conformance.test_sinks import batch

KEY = b"a key of some bytes"


def webhook(url: str, lookup: Callable[[str, int], list[str]] | None = None, **endpoint: Any) -> http.WebhookSink:
    """A sink of that address; loopback is allowed unless it says otherwise."""
    values = {"url": url, "allow_loopback": True, "timeout": "500ms", **endpoint}
    declared = kits.system("http", None, values).manifest.sinks["out"]
    assert isinstance(declared.endpoint, endpoints.HttpOut)
    return http.WebhookSink(declared, declared.endpoint, clock=lambda: 1_700_000_000.5, **({"lookup": lookup} if lookup else {}))


@pytest.fixture
def peer() -> Iterator[services.Receiver]:
    """A receiver over plain http."""
    with services.receiver() as one:
        yield one


def local(peer: services.Receiver, **endpoint: Any) -> http.WebhookSink:
    """A sink of that receiver."""
    return webhook(f"http://127.0.0.1:{peer.port}/hook?a=b", **endpoint)


def test_a_receiver_can_check_the_signature(peer: services.Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard Webhooks: HMAC-SHA256 over id.timestamp.body, base64, `v1,`; one for each key while keys are changed."""
    monkeypatch.setenv("KEYS", f"whsec_{base64.b64encode(KEY).decode()} whsec_{base64.b64encode(b'old').decode()}")
    sink = local(peer, secret="env:KEYS")
    sink.send(batch(7, b'{"a": 1}', last=9))
    heard = peer.heard[0].headers
    assert (heard["webhook-timestamp"], peer.heard[0].path, heard["content-type"]) == ("1700000000", "/hook?a=b", "application/json")
    content = f"{heard['webhook-id']}.1700000000.".encode() + b'{"a": 1}'
    expected = [base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode() for key in (KEY, b"old")]
    assert heard["webhook-signature"] == " ".join(f"v1,{one}" for one in expected)
    assert [heard[f"mastercopy-{name}"] for name in ("subscription", "first-seq", "last-seq", "count")] == ["ods", "7", "9", "3"]
    assert heard["host"] == f"127.0.0.1:{peer.port}"


SORTED: list[tuple[int, type[errors.MastercopyError] | None]] = [
    *[(status, None) for status in (200, 201, 202, 204)],
    *[(status, errors.EndpointDown) for status in (301, 302, 307, 401, 402, 403, 404, 405, 407, 418, 500, 502, 503, 504)],
    (410, errors.Gone),
    *[(status, errors.Throttled) for status in (408, 425, 429)],
    *[(status, errors.Refused) for status in (400, 409, 413, 415, 422)],
]


@pytest.mark.parametrize(("status", "kind"), SORTED)
def test_an_answer_is_sorted_by_what_happens_next(peer: services.Receiver, status: int, kind: type[errors.MastercopyError] | None) -> None:
    """Only a refusal of the content parks; endpoint failures and redirects do not; the answer's beginning is kept."""
    body = b"" if status == 204 else b'{"error": "no such branch"}'
    peer.answer = lambda _: (status, {"location": "http://127.0.0.1:1/"}, body)
    sink = local(peer)
    if kind is None:
        sink.send(batch(1))
        return
    with pytest.raises(kind) as caught:
        sink.send(batch(1))
    assert (type(caught.value), len(peer.heard)) == (kind, 1)
    assert f"{status}: " + '{"error": "no such branch"}' in str(caught.value)


@pytest.mark.parametrize(("text", "seconds"), [("7", 7.0), ("Tue, 14 Nov 2023 22:14:00 GMT", 39.5), ("soon", None), ("", None)])
def test_the_receiver_says_how_long_to_wait(peer: services.Receiver, text: str, seconds: float | None) -> None:
    """Retry-After in seconds or as a date."""
    peer.answer = lambda _: (429, {"retry-after": text}, b"")
    with pytest.raises(errors.Throttled) as caught:
        local(peer).send(batch(1))
    assert caught.value.after == seconds


def test_one_connection_is_kept_and_renewed(peer: services.Receiver) -> None:
    """Kept alive over answers of every kind; a connection that the receiver closed meanwhile is not used."""
    sink = local(peer)
    answers = iter([200, 400, 204])
    peer.answer = lambda _: (next(answers, 200), {}, b"")
    for number in range(5):
        try:
            sink.send(batch(number + 1))
        except errors.Refused:
            continue
    assert peer.connections == 1
    peer.stop()
    peer.start()
    services.wait_for(lambda: peer.connections == 1)
    time.sleep(0.05)
    sink.send(batch(9))
    assert (peer.connections, len(peer.heard)) == (2, 6)


def _raw(answer: Callable[[socket.socket], None]) -> tuple[int, threading.Thread]:
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = server.accept()
        with connection, server:
            connection.recv(65536)
            try:
                answer(connection)
            except OSError:
                return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return server.getsockname()[1], thread


def _trickle(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"x: y\r\n")
        time.sleep(0.1)


@pytest.mark.parametrize(
    "answer",
    [_trickle, lambda _: time.sleep(2), lambda connection: connection.sendall(b"\0\0\r\n\r\n"), lambda _: None],
    ids=["trickle", "silence", "garbage", "hanging up"],
)
def test_a_receiver_that_trickles_or_talks_nonsense_holds_nobody(answer: Callable[[socket.socket], None]) -> None:
    """The time limit is for the whole exchange."""
    port, thread = _raw(answer)
    started = time.monotonic()
    with pytest.raises(errors.EndpointDown):
        webhook(f"http://127.0.0.1:{port}/").send(batch(1))
    assert time.monotonic() - started < 1.5
    thread.join(3)


def test_an_endless_answer_costs_the_connection_only(peer: services.Receiver) -> None:
    """At most 64 kB are read."""
    peer.answer = lambda _: (200, {}, b"x" * 1_000_000)
    sink = local(peer)
    sink.send(batch(1))
    sink.send(batch(2))
    assert peer.connections == 2


def test_for_a_sink_that_cannot_repeat_a_lost_answer_is_an_unknown_outcome(peer: services.Receiver) -> None:
    """A work order is not sent blindly again; one that never left is."""
    sink = local(peer, timeout="300ms")
    sink.idempotent = "no"

    def late(_: services.Heard) -> tuple[int, dict[str, str], bytes]:
        time.sleep(0.6)
        return 200, {}, b""

    peer.answer = late
    with pytest.raises(errors.UnknownOutcome):
        sink.send(batch(1))
    peer.stop()
    with pytest.raises(errors.EndpointDown):
        sink.send(batch(1))


def test_a_secret_that_the_receiver_repeats_is_masked(peer: services.Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors are stored and shown."""
    monkeypatch.setenv("TOKEN", "Bearer hunter2hunter2")
    peer.answer = lambda heard: (400, {}, f"bad token {heard.headers['authorization']}".encode())
    with pytest.raises(errors.Refused) as caught:
        local(peer, headers={"authorization": "env:TOKEN"}).send(batch(1))
    assert "bad token ***" in str(caught.value)


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("10.1.2.3", True),
        ("10.2.2.3", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("127.0.0.1", False),
        ("::1", False),
        ("0.0.0.0", False),
        ("169.254.169.254", False),
        ("100.100.100.200", False),
        ("fd00:ec2::254", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:169.254.169.254", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("2002:7f00:1::", False),
        ("224.0.0.1", False),
        ("fe80::1%eth0", False),
    ],
)
def test_every_address_of_a_name_is_checked(address: str, allowed: bool) -> None:
    """Private ranges by name only, this machine and metadata never, however the address is dressed; one bad answer spoils all."""
    asked: list[str] = []

    def lookup(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["93.184.215.14", address]

    sink = webhook("https://hooks.example.cn/", lookup, allow_loopback=False, allow_private=["10.1.0.0/16"])
    if allowed:
        sink._open()
    else:
        with pytest.raises(errors.Misconfigured, match=r"hooks\.example\.cn leads to"):
            sink._open()
    assert asked == ["hooks.example.cn"]


def test_metadata_is_never_called_even_if_its_range_is_allowed() -> None:
    """An allow-list is no way around it."""
    with pytest.raises(errors.Misconfigured, match="never called"):
        webhook("https://m/", lambda *_: ["169.254.169.254"], allow_private=["169.254.0.0/16", "0.0.0.0/0"])._open()


def test_plain_http_stays_on_this_machine() -> None:
    """Even with the range allowed."""
    with pytest.raises(errors.Misconfigured, match="plain http"):
        webhook("http://hooks.example.cn/", lambda *_: ["10.1.2.3"], allow_private=["10.0.0.0/8"]).send(batch(1))


def test_a_name_that_is_not_known_is_a_retry() -> None:
    """Name services fail and come back."""

    def lookup(host: str, port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(errors.EndpointDown):
        webhook("https://nowhere.example.cn/", lookup).send(batch(1))


def _here(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


def _certificate(folder: Path, name: str) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def test_tls_is_verified_against_the_name_not_the_address(tmp_path: Path) -> None:
    """Connects to the checked address, asks for the name, and refuses another's or an unknown certificate."""
    asked: list[str | None] = []
    context = _certificate(tmp_path, "hooks.example.cn")
    context.sni_callback = lambda _sock, name, _context: asked.append(name)
    ca = str(tmp_path / "cert.pem")
    with services.receiver(context) as peer:
        right = f"https://hooks.example.cn:{peer.port}/"
        webhook(right, _here, ca=ca).send(batch(1))
        assert (asked, peer.heard[0].headers["host"]) == (["hooks.example.cn"], f"hooks.example.cn:{peer.port}")
        for sink in (webhook(right, _here), webhook(right.replace("hooks", "other"), _here, ca=ca)):
            with pytest.raises(errors.EndpointDown, match="certificate"):
                sink.send(batch(2))
        assert len(peer.heard) == 1
