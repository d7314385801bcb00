"""Again: what this person keeps coming back to, the more so in moments like this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from occasion.keyed import distinct_history, looked_up, top_positive
from occasion.protocols import CandidateScores, Moment

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["AgainSource"]


class AgainSource:
    """Score ln(1 + sum of the person's own event weights), events in a like moment counting up to twice.

    A net dislike scores negative.
    """

    name = "again"
    group: Literal["history"] = "history"

    def _own(self, moment: Moment) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        if moment.history is None or not len(moment.history.item):
            return np.zeros(0, np.int32), np.zeros(0, np.float32)
        items, at = distinct_history(moment)
        likeness = moment.extra.get("likeness")
        weights = moment.extra.get("liking", moment.weights)
        if likeness is not None:
            weights = weights * (1 + likeness)
        total = np.bincount(at, weights)
        return items.astype(np.int32), (np.sign(total) * np.log1p(np.abs(total))).astype(np.float32)

    def candidates(self, moment: Moment, k: int) -> CandidateScores:
        """Return the person's own items, most used first."""
        return top_positive(*self._own(moment), k, moment.allowed)

    def score(self, moment: Moment, keys: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return own counts (n,), 0 for items never used."""
        return looked_up(*self._own(moment), keys)
