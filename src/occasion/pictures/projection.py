"""From pictures to the space of texts, learned from the items that have both: so words find an item that has only a picture.

Ridge regression in closed form: with X (n, p) the picture vectors and Y (n, t) the text vectors of n items, both less their means,
``W = (X'X + a I)^-1 X'Y``. Half of the strengths that are tried are too weak for few items and half too strong for many, so a
fifth of the items is held back, and the strength taken whose predictions find most of their own texts. Where even that one finds
hardly more than chance would, pictures tell nothing of these texts, and there is no projection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from occasion.encoders.texts import unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]

__all__ = ["LEAST_PAIRS", "TextProjection"]

LEAST_PAIRS = 100
"""Fewer items with both teach nothing that could be checked."""
STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0)
"""Values of ``a`` that are tried; vectors are of unit length."""
AMONG, FOUND = 10, 3.0
"""A held-back text must be among the first AMONG that its picture leads to, FOUND times as often as by chance."""


class TextProjection:
    """See the module.

    Attributes
    ----------
    hits : float
        Share of the held-back items whose own text was among the ten nearest of the held-back ones to their picture.
    chance : float
        The same if it were drawn.
    """

    def __init__(self, picture_mean: Doubles, text_mean: Doubles, weights: Doubles, hits: float, chance: float) -> None:
        self._from, self._to, self._weights = picture_mean, text_mean, weights
        self.hits, self.chance = hits, chance

    @classmethod
    def fit(cls, pictures: Floats, texts: Floats) -> TextProjection | None:
        """Learn from picture vectors (n, p) and text vectors (n, t), rows belonging together; None where nothing can be learned."""
        n = len(pictures)
        if n < LEAST_PAIRS:
            return None
        order = np.random.default_rng(0).permutation(n)
        held, rest = order[: n // 5], order[n // 5 :]
        chance = AMONG / len(held)
        tried = _Ridge(pictures[rest], texts[rest])
        hits = [_hits(unit(tried.predicted(pictures[held], a)), texts[held]) for a in STRENGTHS]
        best = int(np.argmax(hits))
        if hits[best] < min(FOUND * chance, 0.9):
            return None
        whole = _Ridge(pictures, texts)
        return cls(whole.picture_mean, whole.text_mean, whole.weights(STRENGTHS[best]), hits[best], chance)

    def apply(self, pictures: Floats) -> Floats:
        """Return unit vectors (n, t) in the space of texts; zeros for pictures without a vector."""
        out = unit((pictures - self._from) @ self._weights + self._to)
        out[~np.any(pictures, axis=1)] = 0
        return out


class _Ridge:
    """The regression for any strength: one decomposition serves all."""

    def __init__(self, pictures: Floats, texts: Floats) -> None:
        self.picture_mean, self.text_mean = pictures.mean(0, dtype=np.float64), texts.mean(0, dtype=np.float64)
        x = pictures - self.picture_mean
        self._values, self._axes = np.linalg.eigh(x.T @ x)
        self._moments = self._axes.T @ (x.T @ (texts - self.text_mean))

    def weights(self, strength: float) -> Doubles:
        """Return W (p, t)."""
        return np.asarray(self._axes @ (self._moments / (np.maximum(self._values, 0) + strength)[:, None]))

    def predicted(self, pictures: Floats, strength: float) -> Doubles:
        """Return the text vectors (n, t) that pictures lead to, of any length."""
        return np.asarray((pictures - self.picture_mean) @ self.weights(strength) + self.text_mean)


def _hits(predicted: Floats, texts: Floats) -> float:
    """Return the share of rows whose own text is among the first `AMONG`; equal ones count as further ahead by half."""
    likeness = predicted @ texts.T  # (pictures, texts)
    own = np.diagonal(likeness)[:, None]
    ahead = (likeness > own + 1e-6).sum(1) + ((np.abs(likeness - own) <= 1e-6).sum(1) - 1) / 2
    return float(np.mean(ahead < AMONG))
