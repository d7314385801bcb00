"""Sentences: all that is known of a situation in natural language, English or Chinese.

`description` says everything, for people and for generating models. `sentence` is what the encoder reads, and says less. Share
of 24 situations for which the default encoder puts an item of the right kind first, of 60 items of 12 kinds (one situation is
.04; `benchmarks/sentences.py`):

=======================================  =======  =======
text that was encoded                    English  Chinese
=======================================  =======  =======
own words                                .54      .67
own words, one given signal (sentence)   .62      .50
own words, all given signals             .58      .54
own words, clock                         .46      .49
clock, own words                         .44      .44
all of it (description)                  .51      .50
signals without words (sentence)         .21      .21
clock and signals without words          .11      .10
=======================================  =======  =======

So own words stand first and the clock stays silent beside them. Of the signals that the caller gave and the words do not say
already, one is added, as it may be what the words leave open (on these situations it gains nothing on the whole): place, else
activity, weather, warmth, mood, others. Without words, the clock speaks only where nothing else is known. Signals that are not
said still count in all learned parts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from occasion.context.phrases import PHRASES, SHOWN, Phrases
from occasion.data import Scalar
from occasion.titles import shortened

__all__ = ["description", "sentence"]

BESIDE_WORDS = 1
"""Signals said beside own words."""
OTHERS = 8
"""Signals said of those that have no place of their own."""
TITLES = 5
"""Titles said, the latest."""
_CLOCK = ("weekday", "part_of_day", "season")
_PEOPLE = ("place", "company", "device", "mood", "activity")
_AIR = ("weather", "temperature_level")
_BESIDE = ("place", "activity", "weather", "temperature_level", "mood")
_OWN_FRAME = frozenset({*_CLOCK, *_PEOPLE, "weather", "temperature_level", "holiday", "holiday_eve"})
_SILENT = frozenset(
    {
        "hour", "month", "weekend", "is_holiday", "latitude", "longitude", "area", "temperature", "time_zone", "last_item",
        "recent_items",
    }
)  # fmt: skip
"""Signals for counting: said by others, or no words at all."""


def _telling(name: str, value: Scalar) -> bool:
    """Return whether a signal outside the known frames says something in words: no bare numbers, no code numbers."""
    if name in _OWN_FRAME or name in _SILENT or name.endswith("_level"):
        return False
    return isinstance(value, bool) or (isinstance(value, str) and any(sign.isalpha() for sign in value))


def _clock(signals: Mapping[str, Scalar], say: Phrases) -> str:
    return say.day(*(say.value(name, signals[name]) if isinstance(signals.get(name), str) else "" for name in _CLOCK))


def _holiday(signals: Mapping[str, Scalar], say: Phrases) -> str:
    if "holiday" in signals:
        return say.holiday.format(say.value("holiday", signals["holiday"]))
    return say.eve if signals.get("holiday_eve") is True else ""


def _weather(signals: Mapping[str, Scalar], say: Phrases) -> str:
    told = [say.value(name, signals[name]) for name in _AIR if name in signals]
    return say.weather.format(say.both.join(told)) if told else ""


def _others(signals: Mapping[str, Scalar], say: Phrases) -> list[str]:
    return [say.clause(n, v) for n, v in signals.items() if _telling(n, v)][:OTHERS]


def _recent(titles: Sequence[str], say: Phrases) -> str:
    shown = [shortened(title, SHOWN) for title in titles if title.strip()][-TITLES:]
    return say.recent.format(say.list_comma.join(shown)) if shown else ""


def _said(text: str) -> str:
    return " ".join(text.split())


def _joined(parts: Sequence[str], say: Phrases) -> str:
    told = [part.rstrip(".。 ") for part in parts if part]
    return say.stop.join(part[0].upper() + part[1:] if n and say.capitals else part for n, part in enumerate(told) if part)


def description(text: str, signals: Mapping[str, Scalar], recent: Sequence[str] = (), locale: str = "en") -> str:
    """Return everything that is known, as sentences: the time, the weather, the person, the rest, what came before, the words.

    Parameters
    ----------
    text : str
        The person's own words.
    signals : mapping
        Given and derived signals, normalised.
    recent : sequence of str
        Titles of the items last chosen, oldest first.
    locale : str
        "en" or "zh".
    """
    say = PHRASES[locale]
    day = say.comma.join(part for part in (_clock(signals, say), _holiday(signals, say)) if part)
    person = say.comma.join(say.clause(name, signals[name]) for name in _PEOPLE if name in signals)
    own = _said(text)
    parts = [say.weather.format(day) if day else "", _weather(signals, say), person, say.comma.join(_others(signals, say))]
    return _joined([*parts, _recent(recent, say), say.said.format(own) if own else ""], say)


def sentence(
    text: str,
    signals: Mapping[str, Scalar],
    given: Collection[str] = (),
    recent: Sequence[str] = (),
    locale: str = "en",
    corrected: Collection[str] = (),
) -> str:
    """Return what the encoder reads; empty where nothing is known.

    Parameters
    ----------
    text : str
        The person's own words.
    signals : mapping
        Given and derived signals, normalised.
    given : collection of str
        Names of signals that the caller gave and the words do not say.
    recent : sequence of str
        Titles of the items last chosen, oldest first; not said beside own words, as the history has a vector of its own.
    locale : str
        "en" or "zh".
    corrected : collection of str
        Names of given signals of which the words say something else; these are always said.
    """
    say = PHRASES[locale]
    own = _said(text)
    if own:
        beside = [phrase for name in corrected if (phrase := _alone(name, signals[name], say))]
        others = _beside({n: v for n, v in signals.items() if n in given and n not in corrected}, say)
        beside += others[: max(0, BESIDE_WORDS - len(beside))]
        return own if not beside else _joined([own, say.comma.join(beside)], say)
    person = say.comma.join(say.clause(name, signals[name]) for name in _PEOPLE if name in signals)
    told = [_holiday(signals, say), _weather(signals, say), person, say.comma.join(_others(signals, say)), _recent(recent, say)]
    spoken = {name: signals[name] for name in _CLOCK if name in signals and (name in given or not any(told))}
    return _joined([_clock(spoken, say), *told], say)


def _alone(name: str, value: Scalar, say: Phrases) -> str:
    """Return how one signal is said by itself; empty for one that is for counting alone."""
    if name in _AIR:
        return _weather({name: value}, say)
    if name in _CLOCK:
        return _clock({name: value}, say)
    return say.clause(name, value) if name in _PEOPLE or _telling(name, value) else ""


def _beside(signals: Mapping[str, Scalar], say: Phrases) -> list[str]:
    """Return how signals are said beside words, the order of choice: those of `_BESIDE`, the clock's, those without a frame."""
    told = [_alone(name, signals[name], say) for name in _BESIDE if name in signals]
    clock = _clock(signals, say)
    return [*told, *([clock] if clock else []), *_others(signals, say)]
