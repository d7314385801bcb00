"""Whether older questions teach the ranker what the newest ask for.

A small log is cut at several points, so that the ranker has enough questions. What people do may change in between: who read
whatever the day brought clicks in lists now, and what ranks the one well ranks the other badly. So people are held out of the
newest fold, and a linear order is learnt from the newest fold of the others and from all of theirs; where the former ranks better
beyond doubt, the older folds are left out.

This is for logs with an order alone, where each person's newest event is asked for. With a clock the newest fold is one stretch of
time: what is peculiar to it helps people who are held out of it, and is over when the model serves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from occasion.learning.linear import linear_weights, standardised
from occasion.learning.ranker import FEW, ndcg_each

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

__all__ = ["of_one_kind"]

PARTS = 5
"""Parts that people are drawn into; each is held out once."""
DOUBT = 2.0
"""Standard errors by which fewer folds have to be better than all."""


def of_one_kind(
    features: Floats, labels: NDArray[np.bool_], groups: NDArray[np.int64], answers: NDArray[np.int64], fold: NDArray[np.int64],
    seed: int = 0,
) -> int:  # fmt: skip
    """Return how many folds, from the newest on, a ranker is to learn from: all, unless fewer are better beyond doubt.

    Parameters
    ----------
    features : (B, C, f)
        Of the candidates of all requests, the fused order first.
    labels : (B, C) bool
        The right answers.
    groups : (B,)
        People, who are held out whole.
    answers : (B,)
        How many right answers a request has, also those that are no candidates.
    fold : (B,)
        Which fold a request is of: 0 the newest, and so on.
    seed : int
        Of who is held out together.
    """
    folds = int(fold.max(initial=0)) + 1
    useful, newest = labels.any(1) & ~labels.all(1), fold == 0
    people = np.random.default_rng(seed).permutation(np.unique(groups))
    if folds < 2 or (useful & newest).sum() < FEW or len(people) < PARTS:
        return folds
    worth: list[list[NDArray[np.float64]]] = [[] for _ in range(folds)]
    for part in range(PARTS):
        held = np.isin(groups, people[part::PARTS])
        asked = held & newest
        z = standardised(features[asked])
        for count in range(1, folds + 1):
            rows = useful & ~held & (fold < count)
            if not rows.any():
                return folds
            weights = linear_weights(features[rows], labels[rows], seed + part)
            worth[count - 1].append(ndcg_each(z @ weights, labels[asked], answers[asked]))
        # Mostly nothing speaks for fewer, and two parts are enough to see that.
        if part and _more(worth)[1] < 1:
            return folds
    best, errors = _more(worth)
    return best + 1 if errors > DOUBT else folds


def _more(worth: list[list[NDArray[np.float64]]]) -> tuple[int, float]:
    """Return by which folds a question is worth most, and by how many standard errors more than by all; of equal ones the most."""
    each = [np.concatenate(some) for some in worth]
    best = max(range(len(each)), key=lambda n: (float(each[n].mean()), n))
    more = each[best] - each[-1]
    if not len(more):
        return len(each) - 1, 0.0
    return best, float(more.mean() / max(more.std() / np.sqrt(max(len(more), 1)), 1e-12))
