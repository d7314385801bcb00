"""Signals: known names get one spelling of each value, any other signal passes as it is."""

from __future__ import annotations

import math
from collections.abc import Mapping

from occasion.data import Scalar

__all__ = ["SYNONYMS", "normalised", "usable"]

SYNONYMS: Mapping[str, Mapping[str, str]] = {
    "weather": {
        "rainy": "rain", "raining": "rain", "drizzle": "rain", "snowy": "snow", "snowing": "snow", "clear": "sunny",
        "sun": "sunny", "overcast": "cloudy", "clouds": "cloudy", "foggy": "fog", "stormy": "storm", "thunderstorm": "storm",
        "晴": "sunny", "晴天": "sunny", "多云": "cloudy", "雨": "rain", "下雨": "rain", "雪": "snow", "下雪": "snow",
    },
    "company": {
        "single": "alone", "solo": "alone", "myself": "alone", "friend": "friends", "with friends": "friends",
        "kids": "family", "children": "family", "with family": "family", "spouse": "partner", "wife": "partner",
        "husband": "partner", "独自": "alone", "朋友": "friends", "家人": "family",
    },
    "place": {"at home": "home", "house": "home", "office": "work", "at work": "work", "家": "home", "家里": "home"},
}  # fmt: skip
"""Signal name to other spellings, lower case, and the one that is kept."""

_NOTHING = {"", "unknown", "nan", "none", "null", "n/a"}
_LONGEST = 200


def usable(value: Scalar) -> bool:
    """Return whether a value can be counted: text, true or false, or a whole number."""
    return not isinstance(value, float) or value.is_integer()


def normalised(signals: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return signals with known spellings unified, and without those that say nothing.

    A temperature (degrees Celsius) also gives ``warmth``: freezing below 0, cold below 10, mild below 20, warm below 28, else hot.
    """
    out: dict[str, Scalar] = {}
    for name, value in signals.items():
        if isinstance(value, str):
            text = value.strip()[:_LONGEST]
            if text.lower() in _NOTHING:
                continue
            out[name] = SYNONYMS.get(name, {}).get(text.lower(), text)
        elif not (isinstance(value, float) and math.isnan(value)):
            out[name] = value
    degrees = out.get("temperature")
    if isinstance(degrees, (int, float)) and not isinstance(degrees, bool):
        steps = ((0, "freezing"), (10, "cold"), (20, "mild"), (28, "warm"))
        out.setdefault("warmth", next((word for limit, word in steps if degrees < limit), "hot"))
    return out
