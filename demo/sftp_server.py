"""The operator's SFTP server: a folder, one account, a host key of its own."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from pathlib import Path

import asyncssh


@dataclass(frozen=True)
class Address:
    """Where it listens; `host_key` is the line that a client pins ("ssh-ed25519 AAAA...")."""

    host: str
    port: int
    host_key: str


class _Account(asyncssh.SSHServer):
    def __init__(self, user: str, password: str) -> None:
        self._user = user
        self._password = password

    def begin_auth(self, username: str) -> bool:
        """Every account needs a password, known or not."""
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return username == self._user and hmac.compare_digest(password.encode(), self._password.encode())


def host_key(file: Path) -> asyncssh.SSHKey:
    """The server's key, made on first use and kept, so that a client's pin holds over restarts."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(file))
        file.chmod(0o600)
    return asyncssh.read_private_key(str(file))


class SftpServer:
    """Serves `folder` to one user, who sees it as `/` and cannot leave it."""

    def __init__(self, folder: Path, key_file: Path, *, user: str, password: str) -> None:
        self._folder = folder
        self._key = host_key(key_file)
        self._user = user
        self._password = password
        self._acceptor: asyncssh.SSHAcceptor | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> Address:
        """Listen; port 0 takes a free one."""
        root = str(self._folder.resolve()).encode()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._acceptor = await asyncssh.listen(
            host,
            port,
            server_host_keys=[self._key],
            server_factory=lambda: _Account(self._user, self._password),
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=root),
            allow_scp=False,
        )
        return Address(host, self._acceptor.get_port(), self._key.export_public_key().decode().strip())

    async def stop(self) -> None:
        """Stop listening and end the sessions. May be called twice."""
        if self._acceptor is not None:
            self._acceptor.close()
            await self._acceptor.wait_closed()
            self._acceptor = None
