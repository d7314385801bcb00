"""Weather: the current weather from a service of Open-Meteo's shape; off unless an address is set, and never in the way.

The place is rounded to a tenth of a degree (11 km) before it leaves the machine. An answer is kept for the place until the
hour is over. Waiting ends after the timeout whatever the service does, slow connections and endless answers included; what
comes too late still fills the cache. After three failures in a row the service is left alone, first for a minute, then for
twice as long each time, for a quarter of an hour at most; one request then tries again.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from occasion.context.signals import warmth
from occasion.data import Context, Scalar
from occasion.errors import SettingsError
from occasion.settings import Settings

__all__ = ["WeatherProvider", "weather_of_code"]

CURRENT = 3600.0
"""A request is about now if its time lies within this many seconds of the clock."""
LATE = 2.0
"""An answer that comes up to this many timeouts after the question is kept for the next request."""
FAILURES = 3
REST, LONGEST_REST = 60.0, 900.0
"""Seconds of silence after `FAILURES` failures in a row, and at most."""
MAX_CACHED = 10_000
MAX_RUNNING = 8
"""Questions under way at once; more get no answer."""
MAX_ANSWER = 65_536
"""Bytes of an answer."""

_Place = tuple[float, float]


def weather_of_code(code: int) -> str | None:
    """Return the word for a WMO code as Open-Meteo uses them, 0 to 99; None for one that is not in the table."""
    if code in (0, 1):
        return "sunny"
    if code in (2, 3):
        return "cloudy"
    if code in (45, 48):
        return "fog"
    if 71 <= code <= 77 or code in (85, 86):
        return "snow"
    if 51 <= code <= 67 or 80 <= code <= 82:
        return "rain"
    return "storm" if 95 <= code <= 99 else None


class WeatherProvider:
    """weather, temperature (degrees Celsius) and temperature_level at latitude and longitude, for requests about now.

    A slow, failing or odd service gives no signals, and so does a past time, as its weather is not known.

    Raises
    ------
    SettingsError
        Where `weather_url` is no http address.
    """

    name = "weather"

    def __init__(self, settings: Settings) -> None:
        import httpx

        try:
            urlsplit(settings.weather_url)
            address = httpx.URL(settings.weather_url)
        except (httpx.InvalidURL, ValueError):
            address = httpx.URL("")
        if address.scheme not in ("http", "https") or not address.host:
            raise SettingsError(f"weather_url is {settings.weather_url!r}. Cure: an address that begins with https://.")
        self._url, self._timeout = address, settings.weather_timeout
        # One client for all questions: making one reads certificates, which takes longer than asking.
        self._client = httpx.Client(timeout=LATE * self._timeout, follow_redirects=False)
        self._lock = threading.Lock()
        self._cache: dict[_Place, tuple[int, Mapping[str, Scalar]]] = {}
        self._running: dict[_Place, threading.Event] = {}
        self._failed = 0
        self._quiet_until = 0.0

    def signals(self, context: Context) -> Mapping[str, Scalar]:
        """Return the current weather; empty where the place is unknown or the service does not answer in time."""
        place = _place(context.signals)
        now = time.time()
        if place is None or (context.at is not None and abs(context.at - now) > CURRENT):
            return {}
        with self._lock:
            kept = self._kept(place)
            if kept is not None or time.monotonic() < self._quiet_until:
                return kept or {}
            done = self._started(place)
        if done is not None:
            done.wait(self._timeout)
        with self._lock:
            return self._kept(place) or {}

    def _kept(self, place: _Place) -> Mapping[str, Scalar] | None:
        hour, found = self._cache.get(place, (-1, {}))
        return found if hour == int(time.time() // 3600) else None

    def _started(self, place: _Place) -> threading.Event | None:
        """Return what to wait for: one question a place, whoever asks; None where too many are under way."""
        done = self._running.get(place)
        if done is None and len(self._running) < MAX_RUNNING:
            done = self._running[place] = threading.Event()
            if self._failed >= FAILURES:  # the one that tries again; the others stay quiet until it is back
                self._quiet_until = time.monotonic() + self._rest()
            threading.Thread(target=self._ask, args=(place, done), name="weather", daemon=True).start()
        return done

    def _rest(self) -> float:
        return min(REST * 2.0 ** max(0, self._failed - FAILURES), LONGEST_REST)

    def _ask(self, place: _Place, done: threading.Event) -> None:
        try:
            found = self._answer(place)
        except Exception:  # an answer that breaks anything is a failed one
            found = None
        with self._lock:
            if found is None:
                self._failed += 1
                if self._failed >= FAILURES:
                    self._quiet_until = time.monotonic() + self._rest()
            else:
                self._failed, self._quiet_until = 0, 0.0
                if len(self._cache) >= MAX_CACHED:
                    self._cache.clear()
                self._cache[place] = (int(time.time() // 3600), found)
            del self._running[place]
        done.set()

    def _answer(self, place: _Place) -> dict[str, Scalar] | None:
        """Ask; None where the whole answer is not there within `LATE` timeouts."""
        query: dict[str, Any] = {"latitude": place[0], "longitude": place[1], "current": "temperature_2m,weather_code"}
        end = time.monotonic() + LATE * self._timeout
        url = self._url.copy_merge_params(query)
        with self._client.stream("GET", url) as answer:
            answer.raise_for_status()
            body = b""
            for part in answer.iter_bytes():
                body += part
                if len(body) > MAX_ANSWER or time.monotonic() > end:
                    return None
        return _read(json.loads(body))


def _place(signals: Mapping[str, Scalar]) -> _Place | None:
    """Return the rounded place; adding 0 makes -0.0 the same place as 0.0."""
    latitude, longitude = signals.get("latitude"), signals.get("longitude")
    if isinstance(latitude, (str, bool)) or isinstance(longitude, (str, bool)) or latitude is None or longitude is None:
        return None
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        return None
    return round(float(latitude), 1) + 0.0, round(float(longitude), 1) + 0.0


def _read(answer: Any) -> dict[str, Scalar] | None:
    """Return the signals of an answer, None where it has no usable ``current``."""
    current = answer.get("current") if isinstance(answer, dict) else None
    if not isinstance(current, dict):
        return None
    out: dict[str, Scalar] = {}
    code, degrees = current.get("weather_code"), current.get("temperature_2m")
    if isinstance(code, (int, float)) and not isinstance(code, bool) and math.isfinite(code):
        word = weather_of_code(int(code))
        if word is not None:
            out["weather"] = word
    if isinstance(degrees, (int, float)) and not isinstance(degrees, bool) and -90 <= degrees <= 60:
        out |= {"temperature": float(degrees), "temperature_level": warmth(float(degrees))}
    return out or None
