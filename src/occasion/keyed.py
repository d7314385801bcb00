"""Arrays by item key: masks, best scores, look-ups; and event columns picked and joined. What several parts need alike."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.protocols import CandidateScores, EventColumns, Moment

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Keys = NDArray[np.int32]

__all__ = [
    "Board",
    "distinct",
    "distinct_history",
    "is_allowed",
    "joined",
    "leading",
    "looked_up",
    "named",
    "parted",
    "positive",
    "taken",
    "top_positive",
    "values_of",
]

_DTYPES = {"seq": np.int64, "type": np.int16, "value": np.float32, "at": np.float64}


STRETCH, LEAST_STRETCH = 16, 4
"""Values of which one stands for all while a bound is looked for; with shorter stretches nothing is gained."""


class Board(threading.local):
    """An array of zeros that is written on and wiped again, one a thread.

    New zeros for each search cost more than the search: the system hands each page over when it is first touched.
    """

    def __init__(self) -> None:
        self._values = np.zeros(1, np.float32)

    def _cleared(self, places: NDArray[Any]) -> NDArray[np.float32]:
        """Return zeros with room for places; the last of them is never written on."""
        most = int(places.max(initial=-1))
        if most + 1 >= len(self._values):
            self._values = np.zeros(most + most // 4 + 2, np.float32)
        return self._values

    def sums(self, places: NDArray[Any], values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return for each place (n,) the sum of the values (n,) that have it, and which rows (n,) are the last of their place."""
        # Converted once, not at each of the five looks.
        places = places.astype(np.intp, copy=False)
        board = self._values
        try:
            np.add.at(board, places, values)
        except IndexError:
            # Seldom: to ask for the greatest place each time would cost a third of the sum. What was written is left behind.
            self._values = np.zeros(1, np.float32)
            board = self._cleared(places)
            np.add.at(board, places, values)
        out: NDArray[np.float32] = board[places]
        numbers = np.arange(len(places), dtype=np.float32)
        board[places] = numbers
        last: NDArray[np.bool_] = board[places] == numbers
        board[places] = 0
        return out, last

    def looked_up(self, places: NDArray[Any], values: NDArray[np.float32], wanted: NDArray[Any]) -> NDArray[np.float32]:
        """Return the value of each wanted place (n,), of distinct places with values; 0 for others."""
        board = self._cleared(places)
        board[places] = values
        out: NDArray[np.float32] = board[np.minimum(wanted, len(board) - 1)]
        board[places] = 0
        return out


def distinct(keys: Keys) -> Keys:
    """Return the distinct ones of keys (n,), none below 0, ascending; on a thousand ten times as fast as np.unique."""
    keys = np.sort(keys)
    return np.asarray(keys[np.concatenate([keys[:1] >= 0, keys[1:] != keys[:-1]])], np.int32)


def distinct_history(moment: Moment) -> tuple[Keys, NDArray[np.int64]]:
    """Return the distinct items of a moment's history, ascending, and of each event (n,) the place of its item among them."""
    if "distinct" not in moment.extra:
        items = moment.history.item if moment.history is not None else np.zeros(0, np.int32)
        # As np.unique does, in a third of its time for the few items of a person.
        order = np.argsort(items, kind="stable")
        new = np.diff(items[order], prepend=-1) > 0
        place = np.empty(len(items), np.int64)
        place[order] = np.cumsum(new) - 1
        moment.extra["distinct"] = (items[order][new], place)
    found, at = moment.extra["distinct"]
    return found, at


