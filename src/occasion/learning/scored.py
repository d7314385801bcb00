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
    Places = NDArray[np.int64]
    Mask = NDArray[np.bool_]

__all__ = ["LARGE", "UNSAID", "All", "Alone", "Coarse", "Leaders", "Nearest", "Scores"]

LARGE = 5000
"""Items from which on the scores of a single request are not worked out for all of them."""
COARSE_DIMS = 256
"""Leading dimensions that a shortlist is made by."""
SPARE = 4
"""Items on a shortlist for each one wanted."""
UNSAID = -1e9
"""Score of an item of which a source says nothing."""


class Scores(Protocol):
    """What one source says of the items of one request."""

    def best(self, count: int, barred: Mask) -> tuple[Places, Floats]:
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

    def best(self, count: int, barred: Mask) -> tuple[Places, Floats]:
        """See `Scores`."""
        if self.spoken is not None:
            items, values = self.spoken, self.values[self.spoken]
            fits = (values > self.floor) & ~barred[items]
            return _ordered(items[fits], values[fits], count)
        values = np.where(barred, np.float32(-np.inf), self.values)
        items = leading(values, count)
        fits = items[values[items] > self.floor]
        return _ordered(fits, values[fits], count)

    def at(self, items: NDArray[Any]) -> Floats:
        """See `Scores`."""
        return np.asarray(self.values[items], np.float32)


@dataclass(slots=True)
class Leaders:
    """Scores (items,) that are the same for every request, and the best items (n,), best first, looked for once."""

    values: Floats
    leaders: Places

    def best(self, count: int, barred: Mask) -> tuple[Places, Floats]:
        """Return the best, also those equal to the last."""
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

    def best(self, count: int, barred: Mask) -> tuple[Places, Floats]:
        """Return nothing."""
        return np.zeros(0, np.int64), np.zeros(0, np.float32)

    def at(self, items: NDArray[Any]) -> Floats:
        """See `Scores`."""
        return np.asarray(self.scores(items), np.float32)


class Coarse:
    """The leading dimensions of the rows of a matrix as whole numbers, which a processor multiplies a hundred at once.

    Attributes
    ----------
    codes : (items, c) int8
    scale : (items,) float32
        What takes a row of codes back to the row.
    """

    def __init__(self, codes: NDArray[np.int8], scale: Floats) -> None:
        self.codes, self.scale = codes, scale

    @classmethod
    def of(cls, matrix: Floats) -> Coarse:
        """Return that of a matrix (items, d) whose leading columns say most."""
        return cls(*narrowed(np.ascontiguousarray(matrix[:, :COARSE_DIMS])))

    def products(self, query: Floats) -> Floats:
        """Return about the inner products (items,) of the rows with a query (d,), but for a factor."""
        from numkong import cdist

        codes = narrowed(query[None, : self.codes.shape[1]])[0]
        return np.asarray(np.asarray(cdist(codes, self.codes, "dot"))[0] * self.scale, np.float32)


@dataclass(slots=True)
class Nearest:
    """Inner products of the rows of a matrix (items, d) with a query (d,), times a factor.

    The best are looked for on a shortlist of the coarse products; of 100 wanted, 1 or 2 may be missed. With a query of zeros
    all are equal, and none is put forward. `hidden` (items,) are items of which nothing is said. `about` holds the coarse products
    once they were worked out, for copies that hide other items, too; `looked_up` the items asked for last and their rows, for
    other queries of the same matrix.
    """

    matrix: Floats
    query: Floats
    coarse: Coarse
    factor: float = 1.0
    hidden: Mask | None = None
    about: list[Floats] = field(default_factory=list)
    looked_up: list[tuple[NDArray[Any], Floats]] = field(default_factory=list)

    def best(self, count: int, barred: Mask) -> tuple[Places, Floats]:
        """See `Scores`."""
        if not self.query.any():
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        if not self.about:
            self.about.append(self.coarse.products(self.query))
        about = self.about[0].copy()
        about[barred if self.hidden is None else barred | self.hidden] = -np.inf
        near = leading(about, SPARE * count)
        near = near[np.isfinite(about[near])]
        return _ordered(near, self.at(near), count)

    def at(self, items: NDArray[Any]) -> Floats:
        """See `Scores`."""
        if not self.looked_up or self.looked_up[0][0] is not items:
            self.looked_up[:] = [(items, self.matrix[items])]
        return np.asarray(np.vecdot(self.looked_up[0][1], self.query) * np.float32(self.factor), np.float32)


def _ordered(items: Places, values: Floats, count: int) -> tuple[Places, Floats]:
    """Return the `count` best of items (n,), best first, equal ones in order; none equal to the last where there are so many."""
    if len(items) > 2 * count:
        near = leading(values, count)
        items, values = items[near], values[near]
    order = np.argsort(-values, kind="stable")
    if len(order) >= count:
        order = order[:count]
        order = order[values[order] > values[order[-1]]]
    return items[order], values[order]
