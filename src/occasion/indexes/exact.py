"""Exact search: every vector is looked at. The reference that other indexes are measured against."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from occasion.indexes.matrix import Precision, VectorMatrix
from occasion.indexes.scoring import best, checked_query
from occasion.keyed import is_allowed
from occasion.protocols import CandidateScores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Keys = NDArray[np.int32]

__all__ = ["ExactIndex"]


class ExactIndex:
    """Vectors in one matrix; a search is one pass over it, which memory bandwidth limits: 2 ms for 10 k x 512 float32.

    Parameters
    ----------
    dim : int
        Length of a vector.
    precision : float32 or int8
        int8 takes a quarter of the memory; an inner product of unit vectors then errs by about 3e-4.
    room : int
        Keys to expect; more may come.
    """

    def __init__(self, dim: int, *, precision: Precision = "float32", room: int = 0) -> None:
        self.dim = dim
        self._vectors = VectorMatrix(dim, precision, room)
        self._lock = threading.RLock()

    def __len__(self) -> int:
        """Return the number of keys."""
        return len(self._vectors)

    def keys(self) -> Keys:
        """Return the keys (n,), in no particular order."""
        with self._lock:
            return self._vectors.keys.copy()

    def add(self, keys: Keys, vectors: Floats) -> None:
        """Add or replace vectors (n, dim); of several rows of one key the last counts.

        Raises
        ------
        VectorIndexError
            For other shapes, negative keys, or values that are not finite.
        """
        with self._lock:
            self._vectors.add(keys, vectors)

    def remove(self, keys: Keys) -> None:
        """Remove keys; unknown keys are ignored."""
        with self._lock:
            self._vectors.remove(keys)

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
        with self._lock:
            near = self._vectors.near(vector, k, self._allowed_rows(allowed))
            return best(self._vectors.keys[near], self._vectors.inner(near, vector), max(k, 0))

    def near(self, vector: Floats, k: int, allowed: NDArray[np.bool_] | None = None) -> Keys:
        """Return the keys that `search` finds, in no order."""
        return self.search(vector, k, allowed).keys

    def forget(self) -> None:
        """Do nothing: no search is remembered."""

    def _allowed_rows(self, allowed: NDArray[np.bool_] | None) -> NDArray[np.int64] | None:
        """Return the rows that may come, None where all may."""
        if allowed is None:
            return None
        mask = is_allowed(self._vectors.keys, allowed)
        return None if mask.all() else np.flatnonzero(mask)

    def score(self, vector: Floats, keys: Keys) -> Floats:
        """Return exact inner products (n,) of one vector (dim,) with those of keys; 0 for unknown ones."""
        vector = checked_query(vector, self.dim)
        with self._lock:
            return self._vectors.inner(self._vectors.rows(keys), vector)

    def vectors(self, keys: Keys) -> Floats:
        """Return the vectors (n, dim) of keys as float32; zeros for unknown ones."""
        with self._lock:
            return self._vectors.vectors(keys)
