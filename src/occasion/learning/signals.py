"""Context columns as codes: categories, bins of numbers, hour and weekday of the clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    Columns = Mapping[str, tuple[NDArray[np.int32], Sequence[Any]]]

__all__ = ["CLOCK", "DAY", "PREFIX", "SignalCodes", "Signals", "clock_codes"]

DAY = 86400.0
BINS = 8
"""Bins of a numeric signal, of about equal size."""
PREFIX = "ctx_"
"""Stands before the name of a signal in a model's columns."""
CLOCK = {"clock_hour": 24, "clock_weekday": 7}
"""Signals that the clock gives, and their numbers of codes."""


@dataclass(kw_only=True)
class Signals:
    """How context columns become codes: learnt from train, applied to anything.

    Attributes
    ----------
    names : list of str, (s,)
        Names of the coded signals: categorical columns, binned numeric columns, then what the clock gives.
    values : dict of name to list of str
        Known values of each categorical column; a value's code is its place.
    edges : dict of name to list of float
        Inner edges of the bins of each numeric column.
    clock : bool
        Whether hour and weekday are derived from the time.
    """

    names: list[str] = field(default_factory=list)
    values: dict[str, list[str]] = field(default_factory=dict)
    edges: dict[str, list[float]] = field(default_factory=dict)
    clock: bool = False

    @property
    def sizes(self) -> list[int]:
        """Number of codes of each signal, (s,)."""
        known = {n: len(v) for n, v in self.values.items()} | {n: len(e) + 1 for n, e in self.edges.items()}
        return [known.get(n, CLOCK.get(n, 0)) for n in self.names]

    @property
    def numeric(self) -> list[str]:
        """Names of the numeric columns, in order."""
        return [n for n in self.names if n in self.edges]

    @property
    def plain(self) -> NDArray[np.int64]:
        """Places of the signals told in words (k,), in order: no ranges of a numeric column, nothing that the clock gives."""
        return np.array([j for j, n in enumerate(self.names) if n not in self.edges and n not in CLOCK], np.int64)

    @classmethod
    def learn(cls, frame: pl.DataFrame, clock: bool) -> Signals:
        """Find the signals of a frame with ``ctx_*`` columns; a column with one value or none says nothing and is left out."""
        signals = cls(clock=clock)
        for name in sorted(c for c in frame.columns if c.startswith(PREFIX)):
            column = frame[name]
            if column.dtype.is_numeric() and column.n_unique() > BINS:
                finite = column.cast(float).drop_nulls().to_numpy()
                finite = finite[np.isfinite(finite)]
                edges = np.unique(np.quantile(finite, np.linspace(0, 1, BINS + 1)[1:-1])) if len(finite) else np.zeros(0)
                if len(edges):
                    signals.names.append(name)
                    signals.edges[name] = [float(e) for e in edges]
                continue
            cells = [_label(v) for v in column.unique().to_list()]
            values = sorted({v for v in cells if v is not None})
            if len(values) + (None in cells) > 1:
                signals.names.append(name)
                signals.values[name] = values
        if clock:
            signals.names += CLOCK
        return signals

    def code(self, frame: pl.DataFrame, time: NDArray[np.float64]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return codes (n, s), -1 where missing or unknown, and the raw numeric columns (n, r)."""
        codes = np.full((len(frame), len(self.names)), -1, np.int32)
        numbers = np.full((len(frame), len(self.numeric)), np.nan, np.float32)
        for j, name in enumerate(self.names):
            if name in self.values:
                codes[:, j] = _codes(frame, name, self.values[name])
            elif name in self.edges and name in frame.columns:
                x = frame[name].cast(float, strict=False).fill_null(np.nan).to_numpy()
                codes[:, j] = np.where(np.isfinite(x), np.searchsorted(self.edges[name], x, side="right"), -1)
                numbers[:, self.numeric.index(name)] = np.where(np.isfinite(x), x, np.nan)
            elif name in CLOCK:
                codes[:, j] = clock_codes(time)[:, list(CLOCK).index(name)]
        return codes, numbers


class SignalCodes:
    """Codes of moments that do not come as frames: of the one that is asked about, and of those of a history.

    Parameters
    ----------
    signals : Signals
    """

    def __init__(self, signals: Signals) -> None:
        self.names = signals.names
        self._codes = {name: {value: code for code, value in enumerate(values)} for name, values in signals.values.items()}
        self._clock = [self.names.index(name) for name in CLOCK if name in self.names]

    @property
    def given(self) -> bool:
        """Whether any signal is one that a moment gives, and not the clock."""
        return any(name in self._codes for name in self.names)

    def of(self, given: Mapping[str, Any]) -> NDArray[np.int32]:
        """Return the codes (s,) of given signals, -1 where they are missing or were never met."""
        out = np.full(len(self.names), -1, np.int32)
        for j, name in enumerate(self.names):
            value = given.get(name.removeprefix(PREFIX))
            if value is not None and name in self._codes:
                out[j] = self._codes[name].get(str(value), -1)
        return out

    def of_columns(
        self, given: Mapping[str, tuple[NDArray[np.int32], Sequence[Any]]], rows: NDArray[np.int64]
    ) -> NDArray[np.int32]:
        """Return the codes (n, s) of some rows of columns: a name's codes, -1 for none, and what they stand for."""
        out = np.full((len(rows), len(self.names)), -1, np.int32)
        for j, name in enumerate(self.names):
            codes, values = given.get(name.removeprefix(PREFIX), (None, ()))
            if codes is not None and name in self._codes:
                mine, read = codes[rows].tolist(), self._codes[name]
                known = {code: read.get(str(values[code]), -1) for code in set(mine) if code >= 0}
                out[:, j] = [known.get(code, -1) for code in mine]
        return out

    def set_clock(self, codes: NDArray[np.int32], time: NDArray[np.float64]) -> None:
        """Write what the clock says at some times (n,) into codes (n, s)."""
        codes[:, self._clock] = clock_codes(time)[:, : len(self._clock)]


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
