"""Taste: the cosine of each item's text with the texts of what the person liked; look-alikes of dislikes go down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from occasion.protocols import CandidateScores, Index, Moment

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["TasteSource"]


class TasteSource:
    """Score cos(v_h, v_i), v_h the weighted mean of the history's item vectors, dislikes with negative weight."""

    name = "taste"
    group: Literal["history"] = "history"

    def __init__(self, index: Index) -> None:
        self.index = index

    def candidates(self, moment: Moment, k: int) -> CandidateScores:
        """Return the nearest items to the history, half as many: a search costs by what it fetches, and the last never matter."""
        if moment.taste_vector is None:
            return CandidateScores(np.zeros(0, np.int32), np.zeros(0, np.float32))
        return self.index.search(moment.taste_vector, (k + 1) // 2, moment.allowed)

    def named(self, moment: Moment, k: int) -> NDArray[np.int32]:
        """Return about the same, their cosines not worked out."""
        if moment.taste_vector is None:
            return np.zeros(0, np.int32)
        return self.index.near(moment.taste_vector, (k + 1) // 2, moment.allowed)

    def score(self, moment: Moment, keys: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return cosines (n,)."""
        if moment.taste_vector is None:
            return np.zeros(len(keys), np.float32)
        known = moment.extra.get("vectors")
        if known is not None and known[0] is keys:
            return np.asarray(np.vecdot(known[1], moment.taste_vector), np.float32)
        return self.index.score(moment.taste_vector, keys)
