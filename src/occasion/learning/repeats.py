"""What a person had before, and whether it is due again: own counts with decay, gaps between repeats, time since the last one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from occasion.learning.dataset import DAY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.learning.dataset import Requests

    Floats = NDArray[np.float32]

__all__ = ["NAMES", "own_figures"]

NAMES = ["own_count", "own_share", "own_fast", "own_slow", "own_since", "own_gap", "own_due", "own_recent_rank", "own_moments"]
FEW = 64
"""Events of a single request up to which plain numbers cost less than arrays."""
FAST, SLOW = 20.0, 90.0
"""Half-lives of the decayed counts, in days of the clock (or in moments where there is no clock)."""


def _ages(requests: Requests, times: str) -> NDArray[np.float64]:
    """Return the age of each history event: days before the request, or moments of one person from the end."""
    if times == "unix":
        return np.maximum(requests.time[requests.row] - requests.when, 0) / DAY
    if times == "position":
        return requests.back.astype(float)
    return np.zeros(len(requests.item))


def own_figures(requests: Requests, candidates: NDArray[np.int32], n_items: int, times: str) -> Floats:
    """Return figures (B, C, len(NAMES)) of each candidate in its request's history; NaN or 0 where it is not in there.

    `own_due` is time since the last one over the mean gap; 1 means due now. Events of one moment count once for gaps.
    """
    age = _ages(requests, times)
    if len(requests) == 1 and len(age) <= FEW and np.isfinite(age).all():
        return _of_one(requests.item.tolist(), age.tolist(), candidates)
    key = requests.row.astype(np.int64) * n_items + requests.item
    order = np.lexsort((-age, key))
    key, age = key[order], age[order]
    first = np.flatnonzero(np.diff(key, prepend=-1))
    groups, size = key[first], np.diff(np.append(first, len(key)))
    total = np.diff(requests.ptr).astype(float)[groups // n_items] if len(groups) else np.zeros(0)

    def add(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.add.reduceat(x, first) if len(first) else np.zeros(0)

    other = np.diff(age, prepend=np.inf) != 0
    # The first event of a group is a moment of its own, even where the group before it ended at the same age.
    other[first] = True
    moments = add(other.astype(float))
    oldest, newest = (age[first], age[first + size - 1]) if len(first) else (np.zeros(0), np.zeros(0))
    gap = np.where(moments > 1, (oldest - newest) / np.maximum(moments - 1, 1), np.nan)
    rank = np.zeros(len(groups))
    by_user = np.lexsort((newest, groups // n_items))
    start = np.searchsorted((groups // n_items)[by_user], np.arange(len(requests)))
    rank[by_user] = np.arange(len(groups)) - start[(groups // n_items)[by_user]] if len(groups) else 0
    figures = np.stack([
        size, size / np.maximum(total, 1), add(0.5 ** (age / FAST)), add(0.5 ** (age / SLOW)), newest, gap,
        newest / np.maximum(gap, 1e-3), rank, moments,
    ], 1).astype(np.float32)  # fmt: skip
    wanted = np.arange(len(requests), dtype=np.int64)[:, None] * n_items + candidates
    place = np.searchsorted(groups, wanted)
    found = (place < len(groups)) & (np.append(groups, -1)[np.minimum(place, len(groups))] == wanted)
    out = np.full((*candidates.shape, len(NAMES)), np.nan, np.float32)
    out[..., :4] = 0
    out[..., 8] = 0
    out[found] = figures[place[found]]
    return out


def _of_one(items: list[int], ages: list[float], candidates: NDArray[np.int32]) -> Floats:
    """Return the same figures (1, C, len(NAMES)) for the items of one short history and their ages, all of them known."""
    out = np.full((*candidates.shape, len(NAMES)), np.nan, np.float32)
    out[..., [0, 1, 2, 3, 8]] = 0
    own: dict[int, list[float]] = {}
    for item, age in sorted(zip(items, ages, strict=True), key=lambda pair: -pair[1]):
        own.setdefault(item, []).append(age)
    newest_first = sorted(sorted(own), key=lambda item: own[item][-1])
    place = {item: n for n, item in enumerate(candidates[0].tolist())}
    for rank, item in enumerate(newest_first):
        at = place.get(item)
        if at is not None:
            mine = own[item]
            size, moments, newest = len(mine), len(set(mine)), mine[-1]
            gap = (mine[0] - newest) / (moments - 1) if moments > 1 else math.nan
            fast, slow = (sum(0.5 ** (age / half) for age in mine) for half in (FAST, SLOW))
            due = newest / max(gap, 1e-3) if moments > 1 else math.nan
            out[0, at] = size, size / len(items), fast, slow, newest, gap, due, rank, moments
    return out
