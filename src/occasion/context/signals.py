"""Signals: known ones get one name and one spelling of each value; any other passes under the name it came with.

Known names: weather, temperature (degrees Celsius), place, latitude, longitude, device, company, mood, activity, and those of
the clock and the calendar. Text is compared without case, so that ``Home`` and ``home`` are one value. Numbers stay numbers;
those that say something by their range alone also give a word: ``temperature_level``, ``area`` (a tenth of a degree, 11 km),
and ``..._level`` for every other fraction or large number, as no value of these comes back often enough to be counted. Fitted
versions read the numbers themselves (`occasion.training.log.event_frame`, `occasion.learning.signals`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache

from occasion.context.spellings import NAMES, VALUES
from occasion.data import Scalar
from occasion.titles import shortened

__all__ = ["KNOWN", "MISSING", "as_written", "level", "normalised", "unusable", "warmth"]

MISSING = frozenset({"", "-", "--", "?", "n/a", "na", "nan", "none", "null", "nil", "undefined", "unknown", "未知", "无"})
"""Texts that say that a value is not known; such a signal is left out."""

LONGEST = 120
"""Characters of a text value that count."""
HUGE = 1e300
"""A number from this size on is only called huge."""
WHOLE = 366
"""Whole numbers up to this size are taken for classes, larger ones for amounts."""

_WEEKEND = {
    **dict.fromkeys(("weekend", "yes", "true", "1", "周末"), True),
    **dict.fromkeys(("weekday", "workday", "working day", "no", "false", "0", "工作日"), False),
}
_DAY_KINDS = {"weekend": True, "周末": True, "weekday": False, "workday": False, "working day": False, "工作日": False}
_WEEKDAYS = frozenset(VALUES["weekday"].values())
_YES = {"yes": True, "true": True, "no": False, "false": False, "是": True, "否": False}

KNOWN = frozenset({*NAMES.values(), *VALUES, "is_holiday", "holiday_eve"})
"""Names this module knows."""

_WARMTH = ((10.0, "cold"), (18.0, "mild"), (26.0, "warm"))
_RANGES: Mapping[str, tuple[float, float]] = {
    "latitude": (-90.0, 90.0),
    "longitude": (-180.0, 180.0),
    "temperature": (-90.0, 60.0),
    "hour": (0.0, 24.0),
    "month": (1.0, 13.0),
}
"""From (inclusive) to (inclusive, but for those COUNTED); what lies outside is a fault and left out."""
COUNTED = ("hour", "month")
SHOWN = 40
"""Characters shown of a text in the place of a number."""
_NUMBER = re.compile(r"\s*([-+−]?\d+(?:[.,]\d+)?)\s*(?:°|º|degrees?|度)?\s*([cf])?\s*$", re.IGNORECASE)
_STEPS = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0)


def level(number: float) -> str:
    """Return a word for the size of a number: the nearest of 1, 1.5, 2, 3, 5, 7 times a power of ten, such as ``about 70``."""
    if abs(number) < 1 / HUGE:
        return "about 0"
    power = 10.0 ** math.floor(math.log10(abs(number)))
    step = min(_STEPS, key=lambda s: abs(math.log(s / (abs(number) / power))))
    return f"about {math.copysign(step * power, number):g}"


def warmth(celsius: float) -> str:
    """Return cold below 10 degrees Celsius, mild below 18, warm below 26, else hot."""
    return next((word for limit, word in _WARMTH if celsius < limit), "hot")


@lru_cache(maxsize=4096)
def _key(name: str) -> str:
    plain = re.sub(r"[\s\-]+", "_", name.strip().lower())
    return NAMES.get(plain, plain if plain in KNOWN else name.strip())


def _words(text: str) -> str:
    return " ".join(text[: 4 * LONGEST].casefold().replace("_", " ").split())[:LONGEST]


def _number(name: str, value: Scalar) -> Scalar | None:
    """Read a number where one belongs, text such as '20 °C' included; None for what is out of range, text where it is none."""
    if isinstance(value, str):
        found = _NUMBER.match(value)
        if found is None or len(value) > LONGEST:
            return _words(value)
        value = float(found[1].replace(",", ".").replace("−", "-"))
        if name == "temperature" and (found[2] or "").lower() == "f":
            value = (value - 32) / 1.8
    if isinstance(value, bool):
        return None
    if not _in_range(name, value):
        return None
    return int(value) if name in COUNTED else float(value)


def _in_range(name: str, value: float) -> bool:
    low, high = _RANGES[name]
    return low <= value < high or (value == high and name not in COUNTED)


def _of_text(name: str, text: str) -> Scalar:
    if name in ("time_zone", "holiday"):
        return text.strip()[:LONGEST]
    words = _words(text)
    if name == "weekend":
        return _WEEKEND.get(words, words)
    if name in ("is_holiday", "holiday_eve"):
        return _YES.get(words, words)
    if name == "country" and len(words) == 2:
        return words.upper()
    return VALUES.get(name, {}).get(words, words)


def _one(name: str, value: Scalar) -> tuple[str, Scalar] | None:
    """Return a signal under its known name and value; None for one that says nothing."""
    if isinstance(value, (int, float)) and not abs(value) < HUGE:
        return None if isinstance(value, float) and math.isnan(value) else (f"{_key(name)}_level", "huge")
    if not _says(value):
        return None
    key = _key(name)
    if isinstance(value, str) and key in ("weekday", "weekend", "day", "time") and (day := _day(_words(value))) is not None:
        return day
    if key in _RANGES:
        read = _number(key, value)
        if isinstance(read, str):
            return _elsewhere(key, read)
        return None if read is None else (key, read)
    if key == "weekend" and isinstance(value, (int, float)) and value in (0, 1):
        return key, bool(value)
    return key, _of_text(key, value) if isinstance(value, str) else value


def _day(words: str) -> tuple[str, Scalar] | None:
    """Read a kind of day or a weekday, whichever of the day's names it came under."""
    if words in _DAY_KINDS:
        return "weekend", _DAY_KINDS[words]
    day = VALUES["weekday"].get(words, words)
    return ("weekday", day) if day in _WEEKDAYS else None


