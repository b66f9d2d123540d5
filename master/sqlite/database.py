"""The SQLite file: one writer connection behind a fair gate, and readers that cannot write."""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from schemas import errors

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
T = TypeVar("T")

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


@dataclass(slots=True)
class _Job:
    """Work that waits for the writer, and what came of it."""

    work: Callable[[sqlite3.Connection], Any]
    done: bool = False
    result: Any = None
    error: BaseException | None = None


class _Reader:
    """One thread's connection for queries; it is closed when the thread is gone."""

    def __init__(self, path: Path) -> None:
        self.connection = _connect(path)
        self.connection.execute("PRAGMA wal_autocheckpoint = 0")
        self.connection.execute("PRAGMA query_only = ON")

    def __del__(self) -> None:
        self.connection.close()


class Database:
    """Connections to one file. Only `run` and `write` change it, and only their connection checkpoints."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """`read_only`: a look beside a running hub, which alone writes and checkpoints; `Misconfigured` for tables of another version."""
        self.path = path
        self.gate = Gate()
        self._jobs: deque[_Job] = deque()
        if read_only:
            check(path)
        else:
            migrate(path)
        self._writer = _connect(path, read_only=read_only)
        if not read_only:
            self._writer.execute("PRAGMA synchronous = FULL")
            self._writer.execute(f"PRAGMA wal_autocheckpoint = {PAGES_PER_CHECKPOINT}")
        self._local = threading.local()
        self._readers: weakref.WeakSet[_Reader] = weakref.WeakSet()
        self._closed = False

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do this work in a transaction, together with all other work that waits for the writer: one commit serves them all.

        Returns after commit. Work that raises leaves the others alone. Raises as `write` does.
        """
        job = _Job(work)
        self._jobs.append(job)
        with self.gate:
            if not job.done:  # whoever passed the gate before may have done it
                self._combine()
        if job.error is not None:
            raise job.error
        return cast(T, job.result)

    def _combine(self) -> None:
        jobs = [self._jobs.popleft() for _ in range(len(self._jobs))]
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            for job in jobs:
                self._one(job)
            self._commit(self._writer)
        except BaseException as error:
            _roll_back(self._writer)
            failed = _storage_error(error) if isinstance(error, sqlite3.OperationalError) else error
            for job in jobs:
                job.error = job.error or failed
        for job in jobs:
            job.done = True

    def _one(self, job: _Job) -> None:
        self._writer.execute("SAVEPOINT job")
        try:
            job.result = job.work(self._writer)
        except sqlite3.OperationalError:
            raise  # the file itself has trouble: nobody's work is kept
        except BaseException as error:
            job.error = error
            self._writer.execute("ROLLBACK TO job")
        self._writer.execute("RELEASE job")

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
            still_open = writer.in_transaction  # then nothing is stored, for sure
            _roll_back(writer)
            if still_open and isinstance(error, sqlite3.OperationalError) and "full" in str(error):
                raise _storage_error(error) from error
            raise errors.UnknownOutcome(str(error), hint="Send it again with the same id") from error

    def read(self) -> sqlite3.Connection:
        """This thread's own connection for queries."""
        reader: _Reader | None = getattr(self._local, "reader", None)
        if reader is None:
            reader = self._local.reader = _Reader(self.path)
            self._readers.add(reader)
        return reader.connection

    def close(self) -> None:
        """Checkpoint and let go."""
        if self._closed:
            return
        self._closed = True
        with self.gate:
            for reader in list(self._readers):
                reader.connection.close()
            self._writer.close()


def _connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    name = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
    connection = sqlite3.connect(name, uri=True, isolation_level=None, check_same_thread=False, cached_statements=256, timeout=10)
    if not read_only:
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
    if _version(path) == _head():
        return
    import alembic.command
    import alembic.config
    import sqlalchemy

    engine = sqlalchemy.create_engine(f"sqlite:///{path}", isolation_level="AUTOCOMMIT")  # transactions are begun by hand:
    with engine.connect() as connection:  # left to itself the driver commits every CREATE TABLE, and a kill leaves half of them
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        config = alembic.config.Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "head")
        connection.exec_driver_sql("COMMIT")
    engine.dispose()


def check(path: Path) -> None:
    """Raises `Misconfigured` unless the file has the newest tables."""
    found = _version(path)
    if found != _head():
        hint = "Start the hub on it once"
        raise errors.Misconfigured(f"the store has tables of version {found}, this program reads {_head()}", hint=hint)


def _head() -> str:
    return max(file.name[:4] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))


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
