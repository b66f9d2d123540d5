"""Private servers for tests: each on its own port, in its own folder, with its own keys; gone when the test is."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import os
import shutil
import signal
import socket
import socketserver
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# RabbitMQ's own scripts come first: Debian's wrapper of the same name changes the user.
_WHERE = f"/usr/lib/rabbitmq/bin:{os.environ.get('PATH', '')}:/usr/sbin"


def binary(name: str) -> str:
    """The path of a server's program; the test is skipped, and says why, where it is absent."""
    found = shutil.which(name, path=_WHERE)
    if not found:
        pytest.skip(f"{name} is not installed here (make services installs it)")
    return found


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def wait_for(ready: Callable[[], object], seconds: float = 10.0, what: str = "it") -> None:
    """Return as soon as `ready()` is true; fail the test after `seconds`."""
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, f"{what} did not happen within {seconds:g} s"
        time.sleep(0.01)


def _greets(port: int, start: bytes) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as sock:
        sock.settimeout(1)
        return sock.recv(len(start)) == start
    return False


def _stop(process: subprocess.Popen[bytes], sign: int = signal.SIGTERM, seconds: float = 20) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, sign)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(seconds)


@dataclass
class Sshd:
    """OpenSSH's sshd, letting the user that runs the test in by key. `folder` is a fresh one for files."""

    port: int
    user: str
    key_file: str
    host_key: str
    folder: Path
    settings: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [binary("sshd"), "-D", "-e", "-f", str(self.settings)],
            stdout=subprocess.DEVNULL,
            stderr=(self.settings.parent / "log").open("ab"),
            start_new_session=True,
        )
        wait_for(lambda: _greets(self.port, b"SSH-2.0"), 10, "sshd's greeting")

    def stop(self) -> None:
        """The listener and its sessions, which are groups of their own."""
        if self.process:
            sessions = list(_below(self.process.pid))
            _stop(self.process)
            for pid in sessions:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process = None


def _below(pid: int) -> Iterator[int]:
    """The processes that a process has started, and theirs."""
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid:
                yield int(place.name)
                yield from _below(int(place.name))


@contextlib.contextmanager
def sshd(tmp: Path, *extra: str) -> Iterator[Sshd]:
    """A private sshd; `extra` are lines of its configuration."""
    keygen = binary("ssh-keygen")
    binary("sshd")
    home = tmp / "sshd"
    home.mkdir()
    home.chmod(0o700)
    for name in ("host", "user"):
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", home / name], check=True)
    (home / "authorized").write_bytes((home / "user.pub").read_bytes())
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where it separates its privileges
    files = tmp / "files"
    files.mkdir()
    server = Sshd(free_port(), _user(), str(home / "user"), (home / "host.pub").read_text().strip(), files, home / "config")
    lines = [
        f"Port {server.port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {home / 'host'}",
        f"PidFile {home / 'pid'}",
        f"AuthorizedKeysFile {home / 'authorized'}",
        "StrictModes no",
        "UsePAM no",
        "PasswordAuthentication no",
        "PermitRootLogin prohibit-password",
        "Subsystem sftp internal-sftp",
        *extra,
    ]
    server.settings.write_text("\n".join(lines) + "\n")
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _user() -> str:
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name


