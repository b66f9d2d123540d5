"""The engines that fill the store contract: whoever writes another one adds it here, and every test of this folder judges it."""

from __future__ import annotations

import functools
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from master.sqlite.store import SqliteStore
from master.store import Store


@functools.cache
def _empty() -> Path:
    """A file with all tables, made once: migrations take longer than most tests."""
    path = Path(tempfile.mkdtemp(prefix="mastercopy-tests-")) / "empty.db"
    SqliteStore(path).close()
    return path


def sqlite(folder: Path) -> SqliteStore:
    """The embedded engine on a file of its own; an existing file is opened again."""
    path = folder / "mastercopy.db"
    if not path.exists():
        shutil.copy(_empty(), path)
    return SqliteStore(path)


ENGINES: dict[str, Callable[[Path], Store]] = {"sqlite": sqlite}
