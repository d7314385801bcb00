"""The folder in memory that the processes of a service share: measures, and what workers tell each other.

A service that is killed leaves its folder behind. The lock of a file in it tells whether a service is alive: the system takes it
back when the last of its processes is gone. So the next service takes away what others have left.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["shared_folder"]

PREFIX, ALIVE = "occasion-metrics-", "alive"
NEW_SECONDS = 60.0
"""A folder in which something has just been made may belong to a service that is about to take its lock."""


@contextlib.contextmanager
def shared_folder(where: Path | None = None) -> Iterator[Path]:
    """Make a folder, which is gone behind the block, and take away those of services that were killed.

    Parameters
    ----------
    where : Path, optional
        Default: in memory, where the system has such a place, as a full disk must not stop a service; else that of temporary
        files.
    """
    where = _memory() if where is None else where
    _clear(where)
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=where) as folder:
        held = os.open(Path(folder) / ALIVE, os.O_CREAT | os.O_RDWR)
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            yield Path(folder)
        finally:
            os.close(held)


def _memory() -> Path:
    shared = "/dev/shm"  # noqa: S108  # nosec B108
    return Path(shared if os.access(shared, os.W_OK) else tempfile.gettempdir())


def _clear(where: Path) -> None:
    """Take away the folders of dead services. What cannot be looked into belongs to somebody else."""
    for folder in where.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime < NEW_SECONDS:
                continue
            file = os.open(folder / ALIVE, os.O_RDWR)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(file)
