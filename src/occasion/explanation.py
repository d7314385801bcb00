"""Explanation: which history items speak for an answer, and each place of a slate with its reason."""

from __future__ import annotations

from collections import Counter
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
PAST = ("history", "others")
"""Groups that speak of what a person did."""
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
        own = _chosen(moment)
        parts = parts if moment.history is not None and len(moment.history.item) else _without_past(parts)
        out = []
        shares = list(zip(*(p.tolist() for p in parts.values()), strict=True)) if parts else [()] * len(keys)
        for n, (key, chance) in enumerate(zip(keys.tolist(), propensity.tolist(), strict=True)):
            mine = {group: share for group, share in zip(parts, shares[n], strict=True) if share != 0}
            because = [titles[s] for s in speakers[n]]
            text = reason(mine, locale=moment.context.locale, moment=moment.context.text, because=because, own=own[key])
            out.append(
                SlateEntry(
                    item=self.live.catalogue.id(key),
                    score=float(sum(mine.values())),
                    propensity=chance,
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
        beside = self.live.statistics.beside(moment)
        liked = np.flatnonzero(beside.weight[beside.heavy] > 0)[:BECAUSE]  # places in `heavy`
        heavy = beside.heavy[liked]
        items, weight = beside.items[heavy], beside.weight[heavy]
        like = np.maximum(self._candidates(moment, keys) @ self._past(moment, heavy).T, 0)  # (keys, history)
        if self.live.pictures is not None:
            like = np.maximum(like, self.live.pictures.vectors(keys) @ self.live.pictures.vectors(items).T)
        column = np.full(len(beside.heavy), -1)
        column[liked] = np.arange(len(liked))
        row, pair = np.nonzero(keys[:, None] == beside.keys)
        at = column[beside.place[pair]]
        np.add.at(like, (row[at >= 0], at[at >= 0]), 2 * beside.scores[pair[at >= 0]])
        like *= np.sqrt(weight)
        like[keys[:, None] == items] = 0
        best = np.argsort(-like, axis=1, kind="stable")[:, :2]
        return [[int(items[b]) for b in row if like[n, b] > SPEAKS] for n, row in enumerate(best)]

    def _candidates(self, moment: Moment, keys: Keys) -> Floats:
        """Return the vectors (n, dim) of keys, which the sources that scored them have looked up."""
        known, vectors = moment.extra.get("vectors", (keys[:0], None))
        at = np.searchsorted(known, keys)
        if vectors is None or not np.array_equal(known.take(at, mode="clip"), keys):
            return self.live.vectors(keys)
        return np.asarray(vectors[at], np.float32)

    def _past(self, moment: Moment, places: NDArray[np.int64]) -> Floats:
        """Return the vectors (n, dim) of the distinct items of the history at some places, looked up for the person's taste."""
        items, at = distinct_history(moment)
        if "past" not in moment.extra:
            return self.live.vectors(items[places].astype(np.int32))
        event = np.zeros(len(items), np.int64)
        event[at] = np.arange(len(at))
        return np.asarray(moment.extra["past"][event[places]], np.float32)


def _chosen(moment: Moment) -> Counter[int]:
    """Return how often the person chose each item of their history; what was only shown does not count."""
    if moment.history is None or not len(moment.history.item):
        return Counter()
    liked = np.asarray(moment.extra["liking"]) > 0
    return Counter(moment.history.item[liked].tolist())


def _without_past(parts: Mapping[str, Floats]) -> Mapping[str, Floats]:
    """Count what a model puts down to a past as popularity where there is none: it is what the item is worth to anybody."""
    out = {group: values for group, values in parts.items() if group not in PAST}
    for group in PAST:
        if group in parts:
            out["popularity"] = out.get("popularity", np.float32(0)) + parts[group]
    return out
