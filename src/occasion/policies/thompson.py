"""Thompson sampling: each place goes to the candidate that is best in one draw from what the scores might be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from occasion.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.protocols import Similarity

    Floats64 = NDArray[np.float64]

__all__ = ["ThompsonPolicy"]

REACH = 6.0
"""Standard deviations beyond which a normal draw is held impossible (one in 10^9)."""
STEPS = 3
"""Points of the quadrature for each of the least standard deviation that matters."""
LEAST = 0.05
"""Least standard deviation, as a share of the greatest: one of 0 would be a jump, which no quadrature sees."""


class ThompsonPolicy:
    """Thompson sampling with independent normal scores (Thompson 1933; Chapelle and Li, NeurIPS 2011).

    For each place the scores of the candidates left are drawn anew from ``Normal(s_i, (f d_i)^2)``, and the greatest wins.
    Drawing anew at each place makes the probability of a choice given those before a one-dimensional integral,

    ``integral of phi_i(z) * product over the others left of Phi_l(z) dz``,

    which is worked out by the trapezoid rule, not estimated by repeated draws: for integrands as smooth as these the rule
    converges faster than any power of its step (Trefethen and Weideman, SIAM Review 2014); its error here is below 1e-6.

    Parameters
    ----------
    scale : float
        f > 0, multiplies the spread: below 1 explores less.
    spread : float
        d of every candidate where the ranker gives none, > 0, in the unit of the scores.

    Raises
    ------
    DataError
        For a level that is not above 0.
    """

    name = "thompson"
    certain = False

    def __init__(self, scale: float = 1.0, spread: float = 0.05) -> None:
        for name, value in (("scale", scale), ("spread", spread)):
            if not (isinstance(value, (int, float)) and 0 < value < np.inf):
                raise DataError(f"the {name} of Thompson sampling is {value!r}. Cure: a number above 0.")
        self.scale, self.spread = float(scale), float(spread)

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
        mean, deviation = scores.astype(np.float64), self._deviation(scores, spread)
        left = np.ones(len(mean), bool)
        chosen: list[int] = []
        for _ in range(min(k, len(mean))):
            draw = mean + deviation * rng.standard_normal(len(mean))
            chosen.append(int(np.argmax(np.where(left, draw, -np.inf))))
            left[chosen[-1]] = False
        order = np.array(chosen, np.int64)
        exact = self.probabilities(scores, order, spread=spread).astype(np.float32)
        return order, np.maximum(exact, np.finfo(np.float32).tiny)

    def probabilities(
        self,
        scores: NDArray[np.float32],
        order: NDArray[np.int64],
        *,
        similarity: Similarity | None = None,
        spread: NDArray[np.float32] | None = None,
    ) -> Floats64:
        """Return the probability of each place of `order` given those before; see `occasion.protocols.Policy`."""
        if not len(order):
            return np.zeros(0)
        mean, deviation = scores.astype(np.float64), self._deviation(scores, spread)
        left = np.ones(len(mean), bool)
        out = np.empty(len(order))
        for place, position in enumerate(order.tolist()):
            left[position] = False
            out[place] = _greatest(mean[position], deviation[position], mean[left], deviation[left])
        return out

    def _deviation(self, scores: NDArray[np.float32], spread: NDArray[np.float32] | None) -> Floats64:
        if spread is None:
            return np.full(len(scores), self.spread * self.scale)
        given = np.nan_to_num(spread.astype(np.float64), nan=0.0, posinf=0.0)
        top = float(given.max(initial=0.0))
        return np.maximum(given, LEAST * top if top > 0 else self.spread) * self.scale


def _greatest(mean: float, deviation: float, means: Floats64, deviations: Floats64) -> float:
    """Return the probability that one normal draw is greater than those of all others (n,)."""
    from scipy.special import log_ndtr

    low, high = mean - REACH * deviation, mean + REACH * deviation
    # Below the lower end of any other no draw wins; others that end below that do not count.
    low = max(low, float((means - REACH * deviations).max(initial=-np.inf)))
    if low >= high:
        return 0.0
    rival = means + REACH * deviations > low
    m, d = means[rival], deviations[rival]
    points = 2 + int((high - low) / min(deviation, float(d.min(initial=np.inf))) * STEPS)
    z, step = np.linspace(low, high, points, retstep=True)
    density = np.exp(-0.5 * ((z - mean) / deviation) ** 2) / (deviation * np.sqrt(2 * np.pi))
    chance = np.exp(log_ndtr((z[:, None] - m) / d).sum(1))
    return float(np.clip((density * chance).sum() * step, 0.0, 1.0))
