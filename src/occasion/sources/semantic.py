"""Semantic: the cosine of the situation, read by the language model, with each item's text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from occasion.protocols import CandidateScores, Index, Moment

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SemanticSource"]


class SemanticSource:
    """Score r = cos(v_u, v_i), v_u the encoded context sentence, v_i the encoded item text."""

    name = "semantic"
    group: Literal["moment"] = "moment"

    def __init__(self, index: Index) -> None:
        self.index = index

    def candidates(self, moment: Moment, k: int) -> CandidateScores:
        """Return the nearest items to the context sentence."""
        if moment.context_vector is None:
            return CandidateScores(np.zeros(0, np.int32), np.zeros(0, np.float32))
        return self.index.search(moment.context_vector, k, moment.allowed)

    def named(self, moment: Moment, k: int) -> NDArray[np.int32]:
        """Return about the same, their cosines not worked out."""
        if moment.context_vector is None:
            return np.zeros(0, np.int32)
        return self.index.near(moment.context_vector, k, moment.allowed)

    def score(self, moment: Moment, keys: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return cosines (n,)."""
        if moment.context_vector is None:
            return np.zeros(len(keys), np.float32)
        known = moment.extra.get("vectors")
        if known is not None and known[0] is keys:
            return np.asarray(np.vecdot(known[1], moment.context_vector), np.float32)
        return self.index.score(moment.context_vector, keys)
