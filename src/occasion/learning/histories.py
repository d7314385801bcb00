"""Histories: the distinct items each request of a batch has had, and weights of events summed over them.

Every source that reads a history reads the same pairs of request and item with weights of its own. They are told apart once,
and several weightings become one sparse matrix: at a single request, what is multiplied costs less than each multiplication.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.learning.scored import LARGE, Places

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
        self._powers: dict[float, Floats] = {}
        keys = requests.row * n_items + requests.item
        # As np.unique does, in a third of its time for the few items of a person.
        self._order = np.argsort(keys, kind="stable")
        keys = keys[self._order]
        first = np.ones(len(keys), np.bool_)
        np.not_equal(keys[1:], keys[:-1], out=first[1:])
        self._first = np.flatnonzero(first)
        self._place = np.empty(len(keys), np.int64)
        self._place[self._order] = np.cumsum(first) - 1
        pairs = keys[self._first]
        self.row, self.item = pairs // n_items, (pairs % n_items).astype(np.int32)

    def __len__(self) -> int:
        """Return the number of requests."""
        return len(self.requests)

    def decayed(self, decay: float, last: int | None = None) -> Floats:
        """Return a weight decay**steps for each event (h,), 0 for all but the `last` newest where that is given."""
        weight = self._powers.get(decay)
        if weight is None:
            weight = self._powers[decay] = np.power(decay, np.minimum(self._back, OLDEST)).astype(np.float32)
        return weight if last is None else np.where(self._back < last, weight, np.float32(0))

    def shares(self, weight: Floats) -> Floats:
        """Return weights of events (h,) summed by pair (p,) and divided by their sum over each request."""
        sums = np.bincount(self._place, weight, len(self.item))
        if len(self) == 1:
            return np.asarray(sums / max(float(sums.sum()), 1e-9), np.float32)
        total = np.bincount(self.row, sums, len(self))
        return np.asarray(sums / np.maximum(total, 1e-9)[self.row], np.float32)

    def shares_each(self, *weights: Floats) -> Floats:
        """Return the shares (k, p) of a single request under each of k weightings of its events: for many in the time of one."""
        sums = self.sums_each(*weights)
        return np.asarray(sums / np.maximum(sums.sum(1, keepdims=True), 1e-9), np.float32)

    def sums_each(self, *weights: Floats) -> NDArray[np.float64]:
        """Return the weights of events summed by item (k, p), not divided."""
        if not len(self.item):
            return np.zeros((len(weights), 0))
        return np.add.reduceat(np.array(weights, np.float64)[:, self._order], self._first, axis=1)

    @cached_property
    def places(self) -> Places:
        """Where items stand among those of a single request."""
        return Places(self.item)

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
