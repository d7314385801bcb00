"""Exact search: every vector is looked at. The reference that other indexes are measured against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from occasion.indexes.scoring import best, checked, checked_query, inner, is_allowed
from occasion.protocols import CandidateScores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Keys = NDArray[np.int32]

__all__ = ["ExactIndex"]

GATHER_BELOW = 0.25
"""With a smaller share of rows allowed, only those are multiplied."""
BLOCK = 8192
"""Rows of half floats widened at once."""


class ExactIndex:
    """Vectors in one matrix, without gaps, in no particular order.

    A search costs one pass over the matrix: 2 ms for 10 k x 512, 20 ms for 100 k, on one thread.

    Parameters
    ----------
    dim : int
        Length of a vector.
    dtype : float32 or float16
        float16 halves the memory, at the price of slower search and of errors up to 5e-4 of each value.
    """

    def __init__(self, dim: int, *, dtype: Literal["float32", "float16"] = "float32") -> None:
        self.dim = dim
        self._matrix = np.zeros((0, dim), dtype)
        self._keys = np.zeros(0, np.int32)  # row -> key
        self._rows = np.zeros(0, np.int32)  # key -> row, -1 where unknown
        self._n = 0

    def __len__(self) -> int:
        """Return the number of keys."""
        return self._n

    def add(self, keys: Keys, vectors: Floats) -> None:
        """Add or replace vectors (n, dim); of several rows of one key the last counts.

        Raises
        ------
        VectorIndexError
            For other shapes, negative keys, or values that are not finite.
        """
        keys, vectors = checked(keys, vectors, self.dim)
        if not len(keys):
            return
        self._make_room(int(keys.max()), len(keys))
        rows = self._rows[keys]
        new = rows < 0
        rows[new] = np.arange(self._n, self._n + int(new.sum()), dtype=np.int32)
        self._rows[keys], self._keys[rows], self._matrix[rows] = rows, keys, vectors
        self._n += int(new.sum())

    def _make_room(self, key: int, rows: int) -> None:
        if key >= len(self._rows):
            grown = np.full(max(key + 1, 2 * len(self._rows)), -1, np.int32)
            grown[: len(self._rows)] = self._rows
            self._rows = grown
        if self._n + rows > len(self._keys):
            size = max(self._n + rows, len(self._keys) * 3 // 2)
            matrix, keys = np.zeros((size, self.dim), self._matrix.dtype), np.zeros(size, np.int32)
            matrix[: self._n], keys[: self._n] = self._matrix[: self._n], self._keys[: self._n]
            self._matrix, self._keys = matrix, keys

    def remove(self, keys: Keys) -> None:
        """Remove keys, the last rows taking their places; unknown keys are ignored."""
        for key in np.unique(keys).tolist():
            row = int(self._rows[key]) if 0 <= key < len(self._rows) else -1
            if row < 0:
                continue
            self._n -= 1
            moved = int(self._keys[self._n])
            self._matrix[row], self._keys[row], self._rows[moved] = self._matrix[self._n], moved, row
            self._rows[key] = -1

    def search(self, vector: Floats, k: int, allowed: NDArray[np.bool_] | None = None) -> CandidateScores:
        """Return the best k keys and inner products for one vector (dim,), best first, equal ones by key.

        Parameters
        ----------
        allowed : (keys,) bool, optional
            Which keys may come, by key; those beyond its end may not.

        Raises
        ------
        VectorIndexError
            For a query of another length, or with values that are not finite.
        """
        vector = checked_query(vector, self.dim)
        rows = None
        if allowed is not None:
            mask = is_allowed(self._keys[: self._n], allowed)
            rows = None if mask.all() else np.flatnonzero(mask)
        near = self._near(vector, k, rows)
        return best(self._keys[near], inner(self._matrix[near], vector), max(k, 0))

    def _near(self, vector: Floats, k: int, rows: NDArray[np.int64] | None) -> NDArray[np.int64]:
        """Return rows among which the k best surely are."""
        count = self._n if rows is None else len(rows)
        if k <= 0 or count == 0:
            return np.zeros(0, np.int64)
        if count <= k:
            return np.arange(self._n) if rows is None else rows
        if rows is None:
            scores = self._product(slice(0, self._n), vector)
        elif count < GATHER_BELOW * self._n:
            scores = self._product(rows, vector)
        else:
            scores = self._product(slice(0, self._n), vector)[rows]
        # The matrix product rounds a little differently row by row: keep all that might tie with the last.
        least = np.partition(scores, count - k)[count - k] - 1e-6 * max(1.0, float(np.linalg.norm(vector)))
        near = np.flatnonzero(scores >= least)
        return near if rows is None else rows[near]

    def _product(self, rows: slice | NDArray[np.int64], vector: Floats) -> Floats:
        if self._matrix.dtype == np.float32:
            return np.asarray(self._matrix[rows] @ vector, np.float32)
        n = self._n if isinstance(rows, slice) else len(rows)
        out = np.empty(n, np.float32)
        for start in range(0, n, BLOCK):
            some = slice(start, min(start + BLOCK, n)) if isinstance(rows, slice) else rows[start : start + BLOCK]
            out[start : start + BLOCK] = self._matrix[some].astype(np.float32) @ vector
        return out

    def score(self, vector: Floats, keys: Keys) -> Floats:
        """Return exact inner products (n,) of one vector (dim,) with those of keys; 0 for unknown ones."""
        return inner(self.vectors(keys), checked_query(vector, self.dim))

    def vectors(self, keys: Keys) -> Floats:
        """Return the vectors (n, dim) of keys as float32; zeros for unknown ones."""
        keys = np.asarray(keys, np.int64)
        rows = np.full(len(keys), -1, np.int64)
        inside = (keys >= 0) & (keys < len(self._rows))
        rows[inside] = self._rows[keys[inside]]
        known = rows >= 0
        if known.all():
            return self._matrix[rows].astype(np.float32, copy=False)
        out = np.zeros((len(keys), self.dim), np.float32)
        out[known] = self._matrix[rows[known]]
        return out
