"""Approximate search over a graph of near neighbours, each candidate scored again exactly.

The graph (usearch) holds vectors as whole numbers from -127 to 127, each scaled to its own greatest value: a quarter of the
memory, and the search needs direction alone. Where a few directions hold most of a catalogue, the graph holds only those
(`occasion.indexes.projection`). What it finds is scored again from the index's own vectors, so a score is the inner product of
those vectors, not of the graph's.

Reference: Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable
Small World graphs", IEEE TPAMI 2020.
"""

from __future__ import annotations

import ctypes
import importlib.util
import threading
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.indexes.files import read_state, write_state
from occasion.indexes.matrix import Precision, VectorMatrix, narrowed
from occasion.indexes.projection import fitted, whole
from occasion.indexes.scoring import best, checked, checked_query
from occasion.indexes.twins import Twins
from occasion.keyed import is_allowed
from occasion.protocols import CandidateScores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Keys = NDArray[np.int32]
    Rows = NDArray[np.int64]

__all__ = ["HnswIndex"]

KIND = "hnsw-2"
FETCH_MORE, FETCH_LEAST = 1.5, 10
"""The graph is asked for this many times what is wanted, and so many more: whole numbers blur the order a little."""
FETCH_PROJECTED, LEAST_PROJECTED = 1.6, 40
"""The same of a graph of projected vectors: those blur it more."""
COST_FETCHED, COST_SCORED = 4.0, 0.17
"""Microseconds of one key fetched from the graph, and of one row of 512 dimensions scored exactly; only their ratio counts."""


