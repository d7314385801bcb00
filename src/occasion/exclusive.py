"""Exclusive: one piece of work at a time; a second one is refused in words, or waits, and a killed one leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from occasion.errors import ModelError, StoreError

__all__ = ["BusyError", "exclusive", "made_once"]


class BusyError(ModelError):
    """Another process does this work just now."""


@contextmanager
def exclusive(home: Path, name: str, what: str) -> Iterator[None]:
    """Hold the lock ``<home>/<name>.lock`` while the block runs.

    Raises
    ------
    BusyError
        Where it is held already; `what` says in words what is being done.
    StoreError
        Where the home cannot be written.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = FileLock(home / f"{name}.lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise BusyError(f"{what} in {home} already. Cure: let it finish, or stop it.") from None
    except OSError as error:
        raise StoreError(f"{home} cannot be written: {error.strerror or error}. Cure: another home.") from None
    try:
        yield
    finally:
        lock.release()


def made_once(folder: Path, name: str, make: Callable[[Path], object]) -> None:
    """Make a folder that lacks the file `name`; of several processes that start at once one makes it, the others wait for that."""
    if (folder / name).exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / f"{folder.name}.lock"):
        if not (folder / name).exists():
            make(folder)
