"""Bounds: what a fit may take of a machine's memory, so that a service beside it is not the one that has to go."""

from __future__ import annotations

import subprocess  # nosec B404: starts this interpreter alone
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from occasion.errors import DataError, ModelError

__all__ = ["LEAST", "check_memory", "held_to"]

MEGABYTE = 1 << 20
LEAST = 256.0
"""Megabytes without which nothing can be learnt."""
_CURE = "Cure: a larger bound, or leave out what takes most: --without sequence, --without ease, --without ratings."
_WAIT = "import sys; sys.stdin.buffer.read(1) or print(sys.argv[1], file=sys.stderr)"
_SAID = ("bad_alloc", "allocate memory", "out of memory", "not enough memory", "failed to allocate", "failed to map segment")
"""What libraries, and the loader of libraries, say when they get no memory, in small letters."""


def check_memory(memory: float | None) -> None:
    """Raise DataError for a bound, in megabytes, that cannot be."""
    if memory is not None and not LEAST <= memory < float("inf"):
        raise DataError(f"the memory is {memory!r} megabytes. Cure: {LEAST:g} or more.")


@contextmanager
def held_to(memory: float | None) -> Iterator[None]:
    """Let this process take no more memory than so many megabytes while the block runs; None: as much as there is.

    It counts what the process has for itself and not what it maps from files (Linux: ``RLIMIT_DATA``; where the system has no such
    limit, nothing holds). Some libraries end the process where they get none (in a thread that cannot throw, say): nothing is lost
    then, and a process that only waits for that says why on stderr.

    Raises
    ------
    ModelError
        Where the block needs more.
    """
    if memory is None:
        yield
        return
    _ready_for_products()
    with _mourned(memory):
        before = _limited(int(memory * MEGABYTE))
        try:
            yield
        except Exception as error:
            if not _is_about_memory(error):
                raise
            raise ModelError(f"learning needs more than {memory:,.0f} megabytes of memory. {_CURE}") from error
        finally:
            if before is not None:
                _limited(before)


@contextmanager
def _mourned(memory: float) -> Iterator[None]:
    """Let another process say why, should this one end within the block: it waits for a word, or for the pipe to close without."""
    words = f"error: learning ended at once, most likely as a library got no memory within {memory:,.0f} megabytes. {_CURE}"
    # Out of the terminal's group: Ctrl-C is for the one that learns.
    waiting = subprocess.Popen(  # noqa: S603  # nosec B603: a list of our own words, no shell
        [sys.executable, "-I", "-S", "-c", _WAIT, words],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        with suppress(OSError):
            waiting.communicate(b".")


def _ready_for_products() -> None:
    """Let OpenBLAS take the room it works in, numpy's and scipy's own: where it gets none later, it ends the process at once."""
    import numpy as np
    from scipy import linalg

    square = np.ones((512, 512), np.float32)  # Large enough for all its threads to take part.
    np.linalg.inv(square @ square + 512 * np.eye(512, dtype=np.float32))
    linalg.blas.sgemm(1.0, square, square)


def _is_about_memory(error: BaseException | None) -> bool:
    """Whether the error, or one that it came from, says that there was no memory."""
    if error is None:
        return False
    said = isinstance(error, MemoryError) or any(words in str(error).lower() for words in _SAID)
    return said or _is_about_memory(error.__cause__)


def _limited(size: int) -> int | None:
    """Set the limit in bytes; return the one before, None where the system has none."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    before, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (size if most == resource.RLIM_INFINITY else min(size, most), most))
    return before
