"""Sequential: intervals of a mean that may be looked at after every observation, as often as one likes.

A 95 % interval made anew at each look misses the truth at some look much more often than 5 %. A confidence sequence misses it
at any look, ever, with that probability (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, Time-uniform central limit theory and
asymptotic confidence sequences, Annals of Statistics 2024, theorem 2.2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

__all__ = ["Mean", "clustered_mean", "fixed_margin", "sequential_margin"]

TUNED = 500.0
"""Number of people at which the sequence is narrowest."""


class Mean(NamedTuple):
    """A mean, its standard error with people drawn and not values, and the number of people."""

    value: float
    error: float
    people: int


def clustered_mean(values: Sequence[float], users: Sequence[int | str], weights: Sequence[float] | None = None) -> Mean:
    """Return the weighted mean of `values` (n,) and its standard error.

    ``error^2 = u / (u - 1) * sum over people of (sum of w (x - mean) / sum of all w)^2``: values of one person may be alike
    (Liang and Zeger, Biometrika 1986). With one person the error is infinite.

    Raises
    ------
    ValueError
        Where there are no values, not as many of each, or weights that sum to 0.
    """
    x, w = np.asarray(values, np.float64), np.ones(len(values)) if weights is None else np.asarray(weights, np.float64)
    if not len(x) or len(users) != len(x) or len(w) != len(x) or not w.sum() > 0:
        raise ValueError(f"{len(x)} values, {len(users)} users, {len(w)} weights. Cure: as many of each, weights above 0.")
    mean = float((w * x).sum() / w.sum())
    _, who = np.unique(np.asarray(users), return_inverse=True)
    moved = np.bincount(who, w * (x - mean)) / w.sum()
    n = len(moved)
    return Mean(mean, float(np.sqrt((moved**2).sum() * n / (n - 1))) if n > 1 else math.inf, n)


def sequential_margin(mean: Mean, level: float = 0.95, tuned: float = TUNED) -> float:
    """Return the half width of the interval around a growing sample's mean that holds at all sizes at once.

    ``error * sqrt(2 (n r + 1) / (n r) * ln(sqrt(n r + 1) / a))``, a = 1 - level, n people, and
    ``r = (-2 ln a + ln(1 - 2 ln a)) / tuned``, with which the interval is narrowest near `tuned` people.
    """
    a = 1 - level
    r = (-2 * math.log(a) + math.log(1 - 2 * math.log(a))) / tuned
    grown = mean.people * r + 1
    return mean.error * math.sqrt(2 * grown / (grown - 1) * math.log(math.sqrt(grown) / a))


def fixed_margin(mean: Mean, level: float = 0.95) -> float:
    """Return the half width of the normal interval around the mean of a sample that does not grow any more."""
    return mean.error * NormalDist().inv_cdf(1 - (1 - level) / 2)