def _elsewhere(key: str, words: str) -> tuple[str, Scalar] | None:
    """Return where a word belongs that stands in the place of a number: a hot temperature, an hour called morning."""
    if key == "temperature":
        return "temperature_level", words
    return ("month_name", words) if key == "month" else None


def _levels(signals: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return words for numbers that no two moments share."""
    out: dict[str, Scalar] = {}
    for name, value in signals.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or name in ("latitude", "longitude", "hour", "month"):
            continue
        if name == "temperature":
            out["temperature_level"] = warmth(float(value))
        elif isinstance(value, float) or abs(value) > WHOLE:
            out[f"{name}_level"] = level(float(value))
    latitude, longitude = signals.get("latitude"), signals.get("longitude")
    if isinstance(latitude, float) and isinstance(longitude, float):
        out["area"] = f"{latitude:.1f},{longitude:.1f}"
    return out


def normalised(signals: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return signals under known names and spellings, with the words of numbers, and without those that say nothing.

    Where two names mean one signal, the one that carries the known name counts.

    Examples
    --------
    >>> normalised({"Weather": "Rainy", "companion": "with friends", "road type": "Highway", "mood": "unknown"})
    {'weather': 'rain', 'company': 'friends', 'road type': 'highway'}
    >>> normalised({"temperature": 3})
    {'temperature': 3.0, 'temperature_level': 'cold'}
    """
    out: dict[str, Scalar] = {}
    exact: set[str] = set()
    for name, value in signals.items():
        found = _one(name, value)
        if found is None:
            continue
        key, kept = found
        if isinstance(kept, str) and kept.casefold() in MISSING:
            # "_" and "-none-" say nothing either, which shows only now.
            continue
        if key not in out or (name == key and key not in exact):
            out[key] = kept
            if name == key:
                exact.add(key)
    for name, word in _levels(out).items():
        out.setdefault(name, word)
    return out


def unusable(signals: Mapping[str, Scalar]) -> list[str]:
    """Return those signals, in words, that are left out as a number of their kind cannot be what they say.

    Examples
    --------
    >>> unusable({"latitude": 131.2, "lng": "north", "hour": 7, "temperature": "unknown", "month": 13})
    ['latitude 131.2 (-90 to 90)', "lng 'north' (-180 to 180)", 'month 13 (1 to 12)']
    """
    out = []
    for name, value in signals.items():
        key = _key(name)
        if key not in _RANGES or (not isinstance(value, (bool, str)) and _in_range(key, value)):
            # Most signals by far, and this is asked for each event.
            continue
        if _says(value) and _one(name, value) is None:
            low, high = _RANGES[key]
            said = repr(shortened(value, SHOWN)) if isinstance(value, str) else str(value)
            out.append(f"{name} {said} ({low:g} to {high - (key in COUNTED):g})")
    return out


def _says(value: Scalar) -> bool:
    """Whether a value says anything, right or wrong."""
    if isinstance(value, str):
        return value[: 2 * LONGEST].strip().casefold() not in MISSING
    return not (isinstance(value, float) and math.isnan(value))


def as_written(signals: Mapping[str, Scalar], known: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return those text values of `known`, the same signals normalised, that differ by case alone, as they were written."""
    out: dict[str, Scalar] = {}
    for name, value in signals.items():
        key = _key(name)
        if isinstance(value, str) and known.get(key) == _words(value):
            out[key] = " ".join(value[: 2 * LONGEST].split())[:LONGEST]
    return out
