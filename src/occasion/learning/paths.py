"""Paths through boosted trees: how much each part of the features moved a score on the way from the roots to the leaves.

Each node of a tree knows the mean of its training rows. On its way a row goes from mean to mean, and each step is put down to
the feature that decided it [Saabas 2014, "Interpreting random forests"]. The steps add up to the score. Shapley values share
out what two features say together more evenly, but take thirty times as long: too long for a reason given with each answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

__all__ = ["Paths"]

DEFAULT_LEFT, MISSING_NAN = 2, 8
"""Bits of LightGBM's decision types."""


class Paths:
    """The nodes of all trees of a LightGBM model, inner ones and leaves alike.

    Parameters
    ----------
    booster : lightgbm.Booster
        Of numeric features; trees after the best round are left out.
    """

    def __init__(self, booster: Any) -> None:
        texts = booster.model_to_string().split("\nTree=")[1:]
        trees = [_nodes(text) for text in texts]
        start = np.cumsum([0, *(len(t["value"]) for t in trees)])
        self._roots = start[:-1]
        joined = {name: np.concatenate([t[name] for t in trees] or [np.zeros(0)]) for name in _NAMES}
        shift = np.repeat(self._roots, np.diff(start))
        self._left, self._right = joined["left"].astype(np.int64) + shift, joined["right"].astype(np.int64) + shift
        self._feature, self._value, self._threshold = joined["feature"].astype(np.int64), joined["value"], joined["threshold"]
        decision = joined["decision"].astype(np.int64)
        self._aside, self._aside_left = decision & MISSING_NAN > 0, decision & DEFAULT_LEFT > 0

    def split(self, features: Floats, parts: NDArray[np.int64], count: int) -> NDArray[np.float64]:
        """Return the sums of steps (n, count) by the part of the feature that decided them.

        Parameters
        ----------
        features : (n, f) float32
        parts : (f,) int64
            The part of each feature, 0 to count - 1.
        """
        rows = len(features)
        out = np.zeros(rows * count)
        row, node = np.repeat(np.arange(rows), len(self._roots)), np.tile(self._roots, rows)
        while True:
            inner = np.flatnonzero(self._feature[node] >= 0)
            if not len(inner):
                return out.reshape(rows, count)
            row, node = row[inner], node[inner]
            feature = self._feature[node]
            value = features[row, feature].astype(np.float64)
            nothing = np.isnan(value)
            left = np.where(
                nothing & self._aside[node], self._aside_left[node], np.where(nothing, 0, value) <= self._threshold[node]
            )
            after = np.where(left, self._left[node], self._right[node])
            out += np.bincount(row * count + parts[feature], self._value[after] - self._value[node], rows * count)
            node = after


_NAMES = ("feature", "threshold", "decision", "left", "right", "value")


def _nodes(text: str) -> dict[str, NDArray[np.float64]]:
    """Return the nodes of one tree from its text: n - 1 inner ones, then n leaves, which are their own children."""
    lines = dict(line.split("=", 1) for line in text.split("\n") if "=" in line)
    if int(lines.get("num_cat", 0)):
        raise ValueError("the trees have categories")
    read = {name: np.array(lines.get(name, "").split(), np.float64) for name in _READ}
    leaves = len(read["leaf_value"])
    inner = leaves - 1
    own = np.arange(inner, inner + leaves)
    none = np.full(leaves, -1.0)

    def children(side: str) -> NDArray[np.float64]:
        given = read[side] if inner else np.zeros(0)
        return np.concatenate([np.where(given < 0, inner - 1 - given, given), own])

    return {
        "feature": np.concatenate([read["split_feature"][:inner], none]),
        "threshold": np.concatenate([read["threshold"][:inner], none]),
        "decision": np.concatenate([read["decision_type"][:inner], np.zeros(leaves)]),
        "left": children("left_child"),
        "right": children("right_child"),
        "value": np.concatenate([read["internal_value"][:inner], read["leaf_value"]]),
    }


_READ = ("split_feature", "threshold", "decision_type", "left_child", "right_child", "leaf_value", "internal_value")
