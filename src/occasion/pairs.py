"""Pairs counted as events come, in little memory: items that came together lately, and who chose what how often.

An event makes ten pairs of items, and each is to be found from both. In dictionaries this takes up to 2,000 bytes an event; in
sorted arrays it is 12 bytes a pair and direction.
"""

from __future__ import annotations

import mmap
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Keys = NDArray[np.int32]
    Codes = NDArray[np.int64]

__all__ = ["MOST_OF_ONE", "LatePairs", "PairCounts", "beyond", "runs", "strongest", "summed"]

MOST_OF_ONE = 20
"""So many events of one account count for one item; what it does beyond moves its own answers alone, not those of others."""

GROWTH = 4
"""A run of pairs is merged with the one after it once it is less than so many times as long."""
BLOCK = 1 << 15
"""Codes that are merged in one step, a millisecond's work."""
AT_ONCE = 1 << 16
"""Runs of no more codes together are merged at once, longer ones step by step, one with each addition."""
OWN_MEMORY = 1 << 18
"""Bytes from which on an array of a run has memory of its own."""
STEPS = 16
"""Steps for each `BLOCK` codes that are added, at least one: as much as merging a pair a few times takes."""
_LOW = np.int64(0xFFFFFFFF)
_BITS = 18
_FACTORS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93], np.uint64)
"""Odd numbers; the high bits of a product with one of them spread pairs evenly (multiplicative hashing)."""


