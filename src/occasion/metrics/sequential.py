"""Sequential: intervals of a difference that may be looked at after every observation, as often as one likes.

A 95 % interval made anew at each look misses the truth at some look more often than 5 %. A confidence sequence misses it at any
look, ever, with that probability (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, Time-uniform central limit theory and
asymptotic confidence sequences, Annals of Statistics 2024, theorem 2.2). The difference between a sample that grows and one that
does not is, seen in the order of its information (one over its squared error), for large samples a Brownian motion with
drift, as the mean of one growing sample is (Jennison and Turnbull, Group sequential methods, 2000, chapter 3): the covariance
of its values at two looks is the variance at the later one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

__all__ = ["Mean", "clustered_mean", "sequential_margin"]


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


def sequential_margin(error: float, information: float, level: float = 0.95) -> float:
    """Return the half width of the interval around an estimate that holds at all amounts of information at once.

    ``error * sqrt(2 (n + 1) / n * ln(sqrt(n + 1) / a))`` with a = 1 - level and ``n = (-2 ln a + ln(1 - 2 ln a)) * information``.

    Parameters
    ----------
    error : float
        Standard error of the estimate now.
    information : float
        One over its square, in units of the amount at which the interval is to be narrowest; above 0.
    level : float
    """
    a = 1 - level
    n = (-2 * math.log(a) + math.log(1 - 2 * math.log(a))) * information
    return error * math.sqrt(2 * (n + 1) / n * math.log(math.sqrt(n + 1) / a))
