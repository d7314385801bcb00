"""Clock: part of day, hour, weekday, weekend, month and season, from a time and a place.

Two readings that agree: one for a request, one for the columns of a log. Hours are local, daylight saving included.

=============  ======  ==============================
part of day    hours   signal ``part_of_day``
=============  ======  ==============================
night          22-4    the people awake are few
early morning  5-7     getting up, the way to work
morning        8-10
midday         11-13
afternoon      14-17
evening        18-21
=============  ======  ==============================

Seasons are the meteorological ones (whole months from March 1), turned round in the south, none in the tropics. The
weekend is Saturday and Sunday, or what the country keeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from occasion.context.whereabouts import Hemisphere, Whereabouts, hemisphere, known_zone
from occasion.data import Context, Scalar
from occasion.settings import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Codes = NDArray[np.int32]
    Times = NDArray[np.float64]

__all__ = [
    "CLOCK_VALUES",
    "MONTHS",
    "PARTS_OF_DAY",
    "SEASONS",
    "WEEKDAYS",
    "ClockProvider",
    "clock_signals",
    "local_days",
    "part_of_day",
    "season",
    "weekend_of",
]

PARTS_OF_DAY = ("night", "early morning", "morning", "midday", "afternoon", "evening")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
SEASONS = ("winter", "spring", "summer", "autumn")
MONTHS = tuple(range(1, 13))
CLOCK_VALUES: Mapping[str, tuple[Scalar, ...]] = {
    "part_of_day": PARTS_OF_DAY,
    "hour": tuple(range(24)),
    "weekday": WEEKDAYS,
    "weekend": (False, True),
    "month": MONTHS,
    "season": SEASONS,
}
"""Signal name to its values; a code is a place in them."""

DAY = 86_400
_EARLIEST, _LATEST = -2_208_988_800.0, 16_725_225_600.0
"""Years 1900 to 2500; times outside of them count as unknown."""
_PART = np.array([0] * 5 + [1] * 3 + [2] * 3 + [3] * 3 + [4] * 4 + [5] * 4 + [0] * 2, np.int32)  # (24,)
_SEASON: Mapping[Hemisphere, tuple[int, ...]] = {
    "north": tuple(m % 12 // 3 for m in MONTHS),
    "south": tuple((m + 6) % 12 // 3 for m in MONTHS),
    "tropics": (-1,) * 12,
}
_FRIDAY_SATURDAY = frozenset("AF BD BH DJ DZ EG IL IQ JO KW MR MV OM QA SA SD SY YE".split())
_OTHER_WEEKENDS = {"IR": frozenset({4}), "BN": frozenset({4, 6})}
_USUAL_WEEKEND, _EARLY_WEEKEND = frozenset({5, 6}), frozenset({4, 5})


def part_of_day(hour: int) -> str:
    """Return the part of day of a local hour, 0 to 23."""
    return PARTS_OF_DAY[_PART[hour]]


def season(month: int, where: Hemisphere) -> str | None:
    """Return the season of a month, 1 to 12; None in the tropics."""
    code = _SEASON[where][month - 1]
    return SEASONS[code] if code >= 0 else None


def weekend_of(country: str) -> frozenset[int]:
    """Return the free weekdays of a country (Monday is 0)."""
    if country in _OTHER_WEEKENDS:
        return _OTHER_WEEKENDS[country]
    return _EARLY_WEEKEND if country in _FRIDAY_SATURDAY else _USUAL_WEEKEND


BLOCK = 400 * DAY


def _offset(at: int, zone: ZoneInfo) -> int:
    return round(datetime.fromtimestamp(at, UTC).astimezone(zone).utcoffset().total_seconds())  # type: ignore[union-attr]  # a zone has one


def _change(low: int, high: int, zone: ZoneInfo) -> int:
    """Return the first second in (low, high] with another offset than `low`."""
    before = _offset(low, zone)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset(middle, zone) == before else (low, middle)
    return high


@lru_cache(maxsize=4096)
def _block(time_zone: str, block: int) -> tuple[tuple[int, int], ...]:
    """Return (from when, offset) within 400 days, the first at their start. No zone changes twice within a day."""
    zone = ZoneInfo(time_zone)
    start = block * BLOCK
    at, offset = start, _offset(start, zone)
    found = [(at, offset)]
    while at < start + BLOCK:
        if _offset(at + DAY, zone) != offset:
            place = _change(at, at + DAY, zone)
            offset = _offset(place, zone)
            if place < start + BLOCK:
                found.append((place, offset))
        at += DAY
    return tuple(found)


def _local(at: Times, time_zone: str) -> NDArray[np.int64]:
    """Return local seconds (n,) of times that are all known."""
    seconds = np.floor(at).astype(np.int64)
    if not len(seconds):
        return seconds
    since, offset = _steps(time_zone, int(seconds.min()) // BLOCK, int(seconds.max()) // BLOCK)
    return np.asarray(seconds + offset[np.searchsorted(since, seconds, "right") - 1], np.int64)


@lru_cache(maxsize=1024)
def _steps(time_zone: str, first: int, last: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return from when on, and the offset from then on, of all steps in blocks `first` to `last` (c,)."""
    steps = np.array([step for block in range(first, last + 1) for step in _block(time_zone, block)], np.int64)
    return np.ascontiguousarray(steps[:, 0]), np.ascontiguousarray(steps[:, 1])


