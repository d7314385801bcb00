"""Epsilon: with a small probability each place goes to a candidate drawn evenly, else to the best left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from occasion.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.protocols import Similarity

__all__ = ["EpsilonPolicy"]


class EpsilonPolicy:
    """Epsilon-greedy per place, with exact propensities.

    With n candidates left, the best of them is taken with probability ``1 - e + e / n``, each other one with ``e / n``.

    Parameters
    ----------
    epsilon : float
        e in [0, 1]. Raises DataError outside of it.
    """

    name = "epsilon"
    certain = False

    def __init__(self, epsilon: float = 0.05) -> None:
        if not (isinstance(epsilon, (int, float)) and 0 <= epsilon <= 1):
            raise DataError(f"epsilon is {epsilon!r}. Cure: a number from 0 (never explore) to 1.")
        self.epsilon = float(epsilon)

    def choose(
        self,
        scores: NDArray[np.float32],
        k: int,
        *,
        rng: np.random.Generator,
        similarity: Similarity | None = None,
        spread: NDArray[np.float32] | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return positions of the chosen in order and the probability of each choice given those before."""
        left = np.argsort(-scores, kind="stable").astype(np.int64).tolist()
        chosen: list[int] = []
        probability: list[float] = []
        while left and len(chosen) < k:
            place = int(rng.integers(len(left))) if rng.random() < self.epsilon else 0
            probability.append(self.epsilon / len(left) + (1 - self.epsilon) * (place == 0))
            chosen.append(left.pop(place))
        return np.array(chosen, np.int64), np.array(probability, np.float32)

    def probabilities(
        self,
        scores: NDArray[np.float32],
        order: NDArray[np.int64],
        *,
        similarity: Similarity | None = None,
        spread: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float64]:
        """Return the probability of each place of `order` given those before; see `occasion.protocols.Policy`."""
        left = scores.astype(np.float64)
        out = np.zeros(len(order))
        for place, position in enumerate(order.tolist()):
            out[place] = self.epsilon / (len(scores) - place) + (1 - self.epsilon) * (int(np.argmax(left)) == position)
            left[position] = -np.inf
        return out
