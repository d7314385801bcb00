"""Indexes: vectors to nearest keys, one a file. To add one: write the file, add a line where `make_index` chooses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from occasion.errors import VectorIndexError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from occasion.indexes.hnsw import HnswIndex
    from occasion.protocols import Index

__all__ = ["build_index", "make_index", "open_index", "save_index"]

FLOAT_LIMIT = 50_000
"""Up to this many items an HNSW index keeps vectors as floats, above it as 8-bit numbers: 1 M x 512 in 1.3 GB."""
RESAVE_SHARE = 0.02
"""An index is kept anew when more than this share of its keys has changed, or 1,000 keys."""


def make_index(dim: int, items: int, *, exact_limit: int = 5_000, threads: int = 1) -> Index:
    """Return an empty index that suits a number of items: exact up to `exact_limit`, an HNSW graph above."""
    if items <= exact_limit:
        from occasion.indexes.exact import ExactIndex

        return ExactIndex(dim, room=items)
    from occasion.indexes.hnsw import HnswIndex

    return HnswIndex(dim, precision="float32" if items <= FLOAT_LIMIT else "int8", threads=threads, room=items)


def build_index(
    keys: NDArray[np.int32], vectors: NDArray[np.float32], *, exact_limit: int = 5_000, threads: int = 1, chunk: int = 10_000
) -> Index:
    """Return an index that holds unit vectors (n, dim), of the kind that suits their number; added `chunk` at a time."""
    index = make_index(vectors.shape[1], len(keys), exact_limit=exact_limit, threads=threads)
    for start in range(0, len(keys), chunk):
        index.add(keys[start : start + chunk], vectors[start : start + chunk])
    return index


def save_index(index: Index, folder: Path, told: Mapping[str, Any] | None = None) -> bool:
    """Keep an index in a folder where that pays; return whether it did.

    An exact index is faster built than read, so it is never kept. An HNSW index is kept when it never was, or when enough
    has changed since: writing a gigabyte for one new item would cost more than adding that item again at the next start.

    Parameters
    ----------
    told : mapping, optional
        What the index has as `told` once it is opened; must fit JSON.

    Raises
    ------
    VectorIndexError
        Where the folder cannot be written.
    """
    from occasion.indexes.hnsw import HnswIndex

    if not isinstance(index, HnswIndex):
        return False
    if index.kept_in == folder and index.unsaved <= max(1000, RESAVE_SHARE * len(index)):
        return False
    index.save(folder, told)
    return True


def open_index(folder: Path, dim: int, *, threads: int = 1) -> HnswIndex:
    """Return the index kept in a folder.

    Raises
    ------
    VectorIndexError
        Where there is none, it is damaged, or its vectors are of another length. It can always be rebuilt.
    """
    from occasion.indexes.hnsw import HnswIndex

    index = HnswIndex.open(folder, threads=threads)
    if index.dim != dim:
        raise VectorIndexError(
            f"the index in {folder} holds vectors of {index.dim} dimensions, {dim} were due. Cure: build it anew."
        )
    return index
