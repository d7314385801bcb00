"""Split: which events a model may count, which moments it must foretell. Always the past for the future, never shuffled.

With times, one point in time cuts the log of all users (a global split): what lies after it is foretold. Without times, or
where the "times" are plainly positions, the last moment of each user is foretold from everything else.

A *moment* is what one person did in one situation: events of one user under one stored context (text and signals) within
`window` seconds of the first of them. Its answers are the distinct items that the person liked in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import numpy as np

from occasion.context import UNTIMED
from occasion.errors import DataError
from occasion.liking import liking, rating_range
from occasion.protocols import EventColumns

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Moments", "Split", "split_by_order", "split_by_time", "split_log"]

WINDOW = 1800.0
"""Seconds."""
POSITIONS = float(UNTIMED)
"""Times that all lie below this (1973) are positions in a sequence and no times."""
LONGEST = 20
"""Events of a moment at most, where only a shared context tells moments apart."""
TIMED = 0.5
"""Least share of events with a time for a split in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Moments to be foretold, in order of arrival.

    Attributes
    ----------
    seq : (m,) int64
        The first event of each moment.
    user, context : (m,) int32
        Keys; context is -1 where the event had none.
    at : (m,) float64
        Time of the first event, NaN where unknown.
    answers : tuple of (a,) int32
        The distinct item keys liked in each moment, a >= 1.
    """

    seq: NDArray[np.int64]
    user: NDArray[np.int32]
    context: NDArray[np.int32]
    at: NDArray[np.float64]
    answers: tuple[NDArray[np.int32], ...]

    def __len__(self) -> int:
        """Number of moments."""
        return len(self.seq)

    def take(self, which: NDArray[np.int64]) -> Moments:
        """Return the moments at these positions, in this order."""
        answers = tuple(self.answers[n] for n in which)
        return Moments(seq=self.seq[which], user=self.user[which], context=self.context[which], at=self.at[which], answers=answers)

    def among(self, known: NDArray[np.bool_]) -> Moments:
        """Return the moments with those answers that `known` (items,) has, without moments that have none left."""
        left = tuple(a[(a < len(known)) & known[np.minimum(a, len(known) - 1)]] if len(known) else a[:0] for a in self.answers)
        full = np.flatnonzero([len(a) > 0 for a in left])
        return replace(self, answers=left).take(full)


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A cut of the log.

    Attributes
    ----------
    mode : "time" or "order"
    cut : float or None
        Unix seconds; None in mode "order".
    moments : Moments
    held_out : (h,) int64
        Sequence numbers, ascending, of all events a model must not count.
    counted : int
        Number of events it may count.
    notes : tuple of str
        How the log was cut, in words.
    """

    mode: Literal["time", "order"]
    cut: float | None
    moments: Moments
    held_out: NDArray[np.int64]
    counted: int
    notes: tuple[str, ...] = ()


def split_log(
    columns: EventColumns,
    *,
    share: float = 0.1,
    until: float | None = None,
    window: float = WINDOW,
    weights: Mapping[str, float] | None = None,
) -> Split:
    """Cut a log in time where it has times, else by order of arrival.

    Parameters
    ----------
    columns : EventColumns
        The whole log.
    share : float
        Share of the timed events that lie after the cut, in (0, 1).
    until : float, optional
        The cut itself, unix seconds; excludes `share`.
    window : float
        Seconds that a moment lasts at most, >= 0.
    weights : mapping of event type to weight, optional
        As for `occasion.liking.liking`.

    Raises
    ------
    DataError
        Where nothing is left to count or to foretell, or `until` is asked of a log without times.
    """
    _check(share, window, until)
    if not len(columns.seq):
        raise DataError("there are no events to evaluate on. Cure: import an event log first.")
    if _timed(columns):
        cut = _cut(columns, share) if until is None else until
        if until is None and (columns.at >= cut).all():
            raise DataError(
                f"no event lies before the newest one ({_date(cut)}): nothing to learn from. "
                "Cure: import more events, each with the time it happened."
            )
        return split_by_time(columns, cut, window=window, weights=weights)
    if until is not None:
        raise DataError("the log cannot be cut at a date, most of its events have no time. Cure: leave the date out.")
    return split_by_order(columns, weights=weights)


def _check(share: float, window: float, until: float | None) -> None:
    if until is not None and not np.isfinite(until):
        raise DataError(f"the cut is {until!r}, which is not a time. Cure: unix seconds.")
    if not 0 < share < 1:
        raise DataError(f"the share held out is {share!r}. Cure: a number between 0 and 1, for example 0.1.")
    if not window >= 0:
        raise DataError(f"the window of a moment is {window!r} seconds. Cure: 0 or more.")


def _timed(columns: EventColumns) -> bool:
    known = np.isfinite(columns.at)
    return bool(known.mean() >= TIMED and columns.at[known].max() >= POSITIONS)


