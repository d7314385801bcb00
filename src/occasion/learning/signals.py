"""Context columns as codes: categories, bins of numbers, hour and weekday of the clock.

A column of numbers with more than `BINS` different values holds the figures of a signal: each is read as it is, and by the range it
lies in. Any other column holds classes, numbers or words. A column ``X_level`` has words for the size of X; where X is told, its
word says nothing more and is passed over, and where it is not, the word is all that is known ("a hot day"). An ``area`` is no range
of one figure but a place; it is read beside latitude and longitude.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    Codes = NDArray[np.int32]
    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]
    Columns = Mapping[str, tuple[Codes, Sequence[Any]]]

__all__ = ["CLOCK", "DAY", "PREFIX", "SignalCodes", "Signals", "clock_codes", "number_of"]

DAY = 86400.0
BINS = 8
"""Bins of a numeric signal, of about equal size."""
PREFIX = "ctx_"
"""Stands before the name of a signal in a model's columns."""
CLOCK = {"clock_hour": 24, "clock_weekday": 7}
"""Signals that the clock gives, and their numbers of codes."""
LEVEL = "_level"
"""Stands after the name of a signal in that of the words for its size."""
LARGEST = 1e15
"""Numbers of this size and above measure nothing; they would be all that a mean and a deviation tell of."""


@dataclass(kw_only=True)
class Signals:
    """How context columns become codes: learnt from train, applied to anything.

    Attributes
    ----------
    names : list of str, (s,)
        Names of the coded signals: categorical columns and binned numeric columns by name, then what the clock gives.
    values : dict of name to list of str
        Known values of each categorical column; a value's code is its place.
    edges : dict of name to list of float
        Inner edges of the bins of each numeric column.
    clock : bool
        Whether hour and weekday are derived from the time.
    levels : sequence of str
        Those of the names that have the words for the size of a numeric column: passed over where the number is told.
    position : sequence of str
        Names of latitude and longitude where a moment may tell them and the columns learnt from do not: their numbers are read, but
        they are no signals.
    """

    names: list[str] = field(default_factory=list)
    values: dict[str, list[str]] = field(default_factory=dict)
    edges: dict[str, list[float]] = field(default_factory=dict)
    clock: bool = False
    # Versions of releases before lack these.
    levels: Sequence[str] = ()
    position: Sequence[str] = ()

    @property
    def sizes(self) -> list[int]:
        """Number of codes of each signal, (s,)."""
        known = {n: len(v) for n, v in self.values.items()} | {n: len(e) + 1 for n, e in self.edges.items()}
        return [known.get(n, CLOCK.get(n, 0)) for n in self.names]

    @property
    def numeric(self) -> list[str]:
        """Names of the numeric columns that are signals, in order."""
        return [n for n in self.names if n in self.edges]

    @property
    def figures(self) -> list[str]:
        """Names of the numbers that are read (r,): of `numeric`, then of `position`."""
        return [*self.numeric, *self.position]

    @property
    def plain(self) -> NDArray[np.int64]:
        """Places of the signals told in words (k,), in order: no ranges of a numeric column, nothing that the clock gives."""
        return np.array([j for j, n in enumerate(self.names) if n not in self.edges and n not in CLOCK], np.int64)

    @classmethod
    def learn(cls, frame: pl.DataFrame, clock: bool) -> Signals:
        """Find the signals of a frame with ``ctx_*`` columns; a column with one value or none says nothing and is left out."""
        import polars as pl

        signals = cls(clock=clock, levels=[])
        for name in sorted(c for c in frame.columns if c.startswith(PREFIX)):
            column = frame[name]
            if column.dtype.is_numeric() and column.n_unique() > BINS:
                known = _numbers(column)
                known = known[np.isfinite(known)]
                edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1])) if len(known) else np.zeros(0)
                if len(edges):
                    signals.names.append(name)
                    signals.edges[name] = [float(e) for e in edges]
                continue
            figure = _figure(name)
            is_level = figure in frame.columns and frame[figure].dtype.is_numeric()
            if is_level:
                column = column.set(pl.Series(np.isfinite(_numbers(frame[figure]))), None)
            cells = [_label(v) for v in column.unique().to_list()]
            values = sorted({v for v in cells if v is not None})
            if len(values) + (None in cells) > 1:
                signals.names.append(name)
                signals.values[name] = values
                signals.levels = [*signals.levels, name] if is_level else signals.levels
        if clock:
            signals.names += CLOCK
        return signals

    def code(self, frame: pl.DataFrame, time: Doubles) -> tuple[Codes, Floats]:
        """Return codes (n, s), -1 where missing or unknown, and the numbers of `figures` (n, r), NaN where missing."""
        codes = np.full((len(frame), len(self.names)), -1, np.int32)
        numbers = np.full((len(frame), len(self.figures)), np.nan, np.float32)
        for j, name in enumerate(self.figures):
            if name in frame.columns:
                numbers[:, j] = _numbers(frame[name])
        for j, name in enumerate(self.names):
            if name in self.values:
                codes[:, j] = _codes(frame, name, self.values[name])
                if name in self.levels and _figure(name) in frame.columns:
                    codes[np.isfinite(_numbers(frame[_figure(name)])), j] = -1
            elif name in self.edges and name in frame.columns:
                codes[:, j] = _ranges(_numbers(frame[name]), self.edges[name])
            elif name in CLOCK:
                codes[:, j] = clock_codes(time)[:, list(CLOCK).index(name)]
        return codes, numbers


