"""Files in and out over SFTP (paramiko): pinned host keys, a time limit on everything, reconnect after any error."""

from __future__ import annotations

import base64
import binascii
import contextlib
import socket
import stat
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paramiko
from paramiko.message import Message as Packet
from paramiko.pkey import UnknownKeyType
from paramiko.sftp import CMD_CLOSE, CMD_DATA, CMD_HANDLE, CMD_NAME, CMD_OPENDIR, CMD_READ, CMD_READDIR, CMD_STATUS, int64

from adapters import chunks, drops, files
from adapters.endpoints import SftpIn, SftpOut
from adapters.files import Entry
from adapters.lanes import Lanes
from adapters.manifest import Feed, Sink
from config import secrets
from schemas import errors

_PIECE = 32768  # what every server answers in one piece
_AHEAD = 64  # requests under way
_KEEPALIVE = 15  # seconds


class _Session(paramiko.SFTPClient):
    """What paramiko's own client lacks: names in any encoding, and reading ahead without a thread that outlives the connection."""

    def names(self, folder: bytes) -> Iterator[tuple[bytes, paramiko.SFTPAttributes]]:
        """Every name in the folder, as its bytes."""
        kind, packet = self._call(CMD_OPENDIR, folder)
        if kind != CMD_HANDLE:
            raise paramiko.SFTPError("a handle was expected")
        handle = packet.get_binary()
        while True:
            try:
                kind, packet = self._call(CMD_READDIR, handle)
            except EOFError:
                break
            if kind != CMD_NAME:
                raise paramiko.SFTPError("names were expected")
            for _ in range(packet.get_int()):
                name = packet.get_string()
                packet.get_string()
                yield name, paramiko.SFTPAttributes._from_msg(packet)  # type: ignore[attr-defined]  # noqa: SLF001
        self._call(CMD_CLOSE, handle)

    def pieces(self, path: bytes, size: int) -> Iterator[bytes]:
        """The first `size` bytes of the file in order; fewer if there are no more."""
        with self.open(path, "rb") as remote:
            answers = _Answers()
            asked: deque[tuple[int, int, int]] = deque()
            offset = 0
            while offset < size or asked:
                while offset < size and len(asked) < _AHEAD:
                    length = min(_PIECE, size - offset)
                    asked.append((self._ask(answers, remote.handle, offset, length), offset, length))
                    offset += length
                yield from self._piece(answers, remote.handle, *asked.popleft())

    def _piece(self, answers: _Answers, handle: Any, number: int, offset: int, length: int) -> Iterator[bytes]:
        """One piece, in parts where the server gives less than it is asked for."""
        while data := self._answer(answers, number):
            yield data
            offset, length = offset + len(data), length - len(data)
            if length <= 0:
                return
            number = self._ask(answers, handle, offset, length)

    def _call(self, kind: int, *args: object) -> tuple[int, Packet]:
        return self._request(kind, *args)  # type: ignore[attr-defined,no-any-return]

    def _ask(self, answers: _Answers, handle: Any, offset: int, length: int) -> int:
        return int(self._async_request(answers, CMD_READ, handle, int64(offset), length))  # type: ignore[attr-defined]

    def _answer(self, answers: _Answers, number: int) -> bytes:
        kind, packet = answers.early.pop(number, None) or self._read_response(number)  # type: ignore[attr-defined]
        try:
            if kind == CMD_STATUS:
                self._convert_status(packet)  # type: ignore[attr-defined]
        except EOFError:
            return b""
        if kind != CMD_DATA:
            raise paramiko.SFTPError("data was expected")
        return bytes(packet.get_string())


class _Answers:
    """Answers that came before they were waited for: servers may answer in any order."""

    def __init__(self) -> None:
        self.early: dict[int, tuple[int, Packet]] = {}

    def _async_response(self, kind: int, packet: Packet, number: int) -> None:
        self.early[number] = (kind, packet)


