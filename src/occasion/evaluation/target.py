"""Target: the policy in question, asked for every logged moment how likely it would have been to show the logged list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from occasion.data import Slate
from occasion.policies import make_policy
from occasion.protocols import Policy, ScoredCandidates
from occasion.recommender import Recommender

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Replayed", "replay"]

LISTS = 16
"""Lists drawn of a policy that chooses by chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What the target makes of n logged slates with J places.

    Attributes
    ----------
    probability : (n, J) float64
        Of each logged place given the logged places before it; 1 behind the end of a slate.
    items : (n, J) int64
        Item keys as logged, -1 behind the end; keys beyond the catalogue for items no store knows.
    lists : (n, s, J) int64
        Keys of s lists the target would have shown, -1 behind the end.
    """

    probability: NDArray[np.float64]
    items: NDArray[np.int64]
    lists: NDArray[np.int64]


def replay(
    recommender: Recommender,
    slates: Sequence[Slate],
    places: int,
    policy: Policy | None = None,
    *,
    sources: Sequence[str] | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Replayed:
    """Put the moments of logged slates to a recommender under a policy.

    Parameters
    ----------
    recommender : Recommender
        The version in question; it sees each person's history up to each moment.
    slates : sequence of Slate
    places : int
        J.
    policy : Policy, optional
        Default: what the recommender's settings choose with.
    sources : sequence of str, optional
        As for `Recommender.recommend`.
    seed : int
        Of the lists drawn.
    """
    policy = policy or make_policy("diverse", diversity=recommender.settings.diversity)
    n, drawn = len(slates), 1 if policy.certain else LISTS
    probability = np.ones((n, places))
    items = np.full((n, places), -1, np.int64)
    lists = np.full((n, drawn, places), -1, np.int64)
    unknown = _Unknown(len(recommender.live.catalogue))
    rng = np.random.default_rng(seed)
    for row, slate in enumerate(slates):
        scored = recommender.scored(slate.context, slate_id=slate.id, sources=sources)
        keys = [recommender.live.catalogue.key(item) for item in slate.items[:places]]
        logged = np.array([unknown(item) if key is None else key for item, key in zip(slate.items, keys, strict=False)], np.int64)
        items[row, : len(logged)] = logged
        probability[row, : len(logged)] = _probability(policy, scored, logged)
        for n_list in range(drawn):
            chosen, _ = policy.choose(scored.scores, len(logged), rng=rng, similarity=scored.similarity, spread=scored.spread)
            lists[row, n_list, : len(chosen)] = scored.keys[chosen]
        if progress is not None:
            progress(row + 1, n)
    return Replayed(probability=probability, items=items, lists=lists)


class _Unknown:
    """Gives items that the store has no key for numbers behind its keys."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.known: dict[str, int] = {}

    def __call__(self, item: str) -> int:
        return self.first + self.known.setdefault(item, len(self.known))


def _probability(policy: Policy, scored: ScoredCandidates, logged: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the probability of each place; 0 from the first item on that is no candidate of the target."""
    out = np.zeros(len(logged))
    at = np.searchsorted(scored.keys, logged)
    found = (at < len(scored.keys)) & (scored.keys[np.minimum(at, len(scored.keys) - 1)] == logged) if len(scored.keys) else out > 0
    first = int(np.argmin(found)) if not found.all() else len(logged)
    order = at[:first].astype(np.int64)
    out[:first] = policy.probabilities(scored.scores, order, similarity=scored.similarity, spread=scored.spread)
    return out
