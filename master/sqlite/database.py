"""The SQLite file: one writer connection behind a fair gate, and readers that cannot write."""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas import errors

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
PAGES_PER_CHECKPOINT = 4000  # 16 MB of write-ahead log


class Gate:
    """A lock that is handed on in the order of asking, so that neither appends nor slices of large work starve."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: deque[threading.Lock] = deque()
        self._held = False

    def waiting(self) -> int:
        """How many threads stand before the gate."""
        return len(self._queue)

    def __enter__(self) -> None:
        with self._lock:
            if not self._held:
                self._held = True
                return
            turn = threading.Lock()
            turn.acquire()
            self._queue.append(turn)
        turn.acquire()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._queue:
                self._queue.popleft().release()
            else:
                self._held = False


class Database:
    """Connections to one file. Only `write` changes it, and only its connection checkpoints."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.gate = Gate()
        migrate(path)
        self._writer = _connect(path)
        self._writer.execute("PRAGMA synchronous = FULL")
        self._writer.execute(f"PRAGMA wal_autocheckpoint = {PAGES_PER_CHECKPOINT}")
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._closed = False

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction: committed on leaving, rolled back on an error.

        Raises `Overloaded` when the disk is full, `UnknownOutcome` when COMMIT itself failed.
        """
        with self.gate:
            writer = self._writer
            try:
                writer.execute("BEGIN IMMEDIATE")
                yield writer
            except sqlite3.OperationalError as error:
                _roll_back(writer)
                raise _storage_error(error) from error
            except BaseException:
                _roll_back(writer)
                raise
            self._commit(writer)

    def _commit(self, writer: sqlite3.Connection) -> None:
        try:
            writer.execute("COMMIT")
        except sqlite3.Error as error:
            _roll_back(writer)
            raise errors.UnknownOutcome(str(error), hint="Send it again with the same id") from error

    def read(self) -> sqlite3.Connection:
        """This thread's own connection for queries."""
        reader: sqlite3.Connection | None = getattr(self._local, "reader", None)
        if reader is None:
            reader = _connect(self.path)
            reader.execute("PRAGMA wal_autocheckpoint = 0")
            reader.execute("PRAGMA query_only = ON")
            self._local.reader = reader
            self._readers.append(reader)
        return reader

    def close(self) -> None:
        """Checkpoint and let go."""
        if self._closed:
            return
        self._closed = True
        with self.gate:
            for reader in self._readers:
                reader.close()
            self._writer.close()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256, timeout=10)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA cache_size = -65536")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def _roll_back(writer: sqlite3.Connection) -> None:
    if writer.in_transaction:
        writer.execute("ROLLBACK")


def _storage_error(error: sqlite3.OperationalError) -> errors.Retry:
    if "full" in str(error):
        return errors.Overloaded("the disk is full", hint="Free space on the hub's disk; it goes on by itself")
    return errors.EndpointDown(f"the store failed: {error}")


def migrate(path: Path) -> None:
    """Bring the file to the newest tables. Does nothing, and imports nothing, when it is there already."""
    head = max(file.name[:4] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))
    if _version(path) == head:
        return
    import alembic.command
    import alembic.config
    import sqlalchemy

    engine = sqlalchemy.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config = alembic.config.Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "head")
    engine.dispose()


def _version(path: Path) -> str | None:
    if not path.exists():
        return None
    connection = sqlite3.connect(path)
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(row[0]) if row else None
    except sqlite3.OperationalError:
        return None
    finally:
        connection.close()
