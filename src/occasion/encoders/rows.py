"""Where in a file of rows a hash is found: a million of them in 16 MB."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["RowMap"]

RECENT = 65_536
"""Hashes looked up one by one; beyond as many they are sorted in."""


class RowMap:
    """64-bit hash to newest row: a large sorted part, searched, and a small recent part, looked up."""

    def __init__(self) -> None:
        self._sorted = np.zeros(0, np.uint64)
        self._rows = np.zeros(0, np.int64)
        self._recent: dict[int, int] = {}

    def add(self, hashes: NDArray[np.uint64], first: int) -> None:
        """Add hashes of the rows from `first` on; the newest row of a hash wins."""
        self._recent.update(zip(hashes.tolist(), range(first, first + len(hashes)), strict=True))
        if len(self._recent) > max(RECENT, len(self._sorted) // 8):
            self._merge()

    def _merge(self) -> None:
        hashes = np.concatenate([self._sorted, np.fromiter(self._recent, np.uint64, len(self._recent))])
        rows = np.concatenate([self._rows, np.fromiter(self._recent.values(), np.int64, len(self._recent))])
        order = np.lexsort((rows, hashes))
        self._sorted, self._rows, self._recent = hashes[order], rows[order], {}

    def find(self, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return rows (n,), -1 where unknown."""
        rows = np.full(len(hashes), -1, np.int64)
        if len(self._sorted):
            at = np.searchsorted(self._sorted, hashes, side="right") - 1
            rows = np.where((at >= 0) & (self._sorted[at] == hashes), self._rows[at], -1)
        if self._recent:
            recent = np.array([self._recent.get(h, -1) for h in hashes.tolist()], np.int64)
            rows = np.maximum(rows, recent)
        return rows
