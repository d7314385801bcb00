"""One SQLite file: opening it, its migrations, one connection a thread, errors in plain words."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from occasion.errors import StoreError

__all__ = ["APPLICATION_ID", "SqliteFile", "migrations"]

APPLICATION_ID = 0x0CCA5104
"""Marks a SQLite file as a store of Occasion."""
BUSY_SECONDS = 30.0
"""How long a write waits for another process's write."""
UNFLUSHED = 1500
"""Writes that were not flushed, after which the log is moved into the file, in a thread of its own."""
ROOM_UNFLUSHED = 32_000
"""Pages of the log from which on such a write moves them itself: only where that thread does not get to it."""
MIN_SQLITE = (3, 37)
"""The first release with STRICT tables."""

_PRAGMAS = (
    "synchronous = FULL",
    "fullfsync = ON",
    "temp_store = MEMORY",
    # Index pages are hit at random: the fewer checkpoints, the fewer times each is written.
    "wal_autocheckpoint = 8000",
    # What is deleted is overwritten: it shall not be readable in the file.
    "secure_delete = ON",
)

_CURES = {
    sqlite3.SQLITE_FULL: "the disk is full. Cure: free some space and try again",
    sqlite3.SQLITE_READONLY: "it may not be written. Cure: make the file and its folder writable, or choose another folder",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened. Cure: check that the path is a file in a folder that exists and is writable",
    sqlite3.SQLITE_PERM: "it may not be opened. Cure: check the permissions of the file and its folder",
    sqlite3.SQLITE_CORRUPT: "the file is damaged. Cure: restore a backup, or save what is readable with `sqlite3 FILE .recover`",
    sqlite3.SQLITE_NOTADB: "the file is not a database. Cure: name another file, or move this one away",
    sqlite3.SQLITE_BUSY: f"another process kept it locked for {BUSY_SECONDS:.0f} s. Cure: wait for it to end and try again",
    sqlite3.SQLITE_IOERR: "reading or writing the file failed. Cure: check free space, quotas and the health of the disk",
}


def migrations() -> dict[int, str]:
    """Return the migrations by number, in order: each brings a store from the number before to its own."""
    found = {
        int(f.name.split("_")[0]): f.read_text("utf-8")
        for f in files(__package__).joinpath("migrations").iterdir()
        if f.name.endswith(".sql")
    }
    return dict(sorted(found.items()))


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


