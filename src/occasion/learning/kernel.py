"""The Gaussian process behind ratings: a kernel that is a learned sum of products of simple kernels.

With persons, items and situations as one-hot, text, attribute and number kernels, k = sum_j w_j k_j covers biases, factorisation
with side information and context interactions at once [Rasmussen & Williams 2006, ch. 2 and 5]. The weights w_j maximise the
marginal likelihood, so that a data set decides itself what matters.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.learning.dataset import Dataset
    from occasion.learning.text import TextVectors

    Doubles = NDArray[np.float64]

__all__ = ["EXACT", "KernelRater", "Rows", "scale", "standardise"]

EXACT = 5000
"""Rows that are solved for exactly; of more, half as many stand for all [Quinonero-Candela & Rasmussen 2005]."""
LEARN = 2000
"""Rows that the kernel's weights are learnt on, at most."""


@dataclass(kw_only=True)
class Rows:
    """Rated or asked rows, each (n,): `signals` (n, s), `numbers` (n, r) standardised with 0 for missing."""

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    signals: NDArray[np.int32]
    numbers: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.user)

    @property
    def codes(self) -> NDArray[np.int64]:
        """Person, item and signals as codes (n, 2 + s)."""
        return np.column_stack([self.user, self.item, self.signals]).astype(np.int64)

    def take(self, rows: NDArray[Any]) -> Rows:
        """Return some of the rows."""
        return Rows(user=self.user[rows], item=self.item[rows], signals=self.signals[rows], numbers=self.numbers[rows])


