"""SFTP against OpenSSH's sshd and a server that misbehaves: pinned keys, time limits, whole files under their names only."""

from __future__ import annotations

import asyncio
import functools
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from adapters import endpoints, protocols, sftp
from schemas import errors
from tests import services
from tests.adapters import cutters
from tests.adapters.doors import MemoryDoor
from tests.conformance import kits
from tests.conformance.test_sinks import batch
from tests.conformance.test_sources import running

SECRET = kits.SECRET


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIT_PASSWORD", SECRET)


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[services.Sshd]:
    """OpenSSH, renegotiating its keys every megabyte."""
    with services.sshd(tmp_path, "RekeyLimit 1M") as one:
        yield one


def remote(endpoint: dict[str, Any]) -> sftp.Remote:
    """A folder of that server."""
    declared = kits.system("sftp", endpoint, None).manifest.feeds["in"].endpoint
    assert isinstance(declared, endpoints.SftpIn)
    return sftp.Remote(declared)


def test_another_host_key_is_refused_before_anything_is_said(sshd: services.Sshd) -> None:
    """A changed key stops the feed with a hint; the password never leaves."""
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    with pytest.raises(errors.EndpointDown) as caught:
        remote({**kits.openssh(sshd), "host_key": other}).list()
    assert "host key" in str(caught.value)


def test_several_host_keys_may_be_pinned(sshd: services.Sshd) -> None:
    """While the server's key is being changed, both are good."""
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    assert remote({**kits.openssh(sshd), "host_key": [other, sshd.host_key]}).list() == []


def test_a_wrong_password_is_a_retry_and_is_not_repeated(tmp_path: Path) -> None:
    """An expired password is the endpoint's failure: it parks nothing."""
    with services.async_sftp(tmp_path, password="another") as server, pytest.raises(errors.EndpointDown) as caught:
        remote(kits.asyncssh(server)).list()
    assert "does not let mastercopy in" in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("size", [0, 1, 32767, 32768, 32769, 5_000_000])
