"""Journal: what the web interface library logs becomes lines like the service's own: no text of a person, no text of an error."""

from __future__ import annotations

import logging
import sys

from occasion.errors import OccasionError
from occasion.service.logs import JsonLines

__all__ = ["log_as_the_service"]


class _Plain(logging.Filter):
    """Keeps errors raised on purpose out, as they were told to the visitor, and the words of all others."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is logged at all; its message gives way to the name of the logger where it is an error's."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, OccasionError):
            return False
        if error is not None or isinstance(record.msg, BaseException):
            record.msg, record.args = "console", ()
        return True


def log_as_the_service() -> None:
    """Send the library's log to stderr as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    handler.addFilter(_Plain())
    log = logging.getLogger("nicegui")
    log.handlers = [handler]
    log.propagate = False
