"""Every protocol with a real peer, made once for each test; RabbitMQ once for all."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import services
from tests.conformance import kits


@pytest.fixture(scope="session")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[services.Rabbit]:
    """One private broker for the whole suite; nobody stops it."""
    with services.rabbit(tmp_path_factory.mktemp("broker")) as one:
        yield one


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIT_PASSWORD", kits.SECRET)
    monkeypatch.setenv("KIT_RABBIT", "guest")
    monkeypatch.setenv("KIT_TOKEN", f"Bearer {kits.SECRET}")
    monkeypatch.setenv("KIT_SIGNING", "whsec_" + base64.b64encode(kits.SECRET.encode()).decode())


@pytest.fixture(params=["memory", "rabbit", "folder", "openssh", "asyncssh"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[kits.SourceKit]:
    """Every protocol that takes in."""
    with ExitStack() as stack:
        yield _source(stack, request, tmp_path)


@pytest.fixture(params=["openssh", "asyncssh"])
def mortal_source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[kits.SourceKit]:
    """Those whose peer can be taken away here; RabbitMQ dies in its own tests."""
    with ExitStack() as stack:
        yield _source(stack, request, tmp_path)


@pytest.fixture(params=["memory", "rabbit", "folder", "openssh", "asyncssh", "webhook"])
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[kits.SinkKit]:
    """Every protocol that hands out."""
    with ExitStack() as stack:
        yield _sink(stack, request, tmp_path)


@pytest.fixture(params=["openssh", "asyncssh", "webhook"])
def mortal_sink(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[kits.SinkKit]:
    """Those whose peer can be taken away here; RabbitMQ dies in its own tests."""
    with ExitStack() as stack:
        yield _sink(stack, request, tmp_path)


def _source(stack: ExitStack, request: pytest.FixtureRequest, tmp: Path) -> kits.SourceKit:
    match request.param:
        case "memory":
            return stack.enter_context(kits.amqp_source("memory://", tmp))
        case "rabbit":
            return stack.enter_context(kits.amqp_source(request.getfixturevalue("rabbit").url, tmp))
        case "folder":
            (tmp / "in").mkdir()
            return kits.file_source("folder", {"path": str(tmp / "in")}, tmp / "in", tmp / "spool")
        case "openssh":
            sshd = stack.enter_context(services.sshd(tmp))
            return kits.file_source("sftp", kits.openssh(sshd), sshd.folder, tmp / "spool", sshd.stop)
    server = stack.enter_context(services.async_sftp(tmp, password=kits.SECRET))
    return kits.file_source("sftp", kits.asyncssh(server), server.folder, tmp / "spool", server.stop)


def _sink(stack: ExitStack, request: pytest.FixtureRequest, tmp: Path) -> kits.SinkKit:
    match request.param:
        case "memory":
            return stack.enter_context(kits.amqp_sink("memory://"))
        case "rabbit":
            return stack.enter_context(kits.amqp_sink(request.getfixturevalue("rabbit").url))
        case "folder":
            (tmp / "out").mkdir()
            return kits.file_sink("folder", {"path": str(tmp / "out")}, tmp / "out")
        case "openssh":
            sshd = stack.enter_context(services.sshd(tmp))
            return kits.file_sink("sftp", kits.openssh(sshd), sshd.folder, sshd.stop, sshd.start)
        case "webhook":
            return stack.enter_context(kits.webhook())
    server = stack.enter_context(services.async_sftp(tmp, password=kits.SECRET))
    return kits.file_sink("sftp", kits.asyncssh(server), server.folder, server.stop)
