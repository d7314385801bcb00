"""Lists: what answers look like beside being right: how much of the catalogue they show, how varied and how new they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["coverage", "gini", "intra_list_diversity", "novelty"]


def coverage(lists: Sequence[Sequence[int]], catalogue: int, k: int = 10) -> float:
    """Share of a catalogue of `catalogue` items that stands in the first k of at least one list."""
    return len({key for ranked in lists for key in ranked[:k]}) / catalogue if catalogue else 0.0


def gini(lists: Sequence[Sequence[int]], catalogue: int, k: int = 10) -> float:
    """How unevenly the first k places are shared out among a catalogue of `catalogue` items: 0 evenly, near 1 all to one.

    ``sum_i (2 i - n - 1) x_i / (n sum x)`` with x the counts in rising order.

    Raises
    ------
    ValueError
        Where more items are shown than the catalogue has.
    """
    keys = np.array([key for ranked in lists for key in ranked[:k]], np.int64)
    if not len(keys) or not catalogue:
        return 0.0
    shown = np.unique(keys, return_counts=True)[1]
    if len(shown) > catalogue:
        raise ValueError(f"{len(shown)} different items are shown of a catalogue of {catalogue}. Cure: count the whole catalogue.")
    counts = np.concatenate([np.zeros(catalogue - len(shown)), shown])
    x = np.sort(counts)
    return float(((2 * np.arange(1, catalogue + 1) - catalogue - 1) * x).sum() / (catalogue * x.sum()))


def intra_list_diversity(vectors: NDArray[np.float32]) -> float:
    """1 less the mean cosine between two places of a list; `vectors` (n, dim) have unit length. 0 for fewer than two."""
    n = len(vectors)
    if n < 2:
        return 0.0
    alike = vectors @ vectors.T
    return float(1 - (alike.sum() - np.trace(alike)) / (n * (n - 1)))


def novelty(ranked: Sequence[int], count: NDArray[np.float64], k: int = 10) -> float:
    """Mean self-information in bits of the first k: ``-log2((c_i + 1) / (N + n))``, c_i an item's events, N all, n items."""
    if not len(ranked):
        return 0.0
    share = (count[np.array(ranked[:k], np.int64)] + 1) / (count.sum() + len(count))
    return float(-np.log2(share).mean())