def _known(at: Times) -> NDArray[np.bool_]:
    return (at >= _EARLIEST) & (at <= _LATEST)


def local_days(at: Times, time_zone: str) -> NDArray[np.int64]:
    """Return local days since 1970-01-01 (n,); the least int64 where the time is unknown."""
    known = _known(at)
    out = np.full(len(at), np.iinfo(np.int64).min)
    out[known] = _local(at[known], time_zone) // DAY
    return out


def clock_signals(at: Times, time_zone: str, country: str = "", where: Hemisphere | None = None) -> dict[str, Codes]:
    """Return the clock's signals of many times as codes into `CLOCK_VALUES`.

    Parameters
    ----------
    at : (n,) float64
        Unix seconds. NaN, and what lies outside the years 1900 to 2500, is unknown: code -1.
    time_zone : str
        IANA name.
    country : str
        ISO 3166 code; says which days are the weekend.
    where : north, south or tropics, optional
        Says the season; default: by country, else by zone. In the tropics its code is -1.

    Returns
    -------
    dict of str to (n,) int32
        One entry a name of `CLOCK_VALUES`.
    """
    known = _known(at)
    if not known.all():
        part = clock_signals(at[known], time_zone, country, where)
        out = {name: np.full(len(at), -1, np.int32) for name in part}
        for name, codes in part.items():
            out[name][known] = codes
        return out
    hours = _local(at, time_zone) // 3600
    days = hours // 24
    hour, weekday = (hours % 24).astype(np.int32), ((days + 3) % 7).astype(np.int32)
    month = _months(days)
    free = _free(country)
    year = np.array(_SEASON[where or hemisphere(time_zone, country)], np.int32)
    return {
        "part_of_day": _PART[hour],
        "hour": hour,
        "weekday": weekday,
        "weekend": free[weekday],
        "month": month,
        "season": year[month],
    }


@lru_cache(maxsize=1024)
def _free(country: str) -> Codes:
    """Return which of seven weekdays are the weekend, as 0 and 1."""
    return np.isin(np.arange(7), list(weekend_of(country))).astype(np.int32)


def _months(days: NDArray[np.int64]) -> Codes:
    """Return months (n,), January is 0, of days since 1970; through a table, as the calendar's arithmetic is slow."""
    first, table = _month_table()
    return np.asarray(table[days - first], np.int32)


@lru_cache(maxsize=1)
def _month_table() -> tuple[int, NDArray[np.int8]]:
    """Return the first day and the months of all days of the times that are known, some more at both ends for the zones."""
    first, last = int(_EARLIEST // DAY) - 2, int(_LATEST // DAY) + 2
    months = np.arange(first, last + 1).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12
    return first, months.astype(np.int8)


class ClockProvider:
    """part_of_day, hour, weekday, weekend, month and season of a request's time; nothing where no time is known.

    The zone and the country are the request's, else the settings'. A zone that does not exist counts as not given.
    """

    name = "clock"
    values = CLOCK_VALUES

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def signals(self, context: Context) -> Mapping[str, Scalar]:
        """Return the derived signals."""
        if context.at is None or not _EARLIEST <= context.at <= _LATEST:
            return {}
        zone = context.time_zone if context.time_zone and known_zone(context.time_zone) else self.settings.time_zone
        country = (context.country or self.settings.country).upper()
        where = hemisphere(zone, country, context.signals.get("latitude"))
        local = datetime.fromtimestamp(context.at // 1, ZoneInfo(zone))
        out: dict[str, Scalar] = {
            "part_of_day": part_of_day(local.hour),
            "hour": local.hour,
            "weekday": WEEKDAYS[local.weekday()],
            "weekend": local.weekday() in weekend_of(country),
            "month": local.month,
        }
        name = season(local.month, where)
        return out | {"season": name} if name is not None else out

    def codes(self, at: Times, where: Whereabouts) -> dict[str, tuple[Codes, tuple[Scalar, ...]]]:
        """Return the same of many times (n,) in one place: name to (codes (n,), values)."""
        found = clock_signals(at, where.time_zone, where.country, where.hemisphere)
        return {name: (codes, CLOCK_VALUES[name]) for name, codes in found.items()}
