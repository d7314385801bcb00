"""The control file: keys, quotas and import jobs of all tenants of a home, apart from what any tenant stores."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock

from occasion.backup.keys import REVOKED
from occasion.errors import StoreError

__all__ = ["FILE", "ControlFile"]

FILE = "service.db"

SCHEMA = """
CREATE TABLE IF NOT EXISTS access_key (
    slot INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, hash BLOB NOT NULL, role TEXT NOT NULL, tenant TEXT NOT NULL,
    name TEXT NOT NULL, per_minute INTEGER, created REAL NOT NULL, expires REAL
) STRICT;
CREATE TABLE IF NOT EXISTS quota (
    slot INTEGER PRIMARY KEY, tenant TEXT NOT NULL UNIQUE, per_minute INTEGER NOT NULL, items INTEGER NOT NULL,
    events INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS job (
    id TEXT PRIMARY KEY, tenant TEXT NOT NULL, state TEXT NOT NULL, options TEXT NOT NULL, created REAL NOT NULL,
    beat REAL NOT NULL, done INTEGER NOT NULL, total INTEGER NOT NULL, result TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS job_of_tenant ON job (tenant, created);
"""
WAIT_SECONDS = 10.0


class ControlFile:
    """``service.db`` in a home, safe for many processes: WAL, synchronous=FULL, one short transaction a write.

    Raises
    ------
    StoreError
        Where the file cannot be opened, read or written.
    """

    def __init__(self, home: Path) -> None:
        self.path = home / FILE
        self._threads = threading.local()
        self._open: list[sqlite3.Connection] = []
        self._guard = threading.Lock()
        with self._errors():
            home.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self.path}.lock", timeout=WAIT_SECONDS):
                connection = self._connection()
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(SCHEMA + REVOKED)
            self.path.chmod(0o600)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"the control file {self.path} cannot be used: {error}. Cure: check disk space and permissions."
            ) from error

    def _connection(self) -> sqlite3.Connection:
        own: sqlite3.Connection | None = getattr(self._threads, "connection", None)
        if own is None:
            own = sqlite3.connect(self.path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False)
            own.execute("PRAGMA synchronous = FULL")
            own.execute("PRAGMA secure_delete = ON")
            self._threads.connection = own
            with self._guard:
                self._open.append(own)
        return own

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run one statement, durably where it writes, and return its rows."""
        with self._errors():
            return self._connection().execute(sql, values).fetchall()

    def generation(self) -> int:
        """Return a number that changes, for this thread, whenever another connection has written: microseconds to ask."""
        with self._errors():
            return int(self._connection().execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Close all connections; idempotent."""
        with self._guard:
            for connection in self._open:
                connection.close()
            self._open.clear()
        self._threads = threading.local()
