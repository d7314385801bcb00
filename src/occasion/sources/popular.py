"""Popular: what everybody chooses now, and what they choose in moments like this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

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

    def score(self, moment: Moment, keys: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return ln(1 + c) (n,)."""
        now = self.statistics.now
        inside = keys < len(now)
        values = now[np.where(inside, keys, 0)] if len(now) else np.zeros(len(keys))
        return np.where(inside, np.log1p(values), 0.0).astype(np.float32)


class MomentSource:
    """Score: the item's lift under the signals of this moment (`Statistics.lift`), in nats."""

    name = "moment"
    group: Literal["moment"] = "moment"

    def __init__(self, statistics: Statistics) -> None:
        self.statistics = statistics

    def candidates(self, moment: Moment, k: int) -> CandidateScores:
        """Return items that stand out in moments like this."""
        keys = self.statistics.under(moment.signals, k)
        if moment.allowed is not None and len(keys):
            keys = keys[(keys < len(moment.allowed)) & moment.allowed[np.minimum(keys, len(moment.allowed) - 1)]]
        lift = self.statistics.lift(moment.signals, keys)
        best = np.argsort(-lift, kind="stable")[:k]
        best = best[lift[best] > 0]
        return CandidateScores(keys[best], lift[best])

    def score(self, moment: Moment, keys: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return lifts (n,)."""
        return self.statistics.lift(moment.signals, keys)
