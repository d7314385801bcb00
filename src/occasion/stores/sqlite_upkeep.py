"""Upkeep of a SQLite store: retention, removed bytes that leave the files, the audit log, copies while others write."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from occasion.errors import StoreError
from occasion.people import AuditEntry
from occasion.stores.sqlite_dictionary import Counters, findable
from occasion.stores.sqlite_file import BUSY_SECONDS, SqliteFile
from occasion.stores.sqlite_people import blank_contexts, set_pending

__all__ = ["Upkeep", "check_integrity", "copy_control", "copy_file", "copy_in", "in_use"]

WINDOW = 100_000
"""Events looked at in one transaction of retention."""
PURGE_SECONDS = 20.0
"""How long a purge waits for readers to let go of the old state."""
SMALL = 256 * 2**20
"""Bytes up to which a file is rewritten whole after a removal; it takes a few seconds, in which writers wait."""

_UNUSED = {
    "context": "SELECT key FROM context WHERE text <> '' OR signals <> '{}' EXCEPT SELECT context FROM event",
    "session": "SELECT key FROM session EXCEPT SELECT session FROM event",
    "person": "SELECT key FROM person WHERE body IS NULL EXCEPT SELECT person FROM event EXCEPT SELECT person FROM consent",
}
"""What nothing refers to any more."""


class Upkeep:
    """What keeps a store in order; see `Store` for what each method promises."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    # -- retention --------------------------------------------------------------------------------------------------------
    def expire_events(self, type: str, before: float, since: float) -> int:
        """Remove events of a type with ``since <= at < before``; return how many there were."""
        rows = self._file.read("SELECT key FROM event_type WHERE name = ?", type) if findable(type) else []
        return self._expire("event", f"type = {rows[0][0]} AND at < ? AND at >= ?", before, since) if rows else 0

    def expire_slates(self, before: float, since: float) -> int:
        """Remove answers to moments ``since <= at < before``; return how many there were."""
        return self._expire("slate", "at < ? AND at >= ?", before, since)

    def _expire(self, table: str, condition: str, *bounds: float) -> int:
        ((top,),) = self._file.read(f"SELECT ifnull(max(seq), 0) FROM {table}")
        gone = 0
        for start in range(0, top, WINDOW):
            where = f"FROM {table} WHERE seq > {start} AND seq <= {start + WINDOW} AND {condition}"
            if not self._file.read(f"SELECT 1 {where} LIMIT 1", *bounds):
                continue
            with self._file.writing() as connection:
                counters = Counters.load(connection)
                gone += connection.execute(f"DELETE {where}", bounds).rowcount
                counters.withdrawals += 1
                counters.save(connection)
                set_pending(connection)
        if gone:
            self._sweep()
        return gone

    def _sweep(self) -> None:
        """Remove contexts, sessions and people that no event has any more."""
        ((seen,),) = self._file.read("SELECT seq FROM counter")
        unused = {name: [key for (key,) in self._file.read(sql)] for name, sql in _UNUSED.items()}
        with self._file.writing() as connection:
            counters = Counters.load(connection)
            for name, keys in unused.items():
                meanwhile = {key for (key,) in connection.execute(f"SELECT {name} FROM event WHERE seq > ?", (seen,))}
                left = [key for key in keys if key not in meanwhile]
                if name == "context":
                    blank_contexts(connection, left)
                else:
                    extra = " AND body IS NULL AND key NOT IN (SELECT person FROM consent)" if name == "person" else ""
                    connection.executemany(f"DELETE FROM {name} WHERE key = ?{extra}", [(key,) for key in left])
            counters.withdrawals += 1
            counters.save(connection)

    # -- bytes ----------------------------------------------------------------------------------------------------------
    def purge(self, compact: bool | None = None) -> bool:
        """Make what was removed leave the files; return whether it did, or whether readers stood in the way."""
        if self._file.read("SELECT 1 FROM state WHERE name = 'purge'") == [] and not compact:
            return True
        small = self._file.path.stat().st_size <= SMALL
        with self._file.write_lock, self._file.errors("write to"), contextlib.closing(self._file.connect()) as connection:
            if compact or (compact is None and small):
                if not small:
                    # The copy that is made on the way may be larger than the memory.
                    connection.execute("PRAGMA temp_store = FILE")
                connection.execute("VACUUM")
            if not _emptied(connection):
                return False
            connection.execute("DELETE FROM state WHERE name = 'purge'")
        return True

    # -- audit ----------------------------------------------------------------------------------------------------------
    def add_audit(self, entry: AuditEntry) -> None:
        """Append an act to the log, durably."""
        values = (entry.at, entry.actor, entry.act, entry.target, entry.detail)
        with self._file.writing() as connection:
            connection.execute("INSERT INTO audit (at, actor, act, target, detail) VALUES (?, ?, ?, ?, ?)", values)

    def audit(self, after: int = 0) -> Iterator[AuditEntry]:
        """Yield acts with seq > `after`, oldest first."""
        sql = "SELECT seq, at, actor, act, target, detail FROM audit WHERE seq > ? ORDER BY seq LIMIT 1000"
        while rows := self._file.read(sql, after):
            for seq, at, actor, act, target, detail in rows:
                yield AuditEntry(seq=seq, at=at, actor=actor, act=act, target=target, detail=detail)
            after = rows[-1][0]

    # -- copies ---------------------------------------------------------------------------------------------------------
    def copy_to(self, path: Path) -> None:
        """Write a consistent copy of the store to a new file while others read and write."""
        with self._file.errors("read"), contextlib.closing(self._file.connect()) as source:
            if path.exists():
                raise StoreError(f"{path} exists. Cure: name another file; this one was left as it was.")
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as target:
                source.backup(target)
                # One file, without a log beside it.
                target.execute("PRAGMA journal_mode = DELETE")
                _check(target, path)


