"""Rows of sparse matrices taken by hand: for one request, putting a sparse matrix together costs more than what is multiplied."""

from __future__ import annotations

from collections.abc import Iterable
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
ONE_BY_ONE = 24
"""Rows up to which each is copied for itself: to work out where all their values stand costs more."""


def _taken(matrix: Any, rows: NDArray[Any]) -> tuple[Floats, NDArray[Any], NDArray[np.int64]]:
    """Return the values of given rows of a CSR, their columns, and how many each row has."""
    pointers, indices, data = np.asarray(matrix.indptr), np.asarray(matrix.indices), np.asarray(matrix.data)
    starts, stops = pointers[rows].astype(np.int64), pointers[rows + 1].astype(np.int64)
    if 0 < len(rows) <= ONE_BY_ONE:
        spans = list(map(slice, starts.tolist(), stops.tolist()))
        return np.concatenate([data[s] for s in spans]), np.concatenate([indices[s] for s in spans]), stops - starts
    lengths = stops - starts
    # Where each row has one value (a category of each item), they stand where the rows start.
    places = starts if (lengths == 1).all() else runs(starts, lengths)
    return data[places], indices[places], lengths


def sums(matrix: Any, rows: NDArray[Any], weights: Iterable[Floats]) -> list[Floats]:
    """Return for each of the weights, (n,) each, the weighted sum (columns,) of given rows (n,) of a CSR."""
    return _summed(matrix, rows, weights)[0]


def scores(matrix: Any, rows: NDArray[Any], weights: Iterable[Floats]) -> list[All]:
    """Return the same as scores of a request, of which the items with a sum above 0 are put forward."""
    found, columns = _summed(matrix, rows, weights)
    spoken = distinct(columns) if len(columns) * FEW < matrix.shape[1] else None
    return [All(values, 0.0, spoken) for values in found]


def _summed(matrix: Any, rows: NDArray[Any], weights: Iterable[Floats]) -> tuple[list[Floats], NDArray[np.int32]]:
    """Return the sums for each of the weights, and the columns that the rows have."""
    values, columns, lengths = _taken(matrix, rows)
    places, found = columns.astype(np.intp), []
    for each in weights:
        out = np.zeros(matrix.shape[1], np.float32)
        np.add.at(out, places, values * each.repeat(lengths))
        found.append(out)
    return found, columns


def products(matrix: Any, rows: NDArray[Any], vector: Floats) -> Floats:
    """Return the inner products (n,) of given rows (n,) of a CSR with a vector (columns,)."""
    values, columns, lengths = _taken(matrix, rows)
    each = values * vector[columns]
    if (lengths == 1).all():
        return np.asarray(each, np.float32)
    return np.bincount(np.arange(len(rows)).repeat(lengths), each, len(rows)).astype(np.float32)