class Remote:
    """A folder on an SFTP server; connects when first used, and again after any error. One thread uses it at a time."""

    def __init__(self, endpoint: SftpIn | SftpOut) -> None:
        self._endpoint = endpoint
        self._client: paramiko.SSHClient | None = None
        self._session: _Session | None = None

    def __repr__(self) -> str:
        return f"Remote({self._endpoint.host}:{self._endpoint.port})"

    def list(self) -> list[Entry]:
        """Regular files only."""
        with self._reached(folder=True) as session:
            found = [(name, status) for name, status in session.names(self._path("")) if stat.S_ISREG(status.st_mode or 0)]
            return [_entry(name.decode("utf-8", "surrogateescape"), status) for name, status in found if name not in (b".", b"..")]

    def look(self, name: str) -> Entry | None:
        with self._reached() as session:
            try:
                status = session.lstat(self._path(name))
            except FileNotFoundError:
                return None
            return _entry(name, status) if stat.S_ISREG(status.st_mode or 0) else None

    def fetch(self, entry: Entry) -> Iterator[bytes]:
        if self.look(entry.name) is None:  # opening a pipe would hang the server
            raise FileNotFoundError(entry.shown)
        with self._reached() as session:
            yield from session.pieces(self._path(entry.name), entry.size)

    def move(self, name: str, target: str) -> None:
        with self._reached() as session:
            folder = target.rpartition("/")[0]
            if folder:
                with contextlib.suppress(OSError):  # it is there already; if not, the rename says so
                    session.mkdir(self._path(folder))
            self._rename(session, self._path(name), self._path(target))

    def put(self, name: str, body: bytes) -> None:
        with self._reached() as session:
            part = self._path(f".{name}.part")
            with session.open(part, "wb") as stream:
                stream.set_pipelined(True)
                stream.write(body)
            arrived = session.stat(part).st_size
            if arrived != len(body):
                raise OSError(f"{arrived} of {len(body)} bytes arrived")
            self._rename(session, part, self._path(name))

    def ping(self) -> str:
        with self._reached(folder=True) as session:
            session.stat(self._path(""))
        return f"{self._endpoint.user}@{self._endpoint.host}:{self._endpoint.port} answers, and {self._endpoint.folder} is there"

    def close(self) -> None:
        client, self._client, self._session = self._client, None, None
        if client:
            client.close()

    def _path(self, name: str) -> bytes:
        folder = self._endpoint.folder.rstrip("/") or "/"
        return f"{folder}/{name}".encode("utf-8", "surrogateescape") if name else folder.encode()

    @staticmethod
    def _rename(session: _Session, source: bytes, target: bytes) -> None:
        try:
            session.posix_rename(source, target)
        except (FileNotFoundError, PermissionError, TimeoutError):
            raise
        except OSError:  # a server without posix-rename: not atomic, but whole
            with contextlib.suppress(FileNotFoundError):
                session.remove(target)
            session.rename(source, target)

    @contextlib.contextmanager
    def _reached(self, *, folder: bool = False) -> Iterator[_Session]:
        """Sorts errors: one about a file goes on as `OSError`; all others, and all about the folder, drop the connection."""
        where = f"{self._endpoint.host}:{self._endpoint.port}"
        try:
            yield self._session or self._connect()
        except errors.MastercopyError:
            self.close()
            raise
        except TimeoutError as error:
            self.close()
            raise errors.EndpointDown(f"{where} does not answer within {self._endpoint.timeout:g} s") from error
        except OSError as error:
            if folder or not self._alive():
                self.close()
                raise errors.EndpointDown(f"{where}: {error}") from error
            raise
        except (paramiko.SSHException, EOFError, UnicodeError) as error:
            self.close()
            raise errors.EndpointDown(f"{where}: {str(error) or 'the connection was closed'}") from error

    def _alive(self) -> bool:
        transport = self._client.get_transport() if self._client else None
        channel = self._session.get_channel() if self._session else None
        return bool(transport and transport.is_active() and channel and not channel.closed)

    def _connect(self) -> _Session:
        self.close()
        endpoint = self._endpoint
        client = self._client = paramiko.SSHClient()
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        for key in _host_keys(endpoint.host_key):
            client.get_host_keys().add(_known_as(endpoint.host, endpoint.port), key.get_name(), key)
        sock = socket.create_connection((endpoint.host, endpoint.port), endpoint.timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # without it small files go a hundred times slower
        try:
            client.connect(endpoint.host, endpoint.port, endpoint.user, sock=sock, **_login(endpoint))
        except paramiko.BadHostKeyException as error:
            hint = "Ask its owner before changing host_key:"
            raise errors.EndpointDown(f"{endpoint.host} shows another host key than the pinned one", hint=hint) from error
        except paramiko.AuthenticationException as error:
            raise errors.EndpointDown(f"{endpoint.host} does not let {endpoint.user} in", hint="Check user and password or key") from error
        transport = client.get_transport()
        if transport is None:
            raise errors.EndpointDown(f"{endpoint.host} closed the connection")
        transport.set_keepalive(_KEEPALIVE)
        channel = transport.open_session(timeout=endpoint.timeout)
        channel.settimeout(endpoint.timeout)
        channel.invoke_subsystem("sftp")
        self._session = _Session(channel)
        return self._session


def _login(endpoint: SftpIn | SftpOut) -> dict[str, Any]:
    password = secrets.resolve(endpoint.password) if endpoint.password else None
    passphrase = secrets.resolve(endpoint.key_password) if endpoint.key_password else None
    key = str(Path(endpoint.key_file.removeprefix("file:")).expanduser()) if endpoint.key_file else None
    limits = dict.fromkeys(("timeout", "banner_timeout", "auth_timeout", "channel_timeout"), endpoint.timeout)
    return {"password": password, "passphrase": passphrase, "key_filename": key, "allow_agent": False, "look_for_keys": False, **limits}


def _known_as(host: str, port: int) -> str:
    return host if port == 22 else f"[{host}]:{port}"


def _host_keys(texts: tuple[str, ...]) -> Iterator[paramiko.PKey]:
    for line in (line for text in texts for line in secrets.resolve(text).splitlines() if line.strip()):
        kind, _, rest = line.strip().partition(" ")
        try:
            yield paramiko.PKey.from_type_string(kind, base64.b64decode(rest.split(" ", 1)[0], validate=True))
        except (paramiko.SSHException, UnknownKeyType, binascii.Error, ValueError) as error:
            hint = "Write it as ssh-keyscan prints it, without the host"
            raise errors.Misconfigured("host_key is not a public host key", value=line[:40], hint=hint) from error


def _entry(name: str, status: paramiko.SFTPAttributes) -> Entry:
    return Entry(name, status.st_size or 0, status.st_mtime or 0)


def source(feed: Feed, endpoint: SftpIn, cutter: chunks.Cutter, spool: Path) -> files.FileSource:
    """The source of an SFTP feed."""
    return files.FileSource(Remote(endpoint), feed, cutter, spool)


def sink(declared: Sink, endpoint: SftpOut, cutter: chunks.Cutter | None) -> drops.FileSink:
    """The sink of an SFTP folder."""
    return drops.FileSink(Lanes[drops.Target](lambda: Remote(endpoint), drops.Target.close), declared, cutter)
