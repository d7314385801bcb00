"""A linear order of candidates: weights of their standardised features, learnt from whole requests at once.

Trees need some thousand requests before they know what a score is worth; a weight for each feature, held near the fused order, is
learnt from fifty. The weights w minimise the cross-entropy of the answers under a softmax over a request's candidates,
sum_b -log(exp(z_b w) / sum_c exp(z_c w)) + penalty / 2 * |w - w_0|^2 [Cao et al. 2007, "Learning to rank: from pairwise approach
to listwise approach"], where w_0 is the fused order alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]

__all__ = ["linear_weights", "standardised"]

PENALTY = 20.0
FAR = 5.0
"""Deviations beyond which a feature says no more."""
MOST = 2000
"""Requests that are learnt from at most; weights are few."""
STEPS = 60


def standardised(features: Floats) -> Floats:
    """Return features (B, C, f) less their mean over each request's candidates, over their deviation, clipped to 5.

    What is missing, or says less than -1e8 of a candidate, is 0, and so is a feature that is the same for all candidates, but
    for rounding.
    """
    known = np.isfinite(features) & (features > -1e8)
    x = np.where(known, features, np.float32(0))
    count = np.maximum(known.sum(1, keepdims=True), 1).astype(np.float32)
    least = 1e-5 * np.abs(x).max(1, keepdims=True) + 1e-9
    x = np.where(known, x - x.sum(1, keepdims=True) / count, np.float32(0))
    deviation = np.sqrt((x**2).sum(1, keepdims=True) / count)
    return np.asarray(np.clip(np.where(deviation > least, x / np.maximum(deviation, least), 0), -FAR, FAR), np.float32)


def linear_weights(features: Floats, labels: NDArray[np.bool_], seed: int = 0, penalty: float = PENALTY) -> Floats:
    """Return weights (f,) of :func:`standardised` features whose order's deviation within a request is 1 on average.

    Parameters
    ----------
    features : (B, C, f)
        The fused order first. At most `MOST` requests are learnt from.
    labels : (B, C) bool
        The right answers, some and not all of each request's candidates.
    seed : int
    penalty : float
        In requests: how much evidence moves a weight away from the fused order.
    """
    rows = np.arange(len(features))
    if len(rows) > MOST:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MOST, replace=False))
    z, y = standardised(features[rows]), labels[rows].astype(np.float32)
    y /= np.maximum(y.sum(1, keepdims=True), 1)
    prior = np.zeros(z.shape[-1])
    prior[0] = _least(z[..., :1], y, np.zeros(1), 1.0)[0]
    weights = _least(z, y, prior, penalty).astype(np.float32)
    spread = float((z @ weights).std(1).mean()) if len(z) else 0.0
    return weights / np.float32(max(spread, 1e-9))


def _least(z: Floats, y: Floats, prior: Doubles, penalty: float) -> Doubles:
    """Return the weights (f,) of least loss, starting from the prior."""
    from scipy.optimize import minimize

    flat = z.reshape(-1, z.shape[-1])

    def loss(weights: Doubles) -> tuple[float, Doubles]:
        score = (flat @ weights.astype(np.float32)).reshape(y.shape)
        score -= score.max(1, keepdims=True)
        power = np.exp(score)
        total = power.sum(1, keepdims=True)
        far = weights - prior
        value = float((y * (np.log(total) - score)).sum()) + 0.5 * penalty * float(far @ far)
        return value, ((power / total - y).ravel() @ flat).astype(float) + penalty * far

    return np.asarray(minimize(loss, prior, jac=True, method="L-BFGS-B", options={"maxiter": STEPS}).x)
