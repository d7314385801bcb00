"""Rows of sparse matrices taken by hand: for one request, putting a sparse matrix together costs more than what is multiplied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.keyed import distinct
from occasion.learning.scored import All
from occasion.pairs import runs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

__all__ = ["products", "scores", "sums"]


FEW = 8
"""Columns for each value in the rows, from which on telling the columns that have one costs less than looking for them."""


def _taken(matrix: Any, rows: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[np.int64]]:
    """Return where the values of given rows of a CSR stand, their columns, and how many each row has."""
    starts = np.asarray(matrix.indptr)[rows].astype(np.int64)
    lengths = np.asarray(matrix.indptr)[rows + 1].astype(np.int64) - starts
    places = runs(starts, lengths)
    return places, np.asarray(matrix.indices)[places], lengths


def sums(matrix: Any, rows: NDArray[Any], *weights: Floats) -> list[Floats]:
    """Return for each of the weights (n,) the weighted sum (columns,) of given rows (n,) of a CSR."""
    return _summed(matrix, rows, weights)[0]


def scores(matrix: Any, rows: NDArray[Any], *weights: Floats) -> list[All]:
    """Return the same as scores of a request, of which the items with a sum above 0 are put forward."""
    found, columns = _summed(matrix, rows, weights)
    spoken = distinct(columns) if len(columns) * FEW < matrix.shape[1] else None
    return [All(values, 0.0, spoken) for values in found]


def _summed(matrix: Any, rows: NDArray[Any], weights: Sequence[Floats]) -> tuple[list[Floats], NDArray[np.int32]]:
    """Return the sums for each of the weights, and the columns that the rows have."""
    places, columns, lengths = _taken(matrix, rows)
    values = np.asarray(matrix.data)[places]
    width = matrix.shape[1]
    return [np.bincount(columns, values * np.repeat(w, lengths), width).astype(np.float32) for w in weights], columns


def products(matrix: Any, rows: NDArray[Any], vector: Floats) -> Floats:
    """Return the inner products (n,) of given rows (n,) of a CSR with a vector (columns,)."""
    places, columns, lengths = _taken(matrix, rows)
    owner = np.repeat(np.arange(len(rows)), lengths)
    return np.bincount(owner, np.asarray(matrix.data)[places] * vector[columns], len(rows)).astype(np.float32)
