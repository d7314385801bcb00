"""Weather: the current weather from a service of Open-Meteo's shape; off unless an address is set, and never in the way."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from occasion.data import Context, Scalar
from occasion.errors import SettingsError
from occasion.settings import Settings

__all__ = ["WeatherProvider", "weather_of_code"]

CURRENT = 3600.0
"""A request is about now if its time lies within this many seconds of the clock."""
REST = 60.0
"""Seconds of silence after a failure, so that a dead service costs one timeout a minute at most."""
MAX_CACHED = 10_000


def weather_of_code(code: int) -> str:
    """Return the word for a WMO weather code (table 4677 as Open-Meteo uses it)."""
    if code <= 1:
        return "sunny"
    if code <= 3:
        return "cloudy"
    if code in (45, 48):
        return "fog"
    if 71 <= code <= 77 or code in (85, 86):
        return "snow"
    return "storm" if code >= 95 else "rain"


class WeatherProvider:
    """weather and temperature (degrees Celsius) at latitude and longitude, for requests about now.

    Answers are kept by tenth of a degree and hour. A slow, failing or odd service gives no signals.

    Raises
    ------
    SettingsError
        Where `weather_url` is no http address.
    """

    name = "weather"

    def __init__(self, settings: Settings) -> None:
        if not settings.weather_url.startswith(("http://", "https://")):
            raise SettingsError(f"weather_url is {settings.weather_url!r}. Cure: an address that begins with https://.")
        self.settings = settings
        self._cache: dict[tuple[float, float, int], Mapping[str, Scalar]] = {}
        self._quiet_until = 0.0
        self._lock = threading.Lock()

    def signals(self, context: Context) -> Mapping[str, Scalar]:
        """Return the current weather; empty where the place is unknown or the service does not answer in time."""
        latitude, longitude = context.signals.get("latitude"), context.signals.get("longitude")
        now = time.time()
        if not isinstance(latitude, (int, float)) or not isinstance(longitude, (int, float)):
            return {}
        if context.at is not None and abs(context.at - now) > CURRENT:
            return {}
        key = (round(float(latitude), 1), round(float(longitude), 1), int(now // 3600))
        with self._lock:
            if key in self._cache:
                return self._cache[key]
            if now < self._quiet_until:
                return {}
        return self._ask(key, now)

    def _ask(self, key: tuple[float, float, int], now: float) -> Mapping[str, Scalar]:
        import httpx

        query: dict[str, Any] = {"latitude": key[0], "longitude": key[1], "current": "temperature_2m,weather_code"}
        try:
            answer = httpx.get(self.settings.weather_url, params=query, timeout=self.settings.weather_timeout)
            answer.raise_for_status()
            current = answer.json()["current"]
            found: dict[str, Scalar] = {
                "weather": weather_of_code(int(current["weather_code"])),
                "temperature": float(current["temperature_2m"]),
            }
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            with self._lock:
                self._quiet_until = now + REST
            return {}
        with self._lock:
            if len(self._cache) >= MAX_CACHED:
                self._cache.clear()
            self._cache[key] = found
        return found