@dataclass
class Rabbit:
    """A RabbitMQ node of its own; `process` may be killed and started again over the same data."""

    port: int
    folder: Path
    names_port: int
    process: subprocess.Popen[bytes] | None = None
    names: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"amqp://guest@127.0.0.1:{self.port}//"

    def start(self) -> None:
        log = (self.folder / "log").open("ab")
        if self.names is None:  # in the foreground, so that it ends with us
            command = [binary("epmd"), "-port", str(self.names_port), "-address", "127.0.0.1"]
            self.names = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        self.process = subprocess.Popen(
            [binary("rabbitmq-server")], env=self._environment(), stdout=log, stderr=log, cwd=self.folder, start_new_session=True
        )
        wait_for(self._ready, 60, f"RabbitMQ's greeting (see {self.folder}/log)")

    def stop(self, sign: int = signal.SIGTERM) -> None:
        """With SIGKILL: as when the machine dies."""
        if self.process:
            _stop(self.process, sign)
            self.process = None

    def freeze(self) -> None:
        assert self.process
        os.killpg(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process
        os.killpg(self.process.pid, signal.SIGCONT)

    def _ready(self) -> bool:
        import kombu

        try:
            with kombu.Connection(f"amqp://guest:guest@127.0.0.1:{self.port}//", connect_timeout=2) as connection:
                connection.connect()
        except Exception:
            assert self.process is None or self.process.poll() is None, f"RabbitMQ ended: see {self.folder}/log"
            return False
        return True

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": _WHERE,
            "HOME": str(self.folder),  # its cookie lies here
            "LANG": "C.UTF-8",
            "RABBITMQ_NODENAME": f"t{self.port}@localhost",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "logs"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "none"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
            "ERL_EPMD_PORT": str(self.names_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }


@contextlib.contextmanager
def rabbit(tmp: Path) -> Iterator[Rabbit]:
    """A private RabbitMQ; guest may do everything on it."""
    binary("rabbitmq-server")
    folder = tmp / "rabbit"
    for part in (folder, folder / "data", folder / "logs"):
        part.mkdir(parents=True)
        part.chmod(0o700)
    (folder / "plugins").write_text("[].")
    (folder / "rabbitmq.conf").write_text("disk_free_limit.absolute = 10MB\nheartbeat = 10\n")
    server = Rabbit(free_port(), folder, free_port())
    try:
        server.start()
        yield server
    finally:
        server.stop(signal.SIGKILL)
        if server.names:
            _stop(server.names)


@dataclass
class AsyncSftp:
    """asyncssh's SFTP server in a thread: the one that can be told to misbehave. `folder` is what the client sees as its root."""

    port: int
    user: str
    password: str
    host_key: str
    folder: Path
    stop: Callable[[], None]


@contextlib.contextmanager
def async_sftp(tmp: Path, server: type[Any] | None = None, password: str = "hunter2") -> Iterator[AsyncSftp]:
    """`server` is a subclass of `asyncssh.SFTPServer`."""
    import asyncssh

    folder = tmp / "async-files"
    folder.mkdir(exist_ok=True)
    key = asyncssh.generate_private_key("ssh-ed25519")
    kind = server or asyncssh.SFTPServer

    class Account(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            return True

        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, given: str) -> bool:
            return username == "mastercopy" and given == password

    async def listen() -> Any:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[key],
            server_factory=Account,
            sftp_factory=lambda channel: kind(channel, chroot=str(folder).encode()),
        )

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    acceptor = asyncio.run_coroutine_threadsafe(listen(), loop).result(10)

    async def end() -> None:
        acceptor.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0.05)

    def stop() -> None:
        if thread.is_alive():
            asyncio.run_coroutine_threadsafe(end(), loop).result(10)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)
            loop.close()

    try:
        yield AsyncSftp(acceptor.get_port(), "mastercopy", password, key.export_public_key().decode().strip(), folder, stop)
    finally:
        stop()


@dataclass
class Heard:
    """One request that a receiver got."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """An HTTP receiver on loopback. `answer` is called with each request and gives (status, headers, body)."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.answer: Callable[[Heard], tuple[int, dict[str, str], bytes]] = lambda _: (200, {}, b"ok")
        self.connections = 0
        self.open: list[socket.socket] = []
        self.port = free_port()
        self._server: socketserver.BaseServer | None = None

    def start(self, context: ssl.SSLContext | None = None) -> None:
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                receiver.connections += 1
                receiver.open.append(self.request)
                super().setup()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                heard = Heard(self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                receiver.heard.append(heard)
                status, headers, answer = receiver.answer(heard)
                self.send_response(status)
                for name, value in {"content-length": str(len(answer)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args: object) -> None:
                """Silent."""

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *args: object) -> None:
                """Clients go away on purpose here."""

        self._server = server = Server(("127.0.0.1", self.port), Handler)
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
            for sock in self.open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def receiver(context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A receiver that listens."""
    one = Receiver()
    one.start(context)
    try:
        yield one
    finally:
        one.stop()
