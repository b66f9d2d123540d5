"""Secrets by reference: a setting names where its secret lies, and the secret itself is read only when it is used."""

from __future__ import annotations

import os
from pathlib import Path

from schemas import errors

KINDS = ("env:", "file:", "credential:")
HINT = "Write env:NAME, file:/path or credential:NAME (systemd) instead of the secret itself"


def is_reference(text: str) -> bool:
    """Whether this names a place instead of being a value."""
    return text.startswith(KINDS)


def resolve(text: str) -> str:
    """The secret behind `env:NAME`, `file:/path` or `credential:NAME`; other text is answered as it is.

    A file's last line end is not part of the secret. Raises `Misconfigured`, which names the reference and never the secret.
    """
    kind, _, name = text.partition(":")
    if kind == "env" and name:
        return _environment(name, text)
    if kind == "file" and name:
        return _file(Path(name).expanduser(), text)
    if kind == "credential" and name:
        return _file(Path(os.environ.get("CREDENTIALS_DIRECTORY", "/run/credentials")) / Path(name).name, text)
    return text


def _environment(name: str, text: str) -> str:
    if name not in os.environ:
        raise errors.Misconfigured(f"{text} is not set", hint=f"Set the environment variable {name}")
    return os.environ[name]


def _file(path: Path, text: str) -> str:
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise errors.Misconfigured(f"{text} cannot be read: {why}", hint="Check the path and who may read it") from error
