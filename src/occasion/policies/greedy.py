"""Greedy: the best scores first, with certainty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.protocols import Similarity

__all__ = ["GreedyPolicy"]


class GreedyPolicy:
    """The k greatest scores in order; of equal ones that which comes first."""

    name = "greedy"
    certain = True

    def choose(
        self,
        scores: NDArray[np.float32],
        k: int,
        *,
        rng: np.random.Generator,
        similarity: Similarity | None = None,
        spread: NDArray[np.float32] | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return positions of the chosen in order, and propensities of 1."""
        chosen = np.argsort(-scores, kind="stable").astype(np.int64)[:k]
        return chosen, np.ones(len(chosen), np.float32)

    def probabilities(
        self,
        scores: NDArray[np.float32],
        order: NDArray[np.int64],
        *,
        similarity: Similarity | None = None,
        spread: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float64]:
        """Return 1 for each place of `order` that holds the best of those left, else 0; see `occasion.protocols.Policy`."""
        left = scores.astype(np.float64)
        out = np.zeros(len(order))
        for place, position in enumerate(order.tolist()):
            out[place] = float(int(np.argmax(left)) == position)
            left[position] = -np.inf
        return out
