"""Parameters: the small languages of the command line: ``name=value`` pairs, times, addresses."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from occasion.data import Scalar
from occasion.errors import DataError

__all__ = ["WEEKDAYS", "megabytes", "named_values", "scalar", "seconds", "unix_time", "without_password"]

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SECRET = re.compile(r"([?&#][^=&#]*(?:key|token|secret|pass|pwd|auth|sig|appid|credential)[^=&#]*=)[^&#]*", re.IGNORECASE)
_DAYTIME = re.compile(r"(?:(?P<day>[a-z]+)\s+)?(?P<hour>\d{1,2}):(?P<minute>\d{2})", re.IGNORECASE)


def scalar(text: str) -> Scalar:
    """Return a value as true, false, a number, or else the text itself; ``"7"`` in double quotes stays a text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, (str, bool, int, float)) else text


def seconds(text: str, option: str) -> float:
    """Return a time span in seconds: a number, or one with s, m or h behind it.

    Raises
    ------
    DataError
        For anything else, naming the option.
    """
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    plain = text.strip().lower()
    number, unit = (plain[:-1], plain[-1]) if plain[-1:] in units else (plain, "s")
    try:
        return float(number) * units[unit]
    except ValueError:
        raise DataError(f"{option} is {text!r}. Cure: seconds, or a number with s, m or h, for example 5m.") from None


def megabytes(text: str, option: str) -> float:
    """Return a size in megabytes: a number, or one with m or g behind it.

    Raises
    ------
    DataError
        For anything else, naming the option.
    """
    units = {"m": 1.0, "g": 1024.0}
    number, unit = (text[:-1], text[-1].lower()) if text[-1:].lower() in units else (text, "m")
    try:
        return float(number) * units[unit]
    except ValueError:
        raise DataError(f"{option} is {text!r}. Cure: megabytes, or a number with m or g, for example 4g.") from None


def named_values(pairs: Sequence[str], option: str, example: str = "weather=rain") -> dict[str, Scalar]:
    """Return ``name=value`` pairs as a mapping; a name given twice takes its last value.

    Raises
    ------
    DataError
        For a pair without a name or without ``=``, naming the option and the example.
    """
    out: dict[str, Scalar] = {}
    for pair in pairs:
        name, found, value = pair.partition("=")
        if not found or not name.strip():
            raise DataError(f"{option} is {pair!r}. Cure: for example {option} {example}.")
        out[name.strip()] = scalar(value.strip())
    return out


def unix_time(text: str | None, zone: str, *, base: float | None = None, past: bool = False) -> float | None:
    """Return a time as unix seconds.

    Parameters
    ----------
    text : str or None
        Unix seconds; an ISO 8601 date or time; ``HH:MM``; a weekday and ``HH:MM``; ``now``. None and an empty text: None.
    zone : str
        IANA zone of times that name none.
    base : float, optional
        Unix seconds from which ``HH:MM`` and weekdays count: today there, or the next such day. Default: now.
    past : bool
        The time lies behind: ``HH:MM`` and weekdays are the last such time before `base`.

    Raises
    ------
    DataError
        For any other text.
    """
    given = (text or "").strip()
    if not given:
        return None
    if given.lower() == "now":
        return time.time()
    try:
        return float(given)
    except ValueError:
        pass
    here = ZoneInfo(zone)
    daytime = _DAYTIME.fullmatch(given)
    if daytime:
        return _daytime(daytime, given, here, time.time() if base is None else base, past)
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        raise _no_time(given) from None
    return (found if found.tzinfo else found.replace(tzinfo=here)).timestamp()


def _daytime(match: re.Match[str], given: str, zone: ZoneInfo, base: float, past: bool) -> float:
    today = datetime.fromtimestamp(base, zone)
    ahead = 0
    if match["day"]:
        days = [n for n, day in enumerate(WEEKDAYS) if day.startswith(match["day"].lower()) and len(match["day"]) >= 3]
        if len(days) != 1:
            raise _no_time(given)
        ahead = (days[0] - today.weekday()) % 7
    try:
        at = (today + timedelta(days=ahead)).replace(hour=int(match["hour"]), minute=int(match["minute"]), second=0, microsecond=0)
    except ValueError:
        raise _no_time(given) from None
    if past and at > today:
        at -= timedelta(days=7 if match["day"] else 1)
    return at.timestamp()


def _no_time(given: str) -> DataError:
    return DataError(
        f"the time {given!r} cannot be understood. Cure: 2026-11-27T19:30, 'friday 19:30', 19:30, unix seconds, or now."
    )


def without_password(url: str) -> str:
    """Return an address with stars for its password, for a user that stands alone (a token), and for secrets of its query."""
    url = re.sub(r"(://[^:/@?#]+):[^@/?#]*@", r"\1:***@", url)
    url = re.sub(r"://[^:/@?#]+@", "://***@", url)
    return _SECRET.sub(r"\1***", url)
