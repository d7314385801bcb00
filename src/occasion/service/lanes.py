"""Lanes: threads that do the heavy work of a process, with a bounded queue before each; what does not fit is refused at once.

Work of one kind that waits at the same time may be done together (`Lane.run_together`), and what nobody waits for is done while
there is nothing else to do (`Lane.run_idle`).
"""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from occasion.service.logs import logger

__all__ = ["Lane", "OverloadedError"]

Result = TypeVar("Result")
Wish = TypeVar("Wish")
TOGETHER = 8
"""Requests that are done together at most: what one of them waits for the others has to stay below what all of them would wait."""


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
        self._waiting: defaultdict[Hashable, deque[tuple[Any, Future[Any]]]] = defaultdict(deque)
        """What waits to be done together with others of its kind."""
        self._idle: set[Hashable] = set()
        """Kinds of work that is done while nothing waits."""
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, work: Callable[[], Result]) -> Result:
        """Return what `work` returns; work whose request has gone away before its turn is not done at all.

        Raises
        ------
        OverloadedError
            Where the queue is full.
        """
        self._enter()
        try:
            future = self._pool.submit(work)
        except RuntimeError:
            self._done()
            raise OverloadedError(self.name, 1) from None
        future.add_done_callback(lambda _: self._done())
        return await asyncio.wrap_future(future)

    async def run_together(
        self, kind: Hashable, wish: Wish, perform: Callable[[Sequence[Wish]], Iterable[tuple[int, Result | Exception]]]
    ) -> Result:
        """Return what `perform` makes of a wish, which it gets together with others of the same kind that wait, `TOGETHER` at most.

        Parameters
        ----------
        kind : hashable
        wish : object
        perform : callable
            Takes wishes and yields the number of each with what it made of it, or the error, in any order; it does the same for all
            wishes of a kind.

        Raises
        ------
        OverloadedError
            Where the queue is full.
        """
        self._enter()
        future: Future[Result] = Future()
        future.add_done_callback(lambda _: self._done())
        with self._lock:
            self._waiting[kind].append((wish, future))
        try:
            # One turn for each wish: the turn of one that was taken along finds others, or nothing to do.
            self._pool.submit(self._perform, kind, perform)
        except RuntimeError:
            future.cancel()
            raise OverloadedError(self.name, 1) from None
        return await asyncio.wrap_future(future)

    def _perform(self, kind: Hashable, perform: Callable[[Sequence[Any]], Iterable[tuple[int, Any]]]) -> None:
        with self._lock:
            waiting = self._waiting[kind]
            some = [waiting.popleft() for _ in range(min(len(waiting), TOGETHER))]
            if not waiting:
                del self._waiting[kind]
        taken = [(wish, future) for wish, future in some if future.set_running_or_notify_cancel()]
        if not taken:
            return
        try:
            for number, made in perform([wish for wish, _ in taken]):
                _tell(taken[number][1], made)
        except BaseException as error:
            for _, future in taken:
                if not future.done():
                    _tell(future, error)

    def run_idle(self, kind: Hashable, portion: Callable[[], bool]) -> None:
        """Call `portion` while no request waits or runs, again and again until it returns False: there is no more to do.

        Requests that come meanwhile wait for one portion at most. Of each kind there is one such work at a time.
        """
        with self._lock:
            if kind in self._idle:
                return
            self._idle.add(kind)
        self._pool_idle(kind, portion)

    def _pool_idle(self, kind: Hashable, portion: Callable[[], bool]) -> None:
        try:
            # Behind all that wait.
            self._pool.submit(self._perform_idle, kind, portion)
        except RuntimeError:
            self._idle.discard(kind)

    def _perform_idle(self, kind: Hashable, portion: Callable[[], bool]) -> None:
        more = False
        try:
            more = self.busy > 0 or portion()
        except Exception:
            # Nobody waits for it who could be told.
            logger.exception("idle work")
        finally:
            if not more:
                self._idle.discard(kind)
        if more:
            self._pool_idle(kind, portion)

    def _enter(self) -> None:
        with self._lock:
            if self.busy >= self.limit:
                raise OverloadedError(self.name, 1)
            self._count(1)

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
        with self._lock:
            left = [future for waiting in self._waiting.values() for _, future in waiting]
            self._waiting.clear()
        for future in left:
            future.cancel()


def _tell(future: Future[Any], made: Any) -> None:
    if isinstance(made, BaseException):
        future.set_exception(made)
    else:
        future.set_result(made)
