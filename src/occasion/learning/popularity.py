"""What is popular: shares of all events within windows of the clock, and how old and how fresh each item is."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from occasion.learning.signals import DAY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.learning.dataset import Events

    Floats = NDArray[np.float32]

__all__ = ["Popularity", "windows"]

LEADERS = 2000
"""Items of each figure that are kept in order: a request bars some of them, and wants a hundred of the others."""
WINDOWS = (0.25, 1.0, 3.0, 14.0, 60.0)
"""Days before the newest event."""
SHORT, LEAST = 3.0, 1000
"""Days from which on a window is always told apart, and events that a shorter one has to hold, about: what was chosen in the last
hours says something of news, and is chance where a catalogue has a hundred events a day."""


def windows(time: NDArray[np.float64]) -> tuple[float, ...]:
    """Return which of WINDOWS (days) a log with events at times (n,) tells apart: those it is longer than, with enough events.

    Where the time of an event is unknown nothing is known of the span: all windows but the short ones.
    """
    span = float(np.ptp(time)) / DAY if len(time) else 0.0
    if not np.isfinite(span):
        return tuple(days for days in WINDOWS if days >= SHORT)
    return tuple(days for days in WINDOWS if days < span and (days >= SHORT or len(time) * days / span >= LEAST))


class Popularity:
    """Static figures of items.

    Attributes
    ----------
    table : (items, f) float32
        Log shares of events by window, log number of users, how far into people's histories it comes (mean log place), days since
        the first and the newest event (NaN where never).
    names : list of str, (f,)
    """

    def __init__(self, table: Floats, names: list[str]) -> None:
        self.table, self.names = table, names

    @classmethod
    def fit(cls, events: Events, n_items: int, times: str, told: tuple[float, ...] = WINDOWS) -> Popularity:
        """Count; windows (those `told` apart, in days) and ages only where `times` is "unix"."""
        columns = {"share": _log_share(np.bincount(events.item, minlength=n_items))}
        pairs = np.unique(events.user.astype(np.int64) * n_items + events.item) % n_items
        columns["people"] = np.log1p(np.bincount(pairs, minlength=n_items)).astype(np.float32)
        if times != "none":
            columns["depth"] = _depth(events, n_items)
        if times == "unix":
            # No event yet, as in the first fold of a short log, is no reason for other columns.
            now = np.nanmax(events.time) if len(events) else 0.0
            age = (now - np.nan_to_num(events.time, nan=now)) / DAY
            for days in told:
                columns[f"share_{days:g}d"] = _log_share(np.bincount(events.item[age <= days], minlength=n_items))
            oldest, newest = np.full(n_items, -np.inf), np.full(n_items, np.inf)
            np.maximum.at(oldest, events.item, age)
            np.minimum.at(newest, events.item, age)
            columns["age_first"] = np.where(np.isfinite(oldest), oldest, np.nan).astype(np.float32)
            columns["age_last"] = np.where(np.isfinite(newest), newest, np.nan).astype(np.float32)
        return cls(np.stack(list(columns.values()), 1).astype(np.float32), list(columns))

    def leaders(self, name: str) -> NDArray[np.int64]:
        """Return the items with the greatest figures, best first, equal ones in order; some more than a request may want."""
        if name not in self._leaders:
            self._leaders[name] = np.argsort(-self.column(name), kind="stable")[:LEADERS]
        return self._leaders[name]

    @cached_property
    def _leaders(self) -> dict[str, NDArray[np.int64]]:
        return {}

    def column(self, name: str) -> Floats:
        """Return one figure for all items (items,)."""
        return np.asarray(self._columns[self.names.index(name)])

    @cached_property
    def _columns(self) -> Floats:
        """The table with each figure's values side by side (f, items)."""
        return np.ascontiguousarray(self.table.T)

    @cached_property
    def _met(self) -> NDArray[np.bool_]:
        return np.asarray(self.column("people") > 0)

    @property
    def met(self) -> NDArray[np.bool_]:
        """Which items have events (items,)."""
        return self._met


def _depth(events: Events, n_items: int) -> Floats:
    """Mean log place of each item in the histories of those who had it (items,); `events` are sorted by user and time."""
    start = np.flatnonzero(np.diff(events.user, prepend=-1))
    place = np.arange(len(events)) - np.repeat(start, np.diff(np.append(start, len(events))))
    count = np.bincount(events.item, minlength=n_items)
    total = np.bincount(events.item, weights=np.log1p(place), minlength=n_items)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


def _log_share(counts: NDArray[np.int64]) -> Floats:
    """Log share with half an event added, so that items without events stay finite, per million events."""
    return np.log1p(counts * (1e6 / max(int(counts.sum()), 1)) / 50).astype(np.float32)
