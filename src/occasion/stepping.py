"""Stepping: several pieces of work side by side in one thread, a step of each by turns.

An answer waits for memory more than it works: each of its steps finds nothing in the processor's cache of what the same step of the
answer before it had there (its code, the upper levels of a graph, the pages of a store). Where several answers wait, all take one
step, then all the next, and most of what the first one fetches the others find at hand. What each of them works out is the same.

Work in steps is a generator that yields between its steps and returns what it made.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextvars import Context
from typing import TypeVar

__all__ = ["Steps", "finished", "side_by_side"]

Result = TypeVar("Result")
Steps = Generator[None, None, Result]
"""Work in steps."""


def finished(work: Steps[Result]) -> Result:
    """Return what a single piece of work makes, all its steps at once."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            made: Result = end.value
            return made


def side_by_side(works: Iterable[tuple[Context, Steps[Result]]]) -> Iterator[tuple[int, Result | Exception]]:
    """Yield the number of each piece of work and what it made or raised, as soon as it is done.

    Parameters
    ----------
    works : iterable of (Context, Steps)
        Each with the context variables that its steps see.
    """
    waiting = deque(enumerate(works))
    while waiting:
        number, (context, work) = waiting.popleft()
        try:
            context.run(next, work)
        except StopIteration as end:
            yield number, end.value
        except Exception as error:
            yield number, error
        else:
            waiting.append((number, (context, work)))
