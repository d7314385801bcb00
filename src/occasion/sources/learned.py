"""Learned: what the model version in service puts forward."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from occasion.learned import LearnedModel
from occasion.protocols import CandidateScores, Moment

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LearnedSource"]


class LearnedSource:
    """The model's candidates and their scores, 1 for the best of a moment, 0 for items it does not put forward."""

    name = "learned"
    group: Literal["others"] = "others"

    def __init__(self, learned: LearnedModel) -> None:
        self.learned = learned

    def candidates(self, moment: Moment, k: int) -> CandidateScores:
        """Return the model's best allowed items."""
        answer = self.learned.ask(moment)
        best = np.argsort(-answer.scores, kind="stable")[:k]
        return CandidateScores(answer.keys[best], answer.scores[best])

    def score(self, moment: Moment, keys: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the scores (n,) of given keys."""
        return self.learned.ask(moment).of(keys)[0]
