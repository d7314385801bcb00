"""Signal tables: the events of each item under each value of a signal, counted at once and then one by one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from occasion.data import Scalar
from occasion.keyed import looked_up

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Keys = NDArray[np.int32]

__all__ = ["MAX_VALUES", "SignalCodes", "SignalTable", "table_of"]

MAX_VALUES = 512
"""A signal with more distinct values than this says too little about each and is left out of the lift tables."""
DENSE = 8
"""A table that a greater share of the items than one in so many stands in is looked up by key, a smaller one is searched."""
LATE = 256
"""Items with new events under a signal value that are looked up one by one; of more of them the sorted arrays are made anew."""

SignalCodes = Mapping[str, tuple["Keys", Sequence[Scalar]]]
"""Signal name to (code of each event, -1 where unknown; the value of each code)."""


@dataclass(slots=True)
class SignalTable:
    """Events of each item under each value of one signal.

    ``keys[v]`` is sorted, ``counts[v]`` goes with it, ``totals[v]`` is the sum over all items.
    """

    codes: dict[Scalar, int] = field(default_factory=dict)
    keys: list[Keys] = field(default_factory=list)
    counts: list[Floats] = field(default_factory=list)
    totals: list[float] = field(default_factory=list)
    spread: dict[int, Floats] = field(default_factory=dict)
    """Counts by item key, of values that an eighth of all items have: looked up in one step, for the memory of the others."""
    recent: dict[int, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))

    def of(self, value: Scalar, keys: Keys) -> tuple[Floats, float]:
        """Return the events of `keys` (n,) under a value, and of all items; zeros where the value is new."""
        code = self.codes.get(value)
        if code is None:
            return np.zeros(len(keys), np.float32), 0.0
        mine = self.keys[code]
        if len(mine) * DENSE > int(mine[-1] if len(mine) else 0) + 1:
            out = self._spread_out(code)[np.minimum(keys, mine[-1] + 1)]
        elif len(mine):
            at = np.searchsorted(mine, keys)
            np.minimum(at, len(mine) - 1, out=at)
            out = self.counts[code][at]
            out[mine[at] != keys] = 0
        else:
            out = np.zeros(len(keys), np.float32)
        late = self.recent.get(code)
        if late:
            some = np.fromiter(late, np.int32, len(late))
            order = np.argsort(some)
            out += looked_up(some[order], np.fromiter(late.values(), np.float32, len(late))[order], keys)
        return out, self.totals[code]

    def _spread_out(self, code: int) -> Floats:
        """Return the counts under a value by key, 0 in the last place; made when first asked for."""
        out = self.spread.get(code)
        if out is None:
            out = np.zeros(int(self.keys[code][-1]) + 2, np.float32)
            out[self.keys[code]] = self.counts[code]
            self.spread[code] = out
        return out

    def observe(self, value: Scalar, keys: Sequence[int], weights: Sequence[float]) -> int | None:
        """Count events of item keys (n,) under a value; return the code of the value where its arrays were made anew."""
        if value not in self.codes:
            if len(self.codes) >= MAX_VALUES:
                return None
            self.codes[value] = len(self.codes)
            self.keys.append(np.zeros(0, np.int32))
            self.counts.append(np.zeros(0, np.float32))
            self.totals.append(0.0)
        code = self.codes[value]
        late = self.recent[code]
        for key, weight in zip(keys, weights, strict=True):
            late[key] = late.get(key, 0.0) + weight
        self.totals[code] += sum(weights)
        if len(late) <= LATE:
            return None
        self._merge(code)
        return code

    def _merge(self, code: int) -> None:
        """Take recent events over into the arrays: they are looked up faster there."""
        late = self.recent.pop(code)
        self.spread.pop(code, None)
        keys = np.fromiter(late, np.int32, len(late))
        order = np.argsort(keys)
        keys, more = keys[order], np.fromiter(late.values(), np.float32, len(late))[order]
        # Put into what is sorted, not sorted anew: there may be as many as there are items.
        mine, counts = self.keys[code], self.counts[code].copy()
        at = np.searchsorted(mine, keys)
        known = np.append(mine, np.int32(-1))[at] == keys
        counts[at[known]] += more[known]
        self.keys[code] = np.insert(mine, at[~known], keys[~known])
        self.counts[code] = np.insert(counts, at[~known], more[~known])


def table_of(item: Keys, weight: Floats, signal: tuple[Keys, Sequence[Scalar]], size: int) -> SignalTable:
    """Return the table of one signal: events by item (n,), their weight, the code of each and the value of each code."""
    from scipy import sparse

    codes, values = signal
    use = (codes >= 0) & (weight > 0)
    shape = (max(1, len(values)), max(1, size))
    counts = sparse.coo_matrix((weight[use], (codes[use], item[use])), shape=shape).tocsr()
    counts.sort_indices()
    table = SignalTable({value: n for n, value in enumerate(values)})
    for n in range(len(values)):
        part = slice(counts.indptr[n], counts.indptr[n + 1])
        table.keys.append(counts.indices[part].astype(np.int32))
        table.counts.append(counts.data[part].astype(np.float32))
        table.totals.append(float(counts.data[part].sum()))
    return table
