"""Liking: how much each event says that the person likes the item."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from occasion.data import EVENT_TYPES
from occasion.protocols import EventColumns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

__all__ = ["RatingScale", "liking", "rating_range"]

GIVERS = 64
"""People remembered of each value."""
VALUES = 500
"""Values remembered."""
FEW = 10
"""People from whom on a single one cannot widen the scale."""
SHARE = 50
"""One more person is no reason to widen it for each so many."""
USUAL = ((-1.0, 1.0), (0.0, 5.0), (0.0, 10.0), (0.0, 100.0))
"""Scales in use: within the first that holds what many gave, a single one star is a star like any other."""


class RatingScale:
    """The scale of a log's ratings: from the least to the greatest value, but for what a few people gave beyond all usual scales.

    One account that rates 1,000,000, once or ten thousand times, would else make everybody's five stars the lowest of the scale.
    Of ten people and more, one and a fiftieth of them are a few; up to `GIVERS` of each value are counted.
    """

    def __init__(self) -> None:
        self._givers: dict[float, set[int]] = {}
        self._range: tuple[float, float] | None = None

    def add(self, columns: EventColumns) -> None:
        """Take the ratings of some events in."""
        if "rating" not in columns.types:
            return
        rated = (columns.type == columns.types.index("rating")) & np.isfinite(columns.value)
        if not rated.any():
            return
        pairs = np.unique(np.stack([_rounded(columns.value[rated]), columns.user[rated].astype(np.float64)], 1), axis=0)  # (n, 2)
        values, starts = np.unique(pairs[:, 0], return_index=True)
        more = [self._given(*given) for given in zip(values.tolist(), np.split(pairs[:, 1], starts[1:]), strict=True)]
        if any(more):
            self._range = self._worked_out()

    def _given(self, value: float, users: NDArray[np.float64]) -> bool:
        """Remember who gave a value; return whether that is news."""
        if value not in self._givers and len(self._givers) >= VALUES:
            return False
        givers = self._givers.setdefault(value, set())
        before = len(givers)
        for user in users.tolist():
            if len(givers) == GIVERS:
                break
            givers.add(int(user))
        return len(givers) > before

    @property
    def range(self) -> tuple[float, float] | None:
        """The least and the greatest value; None where nobody rated."""
        return self._range

    def _worked_out(self) -> tuple[float, float]:
        order = sorted(self._givers)
        people = len(set[int]().union(*self._givers.values()))
        few = 1 + people // SHARE if people >= FEW else 0
        low, high = sorted((self._reached(order, few), self._reached(order[::-1], few)))
        least, most = next(((a, b) for a, b in USUAL if a <= low and high <= b), (low, high))
        kept = [value for value in order if least <= value <= most]
        return (kept[0], kept[-1]) if few else (order[0], order[-1])

    def _reached(self, order: Sequence[float], few: int) -> float:
        """Return the value at which more than a few people are met."""
        met = set[int]()
        for value in order:
            met |= self._givers[value]
            if len(met) > few:
                return value
        return order[-1]

    def document(self) -> list[tuple[float, list[int]]]:
        """Return plain values that `of` reads."""
        return [(value, sorted(givers)) for value, givers in self._givers.items()]

    @classmethod
    def of(cls, document: Sequence[tuple[float, Sequence[int]]]) -> RatingScale:
        """Return what `document` told of."""
        made = cls()
        made._givers = {float(value): set(map(int, givers)) for value, givers in document}
        made._range = made._worked_out() if made._givers else None
        return made


def _rounded(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return values (n,) with four digits: there are not to be as many values as ratings."""
    exact = values.astype(np.float64)
    size = np.power(10.0, np.floor(np.log10(np.maximum(np.abs(exact), 1e-300))) - 3)
    return np.where(exact == 0, 0.0, np.round(exact / size) * size)


def rating_range(columns: EventColumns) -> tuple[float, float] | None:
    """Return the scale of the ratings among some events, see `RatingScale`; None where no event is a rating."""
    scale = RatingScale()
    scale.add(columns)
    return scale.range


def liking(columns: EventColumns, ratings: tuple[float, float] | None, weights_of: Mapping[str, float] | None = None) -> Floats:
    """Return how much each event (n,) says the person likes the item; a click is 1, negative is dislike.

    A rating counts 2 at the top of the scale seen so far and above, -2 at its bottom and below, 0 in the middle. Seconds of dwell
    count ``min(2, ln(1 + s) / ln(31))``: half a minute is worth a click. Other types count `occasion.data.EVENT_TYPES`,
    or what `weights_of` says (`Settings.weights`); a rating and a dwell with a value are scaled by it.
    """
    mine = weights_of or {}
    usual = {t: EVENT_TYPES[t].weight if t in EVENT_TYPES else 1.0 for t in columns.types}
    of_type = np.array([mine.get(t, usual[t]) for t in columns.types] or [1.0], np.float32)
    weights = of_type[columns.type] if len(columns.type) else np.zeros(0, np.float32)
    known = np.isfinite(columns.value)
    if "rating" in columns.types and ratings is not None and ratings[1] > ratings[0]:
        rated = known & (columns.type == columns.types.index("rating"))
        middle, half = (ratings[0] + ratings[1]) / 2, (ratings[1] - ratings[0]) / 2
        weights = np.where(rated, mine.get("rating", 2.0) * np.clip((columns.value - middle) / half, -1, 1), weights)
    if "dwell" in columns.types:
        dwelt = known & (columns.type == columns.types.index("dwell"))
        seconds = np.maximum(np.where(dwelt, columns.value, 0), 0)
        weights = np.where(dwelt, mine.get("dwell", 1.0) * np.minimum(2, np.log1p(seconds) / math.log(31)), weights)
    return np.asarray(weights, np.float32)
