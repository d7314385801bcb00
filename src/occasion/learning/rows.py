"""Rows of sparse matrices taken by hand: for one request, putting a sparse matrix together costs more than what is multiplied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.pairs import runs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

__all__ = ["products", "sums"]


def _taken(matrix: Any, rows: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[np.int64]]:
    """Return where the values of given rows of a CSR stand, their columns, and how many each row has."""
    starts = np.asarray(matrix.indptr)[rows].astype(np.int64)
    lengths = np.asarray(matrix.indptr)[rows + 1].astype(np.int64) - starts
    places = runs(starts, lengths)
    return places, np.asarray(matrix.indices)[places], lengths


def sums(matrix: Any, rows: NDArray[Any], *weights: Floats) -> list[Floats]:
    """Return for each of the weights (n,) the weighted sum (columns,) of given rows (n,) of a CSR."""
    places, columns, lengths = _taken(matrix, rows)
    values = np.asarray(matrix.data)[places]
    width = matrix.shape[1]
    return [np.bincount(columns, values * np.repeat(w, lengths), width).astype(np.float32) for w in weights]


def products(matrix: Any, rows: NDArray[Any], vector: Floats) -> Floats:
    """Return the inner products (n,) of given rows (n,) of a CSR with a vector (columns,)."""
    places, columns, lengths = _taken(matrix, rows)
    owner = np.repeat(np.arange(len(rows)), lengths)
    return np.bincount(owner, np.asarray(matrix.data)[places] * vector[columns], len(rows)).astype(np.float32)
