"""What items with few events borrow from those alike in text: the mean score of their nearest neighbours that have events."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.learning.rows import sums
from occasion.learning.scored import UNSAID, All, Some

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.learning.scored import Places

    Floats = NDArray[np.float32]

__all__ = ["Borrowed"]


class Borrowed:
    """Text neighbours of rare items.

    Attributes
    ----------
    rare : (r,) int32
        Items that borrow.
    matrix : CSR (r, items)
        Weights of the items they borrow from; rows sum to 1.
    """

    _among: tuple[Places, Any] | None = None

    def __init__(self, rare: NDArray[np.int32], matrix: Any) -> None:
        self.rare, self.matrix = rare, matrix

    @classmethod
    def fit(cls, joint: Floats, count: NDArray[np.int64], k: int = 50, few: int = 5) -> Borrowed:
        """Find the `k` nearest items with events of each item with fewer than `few`; where there are none, nobody borrows."""
        from scipy import sparse

        rare, known = np.flatnonzero(count < few).astype(np.int32), np.flatnonzero(count > 0)
        if not len(rare) or len(known) < 2:
            return cls(rare[:0], sparse.csr_matrix((0, len(joint)), dtype=np.float32))
        k = min(k, len(known) - 1)
        tops, values = [], []
        for start in range(0, len(rare), 1000):
            rows = rare[start : start + 1000]
            alike = joint[rows] @ joint[known].T
            alike[rows[:, None] == known[None]] = -1
            top = np.argpartition(-alike, k - 1, axis=1)[:, :k]
            tops.append(known[top])
            values.append(np.maximum(np.take_along_axis(alike, top, 1), 0) ** 2)
        top, value = np.concatenate(tops), np.concatenate(values)
        value = value / np.maximum(value.sum(1, keepdims=True), 1e-9)
        ptr = np.arange(0, len(rare) * k + 1, k)
        shape = (len(rare), len(joint))
        return cls(rare, sparse.csr_matrix((value.ravel().astype(np.float32), top.ravel().astype(np.int32), ptr), shape=shape))

    def score(self, scores: Floats) -> Floats:
        """Return borrowed scores (B, items) of scores (B, items); -1e9 for items that do not borrow."""
        out = np.full(scores.shape, UNSAID, np.float32)
        out[:, self.rare] = (self.matrix @ scores.T).T
        return out

    def score_one(self, given: All | Some) -> All:
        """Return the same of one request, most of whose scores are 0: from those that lend to those that borrow."""
        out = np.full(self.matrix.shape[1], UNSAID, np.float32)
        if isinstance(given, Some):
            out[self.rare] = self._from(given.places) @ given.values
            return All(out, UNSAID, self.rare)
        scores = given.values
        some = np.flatnonzero(scores) if given.spoken is None else given.spoken
        lengths = self._lenders.indptr[some + 1] - self._lenders.indptr[some]
        few = int(lengths.sum()) < self.matrix.nnz // 4
        out[self.rare] = sums(self._lenders, some, [scores[some]])[0] if few else self.matrix @ scores
        return All(out, UNSAID, self.rare)

    @cached_property
    def _lenders(self) -> Any:
        """A CSR (items, r): what each item lends to the rare ones."""
        return self.matrix.T.tocsr()

    def _from(self, places: Places) -> Any:
        """Return a CSR (r, n + 1): what n items lend, the last column being of none; kept for the items asked for last."""
        if self._among is None or self._among[0] is not places:
            part = self.matrix[:, places.items]
            part.resize(part.shape[0], part.shape[1] + 1)
            self._among = (places, part)
        return self._among[1]
