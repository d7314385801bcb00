"""Learned ranker: the model's order, the language model where somebody speaks, the blend for what the model has not met.

The score is the model's, scaled to [0, 1] among its candidates. An item that it does not know (a new one, or one that it did
not put forward) gets the place that the blend would give it: the least-squares line from blend to model over the items that
both know, times `UNMET`. With own words, ``SPOKEN * words + (1 - SPOKEN) * model``, words being what the language model and
the exact words say: who says what they want is answered by what they said first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from occasion.learned import LearnedModel
from occasion.protocols import Moment, Ranker

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Keys = NDArray[np.int32]

__all__ = ["LearnedRanker"]

UNMET = 0.8
SPOKEN = 0.65
WORDS = ("semantic", "words")
EXPLAINED = 100
"""Places of an answer whose score is split exactly; later ones are split like their mean."""


class LearnedRanker:
    """See the module.

    Parameters
    ----------
    learned : LearnedModel
    blend : Ranker
        Judges the items that the model does not know.
    """

    def __init__(self, learned: LearnedModel, blend: Ranker) -> None:
        self.learned, self.blend = learned, blend
        self.version = learned.version

    def rank(self, moment: Moment, keys: Keys, scores: Mapping[str, Floats]) -> dict[str, Floats]:
        """Return the parts of each candidate's score, the model's as one part ``learned``; see `detail`."""
        rest = {name: values for name, values in scores.items() if name != "learned"}
        if "learned" not in scores or not len(keys):
            return self.blend.rank(moment, keys, rest)
        model, known = self.learned.ask(moment).of(keys)
        blended = self.blend.rank(moment, keys, rest)
        moment.extra["blended"] = (keys, blended)
        total = np.sum(list(blended.values()), axis=0)
        model = np.where(known, model, _placed(total, model, known)).astype(np.float32)
        if not moment.context.text.strip():
            return {"learned": model}
        words = self.blend.rank(moment, keys, {name: values for name, values in rest.items() if name in WORDS})
        said = np.sum(list(words.values()), axis=0).astype(np.float32)
        return {"moment": np.float32(SPOKEN) * said, "learned": np.float32(1 - SPOKEN) * model}

    def detail(self, moment: Moment, keys: Keys, parts: Mapping[str, Floats]) -> dict[str, Floats]:
        """Return the parts of chosen keys (n,) with ``learned`` split into moment, nearby, history, others and popularity."""
        if "learned" not in parts or not len(keys):
            return dict(parts)
        names = self.learned.names
        shares = self._shares(moment, keys)
        out = {group: values for group, values in parts.items() if group != "learned"}
        for g, group in enumerate(names):
            out[group] = (out.get(group, np.float32(0)) + shares[:, g] * parts["learned"]).astype(np.float32)
        return out

    def _shares(self, moment: Moment, keys: Keys) -> Floats:
        """Return what share (n, 5) of the model's score each part has; rows sum to 1, single shares may be negative."""
        answer = self.learned.ask(moment)
        out = np.full((len(keys), len(self.learned.names)), 1 / len(self.learned.names), np.float32)
        known = np.flatnonzero(answer.of(keys)[1])
        if len(known):
            split = self.learned.parts(answer, keys[known[:EXPLAINED]])
            total = split.sum(1, keepdims=True)
            exact = np.where(np.abs(total) > 1e-6, split / np.where(np.abs(total) > 1e-6, total, 1), out[: len(split)])
            out[known] = exact.mean(0)
            out[known[:EXPLAINED]] = exact
        unknown = np.flatnonzero(~answer.of(keys)[1])
        held = moment.extra.get("blended")
        if len(unknown) and held is not None:
            at = np.searchsorted(held[0], keys[unknown])
            each = np.stack([np.maximum(held[1].get(n, np.zeros(len(held[0])))[at], 0) for n in self.learned.names], 1)
            sums = each.sum(1, keepdims=True)
            out[unknown] = np.where(sums > 0, each / np.where(sums > 0, sums, 1), out[unknown])
        return out


def _placed(blend: Floats, model: Floats, known: NDArray[np.bool_]) -> Floats:
    """Return what the model would say (n,) of items by their blend, from the items that both judge."""
    if known.sum() < 2:
        top = max(float(blend.max()), 1e-9)
        return np.asarray(np.clip(blend / top, 0, 1), np.float32)
    x, y = blend[known], model[known]
    middle, height = float(x.sum()) / len(x), float(y.sum()) / len(y)
    x, y = x - np.float32(middle), y - np.float32(height)
    spread = float(x @ x)
    slope = max(float(x @ y) / spread, 0.0) if spread > 1e-12 * len(x) else 0.0
    return np.asarray(UNMET * np.clip(height + slope * (blend - middle), 0, 1), np.float32)
