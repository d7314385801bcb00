"""Timing: how long each stage of one piece of work took, for whoever asks; costs next to nothing where nobody does."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from functools import wraps
from typing import ParamSpec, TypeVar

__all__ = ["measured", "measuring", "stage", "stepped"]

Given = ParamSpec("Given")
Returned = TypeVar("Returned")

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


def measuring() -> tuple[Context, dict[str, float]]:
    """Return the context variables of now under which stages are measured, and the dictionary that fills: for work in steps."""
    with measured() as found:
        return copy_context(), found


def stage(name: str) -> Callable[[Callable[Given, Returned]], Callable[Given, Returned]]:
    """Return a decorator that counts the time of a function for a stage; stages of one name add up, inner ones count for both."""

    def counted(function: Callable[Given, Returned]) -> Callable[Given, Returned]:
        @wraps(function)
        def timed(*args: Given.args, **options: Given.kwargs) -> Returned:
            found = _now.get()
            if found is None:
                return function(*args, **options)
            begun = time.perf_counter()
            try:
                return function(*args, **options)
            finally:
                found[name] = found.get(name, 0.0) + time.perf_counter() - begun

        return timed

    return counted


def stepped(
    name: str,
) -> Callable[[Callable[Given, Generator[None, None, Returned]]], Callable[Given, Generator[None, None, Returned]]]:
    """Return the same as `stage` for a function whose work is done in steps: what happens between its steps is not counted."""

    def counted(function: Callable[Given, Generator[None, None, Returned]]) -> Callable[Given, Generator[None, None, Returned]]:
        @wraps(function)
        def timed(*args: Given.args, **options: Given.kwargs) -> Generator[None, None, Returned]:
            work = function(*args, **options)
            found = _now.get()
            if found is None:
                return (yield from work)
            while True:
                begun = time.perf_counter()
                try:
                    next(work)
                except StopIteration as end:
                    made: Returned = end.value
                    return made
                finally:
                    found[name] = found.get(name, 0.0) + time.perf_counter() - begun
                yield

        return timed

    return counted