class SignalCodes:
    """Codes of moments that do not come as frames: of the one that is asked about, and of those of a history.

    They are those that `Signals.code` gives of a frame of the same moments.

    Parameters
    ----------
    signals : Signals
    """

    def __init__(self, signals: Signals) -> None:
        self.names = signals.names
        self._classes = {
            j: (name.removeprefix(PREFIX), {value: code for code, value in enumerate(signals.values[name])})
            for j, name in enumerate(self.names)
            if name in signals.values
        }
        self._ranges = {j: (n.removeprefix(PREFIX), signals.edges[n]) for j, n in enumerate(self.names) if n in signals.edges}
        self._figures = [name.removeprefix(PREFIX) for name in signals.figures]
        self._clock = [self.names.index(name) for name in CLOCK if name in self.names]
        self._levels = {self.names.index(name): _figure(name).removeprefix(PREFIX) for name in signals.levels}
        measured = (name for name, codes in self._classes.values() if all(_is_number(value) for value in codes))
        self.measured = frozenset([*self._figures, *self._levels.values(), *measured])
        """Names of signals that a log may tell as fractions: those whose figures `of_columns` reads."""

    @property
    def given(self) -> bool:
        """Whether any signal is one that a moment gives, and not the clock."""
        return bool(self._classes or self._ranges)

    def of(self, given: Mapping[str, Any]) -> tuple[Codes, Floats]:
        """Return the codes (s,) and the numbers (r,) of given signals; -1 and NaN where they are missing or were never met."""
        out = np.full(len(self.names), -1, np.int32)
        for j, (name, codes) in self._classes.items():
            value = given.get(name)
            if value is not None:
                out[j] = codes.get(_label(value) or "", -1)
        for j, (name, edges) in self._ranges.items():
            number = number_of(given.get(name))
            if not math.isnan(number):
                out[j] = bisect_right(edges, number)
        for j, figure in self._levels.items():
            if not math.isnan(number_of(given.get(figure))):
                out[j] = -1
        return out, np.array([number_of(given.get(name)) for name in self._figures], np.float32)

    def of_columns(self, given: Columns, figures: Mapping[str, Doubles], rows: NDArray[np.int64]) -> tuple[Codes, Floats]:
        """Return the codes (n, s) and the numbers (n, r) of some rows of columns.

        Parameters
        ----------
        given : mapping
            Name to its codes, -1 for none, and what they stand for.
        figures : mapping
            Name, one of `measured`, to its numbers, NaN for none.
        rows : (n,) int64
        """
        out = np.full((len(rows), len(self.names)), -1, np.int32)
        told = {name: column[rows] for name, column in figures.items()}
        for j, (name, read) in self._classes.items():
            codes, values = given.get(name, (None, ()))
            if codes is not None:
                mine = codes[rows].tolist()
                known = {code: read.get(str(values[code]), -1) for code in set(mine) if code >= 0}
                out[:, j] = [known.get(code, -1) for code in mine]
            for row in np.flatnonzero(np.isfinite(told[name]) & (out[:, j] < 0)) if name in told else ():
                out[row, j] = read.get(_label(float(told[name][row])) or "", -1)
        for j, (name, edges) in self._ranges.items():
            if name in told:
                out[:, j] = _ranges(told[name], edges)
        for j, figure in self._levels.items():
            if figure in told:
                out[np.isfinite(told[figure]), j] = -1
        missing = np.full(len(rows), np.nan)
        numbers = [told.get(name, missing) for name in self._figures]
        return out, np.stack([missing, *numbers], 1)[:, 1:].astype(np.float32)

    def set_clock(self, codes: Codes, time: Doubles) -> None:
        """Write what the clock says at some times (n,) into codes (n, s)."""
        codes[:, self._clock] = clock_codes(time)[:, : len(self._clock)]


def number_of(value: Any) -> float:
    """Return a number as such, NaN for anything else and for what is too large to measure anything.

    Examples
    --------
    >>> number_of(88), number_of(36.6), number_of(True), number_of("hot"), number_of(1e200)
    (88.0, 36.6, nan, nan, nan)
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) < LARGEST else np.nan


def _numbers(column: pl.Series) -> Doubles:
    """Return a column as numbers (n,), as `number_of` does."""
    x = column.cast(float, strict=False).fill_null(np.nan).to_numpy()
    return np.where(np.abs(x) < LARGEST, x, np.nan)


def _ranges(numbers: Doubles, edges: Sequence[float]) -> Codes:
    """Return which range between some edges each number (n,) lies in, -1 for NaN."""
    return np.where(np.isfinite(numbers), np.searchsorted(edges, numbers, side="right"), -1).astype(np.int32)


def _figure(name: str) -> str:
    """Return the name of what a column may have the words for; empty where its name does not say that it has any."""
    return name.removesuffix(LEVEL) if name.endswith(LEVEL) else ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def clock_codes(time: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return the codes of `CLOCK` (n, 2) of seconds of the clock (n,), -1 where the time is unknown."""
    known = np.isfinite(time)
    safe = np.where(known, time, 0.0)
    out = np.empty((len(time), 2), np.int32)
    out[:, 0], out[:, 1] = safe % DAY // 3600, (safe // DAY + 3) % 7
    out[~known] = -1
    return out


def _codes(frame: pl.DataFrame, name: str, values: list[str]) -> NDArray[np.int32]:
    """Return the place of each cell in `values`, -1 where it is not there."""
    if name not in frame.columns:
        return np.full(len(frame), -1, np.int32)
    place = {v: k for k, v in enumerate(values)}
    cells = (_label(v) for v in frame[name].to_list())
    return np.array([-1 if v is None else place.get(v, -1) for v in cells], np.int32)


def _label(value: Any) -> str | None:
    """Return a cell as text, None where it is missing; a whole number is the same with and without a point."""
    if value is None or value != value:
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
