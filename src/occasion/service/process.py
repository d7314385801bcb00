"""A serving process: what it sets up before its first request, the same for one that serves alone and for one of several."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from occasion.counting import give_back

if TYPE_CHECKING:
    from occasion.service.core import Service
    from occasion.settings import Settings

__all__ = ["options", "prepare", "spare_collector"]

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Numbers of settings of glibc's malloc: bytes that are free at the end of a heap from which on they go back to the system, and
bytes from which on an array has memory of its own."""
OPENING = 1 << 20, 1 << 20
"""Both until answers can be given."""
ANSWERING = 64 << 20, 32 << 20
"""Both from then on, the most that malloc comes to by itself: arrays of an answer get memory that was used before."""


def prepare() -> None:
    """Set a serving process up."""
    # A thread that left the interpreter for an array's sum waits this long to come back while another one runs Python; with
    # the usual 5 ms an answer, which does so dozens of times, takes ten times as long beside a busy writer.
    sys.setswitchinterval(0.0005)
    _set_malloc(*OPENING)
    # A signal that the server has obeyed comes again when it is done: then it must not end the process with a bad code.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)


def spare_collector(service: Service) -> None:
    """Once answers can be given, keep what was loaded for good out of full rounds of the garbage collector, and malloc as it was.

    Such a round took 30 to 100 ms, and events in bulk bring one every some ten thousand.
    """

    def freeze() -> None:
        service.settled.wait()
        _set_malloc(*ANSWERING)
        gc.collect()
        give_back()
        gc.freeze()

    threading.Thread(target=freeze, name="collector", daemon=True).start()


def _set_malloc(trim: int, own: int) -> None:
    """Set from how many bytes on free memory goes back to the system, and arrays have memory of their own, where it is glibc's.

    What opens a store takes many megabytes for a moment, in a thread that then only waits: its heap would keep them, for nobody.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):
        malloc = ctypes.CDLL(None).mallopt
        malloc(M_TRIM_THRESHOLD, trim)
        malloc(M_MMAP_THRESHOLD, own)


def options(settings: Settings) -> dict[str, Any]:
    """Return the options of the server, for `uvicorn.Config`."""
    from occasion.service.connections import connection_class

    return {
        "http": connection_class(),
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "timeout_graceful_shutdown": settings.drain_seconds,
        "timeout_keep_alive": 30,
        "lifespan": "on",
    }
