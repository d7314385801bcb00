"""Scores of one request over a large catalogue: what a source says best, and what it says of given items.

Candidates are the best items of each source, and features are looked up for candidates alone. So a source needs to tell two
things: its best items, and its scores of given ones. Below `LARGE` items, and for batches, matrix products over all items are
as fast.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from occasion.keyed import leading
from occasion.narrowing import narrowed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Rows = NDArray[np.int64]
    Mask = NDArray[np.bool_]

__all__ = ["LARGE", "UNSAID", "All", "Alone", "Coarse", "Leaders", "Nearest", "Places", "Scores", "Some"]

LARGE = 5000
"""Items from which on the scores of a single request are not worked out for all of them."""
COARSE_DIMS = 256
"""Leading dimensions that a shortlist is made by."""
SPARE = 4
"""Items on a shortlist for each one wanted."""
FINE = 20
"""Items beyond those wanted whose exact products are worked out, as whole numbers blur the order a little."""
BARRED = 20
"""Items looked for beyond those wanted, as some may be barred; where more are, all are looked through once more."""
UNSAID = -1e9
"""Score of an item of which a source says nothing."""


class Scores(Protocol):
    """What one source says of the items of one request."""

    def best(self, count: int, barred: Mask) -> tuple[Rows, Floats]:
        """Return up to `count` items that are not barred (items,) and their scores, best first.

        Left out is whatever is not above the scores that all the others have.
        """

    def at(self, items: NDArray[Any]) -> Floats:
        """Return the scores (n,) of given items (n,)."""


@dataclass(slots=True)
class All:
    """Scores (items,) of all items; those not above `floor` are not put forward.

    `spoken` (n,) are the items that may be above it, ascending, where those are few.
    """

    values: Floats
    floor: float = -np.inf
    spoken: NDArray[Any] | None = None

    def best(self, count: int, barred: Mask) -> tuple[Rows, Floats]:
        """See `Scores`."""
        if self.spoken is not None:
            return _best(self.spoken, self.values[self.spoken], count, barred, self.floor)
        return _best(None, self.values, count, barred, self.floor)

    def at(self, items: NDArray[Any]) -> Floats:
        """See `Scores`."""
        return np.asarray(self.values[items], np.float32)


class Places:
    """Where items stand among some (n,), ascending; what was asked last is remembered, as several tables are asked for the same.

    Parameters
    ----------
    items : (n,) int
    table : (all items,) int, optional
        The place of each item, -1 where it has none; default: it is looked for.
    """

    def __init__(self, items: NDArray[Any], table: NDArray[Any] | None = None) -> None:
        self.items, self._table = items, table
        self._last: tuple[NDArray[Any], Rows] | None = None

    def of(self, wanted: NDArray[Any]) -> Rows:
        """Return the places (w,) of wanted items (w,), -1 where they are not among them."""
        last = self._last
        if last is None or last[0] is not wanted:
            last = self._last = (wanted, self._looked_for(wanted) if self._table is None else self._table[wanted])
        return last[1]

    def _looked_for(self, wanted: NDArray[Any]) -> Rows:
        if not len(self.items):
            return np.full(len(wanted), -1)
        at = self.items.searchsorted(wanted)
        return np.where(self.items.take(at, mode="clip") == wanted, at, -1)


@dataclass(slots=True)
class Some:
    """Scores of some items; all others have 0, and those above it are put forward.

    Attributes
    ----------
    places : Places
        Of n items.
    values : (n + 1,) float32
        Their scores, behind them a 0 for all others.
    """

    places: Places
    values: Floats

    def best(self, count: int, barred: Mask) -> tuple[Rows, Floats]:
        """See `Scores`."""
        return _best(self.places.items, self.values[:-1], count, barred, 0.0)

    def at(self, items: NDArray[Any]) -> Floats:
        """See `Scores`."""
        return np.asarray(self.values[self.places.of(items)], np.float32)

    def everywhere(self, n_items: int) -> Floats:
        """Return the scores (items,) of all items."""
        out = np.zeros(n_items, np.float32)
        out[self.places.items] = self.values[:-1]
        return out


@dataclass(slots=True)
class Leaders:
    """Scores (items,) that are the same for every request, and the best items (n,), best first, looked for once."""

    values: Floats
    leaders: Rows

    def best(self, count: int, barred: Mask) -> tuple[Rows, Floats]:
        """Return the best, also those equal to the last."""
        # Mostly few are barred, and the first are enough.
        first = self.leaders[: 2 * count]
        free = first[~barred[first]][:count]
        if len(free) < count:
            free = self.leaders[~barred[self.leaders]][:count]
        if len(free) < min(count, len(self.values)):
            free = np.argsort(np.where(barred, np.float32(np.inf), -self.values), kind="stable")[:count]
        return free, self.values[free]

    def at(self, items: NDArray[Any]) -> Floats:
        """See `Scores`."""
        return np.asarray(self.values[items], np.float32)


@dataclass(slots=True)
class Alone:
    """Scores that are only looked up: such a source puts nothing forward."""

    scores: Callable[[NDArray[Any]], Floats]

    def best(self, count: int, barred: Mask) -> tuple[Rows, Floats]:
        """Return nothing."""
        return np.zeros(0, np.int64), np.zeros(0, np.float32)

    def at(self, items: NDArray[Any]) -> Floats:
        """See `Scores`."""
        return np.asarray(self.scores(items), np.float32)


class Coarse:
    """The rows of a matrix as whole numbers, which a processor multiplies a hundred at once, the leading dimensions apart.

    Attributes
    ----------
    codes : (items, c) int8
        Of the leading dimensions.
    scale : (items,) float32
        What takes a row of codes back to the row.
    rest, rest_scale : (items, d - c) int8, (items,) float32
        The same of the others.
    """

    def __init__(self, codes: NDArray[np.int8], scale: Floats, rest: NDArray[np.int8], rest_scale: Floats) -> None:
        self.codes, self.scale, self.rest, self.rest_scale = codes, scale, rest, rest_scale

    @classmethod
    def of(cls, matrix: Floats) -> Coarse:
        """Return that of a matrix (items, d) whose leading columns say most."""
        return cls(
            *narrowed(np.ascontiguousarray(matrix[:, :COARSE_DIMS])), *narrowed(np.ascontiguousarray(matrix[:, COARSE_DIMS:]))
        )

    def products(self, query: Floats) -> Floats:
        """Return about the inner products (items,) of the leading dimensions of the rows with those of a query (d,)."""
        return _products(self.codes, self.scale, query[: self.codes.shape[1]])

    def others(self, query: Floats, items: NDArray[Any]) -> Floats:
        """Return about the inner products (n,) of the other dimensions for some items (n,)."""
        return _products(self.rest.take(items, axis=0), self.rest_scale[items], query[self.codes.shape[1] :])


@dataclass(slots=True)
class Nearest:
    """Inner products of the rows of a matrix (items, d) with a query (d,), times a factor.

    The best are looked for on a shortlist by the coarse products of the leading dimensions; of 100 wanted, 1 or 2 may be missed.
    With a query of zeros all are equal, and none is put forward. `hidden` (items,) are items of which nothing is said. `about`
    holds the coarse products once they were worked out, for copies that hide other items, too; `looked_up` the items asked for last
    and their rows, for other queries of the same matrix.
    """

    matrix: Floats
    query: Floats
    coarse: Coarse
    factor: float = 1.0
    hidden: Mask | None = None
    about: list[Floats] = field(default_factory=list)
    looked_up: list[tuple[NDArray[Any], Floats]] = field(default_factory=list)

    def best(self, count: int, barred: Mask) -> tuple[Rows, Floats]:
        """See `Scores`."""
        if not self.query.any():
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        if not self.about:
            self.about.append(self.coarse.products(self.query))
        near = self._shortlist(count, barred)
        return _ordered(near, self.matrix.take(near, axis=0) @ self.query * np.float32(self.factor), count)

    def _shortlist(self, count: int, barred: Mask) -> Rows:
        """Return items (n,) that are not barred, hardly more than wanted, the best among them."""
        whole = not self.coarse.rest.shape[1]
        about, wanted = self.about[0], count + FINE if whole else SPARE * count
        near = leading(about, wanted + BARRED)
        free = near[~self._out(barred, near)]
        if len(free) < min(wanted, len(about)):
            about = np.where(self._out(barred, slice(None)), np.float32(-np.inf), about)
            near = leading(about, wanted)
            free = near[np.isfinite(about[near])]
        if whole or len(free) <= count + FINE:
            return free
        return free[leading(about[free] + self.coarse.others(self.query, free), count + FINE)]

    def _out(self, barred: Mask, items: NDArray[Any] | slice) -> Mask:
        """Return which of some items are not to be put forward."""
        return barred[items] if self.hidden is None else barred[items] | self.hidden[items]

    def at(self, items: NDArray[Any]) -> Floats:
        """See `Scores`."""
        if not self.looked_up or self.looked_up[0][0] is not items:
            self.looked_up[:] = [(items, self.matrix.take(items, axis=0))]
        return np.asarray(np.vecdot(self.looked_up[0][1], self.query) * np.float32(self.factor), np.float32)


def _products(codes: NDArray[np.int8], scale: Floats, query: Floats) -> Floats:
    """Return about the inner products (n,) of rows as whole numbers (n, d), times their scale (n,), with a query (d,)."""
    from numkong import cdist

    narrow, factor = narrowed(query[None])
    products: Floats = np.asarray(cdist(narrow, codes, "dot"))[0].astype(np.float32)
    products *= scale
    products *= factor[0]
    return products


def _best(items: Rows | None, values: Floats, count: int, barred: Mask, floor: float) -> tuple[Rows, Floats]:
    """Return what `Scores.best` does for items (n,), None for all, and their values (n,), of which those above a floor count.

    The greatest are looked for first and the barred ones left out then: to leave them out of all values costs as much again.
    """
    near = leading(values, count + BARRED)
    named = near if items is None else items[near]
    fits = ~barred[named]
    if len(near) < len(values) and np.count_nonzero(fits) < count:
        near = np.flatnonzero(~(barred if items is None else barred[items]))
        near = near[leading(values[near], count)]
        named = near if items is None else items[near]
        fits = np.ones(len(near), np.bool_)
    some = values[near]
    fits &= some > floor
    return _ordered(named[fits], some[fits], count)


def _ordered(items: Rows, values: Floats, count: int) -> tuple[Rows, Floats]:
    """Return the `count` best of items (n,), best first, equal ones in order; none equal to the last where there are so many."""
    if len(items) > 2 * count:
        near = leading(values, count)
        items, values = items[near], values[near]
    order = (-values).argsort(kind="stable")
    if len(order) >= count:
        order = order[:count]
        order = order[values[order] > values[order[-1]]]
    return items[order], values[order]
