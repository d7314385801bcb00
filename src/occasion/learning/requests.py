"""Events sorted by user, queries, and requests with their histories, as arrays.

Everything a request needs is in :class:`Requests` (history items, times and signals), so a person who has never been seen
before the request is served the same way as one the model was fitted on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BASKET = 2
"""Events a moment, above which the moments of a log are baskets."""

__all__ = ["Events", "Queries", "Requests", "build_requests"]


@dataclass(kw_only=True)
class Events:
    """Events sorted by (user, time, order in the log), each column (n,).

    `time` is seconds of the clock, or a position, or NaN; `value` is the rating or 1; `batch` counts imports, the newest
    has the highest number; `signals` is (n, s), `numbers` is (n, r).
    """

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    time: NDArray[np.float64]
    value: NDArray[np.float32]
    batch: NDArray[np.int32]
    signals: NDArray[np.int32]
    numbers: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.item)

    @property
    def first(self) -> NDArray[np.bool_]:
        """Whether each event is the first of its moment (n,): of one person, at one time."""
        return np.append(True, (self.user[1:] != self.user[:-1]) | (self.time[1:] != self.time[:-1]))[: len(self)]

    @property
    def baskets(self) -> bool:
        """Whether most events come in moments of several, so that their order says nothing."""
        return len(self) > BASKET * int(np.count_nonzero(self.first))

    def take(self, rows: NDArray[Any]) -> Events:
        """Return the events of a mask or of row numbers, in that order."""
        return Events(**{name: getattr(self, name)[rows] for name in self.__dataclass_fields__})

    def sorted(self) -> Events:
        """Return the events in order of (user, time); equal times keep their order."""
        return self.take(np.lexsort((np.nan_to_num(self.time), self.user)))


@dataclass(kw_only=True)
class Queries:
    """What is asked, each (n,): `user` is -1 where unknown, `item` is the item to be rated, else -1."""

    ids: list[str]
    user: NDArray[np.int32]
    time: NDArray[np.float64]
    item: NDArray[np.int32]
    signals: NDArray[np.int32]
    numbers: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(kw_only=True)
class Requests:
    """A batch of B requests with ragged histories, oldest event first: request b owns rows ``ptr[b]:ptr[b + 1]``.

    Attributes
    ----------
    time : (B,) float64
        Clock seconds, position or NaN.
    signals : (B, s) int32
    numbers : (B, r) float32
    ptr : (B + 1,) int64
    item : (h,) int32
    when : (h,) float64
    value : (h,) float32
    past : (h, s) int32
        Signals of the history events.
    allowed : (items,) bool, optional
        Which items may be answered at all, the same for all requests; None: every item.
    """

    time: NDArray[np.float64]
    signals: NDArray[np.int32]
    numbers: NDArray[np.float32]
    ptr: NDArray[np.int64]
    item: NDArray[np.int32]
    when: NDArray[np.float64]
    value: NDArray[np.float32]
    past: NDArray[np.int32]
    allowed: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.time)

    @cached_property
    def row(self) -> NDArray[np.int64]:
        """Request of each history event, (h,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.ptr))

    @cached_property
    def back(self) -> NDArray[np.int64]:
        """Steps from the end of the history, 0 for the newest, (h,)."""
        return np.repeat(self.ptr[1:], np.diff(self.ptr)) - 1 - np.arange(len(self.item))

    @cached_property
    def agreement(self) -> NDArray[np.bool_]:
        """Whether each history event shares each signal's value with its request (h, s); missing agrees with nothing."""
        now = self.signals[self.row]
        return np.asarray((self.past == now) & (now >= 0))

    def part(self, start: int, stop: int) -> Requests:
        """Return requests start..stop."""
        a, b = self.ptr[start], self.ptr[stop]
        head = {n: getattr(self, n)[start:stop] for n in ("time", "signals", "numbers")}
        tail = {n: getattr(self, n)[a:b] for n in ("item", "when", "value", "past")}
        return Requests(ptr=self.ptr[start : stop + 1] - a, allowed=self.allowed, **head, **tail)

    def rename(self, place: NDArray[np.int32]) -> Requests:
        """Return the requests with item keys mapped by `place`; history events mapped to -1 are dropped."""
        allowed = None
        if self.allowed is not None:
            kept_keys = np.flatnonzero(place >= 0)
            allowed = np.zeros(len(kept_keys), np.bool_)
            allowed[place[kept_keys]] = self.allowed[kept_keys]
        keep = place[self.item] >= 0
        kept = np.concatenate([[0], np.cumsum(keep)]).astype(np.int64)
        return Requests(
            time=self.time, signals=self.signals, numbers=self.numbers, ptr=kept[self.ptr], item=place[self.item[keep]],
            when=self.when[keep], value=self.value[keep], past=self.past[keep], allowed=allowed,
        )  # fmt: skip

    def newest(self, count: NDArray[np.floating | np.integer]) -> Requests:
        """Return the requests with the `count` (B,) newest events of each history, all of them where there are no more."""
        keep = self.back < count[self.row]
        kept = np.concatenate([[0], np.cumsum(keep)]).astype(np.int64)
        return replace(self, ptr=kept[self.ptr], **{n: getattr(self, n)[keep] for n in ("item", "when", "value", "past")})

    def select(self, rows: NDArray[np.int64]) -> Requests:
        """Return the requests of the given row numbers."""
        length = np.diff(self.ptr)[rows]
        ptr = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
        flat = np.repeat(self.ptr[rows] - ptr[:-1], length) + np.arange(ptr[-1])
        head = {n: getattr(self, n)[rows] for n in ("time", "signals", "numbers")}
        tail = {n: getattr(self, n)[flat] for n in ("item", "when", "value", "past")}
        return Requests(ptr=ptr, allowed=self.allowed, **head, **tail)


def build_requests(events: Events, queries: Queries, limit: int = 1000) -> Requests:
    """Give each query what its user did strictly before it (everything, where either time is unknown).

    Parameters
    ----------
    events : Events
        Sorted by (user, time).
    queries : Queries
    limit : int
        Longest history, the newest events are kept.
    """
    n_users = int(max(events.user.max(initial=-1), queries.user.max(initial=-1))) + 1
    bounds = np.searchsorted(events.user, np.arange(n_users + 1))
    known = queries.user >= 0
    user = np.where(known, queries.user, 0)
    start = np.where(known, bounds[user], 0) if n_users else np.zeros(len(queries), np.int64)
    stop = np.where(known, bounds[user + 1], 0) if n_users else np.zeros(len(queries), np.int64)
    for i in np.flatnonzero(np.isfinite(queries.time)):
        stop[i] = start[i] + np.searchsorted(events.time[start[i] : stop[i]], queries.time[i], side="left")
    start = np.maximum(start, stop - limit)
    length = stop - start
    ptr = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
    flat = np.repeat(start - ptr[:-1], length) + np.arange(ptr[-1])
    return Requests(
        time=queries.time, signals=queries.signals, numbers=queries.numbers, ptr=ptr,
        item=events.item[flat], when=events.time[flat], value=events.value[flat], past=events.signals[flat],
    )  # fmt: skip
