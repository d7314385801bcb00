"""What a model learns from, as arrays: items, signals, and events, with everything found out about their kind."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from occasion.learning.closeness import TOLD, which
from occasion.learning.freshness import telling
from occasion.learning.items import Items, read_ids, read_items
from occasion.learning.popularity import windows
from occasion.learning.requests import Events, Queries, Requests, build_requests
from occasion.learning.signals import DAY, Signals

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

__all__ = ["DAY", "Dataset", "Events", "Items", "Queries", "Requests", "Signals", "build_requests"]

UNIX = 1e8
"""Times whose median is above this are seconds of the clock; below, they are positions in a sequence."""


@dataclass(kw_only=True)
class Dataset:
    """Items and events with everything found out about their kind.

    Attributes
    ----------
    items : Items
    events : Events
    users : list of str
        User ids by key.
    signals : Signals
    times : {"unix", "position", "none"}
    exclude_seen : bool
        Whether an item that a person has had is never the answer again.
    rated : bool
        Whether events carry ratings to be predicted.
    windows : tuple of float
        Windows of popularity that are told apart, in days; by the whole log, so that all parts of it have the same ones.
    fresh : str, optional
        The number of the items that says when they came out, where people choose what is new; by the whole log, too.
    """

    items: Items
    events: Events
    users: list[str]
    signals: Signals
    times: str
    exclude_seen: bool
    rated: bool = False
    windows: tuple[float, ...] = ()
    fresh: str | None = None

    @classmethod
    def from_frames(
        cls, items: pl.DataFrame, events: pl.DataFrame, *, exclude_seen: bool | None = None, rated: bool = False
    ) -> Dataset:
        """Read frames: `items` has item_id and anything; `events` has user_id, item_id and may have time, rating, batch, ctx_*.

        ``exclude_seen=None`` finds out from the events: where fewer than 1 in 50 repeats an earlier one, seen items are left out.
        """
        events = _named(events)
        catalogue = read_items(items, read_ids(events["item_id"]))
        time = clean_time(events)
        times = "none" if not np.isfinite(time).any() else "unix" if np.nanmedian(time) > UNIX else "position"
        clock = times == "unix" and bool(np.mean(np.nan_to_num(time) % DAY == 0) < 0.5)
        signals = Signals.learn(events, clock)
        if not rated and which(catalogue.number_names) is not None and which(signals.numeric) is None:
            signals = replace(signals, position=TOLD)
        users = sorted(set(_ids(events["user_id"])))
        read = _dated(_read_events(events, time, catalogue, users, signals), times).sorted()
        if exclude_seen is None:
            pairs = read.user.astype(np.int64) * len(catalogue) + read.item
            exclude_seen = len(np.unique(pairs)) > 0.98 * len(pairs)
        return cls(
            items=catalogue, events=read, users=users, signals=signals, times=times, exclude_seen=exclude_seen, rated=rated,
            windows=windows(read.time) if times == "unix" else (), fresh=telling(catalogue, read) if times == "unix" else None,
        )  # fmt: skip

    def queries(self, frame: pl.DataFrame) -> Queries:
        """Read queries: query_id, user_id, and may have time, ctx_*, item_id (one row a query)."""
        time = clean_time(frame)
        user = {u: k for k, u in enumerate(self.users)}
        item = {i: k for k, i in enumerate(self.items.ids)}
        codes, numbers = self.signals.code(frame, time)
        asked = read_ids(frame["item_id"]) if "item_id" in frame.columns else [None] * len(frame)
        return Queries(
            ids=frame["query_id"].cast(str).to_list(), time=time, signals=codes, numbers=numbers,
            user=np.array([-1 if u is None else user.get(u, -1) for u in read_ids(frame["user_id"])], np.int32),
            item=np.array([-1 if i is None else item.get(i, -1) for i in asked], np.int32),
        )  # fmt: skip

    def with_events(self, frame: pl.DataFrame) -> Dataset:
        """Return the data set with more events that are history only (codes, users and items as learnt; new users are added)."""
        frame = _named(frame)
        users = self.users + sorted(set(_ids(frame["user_id"])) - set(self.users))
        more = _dated(_read_events(frame, clean_time(frame), self.items, users, self.signals), self.times)
        both = Events(**{n: np.concatenate([getattr(self.events, n), getattr(more, n)]) for n in more.__dataclass_fields__})
        return replace(self, events=both.sorted(), users=users)

    def only(self, frame: pl.DataFrame) -> Dataset:
        """Return the data set with the events of a frame in place of its own; codes, users and windows of popularity stay."""
        frame = _named(frame)
        events = _dated(_read_events(frame, clean_time(frame), self.items, self.users, self.signals), self.times)
        return replace(self, events=events.sorted())

    def restrict(self, kept: NDArray[np.int64]) -> Dataset:
        """Return the data set with the items of the given keys alone; events of others are dropped."""
        place = np.full(len(self.items), -1, np.int32)
        place[kept] = np.arange(len(kept))
        items = Items(
            ids=[self.items.ids[i] for i in kept], texts=[self.items.texts[i] for i in kept], numbers=self.items.numbers[kept],
            number_names=self.items.number_names, dated=self.items.dated,
            attributes={n: m[kept] for n, m in self.items.attributes.items()},
        )  # fmt: skip
        events = self.events.take(place[self.events.item] >= 0)
        return replace(self, items=items, events=replace(events, item=place[events.item]))

    def liked(self) -> Dataset:
        """Return the data set without events whose value says no (0 or less); a value that is missing says nothing."""
        return replace(self, events=self.events.take(~(self.events.value <= 0)))

    def frequent(self, limit: int, half_life: float = 60.0, *, most: int = 0, share: float = 1.0) -> NDArray[np.int64]:
        """Return the keys of the `limit` items with the most events, weighted by 0.5**(days / half_life) where there is a clock.

        Where people choose what is new, up to half of them are the newest ones. Up to `most` are returned where `limit` items hold
        less than a `share` of the weight.
        """
        weight = np.ones(len(self.events))
        if self.times == "unix" and len(weight):
            weight = 0.5 ** ((np.nanmax(self.events.time) - np.nan_to_num(self.events.time)) / DAY / half_life)
        count = np.bincount(self.events.item, weights=weight, minlength=len(self.items))
        if limit < most and np.sort(count)[::-1][:limit].sum() < share * count.sum():
            limit = most
        if self.fresh is not None:
            days = self.items.numbers[:, self.items.number_names.index(self.fresh)]
            newest = np.argsort(-days, kind="stable")[: limit // 2]  # What has no day is last.
            count[newest[np.isfinite(days[newest])]] = np.inf
        return np.sort(np.argsort(-count, kind="stable")[:limit])


def _dated(events: Events, times: str) -> Events:
    """Return events where those without a time, among others that have one, are as old as the oldest."""
    known = np.isfinite(events.time)
    if times == "none" or known.all():
        return events
    return replace(events, time=np.where(known, events.time, events.time[known].min() if known.any() else 0.0))


def clean_time(frame: pl.DataFrame) -> NDArray[np.float64]:
    """Return times (n,) in seconds or positions, NaN where unknown; smaller units, dates and texts are turned into seconds."""
    if "time" not in frame.columns or frame["time"].dtype.is_nested():
        return np.full(len(frame), np.nan)
    column = frame["time"]
    if str(column.dtype) == "String":
        column = _read_times(column)
    if column.dtype.is_temporal():
        return column.dt.epoch("s").cast(float).fill_null(np.nan).to_numpy().astype(np.float64)
    time = column.cast(float, strict=False).fill_null(np.nan).to_numpy().astype(np.float64)
    while len(time) and np.isfinite(time).any() and np.nanmedian(time) > UNIX * 1000:
        time = time / 1000.0
    return time


def _read_times(column: pl.Series) -> pl.Series:
    """Return what texts say of times: figures, or dates and times as in ISO 8601 (taken for UTC)."""
    figures = column.cast(float, strict=False)
    if figures.count() >= 0.5 * column.count():
        return figures
    day = column.str.slice(0, 10).str.to_datetime("%Y-%m-%d", strict=False, time_unit="us")
    exact = column.str.slice(0, 19).str.replace("T", " ").str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False, time_unit="us")
    return exact.zip_with(exact.is_not_null(), day)


def _named(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame of events without those that do not say whose they are or of what."""
    if frame["user_id"].null_count() or frame["item_id"].null_count():
        return frame.drop_nulls(["user_id", "item_id"])
    return frame


def _ids(column: pl.Series) -> list[str]:
    """Return ids as text, those that are missing left out."""
    return [i for i in read_ids(column) if i is not None]


def _read_events(frame: pl.DataFrame, time: NDArray[np.float64], items: Items, users: list[str], signals: Signals) -> Events:
    user = {u: k for k, u in enumerate(users)}
    item = {i: k for k, i in enumerate(items.ids)}
    codes, numbers = signals.code(frame, time)
    value = np.ones(len(frame))
    if "rating" in frame.columns:
        value = frame["rating"].cast(float, strict=False).fill_null(np.nan).to_numpy()
    batch = frame["batch"].to_numpy() if "batch" in frame.columns else np.zeros(len(frame))
    events = Events(
        user=np.array([user[u] for u in _ids(frame["user_id"])], np.int32),
        item=np.array([item.get(i, -1) for i in _ids(frame["item_id"])], np.int32),
        time=time, value=value.astype(np.float32), batch=batch.astype(np.int32), signals=codes, numbers=numbers,
    )  # fmt: skip
    return events.take(events.item >= 0)
