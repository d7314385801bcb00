r"""Off-policy estimates: what another policy would have earned, from a log of slates with the propensities of their places.

n slates of J places; reward r_ij of place j of slate i; p_ij the probability that the logging policy chose this item for
this place given the places before it, and t_ij that of the policy in question, the target. What is estimated is the mean of
``sum over j of r_ij`` had the target chosen.

**What is assumed.** A place's reward may depend on the situation, on the place, on the item in it and on the items above it,
not on what stands below (the cascade model; that rewards depend on item and place alone, the item-position model, is a
special case). Then the weight of place j is the ratio of the probabilities of the list down to it,

``w_ij = product over l <= j of t_il / p_il``,

and its mean under the log is 1 if the log could have shown all that the target would (McInerney et al., KDD 2020). With

=======  ==========================================================================
logged   ``mean_i sum_j r_ij``: what the log earned
IPS      ``mean_i sum_j w_ij r_ij`` (Horvitz and Thompson 1952)
SNIPS    ``sum_j (sum_i w_ij r_ij / sum_i w_ij)`` (Swaminathan and Joachims, NeurIPS 2015)
DM       ``mean_i e_i``: a model alone, e_i its expectation of slate i under the target
DR       ``mean_i (e_i + sum_j w_ij (r_ij - q_ij))`` (Dudik, Langford and Li, ICML 2011)
=======  ==========================================================================

where q_ij is what the model expects of the logged item at its place. IPS and DR are unbiased where the assumption, the
propensities and the support hold; DR as well where the model is wrong. SNIPS is biased by O(1/n) and steadier. Clipping
weights at c (``min(w, c)``) bounds the variance and biases IPS downwards (for rewards >= 0), DR towards the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

__all__ = ["LoggedPlaces", "OffPolicyEstimate", "effective_sample_size", "off_policy_estimates", "place_weights"]

CHUNK = 4_000_000
"""Numbers drawn at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedPlaces:
    """What was logged of n slates with J places, and what the target thinks of it.

    Attributes
    ----------
    users : (n,) int
        Whose slate it is; people are resampled, not slates.
    reward : (n, J) float64
        0 behind the end of a slate.
    logging : (n, J) float64
        Probability in (0, 1] of each place given those before, by the policy that chose; 1 behind the end.
    target : (n, J) float64
        The same in [0, 1] by the target; 1 behind the end.
    predicted : (n, J) float64, optional
        The reward a model expects of each place as logged; 0 behind the end.
    expected : (n,) float64, optional
        The reward the model expects of the slates the target would have shown.
    """

    users: NDArray[np.int64]
    reward: Values
    logging: Values
    target: Values
    predicted: Values | None = None
    expected: Values | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OffPolicyEstimate:
    """One estimate of the reward a slate, its interval, and the same less what the log earned."""

    mean: float
    low: float
    high: float
    gain: float
    gain_low: float
    gain_high: float


def place_weights(logging: Values, target: Values, clip: float | None = None) -> Values:
    """Return the weights w (n, J), not above `clip` where one is given.

    Raises
    ------
    ValueError
        For probabilities out of range, shapes that differ, or a clip that is not above 0.
    """
    if logging.shape != target.shape:
        raise ValueError(f"propensities have shapes {logging.shape} and {target.shape}. Cure: one of each a place.")
    if not (np.all(logging > 0) and np.all(logging <= 1) and np.all(target >= 0) and np.all(target <= 1 + 1e-9)):
        raise ValueError("a propensity is out of range. Cure: logged ones in (0, 1], the target's in [0, 1].")
    if clip is not None and not clip > 0:
        raise ValueError(f"weights are clipped at {clip!r}. Cure: a number above 0.")
    # Not clipped place by place: the bound is one on the weight of the list down to the place.
    weights = np.cumprod(target / logging, axis=1)
    return np.asarray(weights if clip is None else np.minimum(weights, clip))


def effective_sample_size(weights: Values) -> Values:
    """Return ``(sum w)^2 / sum w^2`` of each column (n, J): how many slates of equal weight would say as much (Kish 1965)."""
    square = (weights**2).sum(0)
    return np.asarray(np.divide(weights.sum(0) ** 2, square, out=np.zeros_like(square), where=square > 0))


def off_policy_estimates(
    logged: LoggedPlaces, *, clip: float | None = None, draws: int = 1000, level: float = 0.95, seed: int = 0
) -> dict[str, OffPolicyEstimate]:
    """Return logged, ips, snips, and with a model dm and dr; intervals by percentile bootstrap over users.

    Each draw takes as many users as there are, with all of their slates, and works every estimate out anew, weights'
    normalisation included. The model's own error is not in the intervals of dm; dr needs none.

    Raises
    ------
    ValueError
        Where there are no slates, or see `place_weights`.
    """
    n, places = logged.reward.shape
    if not n:
        raise ValueError("there are no slates. Cure: at least one.")
    weights = place_weights(logged.logging, logged.target, clip)
    columns = [np.ones((n, 1)), logged.reward.sum(1, keepdims=True), weights * logged.reward, weights]
    if logged.predicted is not None and logged.expected is not None:
        right = (weights * (logged.reward - logged.predicted)).sum(1)
        columns += [logged.expected[:, None], (logged.expected + right)[:, None]]
    sums = _by_user(np.concatenate(columns, axis=1), logged.users)
    whole = _values(sums.sum(0, keepdims=True), places)
    drawn = _values(_resampled(sums, draws, seed), places)
    tail = 100 * (1 - level) / 2
    out = {}
    for name, value in whole.items():
        low, high = np.percentile(drawn[name], [tail, 100 - tail])
        gain_low, gain_high = np.percentile(drawn[name] - drawn["logged"], [tail, 100 - tail])
        gain = float(value[0] - whole["logged"][0])
        out[name] = OffPolicyEstimate(
            mean=float(value[0]), low=float(low), high=float(high), gain=gain, gain_low=float(gain_low), gain_high=float(gain_high)
        )
    return out


def _by_user(columns: Values, users: NDArray[np.int64]) -> Values:
    """Return the sums (u, s) of columns (n, s) by user."""
    _, who = np.unique(users, return_inverse=True)
    out = np.zeros((int(who.max()) + 1, columns.shape[1]))
    np.add.at(out, who, columns)
    return out


def _resampled(sums: Values, draws: int, seed: int) -> Values:
    """Return the sums (draws, s) of resamples over users."""
    rng = np.random.default_rng(seed)
    users = len(sums)
    step = max(1, CHUNK // users)
    out = np.empty((draws, sums.shape[1]))
    for start in range(0, draws, step):
        size = min(step, draws - start)
        times = rng.multinomial(users, np.full(users, 1 / users), size=size)
        out[start : start + size] = times @ sums
    return out


def _values(sums: Values, places: int) -> dict[str, Values]:
    """Return every estimate (rows,) from rows of summed columns."""
    slates, reward = sums[:, 0], sums[:, 1]
    weighted, weight = sums[:, 2 : 2 + places], sums[:, 2 + places : 2 + 2 * places]
    normal = np.divide(weighted, weight, out=np.zeros_like(weighted), where=weight > 0)
    out = {"logged": reward / slates, "ips": weighted.sum(1) / slates, "snips": normal.sum(1)}
    if sums.shape[1] > 2 + 2 * places:
        out |= {"dm": sums[:, -2] / slates, "dr": sums[:, -1] / slates}
    return out
