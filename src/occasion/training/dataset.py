"""What a model learns from, as arrays: items with texts and attributes, events sorted by user, and requests with their histories.

Everything a request needs is in :class:`Requests` (history items, times and signals), so a person who has never been seen
before the request is served the same way as one the model was fitted on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

__all__ = ["Dataset", "Events", "Items", "Queries", "Requests", "Signals", "build_requests"]

UNIX = 1e8
"""Times whose median is above this are seconds of the clock; below, they are positions in a sequence."""

DAY = 86400.0
BINS = 8


@dataclass(kw_only=True)
class Items:
    """The catalogue, by item key.

    Attributes
    ----------
    ids : list of str, (items,)
    texts : list of str, (items,)
        All text columns joined, title first; empty where nothing is known.
    attributes : dict of name to (items, values) scipy CSR, rows sum to 1 or 0
        Columns with few distinct values; several values in one cell are split.
    numbers : (items, m) float32
        Numeric columns, NaN where missing.
    number_names : list of str, (m,)
    """

    ids: list[str]
    texts: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)
    numbers: NDArray[np.float32]
    number_names: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(kw_only=True)
class Signals:
    """How context columns become codes: learnt from train, applied to anything.

    Attributes
    ----------
    names : list of str, (s,)
        Names of the coded signals: categorical columns, binned numeric columns, then what the clock gives.
    values : dict of name to list of str
        Known values of each categorical column; a value's code is its place.
    edges : dict of name to list of float
        Inner edges of the bins of each numeric column.
    clock : bool
        Whether hour and weekday are derived from the time.
    """

    names: list[str] = field(default_factory=list)
    values: dict[str, list[str]] = field(default_factory=dict)
    edges: dict[str, list[float]] = field(default_factory=dict)
    clock: bool = False

    @property
    def sizes(self) -> list[int]:
        """Number of codes of each signal, (s,)."""
        known = {n: len(v) for n, v in self.values.items()} | {n: len(e) + 1 for n, e in self.edges.items()}
        return [known.get(n, {"clock_hour": 24, "clock_weekday": 7}.get(n, 0)) for n in self.names]

    @property
    def numeric(self) -> list[str]:
        """Names of the numeric columns, in order."""
        return [n for n in self.names if n in self.edges]

    @classmethod
    def learn(cls, frame: pl.DataFrame, clock: bool) -> Signals:
        """Find the signals of a frame with ``ctx_*`` columns; a column with one value or none says nothing and is left out."""
        signals = cls(clock=clock)
        for name in sorted(c for c in frame.columns if c.startswith("ctx_")):
            column = frame[name]
            if column.dtype.is_numeric() and column.n_unique() > BINS:
                finite = column.cast(float).drop_nulls().drop_nans().to_numpy()
                edges = np.unique(np.quantile(finite, np.linspace(0, 1, BINS + 1)[1:-1])) if len(finite) else np.zeros(0)
                if len(edges):
                    signals.names.append(name)
                    signals.edges[name] = [float(e) for e in edges]
                continue
            values = sorted(str(v) for v in column.drop_nulls().unique().to_list())
            if len(values) + (column.null_count() > 0) > 1:
                signals.names.append(name)
                signals.values[name] = values
        if clock:
            signals.names += ["clock_hour", "clock_weekday"]
        return signals

    def code(self, frame: pl.DataFrame, time: NDArray[np.float64]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return codes (n, s), -1 where missing or unknown, and the raw numeric columns (n, r)."""
        codes = np.full((len(frame), len(self.names)), -1, np.int32)
        numbers = np.full((len(frame), len(self.numeric)), np.nan, np.float32)
        for j, name in enumerate(self.names):
            if name in self.values:
                codes[:, j] = _codes(frame, name, self.values[name])
            elif name in self.edges and name in frame.columns:
                x = frame[name].cast(float, strict=False).fill_null(np.nan).to_numpy()
                codes[:, j] = np.where(np.isfinite(x), np.searchsorted(self.edges[name], x, side="right"), -1)
                numbers[:, self.numeric.index(name)] = x
            elif name == "clock_hour":
                codes[:, j] = np.where(np.isfinite(time), np.nan_to_num(time) % DAY // 3600, -1)
            elif name == "clock_weekday":
                codes[:, j] = np.where(np.isfinite(time), (np.nan_to_num(time) // DAY + 3) % 7, -1)
        return codes, numbers


def _codes(frame: pl.DataFrame, name: str, values: list[str]) -> NDArray[np.int32]:
    """Return the place of each cell in `values`, -1 where it is not there."""
    if name not in frame.columns:
        return np.full(len(frame), -1, np.int32)
    place = {v: k for k, v in enumerate(values)}
    return np.array([-1 if v is None else place.get(str(v), -1) for v in frame[name].to_list()], np.int32)


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

    @property
    def row(self) -> NDArray[np.int64]:
        """Request of each history event, (h,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.ptr))

    @property
    def back(self) -> NDArray[np.int64]:
        """Steps from the end of the history, 0 for the newest, (h,)."""
        return np.repeat(self.ptr[1:], np.diff(self.ptr)) - 1 - np.arange(len(self.item))

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
    span : float, optional
        Days the log spans where it is longer than these events: it decides which windows of popularity are told apart.
    """

    items: Items
    events: Events
    users: list[str]
    signals: Signals
    times: str
    exclude_seen: bool
    rated: bool = False
    span: float | None = None

    @classmethod
    def from_frames(
        cls, items: pl.DataFrame, events: pl.DataFrame, *, exclude_seen: bool | None = None, rated: bool = False
    ) -> Dataset:
        """Read frames: `items` has item_id and anything; `events` has user_id, item_id and may have time, rating, batch, ctx_*.

        ``exclude_seen=None`` finds out from the events: where fewer than 1 in 50 repeats an earlier one, seen items are left out.
        """
        catalogue = read_items(items, events["item_id"].to_list())
        time = clean_time(events)
        times = "none" if not np.isfinite(time).any() else "unix" if np.nanmedian(time) > UNIX else "position"
        clock = times == "unix" and bool(np.mean(np.nan_to_num(time) % DAY == 0) < 0.5)
        signals = Signals.learn(events, clock)
        users = sorted(set(events["user_id"].cast(str).to_list()))
        read = _read_events(events, time, catalogue, users, signals).sorted()
        if exclude_seen is None:
            pairs = read.user.astype(np.int64) * len(catalogue) + read.item
            exclude_seen = len(np.unique(pairs)) > 0.98 * len(pairs)
        return cls(items=catalogue, events=read, users=users, signals=signals, times=times, exclude_seen=exclude_seen, rated=rated)

    def queries(self, frame: pl.DataFrame) -> Queries:
        """Read queries: query_id, user_id, and may have time, ctx_*, item_id (one row a query)."""
        time = clean_time(frame)
        user = {u: k for k, u in enumerate(self.users)}
        item = {i: k for k, i in enumerate(self.items.ids)}
        codes, numbers = self.signals.code(frame, time)
        asked = frame["item_id"].cast(str).to_list() if "item_id" in frame.columns else [""] * len(frame)
        return Queries(
            ids=frame["query_id"].cast(str).to_list(), time=time, signals=codes, numbers=numbers,
            user=np.array([user.get(str(u), -1) for u in frame["user_id"].to_list()], np.int32),
            item=np.array([item.get(i, -1) for i in asked], np.int32),
        )  # fmt: skip

    def with_events(self, frame: pl.DataFrame) -> Dataset:
        """Return the data set with more events that are history only (codes, users and items as learnt; new users are added)."""
        users = self.users + sorted(set(frame["user_id"].cast(str).to_list()) - set(self.users))
        more = _read_events(frame, clean_time(frame), self.items, users, self.signals)
        both = Events(**{n: np.concatenate([getattr(self.events, n), getattr(more, n)]) for n in more.__dataclass_fields__})
        return replace(self, events=both.sorted(), users=users)

    def only(self, frame: pl.DataFrame) -> Dataset:
        """Return the data set with the events of a frame in place of its own; codes, users and the span of the log stay."""
        span = self.span
        if span is None and self.times == "unix" and len(self.events):
            span = float(np.ptp(self.events.time)) / DAY if np.isfinite(self.events.time).all() else np.inf
        events = _read_events(frame, clean_time(frame), self.items, self.users, self.signals)
        return replace(self, events=events.sorted(), span=span)

    def restrict(self, kept: NDArray[np.int64]) -> Dataset:
        """Return the data set with the items of the given keys alone; events of others are dropped."""
        place = np.full(len(self.items), -1, np.int32)
        place[kept] = np.arange(len(kept))
        items = Items(
            ids=[self.items.ids[i] for i in kept], texts=[self.items.texts[i] for i in kept], numbers=self.items.numbers[kept],
            number_names=self.items.number_names, attributes={n: m[kept] for n, m in self.items.attributes.items()},
        )  # fmt: skip
        events = self.events.take(place[self.events.item] >= 0)
        return replace(self, items=items, events=replace(events, item=place[events.item]))

    def frequent(self, limit: int, half_life: float = 60.0) -> NDArray[np.int64]:
        """Return the keys of the `limit` items with the most events, weighted by 0.5**(days / half_life) where there is a clock."""
        weight = np.ones(len(self.events))
        if self.times == "unix" and len(weight):
            weight = 0.5 ** ((np.nanmax(self.events.time) - np.nan_to_num(self.events.time)) / DAY / half_life)
        count = np.bincount(self.events.item, weights=weight, minlength=len(self.items))
        return np.sort(np.argsort(-count, kind="stable")[:limit])


def clean_time(frame: pl.DataFrame) -> NDArray[np.float64]:
    """Return times (n,) in seconds or positions, NaN where unknown; milliseconds and dates are turned into seconds."""
    if "time" not in frame.columns or frame["time"].dtype.is_nested():
        return np.full(len(frame), np.nan)
    column = frame["time"]
    if column.dtype.is_temporal():
        return column.dt.epoch("s").cast(float).fill_null(np.nan).to_numpy().astype(np.float64)
    time = column.cast(float, strict=False).fill_null(np.nan).to_numpy().astype(np.float64)
    return time / 1000.0 if len(time) and np.isfinite(time).any() and np.nanmedian(time) > UNIX * 1000 else time


def _read_events(frame: pl.DataFrame, time: NDArray[np.float64], items: Items, users: list[str], signals: Signals) -> Events:
    user = {u: k for k, u in enumerate(users)}
    item = {i: k for k, i in enumerate(items.ids)}
    codes, numbers = signals.code(frame, time)
    value = frame["rating"].cast(float).fill_null(np.nan).to_numpy() if "rating" in frame.columns else np.ones(len(frame))
    batch = frame["batch"].to_numpy() if "batch" in frame.columns else np.zeros(len(frame))
    events = Events(
        user=np.array([user[str(u)] for u in frame["user_id"].to_list()], np.int32),
        item=np.array([item.get(str(i), -1) for i in frame["item_id"].to_list()], np.int32),
        time=time, value=value.astype(np.float32), batch=batch.astype(np.int32), signals=codes, numbers=numbers,
    )  # fmt: skip
    return events.take(events.item >= 0)


def read_items(frame: pl.DataFrame, named: list[Any]) -> Items:
    """Turn a frame of items into texts, attributes and numbers; ids that only events name are added, with nothing known."""
    ids = [str(i) for i in frame["item_id"].to_list()]
    extra = sorted({str(i) for i in named} - set(ids))
    texts, attributes, numbers = [], {}, {}
    for name in frame.columns:
        column = frame[name]
        if name == "item_id" or column.dtype.is_nested() or column.null_count() == len(column):
            continue
        if column.dtype.is_float() or (column.dtype.is_integer() and not name.endswith("_id")):
            if column.n_unique() > 2:
                numbers[name] = column.cast(float).fill_null(np.nan).to_numpy()
            continue
        cells = ["" if v is None else str(v).strip() for v in column.to_list()]
        matrix = _attribute(cells + [""] * len(extra))
        if matrix is not None:
            attributes[name] = matrix
        if str(column.dtype) == "String" and not _is_code(cells):
            texts.append(cells)
    stacked = np.stack(list(numbers.values()), 1) if numbers else np.zeros((len(frame), 0))
    padded = np.concatenate([stacked, np.full((len(extra), stacked.shape[1]), np.nan)]).astype(np.float32)
    joined = [". ".join(c for c in row if c) for row in zip(*texts, strict=True)] if texts else [""] * len(ids)
    return Items(
        ids=ids + extra, texts=joined + [""] * len(extra), attributes=attributes, numbers=padded, number_names=list(numbers)
    )


def _is_code(cells: list[str]) -> bool:
    """Whether a column holds addresses, ids or figures instead of words."""
    filled = [c for c in cells[:2000] if c]
    words = sum(bool(re.search(r"[^\W\d_]{2,}", c)) for c in filled)
    links = sum(c.startswith(("http://", "https://", "www.")) for c in filled)
    return not filled or words < 0.5 * len(filled) or links > 0.5 * len(filled)


def _attribute(cells: list[str]) -> Any | None:
    """Return a CSR (items, values) of a column with repeated values, rows scaled to sum 1; None where it is free text."""
    from scipy import sparse

    filled = [c for c in cells if c]
    if not filled or len(set(filled)) < 2 or np.mean([len(c) for c in filled]) > 120:
        return None
    split = [[p.strip() for p in re.split(r"[|,;]", c) if p.strip()] for c in cells]
    if max(len(p) for p in split) > 40 or np.mean([len(s) > 40 for p in split for s in p]) > 0.5:
        return None
    counts: dict[str, int] = {}
    for parts in split:
        for value in set(parts):
            counts[value] = counts.get(value, 0) + 1
    kept = {v: k for k, v in enumerate(sorted(v for v, c in counts.items() if c > 1))}
    if len(kept) < 2 or sum(counts[v] for v in kept) < 0.5 * sum(counts.values()):
        return None
    rows = [(i, kept[v]) for i, parts in enumerate(split) for v in set(parts) if v in kept]
    index = np.array(rows, np.int64).reshape(-1, 2)
    matrix = sparse.csr_matrix((np.ones(len(rows), np.float32), (index[:, 0], index[:, 1])), shape=(len(cells), len(kept)))
    # A value that nearly all items share tells nothing apart: weight values by how rare they are.
    rarity = np.log(1.0 + len(cells) / np.maximum(np.asarray(matrix.sum(0)).ravel(), 1.0))
    matrix = matrix.multiply(rarity[None, :]).tocsr()
    norm = np.sqrt(np.asarray(matrix.multiply(matrix).sum(1)).ravel())
    return sparse.diags(1.0 / np.maximum(norm, 1e-9)).dot(matrix).tocsr().astype(np.float32)
