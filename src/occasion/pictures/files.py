"""What was found in which file, kept on disk, so that a file is read once for as long as its size and time stay."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from occasion.errors import VectorIndexError
from occasion.pictures.reading import PictureFile

__all__ = ["Content", "KnownFiles"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    path    TEXT PRIMARY KEY,
    size    INTEGER NOT NULL,  -- bytes
    changed INTEGER NOT NULL,  -- nanoseconds
    digest  TEXT NOT NULL,     -- blake2b-128 of the content
    trouble TEXT NOT NULL      -- why it is no picture that can be read, '' where it is one
) WITHOUT ROWID
"""
READ = "SELECT size, changed, digest, trouble FROM files WHERE path = ?"
WAIT_SECONDS = 60.0


class Content(NamedTuple):
    """The hash of a file's content, and why it is no picture; the latter is "" where it is one."""

    digest: str
    trouble: str


class KnownFiles:
    """The files that were read. Several processes may use one at once; what is damaged is begun anew.

    Parameters
    ----------
    path : Path
        The file that it is kept in; its folder is made where missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def get(self, files: Sequence[PictureFile]) -> list[Content | None]:
        """Return what is known of each file; None where nothing is, or the file changed."""
        out: list[Content | None] = []
        with self._opened() as opened:
            for file in files:
                row = opened.execute(READ, (str(file.path),)).fetchone()
                known = row is not None and (row[0], row[1]) == (file.size, file.changed)
                out.append(Content(row[2], row[3]) if known else None)
        return out

    def put(self, found: Sequence[tuple[PictureFile, Content]]) -> None:
        """Keep what was found in files."""
        rows = [(str(file.path), file.size, file.changed, *content) for file, content in found]
        with self._opened() as opened, opened:
            opened.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)", rows)

    def discard(self) -> None:
        """Forget all of it."""
        with self._lock:
            self.path.unlink(missing_ok=True)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with closing(self._connected()) as opened:
                    yield opened
            except (OSError, sqlite3.Error) as error:
                raise VectorIndexError(
                    f"what is known of pictures, {self.path}, cannot be used: {error}. Cure: free disk space and check that the "
                    "folder is yours to write; the file is safe to delete."
                ) from error

    def _connected(self) -> sqlite3.Connection:
        for attempt in (1, 2):
            opened = sqlite3.connect(self.path, timeout=WAIT_SECONDS)
            try:
                opened.execute(SCHEMA)
            except sqlite3.DatabaseError as error:
                opened.close()
                if attempt == 2 or isinstance(error, sqlite3.OperationalError):
                    raise
                self.path.unlink(missing_ok=True)
            else:
                break
        return opened
