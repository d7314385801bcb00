"""Item-to-item models: EASE in closed form, cosine neighbourhoods, and what follows what.

EASE: B = I - P / diag(P) with P = (X'X + lambda I)^-1 [Steck 2019, "Embarrassingly shallow autoencoders for sparse data"].
All score a history by the sum over its items of weight times row; weights fall with the age of the event.
"""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.learning.histories import dense_product
from occasion.learning.rows import scores
from occasion.learning.scored import All, Places, Some

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.learning.dataset import Events

    Floats = NDArray[np.float32]

__all__ = ["Ease", "Neighbours", "Transitions"]


def interactions(events: Events, n_users: int, n_items: int) -> Any:
    """Return a binary CSR (users, items)."""
    from scipy import sparse

    x = sparse.csr_matrix((np.ones(len(events), np.float32), (events.user, events.item)), shape=(n_users, n_items))
    x.data[:] = 1
    return x


SPARSE = 300
"""How much longer a product of two interactions takes among sparse rows than in a dense matrix."""
DENSE = 2.5e8
"""Cells (users times items) up to which interactions may be held densely: 1 GB."""


class Ease:
    """EASE over the most frequent items.

    Attributes
    ----------
    kept : (m,) int32
        Item keys that have weights.
    weights : (m, m) float32
        Zero diagonal.
    """

    def __init__(self, kept: NDArray[np.int32], weights: Floats, n_items: int) -> None:
        self.kept, self.weights, self.n_items = kept, weights, n_items

    @classmethod
    def fit(cls, events: Events, n_users: int, n_items: int, penalty: float | None = None, limit: int = 8000) -> Ease:
        """Fit on the `limit` most frequent items; `penalty` None sets it by the number of events an item has."""
        x = interactions(events, n_users, n_items)
        count = np.bincount(x.indices, minlength=n_items)
        kept = np.sort(np.argsort(-count, kind="stable")[: min(limit, int((count > 0).sum()))]).astype(np.int32)
        x = x[:, kept]
        if penalty is None:
            penalty = float(np.clip(10 * np.sqrt(count[kept].mean() if len(kept) else 1), 20, 300))
        inverse = _few_users(x, penalty) if x.shape[0] < 0.6 * len(kept) else _many_users(x, penalty)
        weights = inverse / -np.diag(inverse)[None, :]
        np.fill_diagonal(weights, 0)
        return cls(kept, weights.astype(np.float32), n_items)

    def score_rows(self, rows: Any) -> Floats:
        """Return scores (B, items) of weighted histories, a CSR (B, items)."""
        from scipy import sparse

        if len(self.kept) == self.n_items:
            return np.asarray(rows @ self.weights, np.float32)
        place = self._place[rows.indices]
        known = place >= 0
        ptr = np.concatenate([[0], np.cumsum(known)])[rows.indptr]
        some = sparse.csr_matrix((rows.data[known], place[known], ptr), shape=(rows.shape[0], len(self.kept)))
        inner = np.asarray(some @ self.weights, np.float32)
        out = np.zeros((rows.shape[0], self.n_items), np.float32)
        out[:, self.kept] = inner
        return out

    def score_items(self, items: NDArray[np.int32], shares: Floats) -> list[Some]:
        """Return the scores of one history, its items (n,) weighted by each of the shares (k, n)."""
        place = self._place[items]
        known = place >= 0
        out = np.zeros((len(shares), len(self.kept) + 1), np.float32)
        np.matmul(shares[:, known], self.weights.take(place[known], axis=0), out=out[:, :-1])
        return [Some(self._places, values) for values in out]

    @cached_property
    def _place(self) -> NDArray[np.int32]:
        """The place of each item in `kept` (items,), -1 where it is not."""
        place = np.full(self.n_items, -1, np.int32)
        place[self.kept] = np.arange(len(self.kept), dtype=np.int32)
        return place

    @cached_property
    def _places(self) -> Places:
        return Places(self.kept, self._place)


def _many_users(x: Any, penalty: float) -> Floats:
    """Return (X'X + penalty I)^-1 by way of the items."""
    gram = np.asarray((x.T @ x).todense(), np.float32)
    gram[np.diag_indices_from(gram)] += penalty
    return _inverse(gram)


def _few_users(x: Any, penalty: float) -> Floats:
    """Return the same by way of the users: (I - X' (XX' + penalty I)^-1 X) / penalty."""
    x = x[np.diff(x.indptr) > 0]
    gram = np.asarray((x @ x.T).todense(), np.float32)
    gram[np.diag_indices_from(gram)] += penalty
    wide = np.asarray(x.todense(), np.float32)
    out = wide.T @ (_inverse(gram) @ wide)
    out *= -1 / penalty
    out[np.diag_indices_from(out)] += 1 / penalty
    return np.asarray(out, np.float32)


def _inverse(gram: Floats) -> Floats:
    """Return the inverse of a positive definite matrix through its Cholesky factor, in place."""
    from scipy.linalg import lapack

    if not len(gram):
        return gram
    factor, failed = lapack.spotrf(gram, lower=1, overwrite_a=1)
    if failed:
        return np.linalg.inv(gram)
    inverse, _ = lapack.spotri(factor, lower=1, overwrite_c=1)
    lower = np.tril(inverse)
    return np.asarray(lower + np.tril(lower, -1).T, np.float32)


