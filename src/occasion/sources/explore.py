"""Explore: items drawn at random, those with little evidence more often, so that everything gets a chance to be known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from occasion.keyed import distinct, values_of
from occasion.protocols import CandidateScores, Moment
from occasion.statistics import Statistics

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ExploreSource"]


class ExploreSource:
    """Score 1 / sqrt(1 + c), c the item's events: the uncertainty about it (a standard error, up to a factor)."""

    name = "explore"
    group: Literal["exploration"] = "exploration"

    def __init__(self, statistics: Statistics) -> None:
        self.statistics = statistics

    def candidates(self, moment: Moment, k: int) -> CandidateScores:
        """Return a random draw of at most k/10 allowed items."""
        drawn = self.named(moment, k)
        return CandidateScores(drawn, self.score(moment, drawn))

    def named(self, moment: Moment, k: int) -> NDArray[np.int32]:
        """Return such a draw without scores."""
        if moment.allowed is None or not len(moment.allowed):
            return np.zeros(0, np.int32)
        drawn = distinct(moment.rng.integers(0, len(moment.allowed), max(1, k // 10)).astype(np.int32))
        return drawn[moment.allowed[drawn]]

    def score(self, moment: Moment, keys: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the uncertainty (n,), in (0, 1]."""
        return np.asarray(1 / np.sqrt(1 + values_of(self.statistics.count, keys)), np.float32)
