"""Together: items that people chose near the items of this history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from occasion.keyed import distinct_history, looked_up, top_positive
from occasion.protocols import CandidateScores, Moment
from occasion.statistics import Statistics

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["TogetherSource"]

RECENT = 50
"""Distinct items of the history that are looked at, the weightiest."""


class TogetherSource:
    """Score: sum over the history of weight times shrunk cosine of co-occurrence (`occasion.statistics`)."""

    name = "together"
    group: Literal["others"] = "others"

    def __init__(self, statistics: Statistics) -> None:
        self.statistics = statistics

    def _sum(self, moment: Moment) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the scored keys, sorted by key; computed once a moment."""
        if self.name not in moment.extra:
            moment.extra[self.name] = self._computed(moment)
        keys, scores = moment.extra[self.name]
        return keys, scores

    def _computed(self, moment: Moment) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        if moment.history is None or not len(moment.history.item):
            return np.zeros(0, np.int32), np.zeros(0, np.float32)
        items, at = distinct_history(moment)
        weight = np.bincount(at, moment.weights)
        heavy = np.argsort(-np.abs(weight), kind="stable")[:RECENT]
        at, keys, scores = self.statistics.together_each(items[heavy].astype(np.int32))
        values = scores * weight[heavy].astype(np.float32)[at]
        distinct, place = np.unique(keys, return_inverse=True)
        return distinct.astype(np.int32), np.bincount(place, values, len(distinct)).astype(np.float32)

    def candidates(self, moment: Moment, k: int) -> CandidateScores:
        """Return the items most often chosen near the history's."""
        return top_positive(*self._sum(moment), k, moment.allowed)

    def score(self, moment: Moment, keys: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the sums (n,), 0 where an item was never seen near the history."""
        return looked_up(*self._sum(moment), keys)