def test_bytes_arrive_as_they_are(sshd: services.Sshd, size: int) -> None:
    """Across piece borders and new keys every megabyte, both ways."""
    body = bytes(range(256)) * (size // 256 + 1)
    (sshd.folder / "a.bin").write_bytes(body[:size])
    one = remote(kits.openssh(sshd))
    (entry,) = one.list()
    assert b"".join(one.fetch(entry)) == body[:size]
    one.put("b.bin", body[:size])
    assert (sshd.folder / "b.bin").read_bytes() == body[:size]
    one.close()


def test_names_in_any_encoding_are_listed_fetched_and_moved(sshd: services.Sshd) -> None:
    """GBK names are common and must not end the listing."""
    name = "客户.txt".encode("gbk")
    (Path(str(sshd.folder)) / name.decode("utf-8", "surrogateescape")).write_bytes(b"1|2\n")
    one = remote(kits.openssh(sshd))
    (entry,) = one.list()
    assert (b"".join(one.fetch(entry)), entry.shown) == (b"1|2\n", r"\xbf\xcd\xbb\xa7.txt")
    one.move(entry.name, f"done/{entry.name}")
    assert [path.name.encode("utf-8", "surrogateescape") for path in (sshd.folder / "done").iterdir()] == [name]


def test_links_and_pipes_are_not_files(sshd: services.Sshd) -> None:
    """A link out of the folder is not followed, a pipe does not hang us."""
    (sshd.folder / "out.txt").symlink_to("/etc/passwd")
    os.mkfifo(sshd.folder / "pipe.txt")
    one = remote(kits.openssh(sshd))
    assert (one.list(), one.look("out.txt"), one.look("pipe.txt")) == ([], None, None)


class _Plain(asyncssh.SFTPServer):
    """Knows no posix-rename, and will not rename over a file."""

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        raise asyncssh.SFTPOpUnsupported("no such extension")

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        if Path(self.map_path(newpath).decode()).exists():
            raise asyncssh.SFTPFailure("exists")
        super().rename(oldpath, newpath)


class _Full(asyncssh.SFTPServer):
    """Its disk is full after 100 kB."""

    def write(self, file_obj: Any, offset: int, data: bytes) -> Any:
        if offset + len(data) > 100_000:
            raise asyncssh.SFTPFailure("disk quota exceeded")
        return super().write(file_obj, offset, data)


class _Short(asyncssh.SFTPServer):
    """Gives less than it is asked for."""

    def read(self, file_obj: Any, offset: int, size: int) -> Any:
        return super().read(file_obj, offset, min(size, 1000))


class _Frozen(asyncssh.SFTPServer):
    """Stops in mid transfer."""

    async def read(self, file_obj: Any, offset: int, size: int) -> Any:
        if offset >= 65536:
            await asyncio.sleep(60)
        return super().read(file_obj, offset, size)


def _drop(tmp_path: Path, kind: type[asyncssh.SFTPServer], body: bytes, times: int = 1) -> Path:
    with services.async_sftp(tmp_path, kind, password=SECRET) as server:
        sink = protocols.sink(kits.system("sftp", None, kits.asyncssh(server)), "out")
        try:
            for _ in range(times):
                sink.send(batch(1, body))
        finally:
            sink.close()
        return server.folder


def test_a_server_without_posix_rename_is_served(tmp_path: Path) -> None:
    """A repeat still replaces the file."""
    folder = _drop(tmp_path, _Plain, b"body", times=2)
    assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [("ods-00000001", b"body")]


def test_a_full_disk_leaves_nothing_under_the_final_name(tmp_path: Path) -> None:
    """A half-written file is never to be seen, and nothing is parked."""
    with pytest.raises(errors.EndpointDown):
        _drop(tmp_path, _Full, b"x" * 300_000)
    assert [path.name for path in (tmp_path / "async-files").iterdir()] == [".ods-00000001.part"]


def test_a_server_that_gives_little_is_asked_again(tmp_path: Path) -> None:
    """Short answers are no end of file."""
    body = bytes(range(256)) * 300
    with services.async_sftp(tmp_path, _Short, password=SECRET) as server:
        (server.folder / "a.bin").write_bytes(body)
        one = remote(kits.asyncssh(server))
        assert b"".join(one.fetch(one.list()[0])) == body
        one.close()


@pytest.mark.fault
def test_a_server_that_freezes_is_given_up_in_time(tmp_path: Path) -> None:
    """Nothing waits for ever; what was copied so far is thrown away."""
    with services.async_sftp(tmp_path, _Frozen, password=SECRET) as server:
        (server.folder / "a.txt").write_bytes(b"1|1\n" * 100_000)
        feed = {**kits.asyncssh(server), "timeout": "1s", "interval": "20ms", "settle": "10ms"}
        source = protocols.source(kits.system("sftp", feed, None), "in", cutters.Lines(), tmp_path / "spool")
        assert source
        started = time.monotonic()
        with pytest.raises(errors.EndpointDown, match="within 1 s"):
            source.run(MemoryDoor(), threading.Event())
        assert time.monotonic() - started < 3
        source.close()
    assert list((tmp_path / "spool").iterdir()) == []


@pytest.mark.fault
def test_sessions_that_are_cut_again_and_again_lose_nothing(sshd: services.Sshd, tmp_path: Path) -> None:
    """The feed connects again and goes on where it was."""
    feed = {**kits.openssh(sshd), "interval": "20ms", "settle": "10ms"}
    source = protocols.source(kits.system("sftp", feed, None, chunk=10), "in", cutters.Lines(), tmp_path / "spool")
    assert source
    door = MemoryDoor()
    door.after = lambda: time.sleep(0.02)
    bodies = [b"".join(b"%d|%d\n" % (number, row) for row in range(100)) for number in range(5)]
    for number, body in enumerate(bodies):
        (sshd.folder / f"f{number}.txt").write_bytes(body)
    for _ in range(3):
        with running(source, door) as ended:
            time.sleep(0.3)
            sshd.stop()
            services.wait_for(functools.partial(len, ended))
            sshd.start()
    with running(source, door):
        services.wait_for(lambda: len(list((sshd.folder / "done").glob("*"))) == 5)
    assert sorted(b"".join(door.bodies).splitlines()) == sorted(b"".join(bodies).splitlines())


def test_the_control_file_comes_last_and_both_are_whole(sshd: services.Sshd) -> None:
    """A receiver that waits for the control file finds the data complete."""
    control = {"kind": "ctl", "fields": ["name", "rows", "bytes"]}
    sink = protocols.sink(kits.system("sftp", None, kits.openssh(sshd), control=control), "out", cutters.Lines())
    sink.send(batch(1, b"1|1\n2|2\n"))
    sink.close()
    assert (sshd.folder / "ods-00000001.ctl").read_bytes() == b"ods-00000001|2|8\n"
    assert (sshd.folder / "ods-00000001").stat().st_mtime_ns <= (sshd.folder / "ods-00000001.ctl").stat().st_mtime_ns