def _emptied(connection: sqlite3.Connection) -> bool:
    """Write the log back into the file and cut it to nothing, as soon as no reader needs it."""
    deadline = time.monotonic() + PURGE_SECONDS
    while True:
        # Waiting inside SQLite would hold writers up; short tries do not. Writes wait as long as ever.
        connection.execute("PRAGMA busy_timeout = 200")
        (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        connection.execute(f"PRAGMA busy_timeout = {1000 * BUSY_SECONDS:.0f}")
        if not busy:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Raise `StoreError` where a store is damaged."""
    try:
        faults = [row[0] for row in connection.execute("PRAGMA integrity_check(3)")]
    except sqlite3.DatabaseError as error:
        faults = [str(error)]
    if faults != ["ok"]:
        raise StoreError(f"{path} is damaged ({faults[0]}). Cure: take another one; check the disk.")


def check_integrity(path: Path) -> None:
    """Raise `StoreError` where a SQLite file is damaged or none at all."""
    with contextlib.closing(sqlite3.connect(path, timeout=1.0, isolation_level=None)) as connection:
        _check(connection, path)


def copy_file(path: Path, target: Path) -> None:
    """Write a consistent, checked copy of any SQLite file while others use it.

    Raises
    ------
    StoreError
        Where it cannot be read, or the copy is damaged.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
            contextlib.closing(sqlite3.connect(path, timeout=10.0, isolation_level=None)) as source,
            contextlib.closing(sqlite3.connect(target, isolation_level=None)) as copy,
        ):
            source.backup(copy)
            # One file, without a log beside it.
            copy.execute("PRAGMA journal_mode = DELETE")
            _check(copy, target)
    except sqlite3.Error as error:
        raise StoreError(f"{path} cannot be copied: {error}. Cure: check the disk.") from None


def copy_control(path: Path, target: Path) -> None:
    """Do as `copy_file` does for a service's control file, without its jobs.

    Files that wait to be imported are in no backup, and what is told of the others may name people.
    """
    copy_file(path, target)
    with contextlib.closing(sqlite3.connect(target, isolation_level=None)) as copy:
        copy.execute("DELETE FROM job")
        copy.execute("VACUUM")


def in_use(path: Path) -> bool:
    """Return whether another process has a SQLite file open. A damaged one is in nobody's use."""
    with contextlib.closing(sqlite3.connect(path, timeout=1.0, isolation_level=None)) as connection:
        # Before the first look at the file: then it is refused while anybody else has it open.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
        except sqlite3.DatabaseError:
            return False
    return False


def copy_in(archive: Path, path: Path) -> None:
    """Put the content of a copy into the store at `path` in one transaction: after a crash there is the old state or the new.

    Parameters
    ----------
    archive : Path
        What `copy_to` wrote.
    path : Path
        A store that no process has open, or a place where nothing is.

    Raises
    ------
    StoreError
        Where another process has the store open, or it cannot be written.
    """
    if not path.exists():
        _place(archive, path)
        return
    if in_use(path):
        raise StoreError(f"the store {path} is in use by another process. Cure: stop the service and other commands, then restore.")
    with contextlib.closing(sqlite3.connect(path, timeout=1.0, isolation_level=None)) as target:
        target.execute("PRAGMA locking_mode = EXCLUSIVE")
        target.execute("PRAGMA secure_delete = ON")
        target.execute("PRAGMA synchronous = FULL")
        with contextlib.closing(sqlite3.connect(f"file:{archive}?mode=ro&immutable=1", uri=True)) as source:
            source.backup(target)
        # The copy says what it was made with: one file. A store has its log beside it.
        target.execute("PRAGMA locking_mode = NORMAL")
        target.execute("PRAGMA journal_mode = WAL")


def _place(archive: Path, path: Path) -> None:
    """Copy a file to where nothing is: whole under its name, or not there."""
    import os
    import shutil

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    shutil.copyfile(archive, partial)
    with partial.open("r+b") as file:
        os.fsync(file.fileno())
    for rest in (f"{path.name}-wal", f"{path.name}-shm"):
        path.with_name(rest).unlink(missing_ok=True)
    partial.replace(path)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
