"""Clock: part of day, weekday, weekend, month and season from the time of a request and a time zone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from occasion.data import Context, Scalar
from occasion.settings import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PARTS_OF_DAY", "SEASONS", "WEEKDAYS", "ClockProvider", "clock_codes"]

PARTS_OF_DAY = ("night", "morning", "midday", "afternoon", "evening")
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SEASONS = ("winter", "spring", "summer", "autumn")
_PART_OF_HOUR = np.array([0] * 5 + [1] * 6 + [2] * 3 + [3] * 4 + [4] * 5 + [0], np.int32)
"""Hours 5-10 morning, 11-13 midday, 14-17 afternoon, 18-22 evening, else night."""
_SOUTHERN = frozenset("AR AU BO BR BW CL FJ LS MG MU MW MZ NA NZ PE PG PY RE SZ TL UY ZA ZM ZW".split())
_FRIDAY_SATURDAY = frozenset("AF BH DZ EG IQ JO KW LY OM QA SA SD SY YE".split())
_WEEKEND = {True: np.array([0, 0, 0, 0, 1, 1, 0]), False: np.array([0, 0, 0, 0, 0, 1, 1])}
QUARTER = 900


def clock_codes(
    at: NDArray[np.float64], time_zone: str, country: str = ""
) -> dict[str, tuple[NDArray[np.int32], tuple[Scalar, ...]]]:
    """Return the clock's signals of many times: name to (codes (n,), values); -1 where the time is NaN.

    Distinct quarters of an hour are looked up in the zone once: offsets change on quarters only, so that millions of
    events cost little and still follow daylight saving.
    """
    known = np.isfinite(at)
    quarter = np.where(known, at, 0) // QUARTER
    distinct, place = np.unique(quarter, return_inverse=True)
    zone = ZoneInfo(time_zone)
    epoch = datetime(1970, 1, 1, tzinfo=ZoneInfo("UTC"))
    rows = np.array([_fields((epoch + timedelta(seconds=float(q) * QUARTER)).astimezone(zone)) for q in distinct], np.int32)
    rows = rows.reshape(-1, 3)
    hour, weekday, month = rows[place, 0], rows[place, 1], rows[place, 2]
    shift = 6 if country in _SOUTHERN else 0
    season = ((month + shift) % 12) // 3  # December to February are 0 in the north
    weekend = _WEEKEND[country in _FRIDAY_SATURDAY][weekday]
    codes = {
        "part_of_day": (_PART_OF_HOUR[hour], PARTS_OF_DAY),
        "weekday": (weekday, WEEKDAYS),
        "weekend": (weekend, (False, True)),
        "season": (season, SEASONS),
    }
    return {name: (np.where(known, code, -1).astype(np.int32), tuple(values)) for name, (code, values) in codes.items()}


def _fields(local: datetime) -> tuple[int, int, int]:
    return local.hour, local.weekday(), local.month


class ClockProvider:
    """part_of_day, weekday, weekend and season of the request's time; nothing where no time is known.

    The zone and the country are the request's, else the settings'. An unknown zone at a request falls back to the settings'.
    """

    name = "clock"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def signals(self, context: Context) -> Mapping[str, Scalar]:
        """Return the derived signals."""
        if context.at is None:
            return {}
        zone = context.time_zone or self.settings.time_zone
        country = (context.country or self.settings.country).upper()
        at = np.array([context.at])
        try:
            codes = clock_codes(at, zone, country)
        except (KeyError, ValueError, OSError):
            codes = clock_codes(at, self.settings.time_zone, country)
        return {name: values[int(code[0])] for name, (code, values) in codes.items()}
