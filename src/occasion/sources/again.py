"""Again: what this person keeps coming back to, the more so in moments like this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from occasion.keyed import distinct_history, looked_up, positive, top_positive
from occasion.protocols import CandidateScores, Moment

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["AgainSource"]

HALF_LIFE = 180 * 86_400.0
"""Seconds before the newest event of a person at which an event of theirs counts half: habits change, slowly."""


class AgainSource:
    """Score ln(1 + sum of the person's own event weights), events in a like moment counting up to twice, old ones less.

    An event `HALF_LIFE` before the person's newest one counts half: who comes back after years finds all as it was. A net dislike
    scores negative.
    """

    name = "again"
    group: Literal["history"] = "history"

    def _own(self, moment: Moment) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the person's own items, ascending, and the score of each; computed once a moment."""
        if self.name not in moment.extra:
            moment.extra[self.name] = self._computed(moment)
        keys, scores = moment.extra[self.name]
        return keys, scores

    def _computed(self, moment: Moment) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        if moment.history is None or not len(moment.history.item):
            return np.zeros(0, np.int32), np.zeros(0, np.float32)
        items, at = distinct_history(moment)
        likeness = moment.extra.get("likeness")
        weights = moment.extra.get("liking", moment.weights) * _kept(moment.history.at, moment.at)
        if likeness is not None:
            weights = weights * (1 + likeness)
        total = np.bincount(at, weights)
        return items.astype(np.int32), (np.sign(total) * np.log1p(np.abs(total))).astype(np.float32)

    def candidates(self, moment: Moment, k: int) -> CandidateScores:
        """Return the person's own items, most used first."""
        return top_positive(*self._own(moment), k, moment.allowed)

    def named(self, moment: Moment, k: int) -> NDArray[np.int32]:
        """Return the same in no order."""
        return positive(*self._own(moment), k, moment.allowed)

    def score(self, moment: Moment, keys: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return own counts (n,), 0 for items never used."""
        return looked_up(*self._own(moment), keys)


def _kept(at: NDArray[np.float64], now: float) -> NDArray[np.float32]:
    """Return what is left of events (h,) after their time, compared with the newest; 1 where no time is known."""
    known = np.isfinite(at)
    # One that is dated later than now must not make all others old.
    newest = min(float(at[known].max(initial=-np.inf)), now)
    age = np.maximum(newest - np.where(known, at, newest), 0.0) if np.isfinite(newest) else np.zeros(len(at))
    return np.exp2(-age / HALF_LIFE).astype(np.float32)
