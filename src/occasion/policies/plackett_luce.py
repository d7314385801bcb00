"""Plackett-Luce: places drawn one after another with probabilities that rise with the score, exactly known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from occasion.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.protocols import Similarity

    Floats64 = NDArray[np.float64]

__all__ = ["PlackettLucePolicy"]


class PlackettLucePolicy:
    r"""Sampling without replacement from a softmax (Plackett 1975; Luce 1959).

    Place j takes candidate i of those left, L, with probability ``exp(s_i / t) / sum over l in L of exp(s_l / t)``. All
    places are drawn at once: the k greatest of ``s_i / t + G_i`` in order, G_i independent standard Gumbel noise, have
    just this distribution (Yellott 1977; Kool, van Hoof and Welling, ICML 2019).

    Parameters
    ----------
    temperature : float
        t > 0, in the unit of the scores: candidates one t apart differ in odds by a factor of e. The blend's scores lie in
        [-1, 1]. Near 0 it is best-first, very great it draws evenly. Raises DataError for anything but a number above 0.
    """

    name = "plackett-luce"
    certain = False

    def __init__(self, temperature: float = 0.05) -> None:
        if not (isinstance(temperature, (int, float)) and 0 < temperature < np.inf):
            raise DataError(f"the temperature is {temperature!r}. Cure: a number above 0, for example 0.05.")
        self.temperature = float(temperature)

    def choose(
        self,
        scores: NDArray[np.float32],
        k: int,
        *,
        rng: np.random.Generator,
        similarity: Similarity | None = None,
        spread: NDArray[np.float32] | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return positions of the chosen in order and the exact probability of each choice given those before."""
        noisy = scores.astype(np.float64) / self.temperature + rng.gumbel(size=len(scores))
        chosen = np.argsort(-noisy, kind="stable").astype(np.int64)[:k]
        exact = self.probabilities(scores, chosen).astype(np.float32)
        # What was drawn is possible, however small single precision makes its probability.
        return chosen, np.maximum(exact, np.finfo(np.float32).tiny)

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
        logit = scores.astype(np.float64) / self.temperature
        picked = logit[order]
        rest = np.delete(logit, order)
        # log of the sum over what is left at each place: those never picked, and those picked here or later. Added up from
        # the end, so that nothing is lost where the first places hold nearly all of the mass.
        tail = np.logaddexp.reduce(rest) if len(rest) else -np.inf
        left = np.logaddexp.accumulate(np.append(tail, picked[::-1]))[1:][::-1]
        return np.asarray(np.exp(np.minimum(picked - left, 0.0)))