def is_allowed(keys: Keys, allowed: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """Return which keys (n,) a mask over keys allows; None allows all, keys beyond the mask's end are not allowed."""
    if allowed is None:
        return np.ones(len(keys), np.bool_)
    try:
        # numpy looks whether all are inside as it goes: to ask for the greatest beforehand costs as much again.
        return allowed[keys]
    except IndexError:
        inside = keys < len(allowed)
    out = np.zeros(len(keys), np.bool_)
    out[inside] = allowed[keys[inside]]
    return out


def values_of(values: NDArray[Any], keys: Keys) -> NDArray[Any]:
    """Return ``values[keys]`` (n,), 0 for keys beyond the end of `values`."""
    if not len(values):
        return np.zeros(len(keys))
    try:
        return np.asarray(values[keys])
    except IndexError:
        inside = keys < len(values)
    return np.where(inside, values[np.where(inside, keys, 0)], 0)


def leading(values: NDArray[Any], count: int) -> NDArray[np.int64]:
    """Return the places, ascending, of values (n,) not below the `count`-th greatest: `count` of them, more where some are equal.

    Of many values a bound comes first that at least as many reach: the `count`-th greatest of the maxima of stretches. What is
    left to choose from is little more than what is wanted.
    """
    if len(values) <= count:
        return np.arange(len(values))
    size = min(STRETCH, len(values) // (2 * max(count, 1)))
    # Methods, not functions of numpy's: an answer looks for what leads some twenty times.
    if size < LEAST_STRETCH:
        return np.asarray((values >= _nth_greatest(values, count)).nonzero()[0])
    tops = values[: len(values) // size * size].reshape(size, -1).max(axis=0)
    near = (values >= _nth_greatest(tops, count)).nonzero()[0]
    some = values[near]
    return np.asarray(near[some >= _nth_greatest(some, count)])


def _nth_greatest(values: NDArray[Any], n: int) -> Any:
    ordered = values.copy()
    ordered.partition(len(values) - n)
    return ordered[len(values) - n]


def top_positive(keys: Keys, scores: Floats, k: int, allowed: NDArray[np.bool_] | None) -> CandidateScores:
    """Return the k allowed keys with the greatest positive scores, best first, ties in the order given."""
    fits = is_allowed(keys, allowed) & (scores > 0)
    keys, scores = keys[fits], scores[fits]
    best = np.argsort(-scores, kind="stable")[:k]
    return CandidateScores(keys[best], scores[best])


def positive(keys: Keys, scores: Floats, k: int, allowed: NDArray[np.bool_] | None) -> Keys:
    """Return the keys that `top_positive` returns, in no order: hardly ever are there more than wanted, and then none is sorted."""
    fits = is_allowed(keys, allowed) & (scores > 0)
    found = keys[fits]
    return found if len(found) <= k else top_positive(keys, scores, k, allowed).keys


def looked_up(sorted_keys: Keys, scores: Floats, keys: Keys) -> Floats:
    """Return the score of each of `keys` (n,) in a table with ascending keys, 0 for those it lacks."""
    if not len(sorted_keys):
        return np.zeros(len(keys), np.float32)
    at = np.minimum(np.searchsorted(sorted_keys, keys), len(sorted_keys) - 1)
    return np.where(sorted_keys[at] == keys, scores[at], np.float32(0)).astype(np.float32)


def taken(columns: EventColumns, keep: NDArray[Any] | slice) -> EventColumns:
    """Return the events that a mask, positions or a slice pick."""
    parts = {f.name: getattr(columns, f.name)[keep] for f in fields(columns) if f.name != "types"}
    return EventColumns(**parts, types=columns.types)


def named(part: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return the arrays of a part of something under names that say so."""
    return {f"{part}.{name}": array for name, array in arrays.items()}


def parted(arrays: Mapping[str, NDArray[Any]]) -> dict[str, dict[str, NDArray[Any]]]:
    """Return the arrays that `named` gave, by part, under the names they had."""
    parts: dict[str, dict[str, NDArray[Any]]] = {}
    for full, array in arrays.items():
        part, dot, name = full.partition(".")
        if dot:
            parts.setdefault(part, {})[name] = array
    return parts


def joined(batches: Sequence[EventColumns]) -> EventColumns:
    """Concatenate batches, none of them too; their type names may differ in number but not in order."""
    names = [f.name for f in fields(EventColumns) if f.name != "types"]
    parts = {n: np.concatenate([getattr(b, n) for b in batches] or [np.zeros(0, _DTYPES.get(n, np.int32))]) for n in names}
    return EventColumns(**parts, types=max((b.types for b in batches), key=len, default=()))
