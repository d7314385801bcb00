"""Histories: the distinct items each request of a batch has had, and weights of events summed over them.

Every source that reads a history reads the same pairs of request and item with weights of its own. They are told apart once,
and several weightings become one sparse matrix: at a single request, what is multiplied costs less than each multiplication.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.learning.scored import LARGE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.learning.requests import Requests

    Floats = NDArray[np.float32]

__all__ = ["Histories", "dense_product"]

OLDEST = 300
"""Steps back beyond which weights fall no further."""


class Histories:
    """The distinct pairs (request, item) of a batch, sorted.

    Parameters
    ----------
    requests : Requests, B of them
    n_items : int

    Attributes
    ----------
    row, item : (p,) int64 and int32
        The pairs.
    single : bool
        One request over a large catalogue: see `occasion.learning.scored`.
    """

    def __init__(self, requests: Requests, n_items: int) -> None:
        self.requests, self.n_items = requests, n_items
        self.single = len(requests) == 1 and n_items > LARGE
        self._back = requests.back
        pairs, self._place = np.unique(requests.row * n_items + requests.item, return_inverse=True)
        self.row, self.item = pairs // n_items, (pairs % n_items).astype(np.int32)

    def __len__(self) -> int:
        """Return the number of requests."""
        return len(self.requests)

    def decayed(self, decay: float, last: int | None = None) -> Floats:
        """Return a weight decay**steps for each event (h,), 0 for all but the `last` newest where that is given."""
        weight = np.power(decay, np.minimum(self._back, OLDEST)).astype(np.float32)
        if last is not None:
            weight[self._back >= last] = 0
        return weight

    def shares(self, weight: Floats) -> Floats:
        """Return weights of events (h,) summed by pair (p,) and divided by their sum over each request."""
        sums = np.bincount(self._place, weight, len(self.item))
        if len(self) == 1:
            return np.asarray(sums / max(float(sums.sum()), 1e-9), np.float32)
        total = np.bincount(self.row, sums, len(self))
        return np.asarray(sums / np.maximum(total, 1e-9)[self.row], np.float32)

    def rows(self, *weights: Floats, shares: bool = True) -> Any:
        """Return a CSR (len(weights) * B, items): all requests under the first weighting, then under the next; no zeros in it."""
        from scipy import sparse

        if shares:
            values = np.array([self.shares(w) for w in weights], np.float32)
        else:
            values = np.array([np.bincount(self._place, w, len(self.item)) for w in weights], np.float32)
        kind, pair = np.nonzero(values)
        count = np.bincount(kind * len(self) + self.row[pair], minlength=len(weights) * len(self))
        ptr = np.concatenate([[0], np.cumsum(count)])
        shape = (len(weights) * len(self), self.n_items)
        return sparse.csr_matrix((values[kind, pair], self.item[pair], ptr), shape=shape)

    def dense(self, weight: Floats) -> Floats:
        """Return the shares of weights of events (h,) as an array (B, items)."""
        out = np.zeros((len(self), self.n_items), np.float32)
        out[self.row, self.item] = self.shares(weight)
        return out


def dense_product(rows: Any, matrix: Any) -> Floats:
    """Return the product of two CSR matrices as an array."""
    return np.asarray((rows @ matrix).toarray(), np.float32)
