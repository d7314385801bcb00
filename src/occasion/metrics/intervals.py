"""Intervals: how sure a mean is, and whether two systems differ; people are drawn, not queries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

__all__ = ["bootstrap_interval", "paired_difference", "permutation_test", "rate_interval", "resampled_means"]

CHUNK = 1_000_000
"""Numbers drawn at once."""


def bootstrap_interval(
    values: Sequence[float], users: Sequence[int | str], *, draws: int = 500, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of `values` (n,), resampling users and not queries.

    Queries of one person are alike; drawing them one by one would make the interval too narrow (Efron and Tibshirani, 1993).

    Raises
    ------
    ValueError
        Where there are no values, not as many users as values, or a value is not finite.
    """
    means = resampled_means(values, users, draws, seed)
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(means, [tail, 100 - tail])
    return float(low), float(high)


def rate_interval(values: Sequence[float], users: Sequence[int | str], *, draws: int = 500, seed: int = 0) -> tuple[float, float]:
    """95 % interval of a rate, `values` (n,) of 0 and 1: :func:`bootstrap_interval`, or Wilson's where all are alike.

    Nothing out of seven draws as nothing each time, and the bootstrap would be sure of 0. Wilson's interval counts people, not
    answers: one person's answers are alike (Wilson, 1927, "Probable inference, the law of succession, and statistical inference").
    """
    if min(values) != max(values):
        return bootstrap_interval(values, users, draws=draws, seed=seed)
    n, rate, z = len(set(users)), float(values[0]), 1.96
    centre, half = (rate + z * z / (2 * n)) / (1 + z * z / n), z * z / (2 * n) / (1 + z * z / n)
    return (0.0, min(centre + half, 1.0)) if rate < 0.5 else (max(centre - half, 0.0), 1.0)


def paired_difference(
    values: Sequence[float], others: Sequence[float], users: Sequence[int | str], *, draws: int = 500, seed: int = 0
) -> tuple[float, tuple[float, float], float]:
    """Compare two systems on the same queries: mean difference, its 95 % interval, and a two-sided p value.

    The p value is twice the smaller share of resampled differences on either side of 0, at least 1 / draws.
    """
    difference = _differences(values, others)
    means = resampled_means(difference, users, draws, seed)
    low, high = np.percentile(means, [2.5, 97.5])
    p = min(1.0, max(2 * min((means <= 0).mean(), (means >= 0).mean()), 1 / draws))
    return float(difference.mean()), (float(low), float(high)), float(p)


def permutation_test(
    values: Sequence[float], others: Sequence[float], users: Sequence[int | str], *, draws: int = 10_000, seed: int = 0
) -> float:
    """Return the two-sided p value of the paired permutation test of equal means.

    Under the hypothesis that the two systems are alike, each person's two results could as well be exchanged: the signs of
    all of a person's differences are drawn together. ``p = (1 + draws with |sum| >= |observed sum|) / (1 + draws)``
    (Fisher 1935; Smucker, Allan and Carterette, CIKM 2007).

    Raises
    ------
    ValueError
        Where there are no values, or not as many of each.
    """
    total, _ = _by_user(_differences(values, others), users)
    observed = abs(total.sum())
    rng = np.random.default_rng(seed)
    step = max(1, CHUNK // len(total))
    least = observed * (1 - 1e-9) - 1e-12  # equal sums differ by rounding
    extreme = 0
    for start in range(0, draws, step):
        signs = rng.integers(0, 2, (min(step, draws - start), len(total)), np.int8) * 2 - 1
        extreme += int((np.abs(signs @ total) >= least).sum())
    return (1 + extreme) / (1 + draws)


def _differences(values: Sequence[float], others: Sequence[float]) -> Values:
    if len(values) != len(others):
        raise ValueError(f"{len(values)} and {len(others)} values were given. Cure: both systems on the same queries.")
    return np.asarray(np.asarray(values, np.float64) - np.asarray(others, np.float64))


def _by_user(values: Values, users: Sequence[int | str]) -> tuple[Values, NDArray[np.int64]]:
    """Return sums and numbers of values (u,) by person."""
    if not len(values) or len(users) != len(values):
        raise ValueError(f"{len(values)} values and {len(users)} users were given. Cure: one user a value, at least one.")
    if not np.isfinite(values).all():
        raise ValueError("a value is not finite. Cure: leave out queries that have no result, for both systems.")
    _, who = np.unique(np.asarray(users), return_inverse=True)
    return np.bincount(who, values).astype(np.float64), np.bincount(who).astype(np.int64)


def resampled_means(values: Sequence[float] | Values, users: Sequence[int | str], draws: int, seed: int) -> Values:
    """Return the means (draws,) of resamples of `values` (n,) over users; a few million numbers are drawn at once.

    Raises
    ------
    ValueError
        Where there are no values, not as many users as values, or a value is not finite.
    """
    total, number = _by_user(np.asarray(values, np.float64), users)
    rng = np.random.default_rng(seed)
    step = max(1, CHUNK // len(total))
    means = np.empty(draws)
    for start in range(0, draws, step):
        pick = rng.integers(0, len(total), (min(step, draws - start), len(total)))
        means[start : start + len(pick)] = total[pick].sum(1) / number[pick].sum(1)
    return means