class HnswIndex:
    """Vectors in a graph; a search visits a few thousand of them whatever the number of items.

    A search with `allowed` takes the cheaper of two ways: score all allowed rows, or fetch from the graph as many more
    candidates as are not allowed, and more again while too few are left. Either way it returns k keys where k exist.

    Parameters
    ----------
    dim : int
        Length of a vector. Vectors are unit length or zero.
    precision : float32 or int8
        How the vectors that scores are taken from are kept. Bytes an item at dim 512, graph included: 2,800 and 1,250, 320
        less with a projection; an inner product of unit vectors errs by 3e-4 with int8.
    connectivity : int
        Neighbours of a node (M), 4 to 64: more cost memory and building time and find more.
    expansion : int
        Candidates kept while a key gets its place (ef), 16 to 1024: more cost building time and find more. A search keeps half
        as many, at least.
    threads : int
        Threads of adding, 1 to 64. A search takes one.
    room : int
        Keys to expect; more may come.
    """

    def __init__(
        self,
        dim: int,
        *,
        precision: Precision = "float32",
        connectivity: int = 16,
        expansion: int = 256,
        threads: int = 1,
        room: int = 0,
    ) -> None:
        self.dim, self.threads = dim, threads
        self._vectors = VectorMatrix(dim, precision, room)
        self._graph = _new_graph(dim, connectivity, expansion)
        self._basis = whole(dim)
        self._twins = Twins()
        self._zeros: set[int] = set()
        self._blank: Keys | None = None
        self._lock = threading.RLock()
        self.unsaved = 0
        """Keys added, replaced or removed since the index was last saved or opened."""
        self.kept_in: Path | None = None
        """Folder it was last saved to or opened from."""

    def __len__(self) -> int:
        """Return the number of keys."""
        return len(self._vectors)

    @property
    def nodes(self) -> int:
        """Nodes of the graph: keys, less those of zero vectors, equal vectors counted once."""
        return len(self._graph)

    # -- writing --------------------------------------------------------------------------------------------------------
    def add(self, keys: Keys, vectors: Floats) -> None:
        """Add or replace vectors (n, dim) of unit length; of several rows of one key the last counts.

        Raises
        ------
        VectorIndexError
            For other shapes, negative keys, or values that are not finite.
        """
        with self._lock:
            # First, as the vectors held tell what the graph holds.
            keys, vectors = checked(keys, vectors, self.dim)
            self._unlink(keys[self._vectors.rows(keys) >= 0])
            self._vectors.add(keys, vectors)
            filled = np.any(vectors, axis=1)
            # A zero vector has no direction, so no place in the graph; `search` looks for those by themselves.
            self._zeros.update(keys[~filled].tolist())
            self._link(keys[filled])
            self._blank = None
            self.unsaved += len(keys)

    def remove(self, keys: Keys) -> None:
        """Remove keys; unknown keys are ignored."""
        with self._lock:
            keys = np.unique(keys)
            keys = keys[self._vectors.rows(keys) >= 0].astype(np.int32)
            self._unlink(keys)
            self._vectors.remove(keys)
            self._blank = None
            self.unsaved += len(keys)

    def _link(self, keys: Keys) -> None:
        """Give keys with a vector held and not zero their place in the graph."""
        if not len(self._graph):
            self._project(self._vectors.vectors(keys))
        codes = self._codes(keys)
        own = self._twins.add(keys, codes, lambda a, b: np.all(self._codes(a) == self._codes(b), axis=1))
        if own.any():
            placed = codes[own] if not self._basis.size else self._projected(self._vectors.vectors(keys[own]))
            self._graph.add(keys[own].astype(np.uint64), placed, threads=self.threads)

    def _project(self, vectors: Floats) -> None:
        """Choose the directions of an empty graph by the first vectors that come into it."""
        self._basis = fitted(vectors)
        dim = self._basis.shape[1] or self.dim
        if dim != self._graph.ndim:
            self._graph = _new_graph(dim, self._graph.connectivity, self._graph.expansion_add)

    def _projected(self, vectors: Floats) -> NDArray[np.int8]:
        """Return vectors (n, dim) as the graph has them."""
        return narrowed(vectors @ self._basis if self._basis.size else vectors)[0]

    def _unlink(self, keys: Keys) -> None:
        zero = np.array([key in self._zeros for key in keys.tolist()], np.bool_)
        self._zeros.difference_update(keys[zero].tolist())
        gone, renamed = self._twins.remove(keys[~zero])
        # A node may be renamed and then go: renaming comes first, in order, and a new name is never one that is still in use.
        for old, new in renamed:
            self._graph.rename(old, new)
        if gone:
            self._graph.remove(np.array(gone, np.uint64), threads=1)

    def _codes(self, keys: Keys) -> NDArray[np.int8]:
        """Return the vectors of keys as whole numbers (n, dim), made from what is held so that equal ones stay equal."""
        return narrowed(self._vectors.vectors(keys))[0]

    # -- reading --------------------------------------------------------------------------------------------------------
    def search(self, vector: Floats, k: int, allowed: NDArray[np.bool_] | None = None) -> CandidateScores:
        """Return about the best k keys and their inner products for one vector (dim,), best first, equal ones by key.

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
            rows = self._near(vector, k, allowed)
            return best(self._vectors.keys[rows], self._vectors.inner(rows, vector), max(k, 0))

    def _near(self, vector: Floats, k: int, allowed: NDArray[np.bool_] | None) -> Rows:
        """Return rows that hold about the k best allowed ones."""
        if not vector.any():
            return self._lowest(k, allowed)
        n = len(self._vectors)
        count = n if allowed is None else min(n, int(np.count_nonzero(allowed)))
        more, least = (FETCH_PROJECTED, LEAST_PROJECTED) if self._basis.size else (FETCH_MORE, FETCH_LEAST)
        fetch = int(more * max(k, 0) * n / max(count, 1)) + least
        codes = self._projected(vector[None])[0]
        while fetch * COST_FETCHED < count * COST_SCORED and codes.any():
            found = self._graph.search(codes, fetch, threads=1).keys.astype(np.int32)
            found = self._twins.expand(found, k, allowed)
            if len(found) >= k:
                return self._vectors.rows(np.concatenate([found, self._blank_keys(k, allowed)]))
            fetch *= 4
        return self._vectors.near(vector, k, self._allowed_rows(allowed))

    def _allowed_rows(self, allowed: NDArray[np.bool_] | None) -> Rows | None:
        if allowed is None:
            return None
        rows = self._vectors.rows(np.flatnonzero(allowed).astype(np.int32))
        return rows[rows >= 0]

    def _lowest(self, k: int, allowed: NDArray[np.bool_] | None) -> Rows:
        """Return the rows of the k lowest allowed keys: to a query of zeros all are equal."""
        rows = self._allowed_rows(allowed)
        rows = np.arange(len(self._vectors)) if rows is None else rows
        return rows[np.argsort(self._vectors.keys[rows])[: max(k, 0)]]

    def _blank_keys(self, k: int, allowed: NDArray[np.bool_] | None) -> Keys:
        """Return the k lowest allowed keys of zero vectors, which the graph does not hold."""
        if self._blank is None:
            self._blank = np.array(sorted(self._zeros), np.int32)
        keys = self._blank if allowed is None else self._blank[is_allowed(self._blank, allowed)]
        return keys[:k]

    def score(self, vector: Floats, keys: Keys) -> Floats:
        """Return inner products (n,) of one vector (dim,) with those of keys, the same as `search` gives; 0 for unknown ones."""
        vector = checked_query(vector, self.dim)
        with self._lock:
            return self._vectors.inner(self._vectors.rows(keys), vector)

    def vectors(self, keys: Keys) -> Floats:
        """Return the vectors (n, dim) of keys as float32; zeros for unknown ones."""
        with self._lock:
            return self._vectors.vectors(keys)

    # -- files ----------------------------------------------------------------------------------------------------------
    def save(self, folder: Path) -> None:
        """Write the index to a folder, whole or not at all.

        Raises
        ------
        VectorIndexError
            Where the folder cannot be written.
        """
        with self._lock:
            arrays = self._vectors.arrays() | self._twins.arrays() | {"basis": self._basis}
            writers = {f"{name}.npy": partial(_write_array, array=array) for name, array in arrays.items()}
            writers["graph.usearch"] = self._graph.save
            about = {
                "kind": KIND,
                "dim": self.dim,
                "connectivity": self._graph.connectivity,
                "expansion": self._graph.expansion_add,
            }
            write_state(folder, about, writers)
            self.unsaved, self.kept_in = 0, folder

    @classmethod
    def open(cls, folder: Path, *, threads: int = 1) -> HnswIndex:
        """Return the index that `save` wrote.

        Raises
        ------
        VectorIndexError
            Where there is none, or it is damaged.
        """
        with read_state(folder) as (about, paths):
            if about["kind"] != KIND:
                raise ValueError(f"it is of the kind {about['kind']!r}")
            arrays = {name: np.load(path, allow_pickle=False) for name, path in paths.items() if name.endswith(".npy")}
            matrix = VectorMatrix.restore(**{name: arrays[f"{name}.npy"] for name in ("keys", "scale", "matrix")})
            twins = Twins.restore(**{name: arrays[f"{name}.npy"] for name in ("first", "hashes", "hints")})
            options = {"connectivity": about["connectivity"], "expansion": about["expansion"]}
            index = cls(about["dim"], precision=matrix.precision, threads=threads, **options)
            index._vectors, index._twins, index._basis = matrix, twins, arrays["basis.npy"]
            if index._basis.size:
                index._graph = _new_graph(index._basis.shape[1], *options.values())
            index._graph.load(paths["graph.usearch"])
            index._zeros, index.kept_in = set(matrix.keys[matrix.zeros()].tolist()), folder
            if len(index._graph) != twins.nodes() or matrix.dim != about["dim"]:
                raise ValueError("graph and vectors do not belong together")
        return index


def _new_graph(dim: int, connectivity: int, expansion: int) -> Any:
    _load_lightgbm()
    from usearch.index import Index as Graph

    return Graph(
        ndim=dim, metric="cos", dtype="i8", connectivity=connectivity, expansion_add=expansion, expansion_search=expansion // 2
    )


@cache
def _load_lightgbm() -> None:
    """Load LightGBM's library before usearch's.

    usearch's wheel carries a C++ library of its own, and a LightGBM loaded after it cannot turn numbers into text any more
    ("Feature (Column_) appears more than one time"). The library alone is enough: the package around it takes seconds to
    import, and most of those who search never fit.
    """
    spec = importlib.util.find_spec("lightgbm")
    folder = Path(spec.origin).parent if spec is not None and spec.origin else None
    found = (
        [path for name in ("lib/lib_lightgbm.*", "bin/lib_lightgbm.*", "lib_lightgbm.*") for path in folder.glob(name)]
        if folder
        else []
    )
    try:
        ctypes.CDLL(str(found[0]))
    except (IndexError, OSError):
        import lightgbm  # noqa: F401


def _write_array(path: Path, *, array: NDArray[np.generic]) -> None:
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=False)
