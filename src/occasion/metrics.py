"""Metrics of ranked answers, each with its formula, and honest intervals around their means.

An answer is a list of item keys, best first; the truth of a query is the set of keys that were right.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

__all__ = [
    "bootstrap_interval",
    "coverage",
    "gini",
    "hit",
    "intra_list_diversity",
    "ndcg",
    "novelty",
    "paired_difference",
    "recall",
    "reciprocal_rank",
]


def ndcg(ranked: Sequence[int], truth: Collection[int], k: int = 10) -> float:
    """Normalised discounted cumulative gain at k with binary gain.

    ``sum over right places r <= k of 1 / log2(r + 1)``, divided by the same sum of the best possible list, which has
    min(k, number of right answers) right places (Jarvelin and Kekalainen, TOIS 2002). 0 where there is no truth.
    """
    right = set(truth)
    if not right:
        return 0.0
    gain = sum(1 / np.log2(place + 1) for place, key in enumerate(ranked[:k], 1) if key in right)
    ideal = sum(1 / np.log2(place + 1) for place in range(1, min(k, len(right)) + 1))
    return float(gain / ideal)


def hit(ranked: Sequence[int], truth: Collection[int], k: int = 10) -> float:
    """1 if a right answer is among the first k, else 0."""
    return float(not set(truth).isdisjoint(ranked[:k]))


def recall(ranked: Sequence[int], truth: Collection[int], k: int = 10) -> float:
    """Right answers among the first k, divided by min(k, number of right answers); 0 where there is no truth."""
    right = set(truth)
    return len(right.intersection(ranked[:k])) / min(k, len(right)) if right else 0.0


def reciprocal_rank(ranked: Sequence[int], truth: Collection[int]) -> float:
    """1 / place of the first right answer, 0 where none is in the list; its mean is the MRR."""
    right = set(truth)
    return next((1 / place for place, key in enumerate(ranked, 1) if key in right), 0.0)


def coverage(lists: Sequence[Sequence[int]], catalogue: int, k: int = 10) -> float:
    """Share of a catalogue of `catalogue` items that stands in the first k of at least one list."""
    return len({key for ranked in lists for key in ranked[:k]}) / catalogue if catalogue else 0.0


def gini(lists: Sequence[Sequence[int]], catalogue: int, k: int = 10) -> float:
    """How unevenly the first k places are shared out among the catalogue: 0 evenly, near 1 all to one item.

    ``sum_i (2 i - n - 1) x_i / (n sum x)`` with x the counts in rising order.
    """
    counts = np.zeros(catalogue)
    keys = np.array([key for ranked in lists for key in ranked[:k]], np.int64)
    if not len(keys) or not catalogue:
        return 0.0
    np.add.at(counts, np.unique(keys, return_inverse=True)[1], 1)
    x = np.sort(counts)
    return float(((2 * np.arange(1, catalogue + 1) - catalogue - 1) * x).sum() / (catalogue * x.sum()))


def intra_list_diversity(vectors: NDArray[np.float32]) -> float:
    """1 less the mean cosine between two places of a list; `vectors` (n, dim) have unit length. 0 for fewer than two."""
    n = len(vectors)
    if n < 2:
        return 0.0
    alike = vectors @ vectors.T
    return float(1 - (alike.sum() - np.trace(alike)) / (n * (n - 1)))


def novelty(ranked: Sequence[int], count: NDArray[np.float64], k: int = 10) -> float:
    """Mean self-information in bits of the first k: ``-log2((c_i + 1) / (N + n))``, c_i an item's events, N all, n items."""
    if not len(ranked):
        return 0.0
    share = (count[np.array(ranked[:k], np.int64)] + 1) / (count.sum() + len(count))
    return float(-np.log2(share).mean())


def bootstrap_interval(
    values: Sequence[float], users: Sequence[int | str], *, draws: int = 500, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of `values` (n,), resampling users and not queries.

    Queries of one person are alike; drawing them one by one would make the interval too narrow (Efron and Tibshirani, 1993).

    Raises
    ------
    ValueError
        Where there are no values, or as many users as values are not given.
    """
    means = _resampled(np.asarray(values, np.float64), users, draws, seed)
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(means, [tail, 100 - tail])
    return float(low), float(high)


def paired_difference(
    values: Sequence[float], others: Sequence[float], users: Sequence[int | str], *, draws: int = 500, seed: int = 0
) -> tuple[float, tuple[float, float], float]:
    """Compare two systems on the same queries: mean difference, its 95 % interval, and a two-sided p value.

    The p value is twice the smaller share of resampled differences on either side of 0, at least 1 / draws.
    """
    difference = np.asarray(values, np.float64) - np.asarray(others, np.float64)
    means = _resampled(difference, users, draws, seed)
    low, high = np.percentile(means, [2.5, 97.5])
    p = min(1.0, max(2 * min((means <= 0).mean(), (means >= 0).mean()), 1 / draws))
    return float(difference.mean()), (float(low), float(high)), float(p)


def _resampled(values: Values, users: Sequence[int | str], draws: int, seed: int) -> Values:
    """Return the means (draws,) of resamples over users."""
    if not len(values) or len(users) != len(values):
        raise ValueError(f"{len(values)} values and {len(users)} users were given. Cure: one user a value, at least one.")
    _, who = np.unique(np.asarray(users), return_inverse=True)
    total, number = np.bincount(who, values), np.bincount(who)
    pick = np.random.default_rng(seed).integers(0, len(total), (draws, len(total)))
    return np.asarray(total[pick].sum(1) / number[pick].sum(1), np.float64)
