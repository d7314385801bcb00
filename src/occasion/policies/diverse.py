"""Diverse: the best scores first, or maximal marginal relevance when diversity is asked for; chooses with certainty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from occasion.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.protocols import Similarity

__all__ = ["DiversePolicy"]

TWIN = 0.999
"""From this cosine on two items say the same to a reader."""
POOL = 5
"""Diversity chooses among the best POOL * k (at least 50) candidates."""


class DiversePolicy:
    """Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998).

    Each place takes the candidate with the greatest ``(1 - d) * s - d * max similarity to those chosen``, s the score
    scaled to [0, 1] over the pool. At any d above 0, an item that says the same as a chosen one (cosine of `TWIN`) stands
    behind all that do not: nobody wants five times "Potato chips" that differ in their number alone.

    Parameters
    ----------
    diversity : float
        d in [0, 1]; 0 is plain best-first. Raises DataError outside of it.
    """

    name = "diverse"
    certain = True

    def __init__(self, diversity: float = 0.0) -> None:
        if not (isinstance(diversity, (int, float)) and 0 <= diversity <= 1):
            raise DataError(f"diversity is {diversity!r}. Cure: a number from 0 (none) to 1.")
        self.diversity = diversity

    def choose(
        self,
        scores: NDArray[np.float32],
        k: int,
        *,
        rng: np.random.Generator,
        similarity: Similarity | None = None,
        spread: NDArray[np.float32] | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return positions of the chosen in order, and propensities of 1: nothing here is random."""
        order = np.argsort(-scores, kind="stable").astype(np.int64)
        if self.diversity > 0 and similarity is not None and len(order) > 1:
            order = self._marginal(scores, order[: max(50, POOL * k)], k, similarity)
        chosen = order[:k]
        return chosen, np.ones(len(chosen), np.float32)

    def probabilities(
        self,
        scores: NDArray[np.float32],
        order: NDArray[np.int64],
        *,
        similarity: Similarity | None = None,
        spread: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float64]:
        """Return 1 for the places of `order` that agree with the choice, 0 from the first on that does not.

        Behind that place the order never comes about, so there is no probability given what stands before it.
        """
        chosen, _ = self.choose(scores, len(order), rng=np.random.default_rng(0), similarity=similarity)
        return np.cumprod(chosen == order).astype(np.float64)

    def _marginal(
        self,
        scores: NDArray[np.float32],
        pool: NDArray[np.int64],
        k: int,
        similarity: Similarity,
    ) -> NDArray[np.int64]:
        value = scores[pool].astype(np.float64)
        own = (1 - self.diversity) * (value - value.min()) / max(float(np.ptp(value)), 1e-9)
        # Before anything is chosen similarity counts nothing: the pool is in order, its first has the best score.
        chosen, places = [0], pool.tolist()
        own[0] = -np.inf
        nearest = similarity(places[0], pool).copy()
        for _ in range(1, min(k, len(pool))):
            value = own - self.diversity * nearest
            value[nearest >= TWIN] -= 4.0
            best = int(value.argmax())
            own[best] = -np.inf
            chosen.append(best)
            np.maximum(nearest, similarity(places[best], pool), out=nearest)
        return pool[chosen]
