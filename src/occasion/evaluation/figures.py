"""Figures: per-query measures of every system, their means with intervals, and paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from occasion import metrics
from occasion.evaluation.queries import Answers
from occasion.evaluation.report import Difference, Interval
from occasion.live import LiveState

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

__all__ = ["PAIRED", "Measures"]

PAIRED = ("ndcg", "hit", "recall", "mrr")
"""What is compared query by query."""


class Measures:
    """The answers of some systems to q queries, measured.

    Parameters
    ----------
    answers : Answers
    live : LiveState
        Whose counts and vectors novelty and diversity are judged by.
    k : int
        Length of the lists.
    draws, seed : int
        Of the bootstrap over users.
    """

    def __init__(self, answers: Answers, live: LiveState, *, k: int, draws: int, seed: int) -> None:
        self.users = answers.users
        self.systems = tuple(answers.lists)
        self._lists, self._k, self._draws, self._seed = answers.lists, k, draws, seed
        self._catalogue = live.catalogue.size
        counts = np.zeros(max(len(live.catalogue), len(live.statistics.count)))
        counts[: len(live.statistics.count)] = live.statistics.count
        self._values = {name: _measured(lists, answers.relevant, live, counts, k) for name, lists in answers.lists.items()}

    def values(self, system: str, metric: str) -> Floats:
        """Return a metric of each query (q,)."""
        return self._values[system][metric]

    def figure(self, system: str, metric: str, mask: Mask | None = None) -> Interval:
        """Return the mean of a metric over some queries (q,), default all, with its interval; coverage has none."""
        if metric == "coverage":
            lists = [keys.tolist() for keys in self._lists[system]]
            return Interval(mean=metrics.coverage(lists, self._catalogue, self._k))
        values, users = self._picked(self._values[system][metric], mask)
        low, high = metrics.bootstrap_interval(values, users, draws=self._draws, seed=self._seed)
        return Interval(mean=float(np.mean(values)), low=low, high=high)

    def difference(self, system: str, other: str, metric: str, mask: Mask | None = None) -> Difference:
        """Return how much `system` is above `other`, query by query."""
        values, users = self._picked(self._values[system][metric], mask)
        others, _ = self._picked(self._values[other][metric], mask)
        mean, (low, high), _ = metrics.paired_difference(values, others, users, draws=self._draws, seed=self._seed)
        p = metrics.permutation_test(values, others, users, draws=self._draws, seed=self._seed)
        return Difference(mean=mean, low=low, high=high, p=p)

    def differences(self, system: str, other: str) -> dict[str, Difference]:
        """Return `difference` for each of `PAIRED`."""
        return {metric: self.difference(system, other, metric) for metric in PAIRED}

    def _picked(self, values: Floats, mask: Mask | None) -> tuple[list[float], list[int]]:
        some = slice(None) if mask is None else mask
        return values[some].tolist(), self.users[some].tolist()


def _measured(
    lists: Sequence[NDArray[np.int32]], relevant: Sequence[NDArray[np.int32]], live: LiveState, counts: Floats, k: int
) -> dict[str, Floats]:
    """Return metric name to (q,) values of one system."""
    rows = []
    for keys, truth in zip(lists, relevant, strict=True):
        ranked, right = keys.tolist(), set(truth.tolist())
        rows.append(
            (
                metrics.ndcg(ranked, right, k),
                metrics.hit(ranked, right, k),
                metrics.recall(ranked, right, k),
                metrics.reciprocal_rank(ranked[:k], right),
                metrics.intra_list_diversity(live.vectors(keys)),
                metrics.novelty(ranked, counts, k),
            )
        )
    columns = np.array(rows, np.float64).reshape(len(rows), 6).T
    return dict(zip(("ndcg", "hit", "recall", "mrr", "diversity", "novelty"), columns, strict=True))
