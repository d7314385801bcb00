"""Calendar: public holidays by country, from the ``holidays`` package."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from occasion.data import Context, Scalar
from occasion.settings import Settings

__all__ = ["CalendarProvider"]


@lru_cache(maxsize=256)
def _year(country: str, year: int) -> Mapping[date, str]:
    import holidays

    try:
        found: Any = holidays.country_holidays(country, years=year)
    except NotImplementedError:
        return {}
    return dict(found.items())


class CalendarProvider:
    """holiday (its name) on a public holiday, holiday_tomorrow on the day before one. An unknown country says nothing."""

    name = "calendar"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def signals(self, context: Context) -> Mapping[str, Scalar]:
        """Return the derived signals."""
        country = (context.country or self.settings.country).upper()
        if context.at is None or not country:
            return {}
        try:
            zone = ZoneInfo(context.time_zone or self.settings.time_zone)
        except (KeyError, ValueError, OSError):
            zone = ZoneInfo(self.settings.time_zone)
        day = datetime.fromtimestamp(context.at, zone).date()
        out: dict[str, Scalar] = {}
        if day in (today := _year(country, day.year)):
            out["holiday"] = today[day]
        tomorrow = day + timedelta(days=1)
        if tomorrow in (following := _year(country, tomorrow.year)):
            out["holiday_tomorrow"] = following[tomorrow]
        return out
