"""Timing: how long each stage of one piece of work took, for whoever asks; costs next to nothing where nobody does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["measured", "stage"]

_now: ContextVar[dict[str, float] | None] = ContextVar("occasion_stages", default=None)


@contextmanager
def measured() -> Iterator[dict[str, float]]:
    """Yield a dictionary that fills with the seconds of each `stage` met inside the block."""
    found: dict[str, float] = {}
    token = _now.set(found)
    try:
        yield found
    finally:
        _now.reset(token)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Count the time of the block for a stage; stages that meet the same name add up, and inner ones count for both."""
    found = _now.get()
    if found is None:
        yield
        return
    begun = time.perf_counter()
    try:
        yield
    finally:
        found[name] = found.get(name, 0.0) + time.perf_counter() - begun
