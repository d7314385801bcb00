"""A policy's choice with caps, quotas and pins in force, and the propensities that are true under them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from occasion.protocols import Policy
from occasion.rules import Outstanding, Rules, arrange

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.protocols import Similarity

    Floats = NDArray[np.float32]

__all__ = ["choose_under_rules"]


def choose_under_rules(
    policy: Policy,
    scores: Floats,
    k: int,
    rules: Rules,
    ids: Callable[[Sequence[int]], list[str]],
    value: Callable[[str, str], str | None],
    passes: Callable[[str, int], bool] | None = None,
    *,
    rng: np.random.Generator,
    similarity: Similarity | None = None,
    spread: Floats | None = None,
) -> tuple[NDArray[np.int64], Floats]:
    """Choose at most k of n candidates by a policy, within the caps and with the pins at their places.

    A pinned item has propensity 1: the rule put it there. Each other place is drawn from the candidates that are not pinned
    and that no full cap keeps out, and its propensity is that of this draw, given the rules and all that was chosen before.

    Parameters
    ----------
    policy : Policy
    scores : (n,) float32
    k : int
    rules : Rules
        Only caps, quotas and pins are looked at.
    ids : callable
        Positions to item ids.
    value : callable
        (item id, field) to the value that a cap counts, None where it counts none.
    passes : callable, optional
        (item id, number of a quota) to whether the item passes its filter.
    rng, similarity, spread
        As for `Policy.choose`.

    Returns
    -------
    positions into `scores` in order, and propensities
    """
    if not (rules.caps or rules.pins or rules.quotas):
        return policy.choose(scores, k, rng=rng, similarity=similarity, spread=spread)
    if policy.certain:
        # Nothing is random, so passing over what does not fit changes no probability: the whole order, then the rules.
        chosen, propensity = policy.choose(scores, len(scores), rng=rng, similarity=similarity, spread=spread)
    else:
        chosen, propensity = _drawn(policy, scores, k, rules, ids(range(len(scores))), value, passes, rng=rng, spread=spread)
    order = arrange(ids(chosen.tolist()), k, rules, value, passes)
    return chosen[order], propensity[order]


def _drawn(
    policy: Policy,
    scores: Floats,
    k: int,
    rules: Rules,
    names: list[str],
    value: Callable[[str, str], str | None],
    passes: Callable[[str, int], bool] | None,
    *,
    rng: np.random.Generator,
    spread: Floats | None,
) -> tuple[NDArray[np.int64], Floats]:
    """Return the pinned, then place by place what the policy draws from the candidates that fit."""
    pinned = [n for n, name in enumerate(names) if rules.pins.get(name, k + 1) <= k]
    capped = [([value(name, cap.field) for name in names], cap.most) for cap in rules.caps]
    fits = np.ones(len(names), bool)
    outstanding = Outstanding(rules, names, passes)
    chosen: list[int] = []
    propensity: list[float] = []

    def take(position: int, probability: float) -> None:
        chosen.append(position)
        propensity.append(probability)
        fits[position] = False
        outstanding.take(position)
        for values, most in capped:
            mine = values[position]
            if mine is not None and sum(values[c] == mine for c in chosen) >= most:
                fits[[v == mine for v in values]] = False

    for position in pinned:
        take(position, 1.0)
    while len(chosen) < k and fits.any():
        left = np.flatnonzero(fits)
        if outstanding.lacking >= k - len(chosen):
            helping = left[[outstanding.helps(n) for n in left.tolist()]]
            left = helping if len(helping) else left
        found, chance = policy.choose(scores[left], 1, rng=rng, spread=None if spread is None else spread[left])
        take(int(left[found[0]]), float(chance[0]))
    return np.array(chosen, np.int64), np.array(propensity, np.float32)
