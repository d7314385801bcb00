"""Context: raw signals to typed signals and one natural sentence. To add a provider: write the file, add its line here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np

from occasion.context.clock import clock_codes
from occasion.context.sentence import sentence
from occasion.context.signals import normalised, usable
from occasion.data import Context, Scalar
from occasion.protocols import ContextProvider, EventColumns, StoredContext
from occasion.settings import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PROVIDERS", "ContextExtractor", "ExtractedContext"]

PROVIDERS = {
    "clock": "occasion.context.clock:ClockProvider",
    "calendar": "occasion.context.calendar:CalendarProvider",
    "weather": "occasion.context.weather:WeatherProvider",
}
"""Name to where it lives; weather is used only where its address is set."""

UNTIMED = 10**8
"""Times below this (1973) are taken for positions in a sequence: they order events but have no clock."""


@dataclass(frozen=True, slots=True)
class ExtractedContext:
    """Signals, given ones over derived ones, and the sentence for the language model."""

    signals: Mapping[str, Scalar]
    sentence: str


class ContextExtractor:
    """Raw contexts to signals and sentences, for requests and for logs.

    Parameters
    ----------
    settings : Settings
        Zone, country, weather service.
    providers : sequence of str, optional
        Names from `PROVIDERS`; default: clock, calendar, and weather where it is set up.
    """

    def __init__(self, settings: Settings, providers: Sequence[str] | None = None) -> None:
        self.settings = settings
        names = providers if providers is not None else ["clock", "calendar", *(["weather"] if settings.weather_url else [])]
        self.providers: list[ContextProvider] = [_load(PROVIDERS[name], settings) for name in names]

    def extract(self, context: Context, recent: Sequence[str] = ()) -> ExtractedContext:
        """Return the signals and the sentence of a request; `recent` are titles of items last chosen, oldest first."""
        given = normalised(context.signals)
        timed = context if context.at is None or context.at >= UNTIMED else replace(context, at=None)
        signals: dict[str, Scalar] = {}
        for provider in self.providers:
            signals.update(provider.signals(timed))
        signals.update(given)
        return ExtractedContext(signals, sentence(context.text, signals, set(given), recent, context.locale))

    def event_signals(
        self, columns: EventColumns, contexts: Sequence[StoredContext]
    ) -> dict[str, tuple[NDArray[np.int32], Sequence[Scalar]]]:
        """Return the signals of past events: name to (code of each event (n,), -1 where unknown; value of each code).

        `contexts` is indexed by context key. A stored signal overrides the clock's. Numbers that are no whole numbers are
        left out: they are too many to count.
        """
        timed = np.where(columns.at >= UNTIMED, columns.at, np.nan)
        out: dict[str, tuple[NDArray[np.int32], list[Scalar]]] = {}
        if np.isfinite(timed).any():
            found = clock_codes(timed, self.settings.time_zone, self.settings.country.upper())
            out = {name: (codes, list(values)) for name, (codes, values) in found.items()}
        used = np.unique(columns.context)
        for name, by_context in _coded(contexts, used[used >= 0].tolist()).items():
            lookup, values = by_context
            mine = np.where(columns.context >= 0, lookup[columns.context], -1)
            if name in out:
                codes, old = out[name]
                shift = np.where(mine >= 0, mine + len(old), codes)
                out[name] = (shift.astype(np.int32), [*old, *values])
            else:
                out[name] = (mine.astype(np.int32), values)
        return {name: _merged(codes, values) for name, (codes, values) in out.items()}

    def likeness(
        self, history: EventColumns, contexts: Sequence[StoredContext], signals: Mapping[str, Scalar]
    ) -> NDArray[np.float32]:
        """Return how alike the moment of each past event (n,) is to these signals: the share of shared signals that agree."""
        agree, both = np.zeros(len(history.item), np.float32), np.zeros(len(history.item), np.float32)
        if not len(history.item) or not signals:
            return agree
        for name, (codes, values) in self.event_signals(history, contexts).items():
            if name in signals and not isinstance(signals[name], float):
                same = np.array([v == signals[name] for v in values] + [False])
                agree += same[codes]
                both += codes >= 0
        return np.asarray(agree / np.maximum(both, 1), np.float32)


def _coded(contexts: Sequence[StoredContext], keys: Sequence[int]) -> dict[str, tuple[NDArray[np.int32], list[Scalar]]]:
    """Return each stored signal as (code of each context key, values)."""
    values: dict[str, dict[Scalar, int]] = {}
    found: dict[str, tuple[list[int], list[int]]] = {}
    for key in keys:
        for name, value in normalised(contexts[key].signals).items():
            if usable(value):
                codes = values.setdefault(name, {})
                where, what = found.setdefault(name, ([], []))
                where.append(key)
                what.append(codes.setdefault(value, len(codes)))
    out = {}
    for name, (where, what) in found.items():
        lookup = np.full(len(contexts) + 1, -1, np.int32)
        lookup[where] = what
        out[name] = (lookup, list(values[name]))
    return out


def _merged(codes: NDArray[np.int32], values: Sequence[Scalar]) -> tuple[NDArray[np.int32], list[Scalar]]:
    """Give equal values one code."""
    distinct = {value: n for n, value in enumerate(dict.fromkeys(values))}
    if len(distinct) == len(values):
        return codes, list(values)
    table = np.array([distinct[v] for v in values] + [-1], np.int32)
    return table[codes], list(distinct)


def _load(where: str, settings: Settings) -> ContextProvider:
    module, cls = where.split(":")
    made: ContextProvider = getattr(import_module(module), cls)(settings)
    return made
