"""Approximate search over a graph of near neighbours, each candidate scored again exactly.

The graph (usearch) holds vectors as whole numbers from -127 to 127, each scaled to its own greatest value: a quarter of the
memory, and the search needs direction alone. Where a few directions hold most of a catalogue, the graph holds only those
(`occasion.indexes.projection`). What it finds is scored again from the index's own vectors, so a score is the inner product of
those vectors, not of the graph's.

An index that was opened from files reads them where they lie: processes share their pages, and only what a search touches is in
memory. Such a graph cannot be changed, so what comes and goes is kept beside it, up to `BESIDE` keys; of more, it is copied into
memory and they get their place in it.

Reference: Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable
Small World graphs", IEEE TPAMI 2020.
"""

from __future__ import annotations

import ctypes
import importlib.util
import threading
from collections.abc import Hashable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.indexes.exact import ExactIndex
from occasion.indexes.files import read_state, write_state
from occasion.indexes.matrix import Precision, VectorMatrix
from occasion.indexes.projection import fitted, whole
from occasion.indexes.scoring import best, checked, checked_query
from occasion.indexes.twins import Twins
from occasion.keyed import is_allowed
from occasion.narrowing import narrowed
from occasion.protocols import CandidateScores
from occasion.remembered import Remembered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Keys = NDArray[np.int32]
    Rows = NDArray[np.int64]

__all__ = ["HnswIndex"]

