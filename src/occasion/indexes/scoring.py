"""What every index does in one way: check what comes in, put in order what goes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from occasion.errors import VectorIndexError
from occasion.protocols import CandidateScores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Keys = NDArray[np.int32]

__all__ = ["best", "checked", "checked_query"]


def best(keys: Keys, scores: Floats, k: int) -> CandidateScores:
    """Return the k best, best first; equal scores by key."""
    order = np.lexsort((keys, -scores))[:k]
    return CandidateScores(keys[order].astype(np.int32), scores[order].astype(np.float32))


def checked(keys: Keys, vectors: Floats, dim: int) -> tuple[Keys, Floats]:
    """Return keys (n,) and vectors (n, dim) as int32 and float32, of several rows of one key the last.

    Raises
    ------
    VectorIndexError
        For other shapes, negative keys, or values that are not finite.
    """
    keys, vectors = np.asarray(keys), np.asarray(vectors, np.float32)
    if vectors.shape != (len(keys), dim):
        raise VectorIndexError(f"vectors are of shape {vectors.shape}, {(len(keys), dim)} was due. Cure: use one encoder for all.")
    if len(keys) and int(keys.min()) < 0:
        raise VectorIndexError(f"key {int(keys.min())} is negative. Cure: keys count from 0.")
    if not np.isfinite(vectors).all():
        bad = int(keys[~np.isfinite(vectors).all(axis=1)][0])
        raise VectorIndexError(f"the vector of key {bad} holds values that are not finite. Cure: encode it anew.")
    last = len(keys) - 1 - np.unique(keys[::-1], return_index=True)[1]
    if len(last) < len(keys):
        last.sort()
        keys, vectors = keys[last], vectors[last]
    return keys.astype(np.int32), vectors


def checked_query(vector: Floats, dim: int) -> Floats:
    """Return a query vector (dim,) as float32.

    Raises
    ------
    VectorIndexError
        For another shape, or values that are not finite.
    """
    vector = np.ascontiguousarray(vector, np.float32)
    if vector.shape != (dim,):
        raise VectorIndexError(f"the query is of shape {vector.shape}, {(dim,)} was due. Cure: use the encoder of the items.")
    if not np.isfinite(vector).all():
        raise VectorIndexError("the query holds values that are not finite. Cure: check the encoder.")
    return vector
