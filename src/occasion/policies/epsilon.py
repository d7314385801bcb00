"""Epsilon: with a small probability each place goes to a candidate drawn evenly, else to the best left."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from occasion.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

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

    def __init__(self, epsilon: float = 0.05) -> None:
        if not 0 <= epsilon <= 1:
            raise DataError(f"epsilon is {epsilon!r}. Cure: a number from 0 (never explore) to 1.")
        self.epsilon = epsilon

    def choose(
        self,
        scores: NDArray[np.float32],
        k: int,
        *,
        rng: np.random.Generator,
        similarity: Callable[[int, NDArray[np.int64]], NDArray[np.float32]] | None = None,
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
