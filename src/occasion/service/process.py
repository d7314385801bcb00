"""A serving process: what it sets up before its first request, the same for one that serves alone and for one of several."""

from __future__ import annotations

import gc
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from occasion.service.core import Service
    from occasion.settings import Settings

__all__ = ["options", "prepare", "spare_collector"]


def prepare() -> None:
    """Set a serving process up."""
    # A thread that left the interpreter for an array's sum waits this long to come back while another one runs Python; with
    # the usual 5 ms an answer, which does so dozens of times, takes ten times as long beside a busy writer.
    sys.setswitchinterval(0.0005)
    # A signal that the server has obeyed comes again when it is done: then it must not end the process with a bad code.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)


def spare_collector(service: Service) -> None:
    """Once answers can be given, keep what was loaded for good out of full rounds of the garbage collector.

    Such a round took 30 to 100 ms, and events in bulk bring one every some ten thousand.
    """

    def freeze() -> None:
        service.settled.wait()
        gc.collect()
        gc.freeze()

    threading.Thread(target=freeze, name="collector", daemon=True).start()


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
