"""What a moment says: how much likelier an item is under each signal, for everybody and for this person.

For everybody, log-lift with shrinkage to no lift: log((n(v, i) + a p(i)) / (n(v) + a) / p(i)).
For one person, counts of the history events that share the signal's value, and a kernel over all signals: each past event
counts exp(b * number of equal signals), so that the nearest past moments speak loudest.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.learning.dataset import Events, Requests

    Floats = NDArray[np.float32]

AT_HAND = 64
"""Values of signals whose log-lifts of all items are kept at hand; of more, all are worked out anew."""

__all__ = ["Lift", "kernel_weights", "signal_weights"]


class Lift:
    """Smoothed log-lift of items under each value of each signal.

    Attributes
    ----------
    offset : (s + 1,) int64
        Signal j's value v is row ``offset[j] + v``.
    matrix : CSR (values, items)
        What is above the floor.
    floor : (values,) float32
        Log-lift of an item never met under the value.
    """

    def __init__(self, offset: NDArray[np.int64], matrix: Any, floor: Floats) -> None:
        self.offset, self.matrix, self.floor = offset, matrix, floor

    @classmethod
    def fit(cls, events: Events, n_items: int, sizes: list[int], smooth: float = 50.0) -> Lift:
        """Count events by (value, item)."""
        from scipy import sparse

        offset = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        share = (np.bincount(events.item, minlength=n_items) + 0.5) / (len(events) + 0.5 * n_items)
        rows, items = [], []
        for j in range(len(sizes)):
            known = events.signals[:, j] >= 0
            rows.append(offset[j] + events.signals[known, j])
            items.append(events.item[known])
        row, item = np.concatenate(rows).astype(np.int64), np.concatenate(items)
        counts = sparse.csr_matrix((np.ones(len(row), np.float32), (row, item)), shape=(int(offset[-1]), n_items))
        total = np.asarray(counts.sum(1)).ravel()
        counts.data = np.log1p(counts.data / (smooth * share[counts.indices])).astype(np.float32)
        return cls(offset, counts, np.log(smooth / (total + smooth)).astype(np.float32))

    def score(self, requests: Requests) -> list[Floats]:
        """Return log-lifts (B, items), one array a signal; 0 where the signal is missing."""
        n, kinds = len(requests), len(self.offset) - 1
        code = requests.signals[:, :kinds].T.astype(np.int64) + self.offset[:-1, None]
        known = requests.signals[:, :kinds].T >= 0
        out = np.zeros((kinds, n, self.matrix.shape[1]), np.float32)
        if known.any():
            out[known] = self.matrix[code[known]].toarray() + self.floor[code[known]][:, None]
        return list(out)

    def score_one(self, signals: NDArray[np.int32]) -> list[Floats]:
        """Return the same of one request: log-lifts (items,) under its `signals` (s,)."""
        codes = zip(self.offset[:-1].tolist(), signals.tolist(), strict=False)
        return [self._value(offset + code if code >= 0 else -1) for offset, code in codes]

    def _value(self, value: int) -> Floats:
        """Return the log-lifts (items,) under a row of the matrix, zeros for -1; the rows used last are kept at hand."""
        kept = self._kept_rows
        row = kept.get(value)
        if row is None:
            row = np.zeros(self.matrix.shape[1], np.float32)
            if value >= 0:
                start, stop = self.matrix.indptr[value], self.matrix.indptr[value + 1]
                row[self.matrix.indices[start:stop]] = self.matrix.data[start:stop]
                row += self.floor[value]
            row.setflags(write=False)
            if len(kept) >= AT_HAND:
                kept.clear()
            kept[value] = row
        return row

    @cached_property
    def _kept_rows(self) -> dict[int, Floats]:
        return {}


def signal_weights(requests: Requests) -> list[Floats]:
    """Return weights of the history events (h,), one array a signal: 1 under the request's value of the signal, else 0."""
    return list(requests.agreement.T.astype(np.float32))


def kernel_weights(requests: Requests, sharpness: float, weights: Floats | None = None) -> Floats:
    """Return weights of the history events (h,): exp(sharpness * sum of equal signals' weights), 1 where all are equal."""
    same = requests.agreement.astype(np.float32)
    equal = same @ weights if weights is not None else same.sum(1)
    return np.asarray(np.exp(sharpness * (equal - same.shape[1])), np.float32)