KIND = "hnsw-2"
READ_BELOW = 1 << 20
"""Bytes of a file of which pages are not worth sharing."""
BESIDE = 1024
"""Keys that come or go beside a graph that is read from its file: a pass over so many vectors costs a tenth of a millisecond."""
FETCH_MORE, FETCH_LEAST = 1.5, 10
"""The graph is asked for this many times what is wanted, and so many more: whole numbers blur the order a little."""
FETCH_PROJECTED, LEAST_PROJECTED = 1.6, 40
"""The same of a graph of projected vectors: those blur it more."""
FETCH_NEAR, LEAST_NEAR = 1.0, 16
"""The same where the graph's own order will do."""
KEPT_NEAR, LEAST_KEPT = 2, 8
"""Such a search keeps this many times what is wanted, and so many more, where that is less than what a search keeps."""
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
        self._beside: ExactIndex | None = None  # while the graph is read from its file
        self._gone: list[int] = []  # keys that have left such a graph
        self._blank: Keys | None = None
        self._met: Remembered[Hashable, Keys] = Remembered()
        self._lock = threading.RLock()
        self.unsaved = 0
        """Keys added, replaced or removed since the index was last saved or opened."""
        self.kept_in: Path | None = None
        """Folder it was last saved to or opened from."""
        self.told: Mapping[str, Any] = {}
        """What was told when it was saved there."""
        self._unsaved: list[Keys] = []

    def __len__(self) -> int:
        """Return the number of keys."""
        return len(self._vectors) + (0 if self._beside is None else len(self._beside))

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
        keys, vectors = checked(keys, vectors, self.dim)
        with self._lock:
            new = ~self._unchanged(keys, vectors)
            if not new.any():
                return
            keys, vectors = keys[new], vectors[new]
            if self._beside is not None and not self._room_beside(len(keys)):
                self._take_in()
            if self._beside is None:
                self._place(keys, vectors)
            else:
                self._take_out(keys)
                self._beside.add(keys, vectors)
            self._changed(keys)

    def _unchanged(self, keys: Keys, vectors: Floats) -> NDArray[np.bool_]:
        """Return which keys (n,) have these very vectors already: a new price changes no text."""
        rows = self._vectors.rows(keys)
        known = np.flatnonzero(rows >= 0)
        out = np.zeros(len(keys), np.bool_)
        out[known] = self._vectors.holds(rows[known], vectors[known])
        return out

    def _place(self, keys: Keys, vectors: Floats) -> None:
        """Give distinct keys a row and a place in the graph."""
        # First, as the vectors held tell what the graph holds.
        self._unlink(keys[self._vectors.rows(keys) >= 0])
        self._vectors.add(keys, vectors)
        filled = np.any(vectors, axis=1)
        # A zero vector has no direction, so no place in the graph; `search` looks for those by themselves.
        self._zeros.update(keys[~filled].tolist())
        self._link(keys[filled])

    def remove(self, keys: Keys) -> None:
        """Remove keys; unknown keys are ignored."""
        with self._lock:
            keys = np.unique(keys).astype(np.int32)
            if self._beside is not None and not self._room_beside(len(keys)):
                self._take_in()
            if self._beside is None:
                keys = keys[self._vectors.rows(keys) >= 0]
                self._unlink(keys)
                self._vectors.remove(keys)
            else:
                self._beside.remove(keys)
                self._take_out(keys)
            self._changed(keys)

    # -- beside a graph that is read from its file ----------------------------------------------------------------------
    def _room_beside(self, count: int) -> bool:
        return (0 if self._beside is None else len(self._beside)) + len(self._gone) + count <= BESIDE

    def _take_out(self, keys: Keys) -> None:
        """Let keys leave: their rows go, their nodes stay and are passed over."""
        self._gone += self._vectors.remove(keys).tolist()

    def _take_in(self) -> None:
        """Copy the graph into memory, and give what came and went beside it its place."""
        if self._beside is None:
            return
        beside, gone = self._beside, np.array(self._gone, np.int32)
        self._graph, self._beside, self._gone = self._graph.copy(), None, []
        self._met.clear()
        self._unlink(gone)
        keys = beside.keys()
        if len(keys):
            self._place(keys, beside.vectors(keys))

    def _changed(self, keys: Keys) -> None:
        self._blank = None
        if self._beside is None:
            self._met.clear()
        self.unsaved += len(keys)
        if self.kept_in is not None:
            self._unsaved.append(keys)

    def unsaved_keys(self) -> Keys:
        """Return the keys added, replaced or removed since the index was last saved or opened, ascending."""
        return np.unique(np.concatenate([np.zeros(0, np.int32), *self._unsaved]))

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
            keys, scores = self._vectors.keys[rows], self._vectors.inner(rows, vector)
            if self._beside is not None and len(self._beside):
                late = self._beside.search(vector, k, allowed)
                keys, scores = np.concatenate([keys, late.keys]), np.concatenate([scores, late.scores])
            return best(keys, scores, max(k, 0))

    def near(self, vector: Floats, k: int, allowed: NDArray[np.bool_] | None = None) -> Keys:
        """Return about the k best keys (n,) for one vector (dim,), in no order: those the graph finds, not scored again.

        Of the ten best it names nearly as many as `search` (60 wanted: .95 in place of .96 of 100,000 titles) in half its time.
        The fewer are wanted, the less is looked at.

        Raises
        ------
        VectorIndexError
            As `search`.
        """
        vector = checked_query(vector, self.dim)
        with self._lock:
            kept = KEPT_NEAR * max(k, 0) + LEAST_KEPT
            keys = self._named(vector, k, allowed, FETCH_NEAR, LEAST_NEAR, kept) if vector.any() else None
            # Of many items with the same text all come along: then the best have to be told from the others.
            if keys is None or len(keys) > 2 * k + LEAST_NEAR:
                return self.search(vector, k, allowed).keys
            blank = self._blank_keys(k, allowed)
            keys = np.concatenate([keys, blank]) if len(blank) else keys
            if self._beside is not None and len(self._beside):
                keys = np.concatenate([keys, self._beside.near(vector, k, allowed)])
            return keys

    def _near(self, vector: Floats, k: int, allowed: NDArray[np.bool_] | None) -> Rows:
        """Return rows that hold about the k best allowed ones."""
        if not vector.any():
            return self._lowest(k, allowed)
        more, least = (FETCH_PROJECTED, LEAST_PROJECTED) if self._basis.size else (FETCH_MORE, FETCH_LEAST)
        keys = self._named(vector, k, allowed, more, least)
        if keys is None:
            return self._vectors.near(vector, k, self._allowed_rows(allowed))
        rows = self._vectors.rows(keys)
        blank = self._vectors.rows(self._blank_keys(k, allowed))
        return np.concatenate([rows, blank]) if len(blank) else rows

    def _named(
        self, vector: Floats, k: int, allowed: NDArray[np.bool_] | None, more: float, least: int, kept: int | None = None
    ) -> Keys | None:
        """Return at least k allowed keys that the graph finds nearest, best first, out of `more` times k and `least` more.

        None where the graph would cost more than all allowed rows do.
        """
        n = len(self._vectors)
        count = n if allowed is None else min(n, int(np.count_nonzero(allowed)))
        fetch = int(more * max(k, 0) * n / max(count, 1)) + least
        while fetch * COST_FETCHED < count * COST_SCORED:
            nodes = self._nodes(vector, fetch, kept)
            if not len(nodes):
                break
            keys = self._twins.expand(nodes, k + len(self._gone), allowed)
            if self._gone:
                keys = keys[self._vectors.rows(keys) >= 0]
            if len(keys) >= k:
                return keys
            fetch *= 4
        return None

    def forget(self) -> None:
        """Drop what is remembered of searches: vectors of people's words are in it."""
        self._met.clear()

    def _nodes(self, vector: Floats, fetch: int, kept: int | None = None) -> Keys:
        """Return the nodes (fetch,) of the graph nearest to a query, best first; none for one that the graph has as zeros.

        `kept` candidates are kept while it is searched, by default and at most half as many as while it was built.
        """
        usual = self._graph.expansion_add // 2
        kept = usual if kept is None else min(kept, usual)

        def searched(_: Hashable) -> Keys:
            codes = self._projected(vector[None])[0]
            if not codes.any():
                return np.zeros(0, np.int32)
            self._graph.expansion_search = kept
            return np.asarray(self._graph.search(codes, fetch, threads=1).keys, np.int32)

        return self._met.get((vector.tobytes(), fetch, kept), searched)

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
            self._blank = np.array(sorted(self._zeros.difference(self._gone)), np.int32)
        if allowed is None or not len(self._blank):
            return self._blank[:k]
        return self._blank[is_allowed(self._blank, allowed)][:k]

    def score(self, vector: Floats, keys: Keys) -> Floats:
        """Return inner products (n,) of one vector (dim,) with those of keys, the same as `search` gives; 0 for unknown ones."""
        vector = checked_query(vector, self.dim)
        with self._lock:
            scores = self._vectors.inner(self._vectors.rows(keys), vector)
            if self._beside is not None and len(self._beside):
                scores += self._beside.score(vector, keys)
            return scores

    def vectors(self, keys: Keys) -> Floats:
        """Return the vectors (n, dim) of keys as float32; zeros for unknown ones."""
        with self._lock:
            vectors = self._vectors.vectors(keys)
            if self._beside is not None and len(self._beside):
                vectors += self._beside.vectors(keys)
            return vectors

    # -- files ----------------------------------------------------------------------------------------------------------
    def save(self, folder: Path, told: Mapping[str, Any] | None = None) -> None:
        """Write the index to a folder, whole or not at all.

        Parameters
        ----------
        told : mapping, optional
            What whoever opens it finds as `told`; must fit JSON.

        Raises
        ------
        VectorIndexError
            Where the folder cannot be written.
        """
        with self._lock:
            self._take_in()
            arrays = self._vectors.arrays() | self._twins.arrays()
            arrays |= {"basis": self._basis, "zeros": np.array(sorted(self._zeros), np.int32)}
            writers = {f"{name}.npy": partial(_write_array, array=array) for name, array in arrays.items()}
            writers["graph.usearch"] = self._graph.save
            about = {
                "kind": KIND,
                "dim": self.dim,
                "connectivity": self._graph.connectivity,
                "expansion": self._graph.expansion_add,
                "told": dict(told or {}),
            }
            write_state(folder, about, writers)
            self.unsaved, self._unsaved, self.kept_in, self.told = 0, [], folder, dict(told or {})

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
            arrays = {name: _read_array(path) for name, path in paths.items() if name.endswith(".npy")}
            matrix = VectorMatrix.restore(**{name: arrays[f"{name}.npy"] for name in ("keys", "scale", "matrix")})
            twins = Twins.restore(**{name: arrays[f"{name}.npy"] for name in ("first", "hashes", "hints")})
            options = {"connectivity": about["connectivity"], "expansion": about["expansion"]}
            index = cls(about["dim"], precision=matrix.precision, threads=threads, **options)
            index._vectors, index._twins, index._basis = matrix, twins, arrays["basis.npy"]
            if index._basis.size:
                index._graph = _new_graph(index._basis.shape[1], *options.values())
            index._graph.view(paths["graph.usearch"])
            index._beside = ExactIndex(about["dim"])
            # Older files do not say which they are; looking for it reads the whole matrix.
            zeros = arrays["zeros.npy"] if "zeros.npy" in arrays else matrix.keys[matrix.zeros()]
            index._zeros, index.kept_in, index.told = set(zeros.tolist()), folder, about.get("told", {})
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


def _read_array(path: Path) -> NDArray[Any]:
    """Return an array where it lies in its file; what is written to it stays in this process. A small one is read."""
    large = path.stat().st_size > READ_BELOW
    return np.asarray(np.load(path, mmap_mode="c" if large else None, allow_pickle=False))


def _write_array(path: Path, *, array: NDArray[np.generic]) -> None:
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=False)
