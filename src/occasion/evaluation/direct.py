r"""Direct: a simple model of reward by item and place, for direct and doubly robust estimates.

``q_j(a) = b_j * lift_a``: b_j the mean reward of place j, and

``lift_a = (sum of rewards of a + m) / (sum of b over the places a was shown at + m)``, m = 20 mean(b),

an item's reward next to what any item would have had at those places, drawn towards 1 by the worth of 20 exposures. It knows
nothing of the situation or of neighbours (the item-position model). Doubly robust estimates do not need it to be right; the
better it is, the narrower they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.float64]
    Keys = NDArray[np.int64]

__all__ = ["ItemPlaceModel", "cross_fitted"]

EXPOSURES = 20.0
"""How many exposures the prior is worth."""
FOLDS = 5


class ItemPlaceModel:
    """The model of the module, fitted when made.

    Parameters
    ----------
    items : (n, J) int64
        Numbers from 0 of what stood at each place, -1 behind the end of a slate.
    reward : (n, J) float64
    size : int
        Number of different items.
    """

    def __init__(self, items: Keys, reward: Values, size: int) -> None:
        shown = items >= 0
        self.place = (reward * shown).sum(0) / np.maximum(shown.sum(0), 1)
        prior = EXPOSURES * float((reward * shown).sum() / max(shown.sum(), 1))
        base = np.broadcast_to(self.place, items.shape)
        got = np.bincount(items[shown], reward[shown], size)
        due = np.bincount(items[shown], base[shown], size)
        self.lift: Values = (got + prior) / (due + prior) if prior > 0 else np.ones(size)

    def predict(self, items: Keys) -> Values:
        """Return the expected reward (..., J) of items at their places (the last axis); 0 where there is none (-1)."""
        known = np.where(items >= 0, self.lift[np.maximum(items, 0)], 0.0)
        return np.asarray(known * self.place[: items.shape[-1]])


def cross_fitted(items: Keys, reward: Values, users: Keys, lists: Keys, *, seed: int = 0) -> tuple[Values, Values]:
    """Return what models that never saw a slate's user expect of the slate as logged, and of the target's lists.

    Without this a model would repeat the noise of the very rewards it is to correct, and DR would be biased.

    Parameters
    ----------
    items, reward : (n, J)
        As logged.
    users : (n,) int64
        People are dealt into 5 folds (or as many as there are people); one person alone is predicted by a model of their own.
    lists : (n, s, J) int64
        s lists the target would have shown for each slate.

    Returns
    -------
    (n, J) rewards expected of the logged places, and (n,) mean over the s lists of the sum of their places
    """
    size = int(max(items.max(initial=0), lists.max(initial=0))) + 1
    people, who = np.unique(users, return_inverse=True)
    fold = np.random.default_rng(seed).permutation(len(people))[who] % FOLDS
    predicted, expected = np.zeros(reward.shape), np.zeros(len(reward))
    for n in np.unique(fold):
        mine = fold == n
        rest = ~mine if (~mine).any() else mine
        model = ItemPlaceModel(items[rest], reward[rest], size)
        predicted[mine] = model.predict(items[mine])
        expected[mine] = model.predict(lists[mine]).sum(2).mean(1)
    return predicted, expected
