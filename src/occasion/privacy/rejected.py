"""Rejected rows of imports: lists that rows are added to, and that lose what is a person's, or too old, in place."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

__all__ = ["FILE", "expire_rejects", "forget_rejects", "list_rejects", "lists_of", "naming", "texts_in"]

FILE = "rejects.jsonl"
UPLOADS = "uploads"
"""Folder of a home with one folder an import job."""
Change = Callable[[dict[str, Any]], dict[str, Any] | None]
"""A row to what is left of it; None: nothing."""


def lists_of(home: Path) -> list[Path]:
    """Return the lists of rejected rows that lie in a home."""
    return [path for path in (home / FILE, *sorted((home / UPLOADS).glob(f"*/{FILE}"))) if path.is_file()]


def list_rejects(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add rows to a list, each with the time; the list is made where it is not there.

    Raises
    ------
    OSError
        Where it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    now = round(time.time(), 3)
    lines = "".join(json.dumps({**row, "at": now}, ensure_ascii=False) + "\n" for row in rows)
    with path.open("ab") as file, _alone(file):
        file.write(lines.encode("utf-8", "replace"))
        file.flush()


def naming(names: Collection[str]) -> re.Pattern[str]:
    """Return what finds any of some ids in a text, as a word of its own."""
    return re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in sorted(names, key=len, reverse=True)))


def texts_in(document: Any) -> Iterator[str]:
    """Yield all texts of a JSON document, names of fields included; numbers are none: an id ``7`` is not the figure 7."""
    left = [document]
    while left:
        value = left.pop()
        if isinstance(value, Mapping):
            left += [*value, *value.values()]
        elif isinstance(value, list):
            left += value
        elif isinstance(value, str):
            yield value


def forget_rejects(home: Path, names: Collection[str]) -> int:
    """Remove the rows of a person from all lists of a home; return how many there were.

    Of rows that cannot be told to be anybody's, what was found in them goes, too: it may be this person's. Rows of others lose
    the name of a file or a column that names the person.

    Parameters
    ----------
    home : Path
    names : collection of str
        The person's ids.
    """
    named = naming(names)

    def change(row: dict[str, Any]) -> dict[str, Any] | None:
        who = row.get("who", "")
        if who:
            # A file may be named after the person, and a column where a file has no header line.
            called = [part for part in ("file", "column") if named.search(str(row.get(part, "")))]
            return None if who in names else {**row, **dict.fromkeys(called, "")}
        if named.search(" ".join(str(row.get(part, "")) for part in ("file", "column", "value", "reason"))):
            return None
        return row if who is None else {**row, "value": ""}

    return sum(_changed(path, change) for path in lists_of(home))


def expire_rejects(home: Path, before: float) -> int:
    """Remove rows listed before a time (unix seconds) from all lists of a home; return how many there were.

    Rows that do not say when they were listed count as old as the list's last change.
    """

    def expired(path: Path) -> int:
        changed = path.stat().st_mtime
        return _changed(path, lambda row: row if row.get("at", changed) >= before else None)

    return sum(expired(path) for path in lists_of(home))


def _changed(path: Path, change: Change) -> int:
    """Rewrite a list in place, line by line; return how many rows it lost. What is written never overtakes what is read."""
    gone = 0
    with path.open("r+b") as file, _alone(file):
        read = written = 0
        while True:
            file.seek(read)
            line = file.readline()
            if not line:
                break
            read += len(line)
            left = _line(line, change)
            gone += not left
            if left and (left != line or written + len(line) != read):
                file.seek(written)
                file.write(left)
            written += len(left)
        if written < read:
            # Zeros first: what is cut off may stay on the disk as it was.
            file.seek(written)
            file.write(b"\0" * (read - written))
            file.flush()
            os.fsync(file.fileno())
            file.truncate(written)
        file.flush()
        os.fsync(file.fileno())
    return gone


def _line(line: bytes, change: Change) -> bytes:
    """Return what is left of a line; of one that is no row (a crash cut it off) nothing."""
    try:
        row = json.loads(line)
    except ValueError:
        return b""
    left = change(row) if isinstance(row, dict) else None
    if left is None:
        return b""
    if left == row:
        return line
    changed = json.dumps(left, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
    # Longer than it was it would overwrite what was not read yet; this module writes no row of which that holds.
    return changed if len(changed) <= len(line) else b""


@contextlib.contextmanager
def _alone(file: BinaryIO) -> Iterator[None]:
    """Hold a file against other processes that add to it or change it."""
    try:
        import fcntl
    except ImportError:
        # Not on Windows: there a row that is added while others are removed may be lost from the list.
        yield
        return
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)
