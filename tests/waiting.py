"""Waiting in tests: for what must come, as long as a slow and busy machine may take, and no longer than it takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

SECONDS = 120.0
"""Longest wait; whoever waits so long has failed."""
Found = TypeVar("Found")


def until(what: Callable[[], Found], seconds: float = SECONDS) -> Found:
    """Return what is asked for, once it is true."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, f"it did not come within {seconds:g} s: {found!r}"
        time.sleep(0.01)
    return found
