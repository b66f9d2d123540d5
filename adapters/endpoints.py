"""What each protocol's `endpoint:` section may say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adapters import fields
from adapters.fields import need, opt

_AMQP = ("amqp", "amqps", "memory")


@dataclass(frozen=True, kw_only=True)
class HttpIn:
    """Pushes come to the hub's own door, POST /in/SYSTEM/FEED; nothing to say here."""


@dataclass(frozen=True, kw_only=True)
class HttpOut:
    """A webhook. `secret` signs as Standard Webhooks; `timeout` in seconds; `ca` is the path of a PEM file."""

    url: str = need(fields.url("https", "http"))
    method: str = opt(fields.choice("POST", "PUT", "PATCH"), "POST")
    headers: dict[str, str] = opt(fields.headers, {})
    secret: str | None = opt(fields.secret)
    timeout: float = opt(fields.duration, 10.0)
    allow_loopback: bool = opt(fields.switch, False)
    allow_private: tuple[str, ...] = opt(fields.networks, ())
    ca: str | None = opt(fields.text)


@dataclass(frozen=True, kw_only=True)
class AmqpIn:
    """A queue to consume. `prefetch` is also the largest batch; times in seconds; `ca` is the path of a PEM file, for amqps."""

    url: str = need(fields.url(*_AMQP))
    user: str | None = opt(fields.text)
    password: str | None = opt(fields.secret)
    queue: str = need(fields.text)
    kind: str = opt(fields.choice("quorum", "classic"), "quorum")
    declare: bool = opt(fields.switch, True)
    prefetch: int = opt(fields.number(1, 10000), 500)
    heartbeat: float = opt(fields.duration, 10.0)
    timeout: float = opt(fields.duration, 10.0)
    ca: str | None = opt(fields.text)


@dataclass(frozen=True, kw_only=True)
class AmqpOut:
    """An exchange to publish to; `queue` is bound to it when named. `timeout` holds for the confirm, in seconds."""

    url: str = need(fields.url(*_AMQP))
    user: str | None = opt(fields.text)
    password: str | None = opt(fields.secret)
    exchange: str = opt(fields.text, "")
    exchange_type: str = opt(fields.choice("topic", "direct", "fanout", "headers"), "topic")
    routing_key: str = opt(fields.text, "")
    queue: str | None = opt(fields.text)
    kind: str = opt(fields.choice("quorum", "classic"), "quorum")
    declare: bool = opt(fields.switch, True)
    heartbeat: float = opt(fields.duration, 10.0)
    timeout: float = opt(fields.duration, 10.0)
    ca: str | None = opt(fields.text)


@dataclass(frozen=True, kw_only=True)
class _Sftp:
    host: str = need(fields.text)
    port: int = opt(fields.number(1, 65535), 22)
    user: str = need(fields.text)
    password: str | None = opt(fields.secret)
    key_file: str | None = opt(fields.text)
    key_password: str | None = opt(fields.secret)
    host_key: tuple[str, ...] = need(fields.texts)
    timeout: float = opt(fields.duration, 30.0)
    folder: str = opt(fields.text, ".")


def _done(value: Any, spot: fields.Spot) -> str:
    text = fields.text(value, spot)
    inside = text.removesuffix("/")
    if ("/" in inside or inside in (".", "..")) or not (text.endswith("/") or text.startswith(".")):
        raise spot.wrong("a folder beside the files or a suffix is expected", value, "Write done/ or .done")
    return text


@dataclass(frozen=True, kw_only=True)
class _Polled:
    """`interval` between looks; `settle` between the two looks that must agree on a file's size; both in seconds."""

    pattern: str = opt(fields.text, "*")
    interval: float = opt(fields.duration, 10.0)
    settle: float = opt(fields.duration, 1.0)
    done: str = opt(_done, "done/")


@dataclass(frozen=True, kw_only=True)
class SftpIn(_Polled, _Sftp):
    """Files to fetch; loaded ones are moved to `done` (a folder with / at the end, or a suffix)."""


@dataclass(frozen=True, kw_only=True)
class SftpOut(_Sftp):
    """A folder to drop files into. `name` is a pattern of {name}, {subscription}, {first}, {last}, {count}."""

    name: str = opt(fields.text, "{name}")


@dataclass(frozen=True, kw_only=True)
class FolderIn(_Polled):
    """A folder of this machine to read files from."""

    path: str = need(fields.text)


@dataclass(frozen=True, kw_only=True)
class FolderOut:
    """A folder of this machine to drop files into."""

    path: str = need(fields.text)
    name: str = opt(fields.text, "{name}")


IN: dict[str, type[Any]] = {"http": HttpIn, "amqp": AmqpIn, "sftp": SftpIn, "folder": FolderIn}
OUT: dict[str, type[Any]] = {"http": HttpOut, "amqp": AmqpOut, "sftp": SftpOut, "folder": FolderOut}

AnyIn = HttpIn | AmqpIn | SftpIn | FolderIn
AnyOut = HttpOut | AmqpOut | SftpOut | FolderOut
