"""Blend: one rule from no data to much data, before anything is trained.

Each source's scores are divided by the greatest of them among the candidates, so that they lie in [-1, 1]; the blend is
their weighted mean. With ``u = n / (n + 4)`` for a person with n positive events, ``e = c / (c + 5)`` for an item with
count c, ``b = N / (N + 500)`` for a log of N events, and r the share of events that are repeats, the weights are

====================  ==============================================  =====================================
source                weight                                          what it means
====================  ==============================================  =====================================
semantic              1.6 with own words, else 0.3 (1 - u)            the language model carries the unknown
words                 0.8 with own words                              exact words matter on product texts
moment                0.4 b                                           what others do under these signals
taste                 0.4 u (1 - e/2)                                 history by text, most for new items
lookalike             0.6 u (1 - e/2)                                 the same by words
looks                 0.3 u (1 - e/2)                                 the same by pictures, where they are looked at
together              1.2 u e                                         history by behaviour, for known items
again                 2 u r / (r + 0.1)                               only where people do come back
popular               0.5 (1 - u/2) b                                 less as the person is known
explore               0.02                                            breaks ties towards the unknown
====================  ==============================================  =====================================

Where there are own words, the weights of history, looks, others and popularity are halved: who says what they want is not answered
with what they always do. All are smooth in the evidence: no threshold, no cliff.
The weights were set by hand; their ablations on the validation parts of two
data sets are in docs/benchmarks.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from occasion.keyed import values_of
from occasion.protocols import Moment
from occasion.statistics import Statistics

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

__all__ = ["BlendRanker"]

_BEHAVIOUR = frozenset({"history", "looks", "others", "popularity"})

FLOOR = {"moment": 1.0, "semantic": 0.1, "taste": 0.1, "looks": 0.1}
"""Least divisor of a source: scores far below it are noise and must not be blown up."""


UNSURE = 0.1
"""Standard deviation of the score of an item without events."""


class BlendRanker:
    """The weighted mean described in the module.

    Parameters
    ----------
    statistics : Statistics
        For the evidence of items and of the log.
    groups : mapping of source name to group
        The part of the score that each source belongs to.
    weights : mapping of source name to factor, optional
        Multiplies the table's weights; a missing name counts 1.
    """

    version = "blend-1"

    def __init__(self, statistics: Statistics, groups: Mapping[str, str], weights: Mapping[str, float] | None = None) -> None:
        self.statistics = statistics
        self.groups = dict(groups)
        self.factors = dict(weights or {})
        self._made: dict[tuple[str, ...], Floats] = {}

    def weights(self, moment: Moment, keys: NDArray[np.int32]) -> dict[str, Floats | float]:
        """Return each source's weight for each candidate (n,), or for all alike, before they are scaled to sum to one at most.

        Worked out once for the same candidates of a moment: they may be ranked by all sources and by some.
        """
        kept = moment.extra.get("weights")
        if kept is None or kept[0] is not keys or kept[1] is not self:
            kept = moment.extra["weights"] = (keys, self, self._weights(moment, keys))
        found: dict[str, Floats | float] = kept[2]
        return found

    def _weights(self, moment: Moment, keys: NDArray[np.int32]) -> dict[str, Floats | float]:
        s = self.statistics
        n = float(np.maximum(moment.weights, 0).sum())
        u, b = n / (n + 4), s.events / (s.events + 500)
        r = s.repeat_rate
        count = values_of(s.count, keys)
        e = (count / (count + 5)).astype(np.float32)
        fresh = 1 - e / 2
        spoken = bool(moment.context.text.strip())
        table = {
            "semantic": 1.6 if spoken else 0.3 * (1 - u),
            "words": 0.8 if spoken else 0.0,
            "moment": 0.4 * b,
            "taste": (0.4 * u) * fresh,
            "lookalike": (0.6 * u) * fresh,
            "looks": (0.3 * u) * fresh,
            "together": (1.2 * u) * e,
            "again": 2 * u * r / (r + 0.1),
            "popular": 0.5 * (1 - u / 2) * b,
            "explore": 0.02,
        }
        if spoken:
            table = {name: w / 2 if self.groups.get(name) in _BEHAVIOUR else w for name, w in table.items()}
        return {name: w * self.factors[name] if name in self.factors else w for name, w in table.items()}

    def spread(self, moment: Moment, keys: NDArray[np.int32]) -> Floats:
        """Return ``0.1 / sqrt(1 + c)`` for an item with count c: how uncertain a score is, a guess that only evidence narrows.

        A mean of c + 1 observations has an error that falls like this; the .1 (the score of an item nobody knows is off by a
        tenth) is set by hand.
        """
        return np.asarray(UNSURE / np.sqrt(1 + np.maximum(values_of(self.statistics.count, keys), 0)), np.float32)

    def rank(self, moment: Moment, keys: NDArray[np.int32], scores: Mapping[str, Floats]) -> dict[str, Floats]:
        """Return the parts of each candidate's score by group; see `occasion.protocols.Ranker`."""
        if not len(keys) or not scores:
            return {group: np.zeros(len(keys), np.float32) for group in self.groups.values()}
        table = self.weights(moment, keys)
        weights = np.empty((len(scores), len(keys)), np.float32)
        for row, source in zip(weights, scores, strict=True):
            row[:] = table[source]
        values = np.stack(list(scores.values()))
        scale = np.maximum(np.abs(values).max(axis=1), [FLOOR.get(source, 1e-9) for source in scores])
        total = max(float(weights.sum(axis=0).max()), 1e-9)
        weights *= (1 / (scale * total)).astype(np.float32)[:, None]
        weights *= values
        belongs = self._belonging(tuple(scores))
        return dict(zip(dict.fromkeys(self.groups.values()), belongs @ weights, strict=True))

    def _belonging(self, sources: tuple[str, ...]) -> Floats:
        """Return a matrix (groups, n) of 1 where a source belongs to a group, else 0; made once for the same sources."""
        made = self._made.get(sources)
        if made is None:
            groups = list(dict.fromkeys(self.groups.values()))
            made = self._made[sources] = np.array([[self.groups[s] == g for s in sources] for g in groups], np.float32)
        return made
