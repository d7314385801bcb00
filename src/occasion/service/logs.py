"""Structured logs: one JSON object a line on stderr. Never a query, a body, an id of a person or an item, a key, or a text."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import traceback
from typing import Any

__all__ = ["JsonLines", "logger", "setup"]

logger = logging.getLogger("occasion.service")


class JsonLines(logging.Formatter):
    """A log record as one line of JSON; fields come from the record's ``fields``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
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
        return json.dumps(line, ensure_ascii=False, default=str)


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
