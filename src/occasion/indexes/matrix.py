"""The vectors that an index holds: one matrix without gaps, and the way from keys to its rows and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from occasion.indexes.scoring import checked
from occasion.narrowing import narrowed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Keys = NDArray[np.int32]
    Rows = NDArray[np.int64]

__all__ = ["Precision", "VectorMatrix"]

Precision = Literal["float32", "int8"]
"""How a value is kept. int8 takes a quarter of the memory, is as fast, and errs by about 3e-4 in an inner product of unit
vectors of 512 dimensions. (Half floats err less, but most processors take ten times as long to widen them in numpy.)"""

GATHER_BELOW = 0.25
"""With a smaller share of the rows wanted, only those are multiplied."""
BLOCK = 4096
"""Rows widened to float32 at once."""


class VectorMatrix:
    """Vectors by key, in rows without gaps and in no particular order; a removed row is filled by the last one.

    Parameters
    ----------
    dim : int
        Length of a vector.
    precision : float32 or int8
        int8 holds each vector as whole numbers from -127 to 127 and one float32 factor.
    room : int
        Rows to expect: spares the copying while it grows; memory is taken as it fills.
    """

    def __init__(self, dim: int, precision: Precision = "float32", room: int = 0) -> None:
        self.dim, self.precision = dim, precision
        self._matrix = np.zeros((room, dim), precision)
        self._scale = np.zeros(room, np.float32)  # factor of each row, for int8
        self._keys = np.zeros(room, np.int32)  # row -> key
        self._rows = np.zeros(0, np.int32)  # key -> row, -1 where unknown
        self._n = 0

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._n

    @property
    def keys(self) -> Keys:
        """The key of each row (n,)."""
        return self._keys[: self._n]

    def rows(self, keys: Keys) -> Rows:
        """Return the row of each key (n,), -1 where unknown."""
        keys = np.asarray(keys, np.int64)
        rows = np.full(len(keys), -1, np.int64)
        inside = (keys >= 0) & (keys < len(self._rows))
        rows[inside] = self._rows[keys[inside]]
        return rows

    # -- writing --------------------------------------------------------------------------------------------------------
    def add(self, keys: Keys, vectors: Floats) -> tuple[Keys, Floats]:
        """Add or replace vectors (n, dim); return keys and vectors as taken: of several rows of one key the last.

        Raises
        ------
        VectorIndexError
            For other shapes, negative keys, or values that are not finite.
        """
        keys, vectors = checked(keys, vectors, self.dim)
        if not len(keys):
            return keys, vectors
        self._make_room(int(keys.max()), len(keys))
        rows = self._rows[keys]
        new = rows < 0
        rows[new] = np.arange(self._n, self._n + int(new.sum()), dtype=np.int32)
        values, scale = narrowed(vectors) if self.precision == "int8" else (vectors, np.float32(1))
        self._matrix[rows], self._scale[rows] = values, scale
        self._keys[rows], self._rows[keys] = keys, rows
        self._n += int(new.sum())
        return keys, vectors

    def _make_room(self, key: int, rows: int) -> None:
        if key >= len(self._rows):
            self._rows = _grown(self._rows, max(key + 1, len(self._rows) * 3 // 2), fill=-1)
        if self._n + rows > len(self._keys):
            size = max(self._n + rows, len(self._keys) * 5 // 4)
            self._matrix, self._scale, self._keys = (_grown(a, size) for a in (self._matrix, self._scale, self._keys))

    def remove(self, keys: Keys) -> Keys:
        """Remove keys; return those that were there."""
        gone = np.unique(keys)
        gone = gone[self.rows(gone) >= 0].astype(np.int32)
        for key in gone.tolist():
            row, last = int(self._rows[key]), self._n - 1
            for array in (self._matrix, self._scale, self._keys):
                array[row] = array[last]
            self._rows[self._keys[row]] = row
            self._rows[key] = -1
            self._n = last
        return gone

    # -- reading --------------------------------------------------------------------------------------------------------
    def vectors(self, keys: Keys) -> Floats:
        """Return the vectors (n, dim) of keys as float32; zeros for unknown ones."""
        rows = self.rows(keys)
        known = rows >= 0
        if known.all():
            return self._wide(rows)
        out = np.zeros((len(rows), self.dim), np.float32)
        out[known] = self._wide(rows[known])
        return out

    def inner(self, rows: Rows, vector: Floats) -> Floats:
        """Return the inner products (n,) of rows with one vector (dim,); -1 stands for an unknown row and gives 0.

        Each row is summed by itself, so equal vectors get equal scores wherever they lie, which a product with the whole
        matrix does not promise.
        """
        known = rows >= 0
        if known.all():
            inner = np.vecdot(self._matrix.take(rows, axis=0).astype(np.float32, copy=False), vector) * self._scale[rows]
            return np.asarray(inner, np.float32)
        out = np.zeros(len(rows), np.float32)
        out[known] = self.inner(rows[known], vector)
        return out

    def holds(self, rows: Rows, vectors: Floats) -> NDArray[np.bool_]:
        """Return which of known rows (n,) hold just these vectors (n, dim)."""
        if self.precision == "float32":
            return np.asarray(np.all(self._matrix[rows] == vectors, axis=1))
        values, scale = narrowed(vectors)
        return np.asarray(np.all(self._matrix[rows] == values, axis=1) & (self._scale[rows] == scale))

    def zeros(self) -> NDArray[np.bool_]:
        """Return which rows (n,) are zero vectors."""
        return np.asarray(~np.any(self._matrix[: self._n], axis=1))

    def near(self, vector: Floats, k: int, rows: Rows | None = None) -> Rows:
        """Return those rows, of all or of `rows`, among which the k best for one vector (dim,) surely are."""
        count = self._n if rows is None else len(rows)
        if k <= 0 or count == 0:
            return np.zeros(0, np.int64)
        if count <= k:
            return np.arange(self._n) if rows is None else rows
        if rows is None or count < GATHER_BELOW * self._n:
            scores = self._product(vector, rows)
        else:
            scores = self._product(vector, None)[rows]
        # The matrix product rounds a little differently row by row: keep all that might tie with the last.
        least = np.partition(scores, count - k)[count - k] - 1e-6 * max(1.0, float(np.linalg.norm(vector)))
        near = np.flatnonzero(scores >= least)
        return near if rows is None else rows[near]

    def _product(self, vector: Floats, rows: Rows | None) -> Floats:
        if self.precision == "float32":
            matrix = self._matrix[: self._n] if rows is None else self._matrix[rows]
            return np.asarray(matrix @ vector, np.float32)
        n = self._n if rows is None else len(rows)
        out = np.empty(n, np.float32)
        for start in range(0, n, BLOCK):
            some = slice(start, min(start + BLOCK, n)) if rows is None else rows[start : start + BLOCK]
            out[start : start + BLOCK] = (self._matrix[some].astype(np.float32) @ vector) * self._scale[some]
        return out

    def _wide(self, rows: Rows) -> Floats:
        matrix = self._matrix.take(rows, axis=0).astype(np.float32, copy=False)
        if self.precision == "int8":
            matrix *= self._scale[rows, None]
        return matrix

    # -- as arrays ------------------------------------------------------------------------------------------------------
    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return all that is held, as named arrays, for keeping in files; `restore` takes them back."""
        return {"keys": self.keys, "scale": self._scale[: self._n], "matrix": self._matrix[: self._n]}

    @classmethod
    def restore(cls, *, keys: Keys, scale: Floats, matrix: NDArray[np.generic]) -> VectorMatrix:
        """Return a matrix that holds given arrays, without copying them.

        Raises
        ------
        ValueError
            Where the arrays do not belong together.
        """
        if matrix.ndim != 2 or keys.shape != (len(matrix),) or scale.shape != (len(matrix),):
            raise ValueError(f"arrays of shapes {keys.shape}, {scale.shape} and {matrix.shape} do not belong together")
        out = cls(matrix.shape[1], str(matrix.dtype))  # type: ignore[arg-type]
        out._keys, out._scale, out._matrix, out._n = keys, scale, matrix, len(keys)
        out._rows = np.full(int(keys.max(initial=-1)) + 1, -1, np.int32)
        out._rows[keys] = np.arange(len(keys), dtype=np.int32)
        return out


def _grown(array: NDArray[Any], size: int, fill: int = 0) -> NDArray[Any]:
    out = np.zeros((size, *array.shape[1:]), array.dtype) if fill == 0 else np.full((size, *array.shape[1:]), fill, array.dtype)
    out[: len(array)] = array
    return out
