"""Coding: the signals of the stored contexts of a log as columns of small numbers, kept up as the log grows.

A log has few distinct contexts and many events, so each context is read once, and an event's signal is one look-up. A signal that
was ever told as a fraction has a column of its numbers as well, whole ones included: its figures.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.data import Scalar
from occasion.learning.signals import number_of
from occasion.protocols import StoredContext

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Codes = NDArray[np.int32]
    Doubles = NDArray[np.float64]

__all__ = ["SUPPRESSED", "UNKNOWN", "ContextCodes", "Vocabulary"]

UNKNOWN, SUPPRESSED = -1, -2
"""Codes: the context does not say; the context says that a derived value would be wrong."""
MAX_NAMES = 512
"""Signal names that are coded, in order of appearance."""
MAX_FIGURES = 64
"""Names among them whose figures are kept, in order of appearance: eight bytes a context each."""


class Vocabulary:
    """The values of one signal and their codes; codes only grow."""

    def __init__(self, values: Sequence[Scalar] = ()) -> None:
        self.values: list[Scalar] = list(values)
        self._codes: dict[Scalar, int] = {value: n for n, value in enumerate(values)}

    def code(self, value: Scalar) -> int:
        """Return the code of a value, a new one where it is new."""
        code = self._codes.get(value)
        if code is None:
            code = self._codes[value] = len(self.values)
            self.values.append(value)
        return code

    def find(self, value: Scalar) -> int:
        """Return the code of a value, `UNKNOWN` where it is new."""
        return self._codes.get(value, UNKNOWN)


class ContextCodes:
    """Code of each signal of each stored context, and its figure, by context key.

    Parameters
    ----------
    read : callable
        (text, signals) of a stored context to (its signals, a None for a name that must not be derived; a label of where it
        was, any hashable).
    values : mapping of str to sequence
        Values that keep their code from the start, by name.
    """

    def __init__(
        self,
        read: Callable[[str, Mapping[str, Scalar]], tuple[Mapping[str, Scalar | None], object]],
        values: Mapping[str, Sequence[Scalar]],
    ) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._contexts: Sequence[StoredContext] = ()
        self._values = values
        self._clear()

    def _clear(self) -> None:
        self.vocabularies: dict[str, Vocabulary] = {name: Vocabulary(values) for name, values in self._values.items()}
        self.places: dict[object, int] = {}
        self._done = 0
        self._columns: dict[str, Codes] = {}
        self._figures: dict[str, Doubles] = {}
        self._place = np.zeros(0, np.int32)

    def take(self, contexts: Sequence[StoredContext]) -> None:
        """Read contexts that were not read before; a sequence that is not the one of last time starts anew."""
        with self._lock:
            if contexts is not self._contexts or len(contexts) < self._done:
                self._clear()
                self._contexts = contexts
            for key in range(self._done, len(contexts)):
                self._add(key, contexts[key])
            self._done = len(contexts)

    def _add(self, key: int, context: StoredContext) -> None:
        signals, place = self._read(context.text, context.signals)
        self._place = _grown(self._place, key, UNKNOWN)
        self._place[key] = self.places.setdefault(place, len(self.places))
        for name, value in signals.items():
            if name not in self._columns and len(self._columns) >= MAX_NAMES:
                continue
            if name in self._figures or isinstance(value, float):
                self._add_figure(name, key, value)
            # A fraction is not counted, but stands in the way of what would be derived.
            code = SUPPRESSED if value is None or isinstance(value, float) else self.vocabulary(name).code(value)
            column = self._columns[name] = _grown(self._columns.get(name, np.zeros(0, np.int32)), key, UNKNOWN)
            column[key] = code

    def _add_figure(self, name: str, key: int, value: Scalar | None) -> None:
        """Keep a number as such; with the first fraction of a name, the whole numbers that came before it, too."""
        column = self._figures.get(name)
        if column is None:
            if len(self._figures) >= MAX_FIGURES:
                return
            before = self._columns.get(name, np.zeros(0, np.int32))
            whole = np.array([*map(number_of, self.vocabulary(name).values), np.nan])
            column = whole[np.where(before >= 0, before, -1)]
        column = self._figures[name] = _grown(column, key, np.nan)
        column[key] = number_of(value)

    def vocabulary(self, name: str) -> Vocabulary:
        """Return the vocabulary of a signal, a new one where it is new."""
        found = self.vocabularies.get(name)
        return self.vocabularies.setdefault(name, Vocabulary()) if found is None else found

    def names(self) -> list[str]:
        """Return the names of signals that a context has."""
        return list(self._columns)

    def column(self, name: str, context: Codes) -> Codes:
        """Return a signal's code, one of `names`, for context keys (n,), of which -1 is none."""
        return _taken(self._columns[name], context, UNKNOWN)

    def measured(self) -> list[str]:
        """Return those of `names` that have figures."""
        return list(self._figures)

    def figures(self, name: str, context: Codes) -> Doubles:
        """Return a signal's numbers, one of `measured`, for context keys (n,); NaN where none was told."""
        return _taken(self._figures[name], context, np.nan)

    def place(self, context: Codes) -> Codes:
        """Return the number of the place (n,) of context keys, -1 for none."""
        return _taken(self._place, context, UNKNOWN)


def _taken(column: NDArray[Any], context: Codes, missing: float) -> NDArray[Any]:
    if not len(column):
        return np.full(len(context), missing, column.dtype)
    out = column.take(context, mode="clip")
    out[(context < 0) | (context >= len(column))] = missing
    return out


def _grown(column: NDArray[Any], key: int, fill: float) -> NDArray[Any]:
    if key < len(column):
        return column
    out = np.full(max(key + 1, 2 * len(column), 64), fill, column.dtype)
    out[: len(column)] = column
    return out
