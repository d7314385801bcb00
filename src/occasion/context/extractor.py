"""Extractor: raw contexts to signals and sentences, for a request and for a whole log; both read a context the same way.

What is known of a moment, the surer one first: signals that were given, what the person's words state, what providers derive.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.context.clock import part_of_day, season, weekend_of
from occasion.context.coding import UNKNOWN, ContextCodes
from occasion.context.sentence import description, sentence
from occasion.context.signals import as_written, normalised
from occasion.context.whereabouts import Whereabouts, hemisphere, whereabouts
from occasion.context.words import signals_in_words
from occasion.data import MAX_SIGNALS, Context, Scalar
from occasion.errors import DataError
from occasion.protocols import ContextProvider, EventColumns, StoredContext
from occasion.settings import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Codes = NDArray[np.int32]

__all__ = ["PROVIDERS", "UNTIMED", "ContextExtractor", "ExtractedContext"]

PROVIDERS = {
    "clock": "occasion.context.clock:ClockProvider",
    "calendar": "occasion.context.calendar:CalendarProvider",
    "weather": "occasion.context.weather:WeatherProvider",
}
"""Name to where it lives; weather is used only where its address is set. To add one: write the file, add its line here.

A provider that can also read the columns of a log has ``values``, signal to the values known beforehand, and
``codes(at, whereabouts)``, which returns signal to (codes (n,), values).
"""

UNTIMED = 10**8
"""Times below this (1973) are taken for positions in a sequence: they order events but have no clock."""

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_FAMILIES = {
    **dict.fromkeys(("hour", "part_of_day"), 0.5),
    **dict.fromkeys(("weekday", "weekend"), 0.5),
    **dict.fromkeys(("month", "season"), 0.5),
    **dict.fromkeys(("is_holiday", "holiday", "holiday_eve"), 1 / 3),
}
"""Weight of a signal in likeness; signals that say the same thing twice share one. Others: 1."""


@dataclass(frozen=True, slots=True)
class ExtractedContext:
    """A situation as the parts of a recommender read it.

    Attributes
    ----------
    signals : mapping
        All signals, given, stated in words, and derived.
    sentence : str
        What the encoder reads; see `occasion.context.sentence`.
    at : float or None
        Unix seconds of the moment.
    told : tuple
        What `description` is made of: own words, all signals as they are said, titles chosen before, locale.
    """

    signals: Mapping[str, Scalar]
    sentence: str
    at: float | None = None
    told: tuple[str, Mapping[str, Scalar], Sequence[str], str] = ("", MappingProxyType({}), (), "en")

    @property
    def description(self) -> str:
        """Everything that is known in natural language, for people and generating models."""
        return description(*self.told)


class ContextExtractor:
    """Raw contexts to signals and sentences, for requests and for logs.

    Parameters
    ----------
    settings : Settings
        Zone, country, weather service.
    providers : sequence of str, optional
        Names from `PROVIDERS`; default: clock, calendar, and weather where it is set up.

    Raises
    ------
    DataError
        For a provider that does not exist, or a country in the settings that has no calendar.
    SettingsError
        For a weather address that is none.
    """

    def __init__(self, settings: Settings, providers: Sequence[str] | None = None) -> None:
        self.settings = settings
        names = providers if providers is not None else ["clock", "calendar", *(["weather"] if settings.weather_url else [])]
        self.providers: list[ContextProvider] = [_load(name, settings) for name in names]
        country = settings.country.upper()
        self._usual = Whereabouts(settings.time_zone, country, hemisphere(settings.time_zone, country))
        self._known = {n: v for provider in self.providers for n, v in getattr(provider, "values", {}).items()}
        self._codes = ContextCodes(self._stored, self._known)

    # -- one request ----------------------------------------------------------------------------------------------------
    def extract(self, context: Context, recent: Sequence[str] = ()) -> ExtractedContext:
        """Return the signals and the sentence of a request.

        Parameters
        ----------
        context : Context
            Without `at`, it is about now.
        recent : sequence of str
            Titles of the items last chosen, oldest first.

        Raises
        ------
        DataError
            Where the context names a time zone that does not exist.
        """
        at = time.time() if context.at is None else context.at
        given, stated = normalised(context.signals), signals_in_words(context.text)
        where = whereabouts(given, self._usual, time_zone=context.time_zone, country=context.country)
        told = _told(given, stated, where)
        signals: dict[str, Scalar] = {}
        if at >= UNTIMED:
            asked = context.revised(at=at, signals=_most(given), time_zone=where.time_zone, country=where.country or None)
            for provider in self.providers:
                signals.update(provider.signals(asked))
        signals |= {name: value for name, value in told.items() if value is not None}
        for name in [name for name, value in told.items() if value is None]:
            signals.pop(name, None)
        if recent:
            signals |= {"recent_items": len(recent), "last_item": " ".join(recent[-1].split())[:80]}
        unsaid = [name for name in given if stated.get(name) != given[name]]
        corrected = [name for name in unsaid if name in stated]
        spoken = signals | as_written(context.signals, given)
        return ExtractedContext(
            signals,
            sentence(context.text, spoken, unsaid, recent, context.locale, corrected),
            at,
            (context.text, spoken, recent, context.locale),
        )

    # -- a log ----------------------------------------------------------------------------------------------------------
    def _stored(self, text: str, signals: Mapping[str, Scalar]) -> tuple[Mapping[str, Scalar | None], Whereabouts]:
        given = normalised(signals)
        where = whereabouts(given, self._usual)
        return _told(given, signals_in_words(text), where), where

    def event_signals(self, columns: EventColumns, contexts: Sequence[StoredContext]) -> dict[str, tuple[Codes, Sequence[Scalar]]]:
        """Return the signals of past events: name to (code of each event (n,), -1 where unknown; value of each code).

        Each event has the signals that `extract` would give for its time and its stored context, but for fractions, which
        are too many to count (their ``..._level`` is there), and what is only known about now.

        Parameters
        ----------
        columns : EventColumns
        contexts : sequence of StoredContext
            Indexed by context key. Hand in the same, growing list each time: what was read once is not read again.
        """
        codes = self._event_codes(columns, contexts)
        known = {name: self._codes.vocabulary(name).values for name in codes}
        return {name: (found, list(known[name])) for name, found in codes.items() if known[name]}

    def stored_signals(self, columns: EventColumns, contexts: Sequence[StoredContext]) -> dict[str, tuple[Codes, Sequence[Scalar]]]:
        """Return, as `event_signals` does, the signals that were given or said with past events, without what is derived."""
        self._codes.take(contexts)
        found = {name: self._codes.column(name, columns.context) for name in self._codes.names()}
        values = {name: self._codes.vocabulary(name).values for name in found}
        return {name: (np.maximum(codes, np.int32(UNKNOWN)), list(values[name])) for name, codes in found.items() if values[name]}

    def stored_figures(
        self, columns: EventColumns, contexts: Sequence[StoredContext], wanted: Collection[str] | None = None
    ) -> dict[str, NDArray[np.float64]]:
        """Return the numbers of those signals of past events that were ever told as fractions: name to (n,), NaN where untold.

        Of such a signal `stored_signals` has the whole numbers and the words only.

        Parameters
        ----------
        columns, contexts
            As for `event_signals`.
        wanted : collection of str, optional
            Names that are looked up; None: all.
        """
        self._codes.take(contexts)
        names = [name for name in self._codes.measured() if wanted is None or name in wanted]
        return {name: self._codes.figures(name, columns.context) for name in names}

    def _event_codes(
        self, columns: EventColumns, contexts: Sequence[StoredContext], wanted: Collection[str] | None = None
    ) -> dict[str, Codes]:
        self._codes.take(contexts)
        out = self._derived(columns)
        for name in self._codes.names():
            if wanted is not None and name not in wanted:
                continue
            mine, base = self._codes.column(name, columns.context), out.get(name)
            out[name] = np.maximum(mine if base is None else np.where(mine == UNKNOWN, base, mine), np.int32(UNKNOWN))
        return out

    def _derived(self, columns: EventColumns) -> dict[str, Codes]:
        """Return what providers derive from the time and the place of each event."""
        timed = np.where(columns.at >= UNTIMED, columns.at, np.nan)
        if not np.isfinite(timed).any():
            return {}
        place = self._codes.place(columns.context)
        usual = self._codes.places.get(self._usual, -1)
        place = np.where(place == usual, -1, place)
        out: dict[str, Codes] = {}
        wheres = {-1: self._usual} | {number: where for where, number in self._codes.places.items() if number != usual}
        numbers = [int(place[0])] if np.all(place == place[0]) else np.unique(place).tolist()
        if len(numbers) == 1:
            return self._derived_at(timed, wheres[numbers[0]])
        for number in numbers:
            rows = place == number
            for name, codes in self._derived_at(timed[rows], wheres[number]).items():
                out.setdefault(name, np.full(len(timed), UNKNOWN, np.int32))[rows] = codes
        return out

    def _derived_at(self, at: NDArray[np.float64], where: Any) -> dict[str, Codes]:
        out: dict[str, Codes] = {}
        for provider in self.providers:
            if hasattr(provider, "codes"):
                for name, (codes, values) in provider.codes(at, where).items():
                    words = self._codes.vocabulary(name)
                    if values is self._known.get(name):
                        out[name] = codes
                    else:
                        out[name] = np.array([*(words.code(value) for value in values), UNKNOWN], np.int32)[codes]
        return out

    def likeness(
        self, history: EventColumns, contexts: Sequence[StoredContext], signals: Mapping[str, Scalar]
    ) -> NDArray[np.float32]:
        """Return how alike the moment of each past event (n,) is to these signals, 0 to 1.

        ``sum of w_s over the signals that agree / sum of w_s over those known of both``, where signals that say the same
        thing twice (hour and part of day) share one weight; 0 where nothing is known of both. Fractions are passed over.
        """
        n = len(history.item)
        past = self._event_codes(history, contexts, signals) if n and signals else {}
        told = {name: value for name in past if (value := signals.get(name)) is not None and not isinstance(value, float)}
        if not told:
            return np.zeros(n, np.float32)
        weights = np.array([_FAMILIES.get(name, 1.0) for name in told], np.float32)
        now = np.array([self._codes.vocabulary(name).find(value) for name, value in told.items()], np.int32)
        codes = np.stack([past[name] for name in told])  # (s, n)
        known = codes >= 0
        both = weights @ known
        return np.asarray(weights @ ((codes == now[:, None]) & known) / np.where(both > 0, both, 1), np.float32)


def _most(given: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
    """Return no more signals than a context takes: the words of numbers may be too many on top, and come last."""
    return given if len(given) <= MAX_SIGNALS else dict(islice(given.items(), MAX_SIGNALS))


def _told(given: Mapping[str, Scalar], stated: Mapping[str, Scalar], where: Whereabouts) -> dict[str, Scalar | None]:
    """Return what was given or stated and what follows from it; None for what must not be derived, as it would contradict.

    "Sunday" makes it the weekend whatever the clock says, and "evening" makes the clock's hour wrong.
    """
    out: dict[str, Scalar | None] = {**stated, **given}
    hour, weekday, month = out.get("hour"), out.get("weekday"), out.get("month")
    if isinstance(hour, int):
        out.setdefault("part_of_day", part_of_day(hour))
    elif "part_of_day" in out:
        out.setdefault("hour", None)
    if weekday in _WEEKDAYS:
        out.setdefault("weekend", _WEEKDAYS.index(str(weekday)) in weekend_of(where.country))
    elif "weekend" in out:
        out.setdefault("weekday", None)
    if isinstance(month, int):
        out.setdefault("season", season(month, where.hemisphere))
    elif "season" in out:
        out.setdefault("month", None)
    return out


def _load(name: str, settings: Settings) -> ContextProvider:
    if name not in PROVIDERS:
        raise DataError(f"there is no context provider {name!r}. Cure: one of {', '.join(sorted(PROVIDERS))}.")
    module, cls = PROVIDERS[name].split(":")
    made: ContextProvider = getattr(import_module(module), cls)(settings)
    return made
