"""Keeping what is derived in a folder: all files of one state together, or none.

``manifest.json`` names the files of the state in force, with their sizes and checksums. A new state is written beside the old
one, under new names, and takes over when its manifest does; a crash in between leaves the old state in force.
"""

from __future__ import annotations

import json
import os
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from occasion.errors import VectorIndexError

__all__ = ["discard_state", "kept", "read_about", "read_state", "write_state"]

MANIFEST = "manifest.json"
LOCK_SECONDS = 120.0
CURE = "Cure: build it anew from the vectors (`occasion index --rebuild`)"


def write_state(folder: Path, about: Mapping[str, Any], writers: Mapping[str, Callable[[Path], None]]) -> None:
    """Write a state durably; the one before it is removed afterwards.

    Parameters
    ----------
    about : mapping
        What `read_state` returns again; must fit JSON.
    writers : mapping
        File name to a function that writes the file at a path.

    Raises
    ------
    VectorIndexError
        Where the folder cannot be written.
    """
    with kept(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "lock", timeout=LOCK_SECONDS):
            state = uuid.uuid4().hex[:12]
            files = {}
            for name, write in writers.items():
                path = folder / f"{state}-{name}"
                write(path)
                _flush(path)
                files[name] = {"file": path.name, "bytes": path.stat().st_size, "crc32": _checksum(path)}
            partial = folder / f"{state}-{MANIFEST}"
            partial.write_text(json.dumps({"about": dict(about), "files": files}), "utf-8")
            _flush(partial)
            partial.replace(folder / MANIFEST)
            _remove_others(folder, state)


@contextmanager
def read_state(folder: Path) -> Iterator[tuple[dict[str, Any], dict[str, Path]]]:
    """Give, for the time of a block, what was told about the state in force, and its checked files by name.

    Raises
    ------
    VectorIndexError
        Where there is none, it is damaged, or the block fails over its content.
    """
    with kept(folder):
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        with FileLock(folder / "lock", timeout=LOCK_SECONDS):
            paths = {}
            for name, entry in manifest["files"].items():
                path = folder / entry["file"]
                if path.stat().st_size != entry["bytes"] or _checksum(path) != entry["crc32"]:
                    raise VectorIndexError(f"{path} is damaged: its size or checksum is not the one recorded. {CURE}.")
                paths[name] = path
            yield manifest["about"], paths


def read_about(folder: Path) -> dict[str, Any]:
    """Return what was told about the state in force, without a look at its files.

    Raises
    ------
    VectorIndexError
        Where there is none, or it is damaged.
    """
    with kept(folder):
        return dict(json.loads((folder / MANIFEST).read_text("utf-8"))["about"])


def discard_state(folder: Path) -> None:
    """Remove the state in force, and what a crash left of others.

    Raises
    ------
    VectorIndexError
        Where files cannot be removed.
    """
    if folder.is_dir():
        with kept(folder), FileLock(folder / "lock", timeout=LOCK_SECONDS):
            (folder / MANIFEST).unlink(missing_ok=True)
            _remove_others(folder, None)


def _remove_others(folder: Path, state: str | None) -> None:
    """Remove the files of all states but one."""
    for path in folder.glob("????????????-*"):
        if state is None or not path.name.startswith(state):
            path.unlink()


@contextmanager
def kept(folder: Path) -> Iterator[None]:
    """Turn whatever a damaged, missing or locked folder brings about into one clear error."""
    try:
        yield
    except FileNotFoundError as error:
        raise VectorIndexError(f"there is no whole index in {folder}: {error.filename} is missing. {CURE}.") from error
    except Timeout:
        raise VectorIndexError(f"{folder} is locked by another process. Cure: let it finish, or end it.") from None
    except OSError as error:
        raise VectorIndexError(f"{folder} cannot be read or written: {error}. Cure: free disk space, check the rights.") from error
    except (ValueError, LookupError, TypeError, AttributeError, RuntimeError) as error:
        raise VectorIndexError(f"the index in {folder} is damaged: {error}. {CURE}.") from error


def _checksum(path: Path) -> int:
    crc = 0
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            crc = zlib.crc32(block, crc)
    return crc


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
