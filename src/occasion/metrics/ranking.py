"""Ranking: how well the right answers stand in a list, one query at a time and many at once.

An answer is a list of item keys, best first; the truth of a query is the set of keys that were right. For many queries the two
are first turned into a `HitTable`, of which every metric is a few vector operations; both ways agree.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

__all__ = ["HitTable", "gauc", "hit", "ndcg", "recall", "reciprocal_rank"]


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


@dataclass(frozen=True, slots=True)
class HitTable:
    """Which places of many lists hold a right answer.

    Attributes
    ----------
    hits : (q, n) bool
        n is the length of the longest list; places behind the end of a list are False.
    right : (q,) int64
        Number of right answers of each query.
    """

    hits: NDArray[np.bool_]
    right: NDArray[np.int64]

    @classmethod
    def of(cls, lists: Sequence[Any], truths: Sequence[Any]) -> HitTable:
        """Build from lists of distinct keys, best first, and collections of right keys, one of each a query.

        Raises
        ------
        ValueError
            Where there are not as many truths as lists.
        """
        if len(lists) != len(truths):
            raise ValueError(f"there are {len(lists)} lists and {len(truths)} truths. Cure: one truth a list.")
        ranked, query, place = _flat(lists)
        right, owner, _ = _flat([truth if isinstance(truth, np.ndarray) else list(truth) for truth in truths])
        hits = np.zeros((len(lists), int(place.max()) + 1 if len(place) else 0), bool)
        # One number for (query, key), so that membership is one sorted search over all queries.
        least = min(ranked.min(initial=0), right.min(initial=0))
        span = int(max(ranked.max(initial=0), right.max(initial=0)) - least) + 1
        distinct = np.unique(owner * span + (right - least))
        hits[query, place] = np.isin(query * span + (ranked - least), distinct)
        return cls(hits, np.bincount(distinct // span, minlength=len(lists)).astype(np.int64))

    def ndcg(self, k: int = 10) -> Values:
        """Return `ndcg` of each query (q,)."""
        gain = 1 / np.log2(np.arange(2, k + 2))
        hits = self.hits[:, :k]
        found: Values = np.asarray(hits @ gain[: hits.shape[1]], np.float64)
        ideal = np.concatenate([[1.0], np.cumsum(gain)])[np.minimum(self.right, k)]
        return np.asarray(np.where(self.right > 0, found / ideal, 0.0), np.float64)

    def hit(self, k: int = 10) -> Values:
        """Return `hit` of each query (q,)."""
        return np.asarray(self.hits[:, :k].any(1), np.float64)

    def recall(self, k: int = 10) -> Values:
        """Return `recall` of each query (q,)."""
        return np.asarray(self.hits[:, :k].sum(1) / np.maximum(np.minimum(self.right, k), 1), np.float64)

    def reciprocal_rank(self, k: int | None = None) -> Values:
        """Return `reciprocal_rank` of each query (q,), within the first k places where k is given."""
        hits = self.hits[:, :k]
        if not hits.shape[1]:
            return np.zeros(len(hits))
        return np.asarray(np.where(hits.any(1), 1 / (hits.argmax(1) + 1), 0.0), np.float64)


def _flat(lists: Sequence[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return all keys behind one another, and the list and the place in it of each."""
    sizes = np.fromiter(map(len, lists), np.int64, len(lists))
    keys = np.concatenate([*lists, np.zeros(0, np.int64)]).astype(np.int64)
    starts = np.cumsum(sizes) - sizes
    return keys, np.repeat(np.arange(len(lists)), sizes), np.arange(len(keys)) - np.repeat(starts, sizes)


def gauc(ratings: Sequence[float], scores: Sequence[float], groups: Sequence[Any]) -> tuple[Values, NDArray[np.int64]]:
    """Return for each pair of rows of one group with different ratings whether the scores put it in order, and its group.

    1 where the higher rating has the higher score, 1/2 where the scores are equal, else 0; the mean over pairs is the grouped
    area under the ROC curve. Groups are users, or (user, item) pairs. A group is a number into the distinct groups, sorted.
    """
    rating, score = np.asarray(ratings, np.float64), np.asarray(scores, np.float64)
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    order = np.argsort(group, kind="stable")
    good: list[Values] = []
    owner: list[NDArray[np.int64]] = []
    for rows in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        better, worse = np.nonzero(rating[rows][:, None] > rating[rows][None, :])
        mine = score[rows]
        good.append((mine[better] > mine[worse]) + 0.5 * (mine[better] == mine[worse]))
        owner.append(np.full(len(better), group[rows[0]] if len(rows) else 0, np.int64))
    return np.concatenate(good), np.concatenate(owner)