@dataclass(kw_only=True)
class KernelRater:
    """The kernel's parts and, after fitting, the weights and the dual vector.

    Attributes
    ----------
    described : dict of name to (items, d) array or CSR
        What is known of items: their likeness is the product of two rows, of "numbers" exp(-mean squared difference).
    """

    described: dict[str, Any]
    n_items: int
    names: list[tuple[str, ...]] = field(default_factory=list)
    weights: Doubles = field(default_factory=lambda: np.zeros(0))
    noise: float = 1.0
    mean: float = 0.0
    rows: Rows | None = None
    dual: Doubles = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def prepare(cls, data: Dataset, text: TextVectors | None, without: tuple[str, ...] = ()) -> KernelRater:
        """Set up what item kernels are made from."""
        from scipy import sparse

        described: dict[str, Any] = {}
        if text is not None:
            described["text"] = text.joint
        if data.items.attributes and "attributes" not in without:
            matrices = list(data.items.attributes.values())
            described["attributes"] = sparse.hstack(matrices).tocsr() / np.sqrt(len(matrices))
        if data.items.numbers.shape[1]:
            described["numbers"] = standardise(data.items.numbers, scale(data.items.numbers))
        return cls(described=described, n_items=len(data.items))

    def alike(self, name: str, a: NDArray[np.int32], b: NDArray[np.int32]) -> Doubles:
        """Return the likeness of items (n,) and items (m,) in what they are described by (n, m); 0 where one is unknown (-1).

        Each pair of different items is worked out once: of a large catalogue few items are in the rows at hand.
        """
        (left, place), (right, other) = np.unique(a, return_inverse=True), np.unique(b, return_inverse=True)
        rows = self.described[name]
        x, y = rows[np.maximum(left, 0)].astype(float), rows[np.maximum(right, 0)].astype(float)
        if name == "numbers":
            apart = (x**2).sum(1)[:, None] + (y**2).sum(1)[None] - 2 * x @ y.T
            likeness = np.exp(-np.maximum(apart, 0) / x.shape[1])
        else:
            product = x @ y.T
            likeness = product.toarray() if hasattr(product, "toarray") else product
        likeness[left < 0] = 0
        likeness[:, right < 0] = 0
        return np.asarray(likeness[place][:, other])

    def bases(self, a: Rows, b: Rows) -> dict[str, Doubles]:
        """Return the simple kernels between rows (n, m)."""
        out = {"user": (a.user[:, None] == b.user[None]).astype(float), "item": (a.item[:, None] == b.item[None]).astype(float)}
        out |= {name: self.alike(name, a.item, b.item) for name in self.described}
        if a.signals.shape[1]:
            equal = np.zeros((len(a), len(b)))
            exact = np.ones((len(a), len(b)), bool)
            for j in range(a.signals.shape[1]):
                same = a.signals[:, j][:, None] == b.signals[:, j][None]
                equal += same & (a.signals[:, j] >= 0)[:, None]
                exact &= same
            out["signals"] = equal / a.signals.shape[1]
            if a.numbers.shape[1] == 0:
                out["situation"] = exact.astype(float)
        if a.numbers.shape[1]:
            distance = ((a.numbers[:, None] - b.numbers[None]) ** 2).mean(-1)
            out["near"] = np.exp(-distance.astype(float))
        return out

    def products(self, base: dict[str, Doubles]) -> list[tuple[str, ...]]:
        """Return which simple kernels are multiplied: person, item kinds, situation kinds, and their pairs and triples."""
        items = [n for n in ("item", "text", "attributes", "numbers") if n in base]
        context = [n for n in ("signals", "situation", "near") if n in base]
        pairs = [("user", n) for n in items + context] + [(i, c) for i in items for c in context]
        return [("user",), *((n,) for n in items + context), *pairs, *(("user", i, c) for i in items for c in context)]

    def fit(self, rows: Rows, ratings: NDArray[np.float32], seed: int = 0, steps: int = 30) -> KernelRater:
        """Learn the weights on a sample of the rows and solve for all of them."""
        rng = np.random.default_rng(seed)
        pick = np.sort(rng.choice(len(rows), min(LEARN, len(rows)), replace=False))
        self.mean = float(ratings.mean())
        y = ratings.astype(float) - self.mean
        base = self.bases(rows.take(pick), rows.take(pick))
        self.names = self.products(base)
        parts = np.stack([_product(base, names).astype(np.float32).ravel() for names in self.names])
        self.weights, self.noise = _likeliest(parts, y[pick], steps)
        return self.solve(rows, ratings)

    def solve(self, rows: Rows, ratings: NDArray[np.float32], seed: int = 0) -> KernelRater:
        """Solve for the dual vector with the weights as they are: exactly, or through EXACT rows drawn where there are more."""
        from scipy.linalg import cho_factor, cho_solve

        y = ratings.astype(float) - self.mean
        if len(rows) <= EXACT:
            kernel = self.kernel(rows, rows)
            kernel[np.diag_indices_from(kernel)] += self.noise
            self.rows, self.dual = rows, cho_solve(cho_factor(kernel), y)
            return self
        pick = np.sort(np.random.default_rng(seed).choice(len(rows), EXACT // 2, replace=False))
        self.rows = rows.take(pick)
        inner = self.kernel(self.rows, self.rows)
        gram, pull = self.noise * inner, np.zeros(len(pick))
        for start in range(0, len(rows), 2000):
            block = self.kernel(rows.take(np.arange(start, min(start + 2000, len(rows)))), self.rows)
            gram += block.T @ block
            pull += block.T @ y[start : start + 2000]
        gram[np.diag_indices_from(gram)] += 1e-6 * np.trace(gram) / len(gram)
        self.dual = cho_solve(cho_factor(gram), pull)
        return self

    def kernel(self, a: Rows, b: Rows) -> Doubles:
        """Return the weighted kernel (n, m)."""
        base = self.bases(a, b)
        total = np.zeros((len(a), len(b)))
        for weight, names in zip(self.weights, self.names, strict=True):
            if weight > 1e-3 * self.noise:
                total += weight * _product(base, names)
        return total

    def predict(self, rows: Rows) -> Doubles:
        """Return ratings (n,)."""
        if self.rows is None:
            return np.full(len(rows), self.mean)
        return (
            np.concatenate(
                [
                    self.kernel(rows.take(np.arange(s, min(s + 1000, len(rows)))), self.rows) @ self.dual
                    for s in range(0, len(rows), 1000)
                ]
            )
            + self.mean
        )


def _product(base: dict[str, Doubles], names: tuple[str, ...]) -> Doubles:
    out = base[names[0]]
    for name in names[1:]:
        out = out * base[name]
    return out


def scale(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return mean and deviation of each column (2, r); 0 and 1 where nothing is known or nothing varies."""
    known = np.isfinite(values)
    count = np.maximum(known.sum(0), 1)
    mean = np.where(known, values, 0).sum(0) / count
    deviation = np.sqrt(np.where(known, (values - mean) ** 2, 0).sum(0) / count)
    return np.asarray(np.stack([mean, np.where(deviation > 0, deviation, 1)]), np.float32)


def standardise(values: NDArray[np.float32], reference: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return values minus mean over deviation (`reference`, from :func:`scale`), missing ones 0, clipped to 3."""
    return np.asarray(np.clip(np.nan_to_num((values - reference[0]) / reference[1]), -3, 3), np.float32)


def _likeliest(parts: NDArray[np.float32], y: Doubles, steps: int) -> tuple[Doubles, float]:
    """Return weights (p,) and noise that maximise the log marginal likelihood plus a log-normal prior; `parts` is (p, n * n)."""
    from scipy.linalg import lapack
    from scipy.optimize import minimize

    n, variance = len(y), float(y.var()) + 1e-9
    start = np.log(np.append(np.full(len(parts), 0.5 * variance / len(parts)), 0.5 * variance))

    def loss(log_weights: Doubles) -> tuple[float, Doubles]:
        w = np.exp(log_weights)
        kernel = (w[:-1].astype(np.float32) @ parts).reshape(n, n).astype(float)
        kernel[np.diag_indices(n)] += w[-1] + 1e-4 * variance
        factor, failed = lapack.dpotrf(kernel, lower=1)
        if failed:
            return 1e12, np.zeros_like(w)
        inverse, _ = lapack.dpotri(factor, lower=1)
        inverse = np.tril(inverse) + np.tril(inverse, -1).T
        alpha = inverse @ y
        value = 0.5 * y @ alpha + np.log(np.diag(factor)).sum()
        pull = 0.5 * (inverse - np.outer(alpha, alpha))
        slope = np.append(parts @ pull.ravel().astype(np.float32), np.trace(pull))
        prior = (log_weights - start) / 3.0
        return float(value + 0.5 * prior @ prior), slope * w + prior / 3.0

    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(b - 12, b + 6) for b in start], options={"maxiter": steps})
    w = np.exp(found.x)
    return w[:-1], float(w[-1] + 1e-4 * variance)
