"""Popular: what everybody chooses now, and what they choose in moments like this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from occasion.keyed import is_allowed, top_positive, values_of
from occasion.protocols import CandidateScores, Moment
from occasion.statistics import Statistics

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MomentSource", "PopularSource"]


class PopularSource:
    """Score ln(1 + c), c the events of the item, one counting half a half-life ago (`Settings.half_life_days`)."""

    name = "popular"
    group: Literal["popularity"] = "popularity"

    def __init__(self, statistics: Statistics) -> None:
        self.statistics = statistics

    def candidates(self, moment: Moment, k: int) -> CandidateScores:
        """Return the most popular items now."""
        best = self.statistics.top(k, moment.allowed)
        return CandidateScores(best.keys, np.log1p(best.scores))

    def named(self, moment: Moment, k: int) -> NDArray[np.int32]:
        """Return the same without scores."""
        return self.statistics.top(k, moment.allowed).keys

    def score(self, moment: Moment, keys: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return ln(1 + c) (n,)."""
        return np.asarray(np.log1p(values_of(self.statistics.now, keys)), np.float32)


class MomentSource:
    """Score: the item's lift under the signals of this moment (`Statistics.lift`), in nats."""

    name = "moment"
    group: Literal["moment"] = "moment"

    def __init__(self, statistics: Statistics) -> None:
        self.statistics = statistics

    def candidates(self, moment: Moment, k: int) -> CandidateScores:
        """Return items that stand out in moments like this."""
        keys = self.statistics.under(moment.signals, k)
        return top_positive(keys, self.statistics.lift(moment.signals, keys), k, moment.allowed)

    def named(self, moment: Moment, k: int) -> NDArray[np.int32]:
        """Return items that stand out under one signal of the moment."""
        keys = self.statistics.under(moment.signals, k // 2)
        return keys[is_allowed(keys, moment.allowed)]

    def score(self, moment: Moment, keys: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return lifts (n,)."""
        return self.statistics.lift(moment.signals, keys)
