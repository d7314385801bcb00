"""Together: items that people chose near the items of this history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from occasion.keyed import looked_up, positive, top_positive
from occasion.pairs import summed
from occasion.protocols import CandidateScores, Moment
from occasion.statistics import Statistics

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["TogetherSource"]


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
        found = self.statistics.beside(moment)
        return summed(found.keys, found.scores * found.weight[found.heavy].astype(np.float32)[found.place])

    def candidates(self, moment: Moment, k: int) -> CandidateScores:
        """Return the items most often chosen near the history's."""
        return top_positive(*self._sum(moment), k, moment.allowed)

    def named(self, moment: Moment, k: int) -> NDArray[np.int32]:
        """Return the same in no order."""
        return positive(*self._sum(moment), k, moment.allowed)

    def score(self, moment: Moment, keys: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the sums (n,), 0 where an item was never seen near the history."""
        return looked_up(*self._sum(moment), keys)
