"""Liking: how much each event says that the person likes the item."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from occasion.data import EVENT_TYPES
from occasion.protocols import EventColumns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

__all__ = ["liking", "rating_range"]


def rating_range(columns: EventColumns, known: tuple[float, float] | None = None) -> tuple[float, float] | None:
    """Return the least and greatest rating seen, `known` included; None where no event is a rating."""
    if "rating" not in columns.types:
        return known
    values = columns.value[(columns.type == columns.types.index("rating")) & np.isfinite(columns.value)]
    if not len(values):
        return known
    low, high = float(values.min()), float(values.max())
    return (low, high) if known is None else (min(low, known[0]), max(high, known[1]))


def liking(columns: EventColumns, ratings: tuple[float, float] | None, weights_of: Mapping[str, float] | None = None) -> Floats:
    """Return how much each event (n,) says the person likes the item; a click is 1, negative is dislike.

    A rating counts 2 at the top of the scale seen so far, -2 at its bottom, 0 in the middle. Seconds of dwell count
    ``min(2, ln(1 + s) / ln(31))``: half a minute is worth a click. Other types count `occasion.data.EVENT_TYPES`,
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
        weights = np.where(rated, mine.get("rating", 2.0) * (columns.value - middle) / half, weights)
    if "dwell" in columns.types:
        dwelt = known & (columns.type == columns.types.index("dwell"))
        seconds = np.maximum(np.where(dwelt, columns.value, 0), 0)
        weights = np.where(dwelt, mine.get("dwell", 1.0) * np.minimum(2, np.log1p(seconds) / math.log(31)), weights)
    return np.asarray(weights, np.float32)
