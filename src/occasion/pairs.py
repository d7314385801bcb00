"""Pairs counted event by event in little memory: items that came together lately, and who chose what how often.

An event makes ten pairs of items, and each is to be found from both. In dictionaries this takes up to 2,000 bytes an event; here
only the newest pairs are in dictionaries, all others in two arrays, 12 bytes a pair and direction.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Keys = NDArray[np.int32]
    Codes = NDArray[np.int64]

__all__ = ["MOST_OF_ONE", "LatePairs", "PairCounts", "beyond", "runs", "summed"]

MOST_OF_ONE = 20
"""So many events of one account count for one item; what it does beyond moves its own answers alone, not those of others."""

NEWEST = 20_000
"""Pairs in dictionaries, both directions counted; of more, all go into the arrays, which takes some milliseconds."""
_LOW = np.int64(0xFFFFFFFF)
_BITS = 18
_ALL = 2**64 - 1
_FACTORS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93)
"""Odd numbers; the high bits of a product with one of them spread pairs evenly (multiplicative hashing)."""


class LatePairs:
    """Sums of gains by item and other item.

    Parameters
    ----------
    strongest : int
        Others kept of an item, those with the greatest sums, once it has more than twice as many: a popular one would have
        thousands.
    """

    def __init__(self, strongest: int = 120) -> None:
        self.strongest = strongest
        self._newest: dict[int, dict[int, float]] = defaultdict(dict)
        self._new = 0
        # Sorted: the item in the high half of a code, the other one in the low half.
        self._codes: Codes = np.zeros(0, np.int64)
        self._gains: Floats = np.zeros(0, np.float32)

    def __len__(self) -> int:
        """Return the number of pairs held, both directions counted; one that is both new and old counts twice."""
        return self._new + len(self._codes)

    def add(self, one: int, other: int, gain: float) -> None:
        """Count a pair of different item keys."""
        for key, mate in ((one, other), (other, one)):
            mine = self._newest[key]
            before = mine.get(mate)
            if before is None:
                self._new += 1
                before = 0.0
            mine[mate] = before + gain
        if self._new > NEWEST:
            self._settle()

    def each(self, keys: Keys) -> tuple[NDArray[np.int64], Keys, Floats]:
        """Return the others of several items at once: the place of the item (n,) in `keys`, the other (n,), and a gain (n,).

        One and the same other may come twice for an item; its gains add up to its sum.
        """
        wide = keys.astype(np.int64)
        first, last = np.searchsorted(self._codes, wide << 32), np.searchsorted(self._codes, (wide + 1) << 32)
        rows = runs(first, last - first)
        place = np.repeat(np.arange(len(keys)), last - first)
        parts = [(place, (self._codes[rows] & _LOW).astype(np.int32), self._gains[rows])]
        for at, key in enumerate(keys.tolist()):
            newest = self._newest.get(key)
            if newest:
                others, gains = np.fromiter(newest, np.int32, len(newest)), np.fromiter(newest.values(), np.float32, len(newest))
                if len(others) > self.strongest:
                    best = np.argpartition(-gains, self.strongest)[: self.strongest]
                    others, gains = others[best], gains[best]
                parts.append((np.full(len(others), at), others, gains))
        if len(parts) == 1:
            return parts[0]
        joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
        return joined[0], joined[1], joined[2]

    def clear(self) -> None:
        """Forget all."""
        self._newest.clear()
        self._new = 0
        self._codes, self._gains = np.zeros(0, np.int64), np.zeros(0, np.float32)

    def _settle(self) -> None:
        """Take the newest pairs into the arrays."""
        sizes = np.fromiter(map(len, self._newest.values()), np.int64, len(self._newest))
        high = np.repeat(np.fromiter(self._newest, np.int64, len(self._newest)), sizes)
        low = np.fromiter((mate for mine in self._newest.values() for mate in mine), np.int64, self._new)
        gains = np.fromiter((gain for mine in self._newest.values() for gain in mine.values()), np.float32, self._new)
        codes = high << 32 | low
        self._newest.clear()
        self._new = 0
        order = np.argsort(codes)
        codes, gains = np.concatenate([self._codes, codes[order]]), np.concatenate([self._gains, gains[order]])
        # Two sorted runs, which a stable sort only has to merge.
        order = np.argsort(codes, kind="stable")
        codes, gains = codes[order], gains[order]
        starts = np.flatnonzero(np.concatenate([[True], codes[1:] != codes[:-1]]))
        self._codes, self._gains = codes[starts], np.add.reduceat(gains, starts)
        self._trim()

    def _trim(self) -> None:
        """Keep the strongest others of those items that have too many."""
        items = self._codes >> 32
        starts = np.flatnonzero(np.concatenate([[True], items[1:] != items[:-1]]))
        ends = np.append(starts[1:], len(items))
        full = np.flatnonzero(ends - starts > 2 * self.strongest)
        if not len(full):
            return
        keep = np.ones(len(items), np.bool_)
        for first, last in zip(starts[full].tolist(), ends[full].tolist(), strict=True):
            keep[first:last] = False
            keep[first + np.argpartition(-self._gains[first:last], self.strongest)[: self.strongest]] = True
        self._codes, self._gains = self._codes[keep], self._gains[keep]


class PairCounts:
    """How often a pair of numbers came, in a megabyte however many there are: never too small, hardly ever too great.

    A count-min sketch: four rows of counters, each pair counts in one of each row, and the least of the four is its count.
    Other pairs in the same place make a count too great only where they meet it in all four rows: of 100,000 pairs one in a
    hundred is one too great.

    Reference: Cormode and Muthukrishnan, "An improved data stream summary: the count-min sketch and its applications",
    Journal of Algorithms 2005.
    """

    MOST = 255
    """Greatest count that is told from greater ones."""

    def __init__(self) -> None:
        self._rows = [bytearray(1 << _BITS) for _ in _FACTORS]

    def add(self, one: int, other: int) -> int:
        """Count a pair once more; return how often it came."""
        pair = one << 32 | other
        places = [(pair * factor & _ALL) >> (64 - _BITS) for factor in _FACTORS]
        count = min(row[place] for row, place in zip(self._rows, places, strict=True))
        if count < self.MOST:
            count += 1
            # Only those that are less: what another pair has added need not be added again.
            for row, place in zip(self._rows, places, strict=True):
                if row[place] < count:
                    row[place] = count
        return count

    def clear(self) -> None:
        """Forget all."""
        self._rows = [bytearray(1 << _BITS) for _ in _FACTORS]


def runs(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ``starts[0], starts[0] + 1, ...`` for `lengths[0]` numbers, then the same for the next, and so on."""
    ends = np.cumsum(lengths)
    return np.asarray(np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - lengths), lengths), np.int64)


def summed(keys: Keys, values: Floats) -> tuple[Keys, Floats]:
    """Return distinct keys (n,), ascending, and the sums of the values that each had."""
    if not len(keys):
        return keys, np.zeros(0, np.float32)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    return keys[first], np.add.reduceat(values[order].astype(np.float64), first).astype(np.float32)


def beyond(users: Keys, items: Keys, most: int = MOST_OF_ONE) -> NDArray[np.int64]:
    """Return the places of those events (n,), oldest first, that have `most` or more newer ones of the same user and item."""
    pair = users.astype(np.int64) * (int(items.max(initial=0)) + 1) + items
    order = np.argsort(pair, kind="stable")
    ordered = pair[order]
    return order[:-most][ordered[most:] == ordered[:-most]] if len(pair) > most else order[:0]
