"""Explanation: which history items speak for an answer, and each place of a slate with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from occasion.data import SlateEntry
from occasion.keyed import distinct_history
from occasion.live import LiveState
from occasion.protocols import Moment
from occasion.reasons import reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Keys = NDArray[np.int32]

__all__ = ["Explainer"]

BECAUSE = 30
"""History items considered as reasons, the weightiest."""
SPEAKS = 0.25
"""Least likeness for a history item to be named."""


class Explainer:
    """Turns chosen keys and the parts of their scores into the places of a slate."""

    def __init__(self, live: LiveState) -> None:
        self.live = live

    def entries(self, moment: Moment, keys: Keys, parts: Mapping[str, Floats], propensity: Floats) -> tuple[SlateEntry, ...]:
        """Return the places (n,) of a slate for chosen keys in order; `parts` are the groups' shares of their scores."""
        speakers = self._because(moment, keys)
        named = list(dict.fromkeys(key for row in speakers for key in row))
        titles = dict(zip(named, self.live.titles(named), strict=True))
        own = set(moment.history.item.tolist()) if moment.history is not None else set()
        out = []
        for n, key in enumerate(keys.tolist()):
            mine = {group: float(p[n]) for group, p in parts.items() if p[n] != 0}
            because = [titles[s] for s in speakers[n]]
            text = reason(mine, locale=moment.context.locale, moment=moment.context.text, because=because, own=key in own)
            out.append(
                SlateEntry(
                    item=self.live.catalogue.id(key),
                    score=float(sum(mine.values())),
                    propensity=float(propensity[n]),
                    parts=mine,
                    because=tuple(self.live.catalogue.id(s) for s in speakers[n]),
                    reason=text,
                )
            )
        return tuple(out)

    def _because(self, moment: Moment, keys: Keys) -> list[list[int]]:
        """Return for each key up to two history items that speak for it, by text likeness and by being chosen together."""
        history = moment.history
        if history is None or not len(history.item) or not len(keys):
            return [[] for _ in keys]
        items, at = distinct_history(moment)
        weight = np.bincount(at, moment.weights)
        heavy = np.argsort(-weight, kind="stable")[:BECAUSE]
        heavy = heavy[weight[heavy] > 0]
        items, weight = items[heavy], weight[heavy]
        like = np.maximum(self.live.vectors(keys) @ self.live.vectors(items).T, 0)  # (keys, history)
        if self.live.pictures is not None:
            like = np.maximum(like, self.live.pictures.vectors(keys) @ self.live.pictures.vectors(items).T)
        at, others, scores = self.live.statistics.together_each(items.astype(np.int32))
        row, place = np.nonzero(keys[:, None] == others)
        if len(place):
            np.add.at(like, (row, at[place]), 2 * scores[place])
        like *= np.sqrt(weight)
        like[keys[:, None] == items] = 0
        best = np.argsort(-like, axis=1, kind="stable")[:, :2]
        return [[int(items[b]) for b in row if like[n, b] > SPEAKS] for n, row in enumerate(best)]
