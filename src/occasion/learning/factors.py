"""Ratings by factors: a factorisation machine over person, item and signals, sampled by Gibbs.

y = mean + sum_f w_f[c_f] + sum_(f < g) <v_f[c_f], v_g[c_g]> + noise, where c_f is the row's value of field f [Rendle 2012,
"Factorization machines with libFM"; Salakhutdinov & Mnih 2008, "Bayesian probabilistic matrix factorization"]. Each field's
weights have a normal prior whose mean and precision are sampled too, so nothing is tuned. A row has one value of each field: all
values of a field are independent given the rest and are drawn at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]
    Codes = NDArray[np.int64]

__all__ = ["FactorRater"]

WORK = 2.5e9
"""Rows times fields times factors times sweeps, about."""
KEPT = 40
"""Samples that answers are averaged over."""


@dataclass(kw_only=True)
class FactorRater:
    """Samples of the weights.

    Attributes
    ----------
    sizes : list of int, (f,)
        Values of each field. A missing or unknown value has the code -1 and counts nothing.
    rank : int
        Factors.
    mean : float
        Mean rating.
    linear : (samples, sum(sizes) + f) float32
        w of each field, one more entry each that is 0.
    factors : (samples, sum(sizes) + f, rank) float32
        v alike.
    """

    sizes: list[int]
    rank: int = 16
    mean: float = 0.0
    linear: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    factors: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0, 0), np.float32))

    def fit(self, codes: Codes, ratings: NDArray[Any], seed: int = 0) -> FactorRater:
        """Sample the weights from rows of `codes` (n, f) and their ratings (n,)."""
        sweeps = int(np.clip(WORK / max(codes.size * self.rank, 1), 40, 200))
        chain = _Chain(self.sizes, self.rank, codes, ratings.astype(float) - ratings.mean(), np.random.default_rng(seed))
        self.mean = float(ratings.mean())
        burn, linear, factors = sweeps // 4, [], []
        step = max((sweeps - burn) // KEPT, 1)
        for sweep in range(sweeps):
            chain.sweep()
            if sweep >= burn and (sweep - burn) % step == 0:
                linear.append(np.concatenate(chain.w).astype(np.float32))
                factors.append(np.concatenate(chain.v).astype(np.float32))
        self.linear, self.factors = np.stack(linear), np.stack(factors)
        return self

    def predict(self, codes: Codes) -> Doubles:
        """Return ratings (n,) of rows of `codes` (n, f): the mean over the samples."""
        if not len(self.linear):
            return np.full(len(codes), self.mean)
        size = np.array(self.sizes)
        place = np.where((codes >= 0) & (codes < size), codes, size) + np.concatenate([[0], np.cumsum(size + 1)[:-1]])
        total = np.zeros(len(codes))
        for w, v in zip(self.linear, self.factors, strict=True):
            picked = v[place]
            total += w[place].sum(1) + 0.5 * ((picked.sum(1) ** 2).sum(1) - (picked**2).sum((1, 2)))
        return total / len(self.linear) + self.mean


class _Chain:
    """The state of the sampler; each field has one value more, for what is missing, that stays 0."""

    def __init__(self, sizes: list[int], rank: int, codes: Codes, y: Doubles, rng: np.random.Generator) -> None:
        self.rank, self.rng = rank, rng
        self.codes = [np.where((c >= 0) & (c < s), c, s) for c, s in zip(codes.T, sizes, strict=True)]
        self.count = [np.bincount(c, minlength=s + 1).astype(float) for c, s in zip(self.codes, sizes, strict=True)]
        self.met = [(n > 0) & (np.arange(len(n)) < len(n) - 1) for n in self.count]
        self.w = [np.zeros(s + 1) for s in sizes]
        self.v = [rng.normal(0, 0.1, (s + 1, rank)) * m[:, None] for s, m in zip(sizes, self.met, strict=True)]
        self.variance = max(float(y.var()), 1e-9)
        self.noise: float = 1.0 / self.variance
        self.rest = y.copy()
        self.sums = np.sum([v[c] for v, c in zip(self.v, self.codes, strict=True)], axis=0)
        self.rest -= 0.5 * (
            (self.sums**2).sum(1) - np.sum([(v[c] ** 2).sum(1) for v, c in zip(self.v, self.codes, strict=True)], 0)
        )

    def sweep(self) -> None:
        """Draw everything once."""
        self.noise = float(self.rng.gamma((1 + len(self.rest)) / 2) / ((self.variance + self.rest @ self.rest) / 2))
        for f, code in enumerate(self.codes):
            old = self.w[f]
            new = self.draw(f, old, self.count[f], np.bincount(code, weights=self.rest, minlength=len(old)))
            self.rest -= (new - old)[code]
            self.w[f] = new
        for k in range(self.rank):
            for f, code in enumerate(self.codes):
                old = self.v[f][:, k].copy()
                mine = old[code]
                others = self.sums[:, k] - mine
                weight = np.bincount(code, weights=others**2, minlength=len(old))
                new = self.draw(f, old, weight, np.bincount(code, weights=others * self.rest, minlength=len(old)))
                change = new[code] - mine
                self.rest -= change * others
                self.sums[:, k] += change
                self.v[f][:, k] = new

    def draw(self, f: int, old: Doubles, weight: NDArray[Any], pull: NDArray[Any]) -> Doubles:
        """Return new weights of a field: `weight` is the sum of squared inputs, `pull` that of inputs times what is left."""
        met = self.met[f]
        values = old[met]
        n = len(values)
        centre = values.mean() if n else 0.0
        spread = self.variance / 4
        precision = self.rng.gamma((n + 1) / 2) / ((spread + ((values - centre) ** 2).sum()) / 2)
        prior = self.rng.normal(n * centre / (n + 1), 1 / np.sqrt((n + 1) * precision))
        total = self.noise * weight + precision
        mean = (self.noise * (pull + weight * old) + precision * prior) / total
        # What has no rating is worth the field's mean.
        new = np.where(met, mean + self.rng.normal(size=len(old)) / np.sqrt(total), prior)
        new[-1] = 0.0
        return np.asarray(new)
