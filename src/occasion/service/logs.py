"""Structured logs: one JSON object a line on stderr. Never a query, a body, an id of a person or an item, a key, or a text."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import traceback
from functools import lru_cache
from typing import Any

__all__ = ["JsonLines", "logger", "setup"]

logger = logging.getLogger("occasion.service")
_ENCODE = json.JSONEncoder(ensure_ascii=False, default=str).encode
"""Made once: `json.dumps` makes a new one for each line that is not plain."""


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


class JsonLines(logging.Formatter):
    """A log record as one line of JSON; fields come from the record's ``fields``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "time": f"{_second(int(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "pid": os.getpid(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            # Where it happened and what kind it was; what an unforeseen error says may be anybody's text.
            frames = traceback.extract_tb(record.exc_info[2])
            line["error"] = type(record.exc_info[1]).__name__
            line["where"] = [f"{frame.filename.rpartition('/site-packages/')[2]}:{frame.lineno}" for frame in frames[-12:]]
        return _ENCODE(line)


def setup(level: str = "info") -> None:
    """Send the logs of the service and of its server to stderr as JSON lines, for a process that does nothing but serve."""
    # Which line of which file wrote a record, in which thread, is never shown; to find it out takes half of a line's time.
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name in ("occasion.service", "uvicorn", "uvicorn.error"):
        log = logging.getLogger(name)
        log.handlers = [handler]
        log.setLevel(level.upper())
        log.propagate = False
