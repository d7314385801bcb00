"""Lanes: threads that do the heavy work of a process, with a bounded queue before each; what does not fit is refused at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["Lane", "OverloadedError"]

Result = TypeVar("Result")


class OverloadedError(Exception):
    """The queue of a lane is full; `seconds` is when it may be worth trying again."""

    def __init__(self, lane: str, seconds: int) -> None:
        super().__init__(f"the queue of {lane} is full")
        self.seconds = seconds


class Lane:
    """Runs work one after another (or `threads` at once) beside the event loop.

    Parameters
    ----------
    name : str
    limit : int
        Requests waiting or running at once, at least 1.
    threads : int
        1 where the work is not safe to run twice at once: a recommender changes while it catches up with its store.
    """

    def __init__(self, name: str, limit: int, threads: int = 1) -> None:
        self.name, self.limit = name, limit
        self.busy = 0
        """Requests waiting or running now."""
        self.told: Callable[[float], None] | None = None
        """Called with their number whenever it changes."""
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, work: Callable[[], Result]) -> Result:
        """Return what `work` returns; work whose request has gone away before its turn is not done at all.

        Raises
        ------
        OverloadedError
            Where the queue is full.
        """
        with self._lock:
            if self.busy >= self.limit:
                raise OverloadedError(self.name, 1)
            self._count(1)
        try:
            future = self._pool.submit(work)
        except RuntimeError:
            self._done()
            raise OverloadedError(self.name, 1) from None
        future.add_done_callback(lambda _: self._done())
        return await asyncio.wrap_future(future)

    def _done(self) -> None:
        with self._lock:
            self._count(-1)

    def _count(self, more: int) -> None:
        self.busy += more
        if self.told is not None:
            self.told(self.busy)

    def close(self) -> None:
        """Finish what runs, drop what waits."""
        self._pool.shutdown(wait=True, cancel_futures=True)
