"""Looks: the cosine of each item's picture with the pictures of what the person chose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from occasion.keyed import distinct_history
from occasion.protocols import CandidateScores, Index, Moment

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

__all__ = ["LooksSource"]

RECENT = 50
"""Distinct items of the history whose pictures are looked at, the weightiest."""


class LooksSource:
    """Score cos(p_h, p_i), p_h the weighted mean of the history's picture vectors, dislikes with negative weight.

    0 for an item without a picture.
    """

    name = "looks"
    group: Literal["looks"] = "looks"

    def __init__(self, pictures: Index) -> None:
        self.pictures = pictures

    def _query(self, moment: Moment) -> Floats | None:
        """Return the mean picture (dim,) of the history, None where it shows nothing; computed once a moment."""
        if self.name not in moment.extra:
            moment.extra[self.name] = self._mean(moment)
        found: Floats | None = moment.extra[self.name]
        return found

    def _mean(self, moment: Moment) -> Floats | None:
        if moment.history is None or not len(moment.history.item):
            return None
        items, at = distinct_history(moment)
        weights = np.bincount(at, moment.weights, len(items)).astype(np.float32)
        heavy = np.argsort(-np.abs(weights), kind="stable")[:RECENT]
        mean = weights[heavy] @ self.pictures.vectors(items[heavy].astype(np.int32))
        norm = float(np.linalg.norm(mean))
        return np.asarray(mean / norm, np.float32) if norm > 1e-6 else None

    def candidates(self, moment: Moment, k: int) -> CandidateScores:
        """Return the items whose pictures are nearest to the history's, half as many: a search costs by what it fetches."""
        query = self._query(moment)
        if query is None:
            return CandidateScores(np.zeros(0, np.int32), np.zeros(0, np.float32))
        return self.pictures.search(query, (k + 1) // 2, moment.allowed)

    def named(self, moment: Moment, k: int) -> NDArray[np.int32]:
        """Return about the same, their cosines not worked out."""
        query = self._query(moment)
        return np.zeros(0, np.int32) if query is None else self.pictures.near(query, (k + 1) // 2, moment.allowed)

    def score(self, moment: Moment, keys: NDArray[np.int32]) -> Floats:
        """Return cosines (n,)."""
        query = self._query(moment)
        return np.zeros(len(keys), np.float32) if query is None else self.pictures.score(query, keys)