class LatePairs:
    """Sums of gains by item and other item.

    Each addition is a sorted run, merged with those before it that are not much longer: so there are few runs to look into, and a
    pair is moved a few times however many there are (a log-structured merge tree). Long runs are merged a step with each addition,
    so that none of these takes long.

    Reference: O'Neil et al., "The log-structured merge-tree (LSM-tree)", Acta Informatica 1996.

    Parameters
    ----------
    strongest : int
        Others kept of an item, those with the greatest sums, once it has more than twice as many: a popular one would have
        thousands.
    """

    def __init__(self, strongest: int = 120) -> None:
        self.strongest = strongest
        # The longest first. Codes are sorted: the item in the high half, the other one in the low half.
        self._runs: list[tuple[Codes, Floats]] = []
        self._merging: tuple[int, Iterator[tuple[Codes, Floats] | None]] | None = None
        """The place of the first of two runs that are being merged, and what merges them."""

    def __len__(self) -> int:
        """Return the number of pairs held, both directions counted; one that is in several runs counts in each."""
        return sum(len(codes) for codes, _ in self._runs)

    def add(self, ones: Keys, others: Keys, gains: Floats) -> None:
        """Count pairs (n,) of different item keys."""
        if not len(ones):
            return
        one, other = ones.astype(np.int64), others.astype(np.int64)
        codes, gains = _distinct(np.concatenate([one << 32 | other, other << 32 | one]), np.concatenate([gains, gains]))
        self._runs.append((codes, gains) if self._runs else self._trimmed(codes, gains))
        # More than one where much is added at once: runs must not become many before they are merged.
        for _ in range(1 + STEPS * len(codes) // BLOCK):
            self._go_on()
            if self._merging is None:
                break

    def _go_on(self) -> None:
        """Go on by one step with what is being merged, and merge what is short."""
        if self._merging is not None:
            place, steps = self._merging
            merged = next(steps)
            if merged is None:
                self._settle(place + 2)
                return
            self._merging = None
            self._put(place, merged)
        self._settle(0)

    def _settle(self, first: int) -> None:
        """Merge those runs from a place on that are not much longer than the one after them, the last ones first.

        A long merge is begun only, and a second one waits until the first is done.
        """
        while True:
            sizes = [len(codes) for codes, _ in self._runs]
            place = next((n for n in range(len(sizes) - 2, first - 1, -1) if sizes[n] < GROWTH * sizes[n + 1]), None)
            if place is None:
                return
            steps = _merged(*self._runs[place], *self._runs[place + 1])
            if sizes[place] + sizes[place + 1] > AT_ONCE:
                self._merging = self._merging or (place, steps)
                return
            self._put(place, next(made for made in steps if made is not None))

    def _put(self, place: int, merged: tuple[Codes, Floats]) -> None:
        """Put a merged run in the place of its two."""
        self._runs[place : place + 2] = [merged if place else self._trimmed(*merged)]

    def each(self, keys: Keys) -> tuple[NDArray[np.int64], Keys, Floats]:
        """Return the others of several items at once: the place of the item (n,) in `keys`, the other (n,), and a gain (n,).

        One and the same other may come several times for an item; its gains add up to its sum.
        """
        wide = keys.astype(np.int64)
        bounds = np.concatenate([wide << 32, (wide + 1) << 32])
        parts = []
        for codes, gains in self._runs:
            first, last = np.searchsorted(codes, bounds).reshape(2, -1)
            rows = runs(first, last - first)
            if len(rows):
                parts.append((np.repeat(np.arange(len(keys)), last - first), (codes[rows] & _LOW).astype(np.int32), gains[rows]))
        if len(parts) == 1:
            return parts[0]
        columns = zip(*parts, strict=True) if parts else ([np.zeros(0, kind)] for kind in (np.int64, np.int32, np.float32))
        place, others, sums = (np.concatenate(list(column)) for column in columns)
        return place, others, sums

    def clear(self) -> None:
        """Forget all."""
        self._runs.clear()
        self._merging = None

    def _trimmed(self, codes: Codes, gains: Floats) -> tuple[Codes, Floats]:
        """Return the strongest others of those items that have too many, and all of the rest."""
        most = 2 * self.strongest
        # So long a stretch of one item holds every so manyth place.
        items = np.unique(codes[most::most] >> 32)
        bounds = codes.searchsorted(np.concatenate([items << 32, (items + 1) << 32])).reshape(2, -1)
        full = bounds[:, bounds[1] - bounds[0] > most]
        if not full.shape[1]:
            return codes, gains
        kept: list[slice | NDArray[np.int64]] = []
        done = 0
        for first, last in full.T.tolist():
            best = np.argpartition(-gains[first:last], self.strongest)[: self.strongest]
            kept += [slice(done, first), first + np.sort(best)]
            done = last
        kept.append(slice(done, len(codes)))
        length = len(codes) - int((full[1] - full[0] - self.strongest).sum())
        out, sums = _room(length, np.int64), _room(length, np.float32)
        return np.concatenate([codes[rows] for rows in kept], out=out), np.concatenate([gains[rows] for rows in kept], out=sums)


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
        self.clear()

    def add(self, ones: Keys, others: Keys) -> NDArray[np.int64]:
        """Count pairs (n,) of numbers from 0 on once more each; return how often each came, equal ones counted up."""
        pairs, place, more = np.unique(
            ones.astype(np.uint64) << 32 | others.astype(np.uint64), return_inverse=True, return_counts=True
        )
        order = np.argsort(place, kind="stable")
        nth = np.empty(len(place), np.int64)
        nth[order] = np.arange(len(place)) - np.repeat(np.cumsum(more) - more, more) + 1
        places = (pairs * _FACTORS[:, None] >> (64 - _BITS)).astype(np.intp)  # (4, pairs)
        before = np.take_along_axis(self._rows, places, axis=1).min(axis=0).astype(np.int64)
        after = np.minimum(before + more, self.MOST).astype(np.uint8)
        for row, at in zip(self._rows, places, strict=True):
            # Only those that are less: what another pair has added need not be added again.
            np.maximum.at(row, at, after)
        return np.asarray(np.minimum(before[place] + nth, self.MOST), np.int64)

    def clear(self) -> None:
        """Forget all."""
        self._rows = np.zeros((len(_FACTORS), 1 << _BITS), np.uint8)


def runs(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ``starts[0], starts[0] + 1, ...`` for `lengths[0]` numbers, then the same for the next, and so on."""
    ends = lengths.cumsum()
    out = (starts - (ends - lengths)).repeat(lengths)
    out += np.arange(len(out))
    return np.asarray(out, np.int64)


def strongest(starts: NDArray[Any], values: Floats, most: int) -> NDArray[np.int64]:
    """Return the places of the `most` greatest values of each row, row by row, best first, ties by place.

    Row i owns ``values[starts[i]:starts[i + 1]]``, as in a sparse matrix (CSR).
    """
    row = np.repeat(np.arange(len(starts) - 1, dtype=np.int32), np.diff(starts))
    order = np.lexsort((-values, row))
    return np.asarray(order[np.arange(len(order)) - starts[row] < most])


def _merged(codes: Codes, gains: Floats, more: Codes, added: Floats) -> Iterator[tuple[Codes, Floats] | None]:
    """Merge two runs, each of distinct codes, ascending, in steps: yield None after each, and at last one run with their sums.

    Block by block: to sort both together takes three times their memory for a moment, of which a process keeps most.
    """
    if len(codes) + len(more) <= BLOCK:
        yield _distinct(np.concatenate([codes, more]), np.concatenate([gains, added]))
        return
    out, sums = _room(len(codes) + len(more), np.int64), _room(len(codes) + len(more), np.float32)
    cuts = [0, *more.searchsorted(codes[BLOCK::BLOCK]).tolist(), len(more)]
    filled = 0
    for number, (first, last) in enumerate(pairwise(cuts)):
        old, new = slice(number * BLOCK, (number + 1) * BLOCK), slice(first, last)
        some, their = _distinct(np.concatenate([codes[old], more[new]]), np.concatenate([gains[old], added[new]]))
        out[filled : filled + len(some)], sums[filled : filled + len(some)] = some, their
        filled += len(some)
        yield None
    yield out[:filled], sums[:filled]


def _room(length: int, kind: type[np.generic]) -> NDArray[Any]:
    """Return an array that is not filled yet; a large one in memory of its own, which goes back to the system with it.

    Runs that grow would else leave holes as large as they are among what is small and stays; and what is not filled takes none.
    """
    size = length * np.dtype(kind).itemsize
    if size < OWN_MEMORY:
        return np.empty(length, kind)
    # What is shared, the usual kind, takes the system longer.
    own = mmap.mmap(-1, size) if sys.platform == "win32" else mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return np.frombuffer(own, kind)


def _distinct(codes: Codes, gains: Floats) -> tuple[Codes, Floats]:
    """Return distinct codes, ascending, with their sums."""
    order = np.argsort(codes, kind="stable")
    codes = codes[order]
    starts = np.flatnonzero(np.concatenate([[True], codes[1:] != codes[:-1]]))
    return codes[starts], np.add.reduceat(gains[order], starts)


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