class Neighbours:
    """Cosine of items' users, each weighted by inverse frequency, the strongest `k` of each item kept."""

    def __init__(self, matrix: Any) -> None:
        self.matrix = matrix

    @classmethod
    def fit(cls, events: Events, n_users: int, n_items: int, k: int = 200, shrink: float = 10.0) -> Neighbours:
        """Fit from binary interactions; users with very many items count little."""
        from scipy import sparse

        x = interactions(events, n_users, n_items)
        size = np.asarray(x.sum(1)).ravel()
        x = sparse.diags(np.log(1 + n_items / np.maximum(size, 1)).astype(np.float32)).dot(x).tocsr()
        norm = np.sqrt(np.asarray(x.multiply(x).sum(0)).ravel()) + 1e-9
        columns, parts = x.T.tocsr(), []
        heavy = n_users * n_items <= DENSE and SPARSE * float((size.astype(float) ** 2).sum()) > n_users * float(n_items) ** 2
        dense = np.asarray(x.todense(), np.float32) if heavy else None
        for start in range(0, n_items, 1000):
            rows = columns[start : start + 1000]
            if dense is not None:
                parts.append(_strongest_dense(np.asarray(rows.todense()) @ dense, norm, start, k, shrink))
            else:
                parts.append(_strongest((rows @ x).tocsr(), norm, start, k, shrink))
        return cls(sparse.vstack(parts).tocsr().astype(np.float32))

    def score_rows(self, rows: Any) -> Floats:
        """Return scores (B, items) of weighted histories, a CSR (B, items)."""
        return dense_product(rows, self.matrix)

    def score_items(self, items: NDArray[np.int32], shares: Floats) -> list[All]:
        """Return the scores of one history, its items (n,) weighted by each of the shares (k, n)."""
        return scores(self.matrix, items, shares)


def _strongest(block: Any, norm: NDArray[Any], start: int, k: int, shrink: float) -> Any:
    """Return the `k` greatest cosines of each item from `start` on, of a sparse block (b, items) of products with all items."""
    from scipy import sparse

    rows = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr))
    data = block.data / (norm[start + rows] * norm[block.indices] + shrink)
    data[block.indices == start + rows] = 0
    near = [low + _greatest(data[low:high], k) for low, high in pairwise(block.indptr.tolist())]
    ptr = np.concatenate([[0], np.cumsum([len(places) for places in near])])
    keep = np.concatenate([*near, np.zeros(0, np.int64)])
    return sparse.csr_matrix((data[keep], block.indices[keep], ptr), shape=block.shape)


def _greatest(values: Floats, k: int) -> NDArray[np.int64]:
    """Return the places, ascending, of the `k` greatest of values (n,) that are above 0."""
    if len(values) <= k:
        return np.flatnonzero(values > 0)
    top = np.sort(np.argpartition(values, len(values) - k)[len(values) - k :])
    return np.asarray(top[values[top] > 0])


def _strongest_dense(block: Floats, norm: NDArray[Any], start: int, k: int, shrink: float) -> Any:
    """Return the same of a dense block (b, items)."""
    from scipy import sparse

    own = np.arange(len(block))
    block /= norm[start + own][:, None] * norm[None].astype(np.float32) + np.float32(shrink)
    block[own, start + own] = 0
    k = min(k, block.shape[1])
    top = np.argpartition(-block, k - 1, axis=1)[:, :k]
    data = np.take_along_axis(block, top, 1)
    keep = data > 0
    ptr = np.concatenate([[0], np.cumsum(keep.sum(1))])
    return sparse.csr_matrix((data[keep], top[keep], ptr), shape=block.shape)


class Transitions:
    """How often one item follows another within `window` steps of one person, weight decay**(steps - 1), by row shares.

    Shares are smoothed: n(a -> b) / (n(a) + smooth), so that what was seen once does not win.
    """

    def __init__(self, matrix: Any) -> None:
        self.matrix = matrix

    @classmethod
    def fit(cls, events: Events, n_items: int, window: int = 5, decay: float = 0.7, smooth: float = 3.0) -> Transitions:
        """Count pairs of events sorted by (user, time); events of one moment do not follow each other."""
        from scipy import sparse

        total = sparse.csr_matrix((n_items, n_items), dtype=np.float32)
        for step in range(1, window + 1):
            a, b = slice(None, -step), slice(step, None)
            same = (events.user[a] == events.user[b]) & ~(events.time[a] == events.time[b]) & (events.item[a] != events.item[b])
            weight = np.full(int(same.sum()), decay ** (step - 1), np.float32)
            total = total + sparse.csr_matrix((weight, (events.item[a][same], events.item[b][same])), shape=total.shape)
        rows = np.asarray(total.sum(1)).ravel()
        return cls(sparse.diags((1 / (rows + smooth)).astype(np.float32)).dot(total).tocsr().astype(np.float32))

    def score_rows(self, rows: Any) -> Floats:
        """Return scores (B, items) of weighted histories, a CSR (B, items)."""
        return dense_product(rows, self.matrix)

    def score_items(self, items: NDArray[np.int32], shares: Floats) -> list[All]:
        """Return the scores of one history, its items (n,) weighted by each of the shares (k, n)."""
        return scores(self.matrix, items, shares)
