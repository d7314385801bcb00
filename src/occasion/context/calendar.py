"""Calendar: public holidays by country, from the ``holidays`` package.

Signals: ``is_holiday``, and on a holiday ``holiday``, its name in English where the package has one; ``holiday_eve`` on the
day before one. A country without a calendar gives no signals at a request, and an error where it stands in the settings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np

from occasion.context.clock import local_days
from occasion.context.whereabouts import Whereabouts, known_zone
from occasion.data import Context, Scalar
from occasion.errors import DataError
from occasion.settings import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CalendarProvider", "has_calendar", "holidays_of"]

_EPOCH = date(1970, 1, 1).toordinal()
_MOVED = re.compile(r"\s*\((?:substituted|observed|estimated|in lieu|postponed|additional)[^)]*\)")
"""What the package adds to a name for one year only."""
_UNKNOWN = np.iinfo(np.int64).min


@lru_cache(maxsize=512)
def _known_countries() -> frozenset[str]:
    import holidays

    return frozenset(code for code in holidays.list_supported_countries() if len(code) == 2)


@lru_cache(maxsize=2048)
def holidays_of(country: str, year: int) -> Mapping[int, str]:
    """Return a country's public holidays: day (ordinal of `datetime.date`) to name. Empty for an unknown country."""
    import holidays

    if country not in _known_countries():
        return {}
    for language in ("en_US", None):
        try:
            found: Any = holidays.country_holidays(country, years=year, language=language)
            return {day.toordinal(): _MOVED.sub("", str(name)) for day, name in found.items() if day.year == year}
        except Exception:  # noqa: S112  # whatever a country's rules stumble over must not cost an answer
            continue
    return {}


@lru_cache(maxsize=65_536)
def _of_day(country: str, day: int) -> tuple[bool, str, bool]:
    """Return whether a day (ordinal) is a holiday, its name, and whether the next one is."""
    name = holidays_of(country, date.fromordinal(day).year).get(day, "")
    following = day + 1 in holidays_of(country, date.fromordinal(day + 1).year)
    return bool(name), name, following


@lru_cache(maxsize=2048)
def _table(country: str, year: int) -> tuple[int, NDArray[np.int32], tuple[str, ...]]:
    """Return the first day of a year since 1970, (3, days) whether it is a holiday, which, whether the next is; the names."""
    first = date(year, 1, 1).toordinal()
    rows = [_of_day(country, first + n) for n in range(366)]
    names = tuple(dict.fromkeys(name for _, name, _ in rows if name))
    table = np.array([(today, names.index(name) if name else -1, eve) for today, name, eve in rows], np.int32)
    return first - _EPOCH, np.ascontiguousarray(table.T), names


def has_calendar(country: str) -> bool:
    """Return whether the public holidays of a country are known, by its ISO 3166 code in any case."""
    return country.upper() in _known_countries()


class CalendarProvider:
    """is_holiday, holiday and holiday_eve by the country of the request, else of the settings.

    Raises
    ------
    DataError
        Where the settings name a country without a calendar.
    """

    name = "calendar"
    values: Mapping[str, tuple[Scalar, ...]] = {"is_holiday": (False, True), "holiday": (), "holiday_eve": (False, True)}

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        country = settings.country.upper()
        if country and not has_calendar(country):
            near = ", ".join(sorted(c for c in _known_countries() if c[0] == country[0])[:12]) or "DE, US, CN"
            raise DataError(f"country is {settings.country!r}, which has no calendar. Cure: an ISO 3166 code such as {near}.")

    def signals(self, context: Context) -> Mapping[str, Scalar]:
        """Return the derived signals; empty without a time or a country."""
        country = (context.country or self.settings.country).upper()
        if context.at is None or not country or country not in _known_countries():
            return {}
        zone = context.time_zone if context.time_zone and known_zone(context.time_zone) else self.settings.time_zone
        today, name, tomorrow = _of_day(country, datetime.fromtimestamp(context.at // 1, ZoneInfo(zone)).toordinal())
        out: dict[str, Scalar] = {"is_holiday": today, "holiday_eve": tomorrow}
        return out | {"holiday": name} if today else out

    def codes(self, at: NDArray[np.float64], where: Whereabouts) -> dict[str, tuple[NDArray[np.int32], tuple[Scalar, ...]]]:
        """Return the same of many times (n,) in one place: name to (codes (n,), values)."""
        if not where.country or where.country not in _known_countries():
            return {}
        days = local_days(at, where.time_zone)
        known = days != _UNKNOWN
        codes = np.full((3, len(at)), -1, np.int32)
        years = np.where(known, days, 0).astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64)
        names: dict[str, int] = {}
        for year in np.unique(years[known]).tolist():
            rows = np.flatnonzero(known & (years == year))
            first, table, called = _table(where.country, year + 1970)
            picked = table[:, days[rows] - first]
            mine = np.array([*(names.setdefault(name, len(names)) for name in called), -1], np.int32)
            codes[:, rows] = picked[0], mine[picked[1]], picked[2]
        return {name: (codes[n], self.values[name] or tuple(names)) for n, name in enumerate(self.values)}