class _Connection:
    """Closes its SQLite connection when the thread that owned it is gone."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self.raw = raw

    def close(self) -> None:
        self.raw.close()

    __del__ = close


class SqliteFile:
    """A SQLite file that is a store of Occasion: WAL mode, synchronous=FULL, migrated to the newest schema.

    Reads go through one connection a thread; writes go one at a time through one connection (and a second one for those that
    need not be flushed), and wait for the writes of other processes. Open it after forking, not before.

    Parameters
    ----------
    path : Path
        Created with its folder where it does not exist.

    Raises
    ------
    StoreError
        The file cannot be opened, is damaged, is no store, or was written by a newer version of Occasion.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._threads = threading.local()
        self._open: weakref.WeakSet[_Connection] = weakref.WeakSet()
        self._guard = threading.Lock()
        self.write_lock = threading.RLock()
        self._closed = False
        self._writers: dict[bool, sqlite3.Connection] = {}
        self._unflushed = 0
        self._moving: threading.Thread | None = None
        with self.errors("open"):
            self._prepare()

    # -- opening --------------------------------------------------------------------------------------------------------
    def _prepare(self) -> None:
        if sqlite3.sqlite_version_info < MIN_SQLITE:
            raise StoreError(f"Python's SQLite is {sqlite3.sqlite_version}, the store needs 3.37. Cure: a newer Python.")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self._version() == max(migrations()):
            return
        # Two processes may meet here: the first one migrates, the second finds nothing left to do.
        with FileLock(f"{self.path}.lock", timeout=BUSY_SECONDS):
            self._migrate()

    def _version(self) -> int:
        """Return the schema's number, 0 for an empty file; refuse whatever is no store, without writing to it."""
        if not self.path.exists():
            return 0
        with contextlib.closing(self.connect()) as connection:
            # As of one moment: another process may be creating the store.
            connection.execute("BEGIN")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            connection.execute("COMMIT")
        if application != APPLICATION_ID and (tables or application or version):
            raise StoreError(f"{self.path} is a database of another program. Cure: name another file; this one was left as it was.")
        if version > max(migrations()):
            raise StoreError(
                f"{self.path} has schema {version}, this version of Occasion knows up to {max(migrations())}. "
                "Cure: upgrade Occasion; the file was left as it was."
            )
        return int(version)

    def _migrate(self) -> None:
        have = self._version()
        with contextlib.closing(self.connect()) as connection:
            # WAL first: the mode cannot be changed inside a transaction.
            connection.execute("PRAGMA journal_mode = WAL")
            for number, script in migrations().items():
                if number > have:
                    self._apply(connection, number, script)

    @staticmethod
    def _apply(connection: sqlite3.Connection, number: int, script: str) -> None:
        connection.execute("BEGIN IMMEDIATE")
        for statement in _statements(script):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")

    def connect(self) -> sqlite3.Connection:
        """Return a new connection with this store's settings; the caller closes it."""
        connection = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        try:
            for pragma in _PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
        except BaseException:
            connection.close()
            raise
        return connection

    # -- use ------------------------------------------------------------------------------------------------------------
    @contextlib.contextmanager
    def errors(self, deed: str) -> Iterator[None]:
        """Turn what SQLite and the file system raise into a `StoreError` in plain words."""
        try:
            yield
        except (sqlite3.Error, Timeout, OSError) as error:
            raise self._in_words(deed, error) from error

    def _in_words(self, deed: str, error: Exception) -> StoreError:
        if isinstance(error, sqlite3.Error):
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            cure = _CURES.get(code, f"{error}. Cure: see `occasion doctor`")
            return StoreError(f"cannot {deed} the store {self.path}: {cure}. What was acknowledged before is kept.")
        if isinstance(error, Timeout):
            return StoreError(f"cannot {deed} the store {self.path}: {_CURES[sqlite3.SQLITE_BUSY]}.")
        told = getattr(error, "strerror", None) or error
        return StoreError(f"cannot {deed} the store {self.path}: {told}. Cure: make its folder writable.")

    def reader(self) -> sqlite3.Connection:
        """Return this thread's connection for reading. Fetch all rows at once: an open statement pins an old state."""
        own: _Connection | None = getattr(self._threads, "connection", None)
        if own is None or self._closed:
            own = self._keep(self._connect_open())
            self._threads.connection = own
        return own.raw

    def _connect_open(self) -> sqlite3.Connection:
        if self._closed:
            raise StoreError(f"the store {self.path} is closed. Cure: open it again with open_store().")
        if not self.path.exists():
            raise StoreError(f"the store {self.path} is gone: the file was moved or deleted while in use. Cure: put it back.")
        return self.connect()

    def _keep(self, raw: sqlite3.Connection) -> _Connection:
        connection = _Connection(raw)
        with self._guard:
            self._open.add(connection)
        return connection

    def read(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        try:
            return self.reader().execute(sql, parameters).fetchall()
        except (sqlite3.Error, OSError) as error:
            # Not by a block of `errors`: around each of the ten small queries of an answer it would cost as much as two of them.
            raise self._in_words("read", error) from error

    @contextlib.contextmanager
    def writing(self, *, flushed: bool = True) -> Iterator[sqlite3.Connection]:
        """Open a write transaction: committed and on the disk when the block ends, undone when it raises.

        With `flushed` False the transaction is in the log file when the block ends, but not yet forced to the disk. It
        survives the death of this process. A power cut may take it, and then only together with everything written after it:
        the log is one sequence, and the next flushed transaction forces all before it to the disk too.
        """
        with self.write_lock, self.errors("write to"):
            connection = self._writer(flushed)
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            if not flushed:
                self._count_unflushed()

    def write_unflushed(self, sql: str, *parameters: Any) -> None:
        """Run one statement as a write that is not flushed; see `writing`.

        Alone it is a transaction of its own already, and waits for other writers as one that was begun does.
        """
        with self.write_lock, self.errors("write to"):
            self._writer(False).execute(sql, parameters)
            self._count_unflushed()

    def _count_unflushed(self) -> None:
        """Count a write that was not flushed; after many, move the log into the file aside: an answer would wait 40 ms for it."""
        self._unflushed += 1
        if self._unflushed >= UNFLUSHED and (self._moving is None or not self._moving.is_alive()):
            self._unflushed = 0
            moving = threading.Thread(target=self._move_log, name="occasion-checkpoint", daemon=True)
            # While the interpreter ends no thread can be started any more.
            with contextlib.suppress(RuntimeError):
                moving.start()
                self._moving = moving

    def _move_log(self) -> None:
        """Move what no reader needs in the log any more into the file; where that fails now, a later turn does it."""
        with (
            contextlib.suppress(sqlite3.Error, StoreError, OSError),
            contextlib.closing(self._connect_open()) as connection,
        ):
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def _writer(self, flushed: bool) -> sqlite3.Connection:
        if self._closed or flushed not in self._writers:
            connection = self._writers[flushed] = self._connect_open()
            connection.execute(f"PRAGMA cache_size = -{65_536 if flushed else 4096}")
            if not flushed:
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute(f"PRAGMA wal_autocheckpoint = {ROOM_UNFLUSHED}")
        return self._writers[flushed]

    def close(self) -> None:
        """Close all connections; idempotent. Waits for a write that is under way."""
        with self.write_lock, self._guard:
            self._closed = True
            if self._moving is not None:
                self._moving.join()
            for writer in self._writers.values():
                writer.close()
            self._writers = {}
            for connection in list(self._open):
                connection.close()
            self._open = weakref.WeakSet()