def _cut(columns: EventColumns, share: float) -> float:
    return float(np.quantile(columns.at[np.isfinite(columns.at)], 1 - share, method="higher"))


def split_by_time(
    columns: EventColumns, cut: float, *, window: float = WINDOW, weights: Mapping[str, float] | None = None
) -> Split:
    """Hold out everything at or after `cut`; events without a time count as the past.

    Raises
    ------
    DataError
        Where no event lies before the cut, or nothing liked after it.
    """
    late = columns.at >= cut
    past = int((~late).sum())
    if not past:
        raise DataError(f"no event lies before {_date(cut)}: nothing to learn from. Cure: a later date.")
    good = late & (liking(columns, _ratings(columns, ~late), weights) > 0)
    if not good.any():
        raise DataError(f"nobody liked anything at or after {_date(cut)}: nothing to foretell. Cure: an earlier date.")
    rows = np.flatnonzero(good)
    rows = rows[np.lexsort((columns.seq[rows], columns.at[rows], columns.user[rows]))]
    groups = list(_windows(columns, rows, window))
    note = f"Cut in time: {past} events before the cut are counted; what people did after it is foretold, moment by moment."
    return Split(
        mode="time",
        cut=cut,
        moments=_moments(columns, groups),
        held_out=np.sort(columns.seq[late]),
        counted=past,
        notes=(note,),
    )


def _date(at: float) -> str:
    """Return a time for people; times beyond the calendar as they are."""
    try:
        return datetime.fromtimestamp(at, UTC).isoformat(sep=" ", timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return f"{at:g}"


def _ratings(columns: EventColumns, past: NDArray[np.bool_]) -> tuple[float, float] | None:
    """Return the scale of ratings known before the cut; where none is, that of the whole log."""
    kept = replace(columns, value=np.where(past, columns.value, np.float32(np.nan)))
    return rating_range(kept) or rating_range(columns)


def _windows(columns: EventColumns, rows: NDArray[np.int64], window: float) -> Iterator[list[int]]:
    """Yield the rows of one moment after another; `rows` are in order of user and time."""
    group: list[int] = []
    head: tuple[int, int] | None = None
    start = 0.0
    listed = zip(rows.tolist(), columns.user[rows].tolist(), columns.context[rows].tolist(), columns.at[rows].tolist(), strict=True)
    for row, user, context, at in listed:
        if group and (head != (user, context) or at - start > window):
            yield group
            group = []
        if not group:
            head, start = (user, context), at
        group.append(row)
    if group:
        yield group


def split_by_order(columns: EventColumns, *, weights: Mapping[str, float] | None = None) -> Split:
    """Hold out the last moment of each user: the last liked event, and up to `LONGEST` right before it under the same context.

    Raises
    ------
    DataError
        Where nobody liked anything, or nothing is left to count.
    """
    good = liking(columns, rating_range(columns), weights) > 0
    if not good.any():
        raise DataError("nobody liked anything in this log: nothing to foretell. Cure: import clicks, purchases or ratings.")
    order = np.lexsort((columns.seq, np.nan_to_num(columns.at, nan=-np.inf), columns.user))
    groups, held = [], []
    for rows in np.split(order, np.flatnonzero(np.diff(columns.user[order])) + 1):
        first = _last_moment(columns, rows, good)
        if first is not None:
            held.append(rows[first:])
            groups.append([int(r) for r in rows[first:] if good[r]])
    out = np.sort(columns.seq[np.concatenate(held)])
    if len(out) == len(columns.seq):
        raise DataError("each user has one moment only, and the events have no times: nothing is left to learn from.")
    note = (
        "The events have no times (or only positions): the last moment of each user, by order of arrival, is foretold "
        "from everything else. Others' later events are counted, so the figures are kinder than a split in time."
    )
    return Split(
        mode="order",
        cut=None,
        moments=_moments(columns, groups),
        held_out=out,
        counted=len(columns.seq) - len(out),
        notes=(note,),
    )


def _last_moment(columns: EventColumns, rows: NDArray[np.int64], good: NDArray[np.bool_]) -> int | None:
    """Return where, in one user's rows in order, the last moment begins; None where the user liked nothing."""
    liked = np.flatnonzero(good[rows])
    if not len(liked):
        return None
    last = first = int(liked[-1])
    context = int(columns.context[rows[last]])
    while context >= 0 and first > 0 and columns.context[rows[first - 1]] == context:
        first -= 1
    # A context that a person never leaves, or stays in for long, is a trait of theirs and no moment.
    return last if first == 0 or last - first >= LONGEST else first


def _moments(columns: EventColumns, groups: list[list[int]]) -> Moments:
    groups = sorted(groups, key=lambda group: int(columns.seq[group[0]]))
    first = np.array([g[0] for g in groups], np.int64)
    return Moments(
        seq=columns.seq[first],
        user=columns.user[first],
        context=columns.context[first],
        at=columns.at[first],
        answers=tuple(np.unique(columns.item[g]) for g in groups),
    )
