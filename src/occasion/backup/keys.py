"""Keys of a service beyond a restore: what was revoked stays so, what was to end ends, and a home that was closed stays closed."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from occasion.errors import StoreError

__all__ = ["REVOKED", "end_again", "ended_keys"]

REVOKED = """
CREATE TABLE IF NOT EXISTS revoked_key (id TEXT PRIMARY KEY) STRICT;
CREATE TRIGGER IF NOT EXISTS access_key_revoked AFTER DELETE ON access_key BEGIN
    INSERT OR IGNORE INTO revoked_key (id) VALUES (OLD.id);
END;
"""
"""What a control file remembers of keys that are gone: their ids, which open nothing."""


def ended_keys(path: Path) -> dict[str, Any]:
    """Return what a control file knows of the ends of keys; a damaged one says nothing.

    Returns
    -------
    dict
        ``known`` and ``revoked``: ids; ``expires``: id to unix seconds; ``closed``: whether the home ever had a key.
    """
    found: dict[str, Any] = {"known": [], "revoked": [], "expires": {}, "closed": False}
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as file:
        rows = file.execute("SELECT id, expires FROM access_key").fetchall()
        found["known"] = [name for name, _ in rows]
        found["expires"] = {name: expires for name, expires in rows if expires is not None}
        found["closed"] = bool(rows) or file.execute("PRAGMA user_version").fetchone()[0] > 0
        # One that an older version wrote has no such table.
        found["revoked"] = [name for (name,) in file.execute("SELECT id FROM revoked_key")]
    return found


def end_again(path: Path, kept: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """End keys in a control file that came from a backup as they had ended in the one it replaced, in one transaction.

    Parameters
    ----------
    path : Path
        The control file; nothing is done where there is none.
    kept : sequence of mapping
        What `ended_keys` told of the files before, the oldest first.

    Returns
    -------
    int, int
        Keys of the backup that were revoked again, and good ones that the home did not know before.

    Raises
    ------
    StoreError
        Where it cannot be written.
    """
    if not path.exists():
        return 0, 0
    revoked = {name for one in kept for name in one["revoked"]}
    expires = [(end, end, name) for one in kept for name, end in one["expires"].items()]
    known = set(kept[0]["known"]) if kept else set()
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=1.0, isolation_level=None)) as file:
            file.executescript(REVOKED)
            file.execute("BEGIN IMMEDIATE")
            before = {name for (name,) in file.execute("SELECT id FROM access_key")}
            file.executemany("DELETE FROM access_key WHERE id = ?", [(name,) for name in revoked])
            file.executemany("INSERT OR IGNORE INTO revoked_key (id) VALUES (?)", [(name,) for name in revoked])
            file.executemany("UPDATE access_key SET expires = min(coalesce(expires, ?), ?) WHERE id = ?", expires)
            if any(one["closed"] for one in kept):
                file.execute("PRAGMA user_version = 1")
            now = time.time()
            good = {name for name, end in file.execute("SELECT id, expires FROM access_key") if end is None or end > now}
            file.execute("COMMIT")
    except sqlite3.Error as error:
        raise StoreError(f"the control file {path} cannot be written: {error}. Cure: check disk space and permissions.") from error
    return len(before & revoked), len(good - known)
