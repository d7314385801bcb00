"""Context: the clock of one request and of a million events agree, sentences say what is known, weather never blocks."""

import http.server
import json
import threading
import time
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occasion.context import ContextExtractor
from occasion.context.clock import PARTS_OF_DAY, WEEKDAYS, clock_codes
from occasion.context.sentence import sentence
from occasion.context.signals import normalised
from occasion.context.weather import WeatherProvider, weather_of_code
from occasion.data import Context
from occasion.errors import SettingsError
from occasion.protocols import EventColumns, StoredContext
from occasion.settings import Settings

zones = st.sampled_from(["UTC", "Europe/Berlin", "Asia/Shanghai", "Asia/Kathmandu", "America/New_York", "Australia/Lord_Howe"])


def at(zone, *fields):
    return datetime(*fields, tzinfo=ZoneInfo(zone)).timestamp()


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(10**8, 4 * 10**9), min_size=1, max_size=20), zones)
def test_many_times_at_once_read_as_each_alone(times, zone):
    codes = clock_codes(np.array(times, np.float64), zone)
    for n, t in enumerate(times):
        local = datetime.fromtimestamp(t, ZoneInfo(zone))
        assert codes["weekday"][1][codes["weekday"][0][n]] == WEEKDAYS[local.weekday()]
        part = PARTS_OF_DAY[codes["part_of_day"][0][n]]
        hours = {"morning": range(5, 11), "midday": range(11, 14), "afternoon": range(14, 18), "evening": range(18, 23)}
        assert (local.hour in hours[part]) if part in hours else local.hour in (23, 0, 1, 2, 3, 4)


def test_the_hour_that_daylight_saving_skips():
    extractor = ContextExtractor(Settings())
    before, after = at("Europe/Berlin", 2026, 3, 29, 4, 30), at("Europe/Berlin", 2026, 3, 29, 5, 30)
    parts = [extractor.extract(Context(at=t, time_zone="Europe/Berlin")).signals["part_of_day"] for t in (before, after)]
    assert parts == ["night", "morning"]


def test_seasons_turn_with_the_hemisphere_and_weekends_with_the_country():
    friday = at("UTC", 2026, 7, 3, 12)
    extractor = ContextExtractor(Settings())
    signals = {c: extractor.extract(Context(at=friday, country=c)).signals for c in ("DE", "AU", "EG")}
    assert [signals[c]["season"] for c in ("DE", "AU", "EG")] == ["summer", "winter", "summer"]
    assert [signals[c]["weekend"] for c in ("DE", "AU", "EG")] == [False, False, True]


def test_public_holidays_by_country():
    extractor = ContextExtractor(Settings(time_zone="Europe/Berlin"))
    unity_day = at("Europe/Berlin", 2026, 10, 3, 12)
    assert extractor.extract(Context(at=unity_day, country="DE")).signals["holiday"]
    assert "holiday" not in extractor.extract(Context(at=unity_day, country="FR")).signals
    assert "holiday_tomorrow" in extractor.extract(Context(at=unity_day - 86400, country="DE")).signals
    assert "holiday" not in extractor.extract(Context(at=unity_day, country="Atlantis")).signals


def test_given_signals_win_over_derived_ones():
    found = ContextExtractor(Settings()).extract(Context(at=at("UTC", 2026, 7, 3, 12), signals={"part_of_day": "night"}))
    assert found.signals["part_of_day"] == "night"


def test_an_unknown_zone_at_a_request_falls_back():
    assert ContextExtractor(Settings()).extract(Context(at=1.7e9, time_zone="Mars/Base")).signals["weekday"]


def test_positions_are_no_times():
    assert not ContextExtractor(Settings()).extract(Context(at=12.0)).signals


def test_spellings_are_unified_and_nothing_is_dropped_but_nothing():
    found = normalised(
        {"weather": " Rainy", "company": "with friends", "mood": "unknown", "x": float("nan"), "road type": "highway"}
    )
    assert found == {"weather": "rain", "company": "friends", "road type": "highway"}
    assert normalised({"temperature": -3.5})["warmth"] == "freezing"


def test_sentences_in_english_and_chinese():
    signals = {
        "part_of_day": "evening",
        "weekday": "Friday",
        "season": "autumn",
        "weather": "rain",
        "company": "friends",
        "road_type": "highway",
    }
    english = sentence("", signals, recent=["Umbrella"])
    assert english == "Friday evening in autumn, weather: rain, with friends, road type: highway. Recently chosen: Umbrella"
    chinese = sentence("", signals, locale="zh")
    assert chinese == "秋天的星期五晚上，天气下雨，和朋友一起，road type：highway"


def test_own_words_come_first_and_derived_signals_stay_silent():
    signals = {"part_of_day": "evening", "weather": "rain", "holiday": "Easter"}
    assert sentence("I want to cook.", signals, given={"weather"}) == "I want to cook. weather: rain"
    assert sentence("I want to cook.", signals) == "I want to cook."
    assert sentence("", {}) == ""


scalars = st.one_of(st.text(max_size=10), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans())


@given(
    st.text(max_size=40),
    st.dictionaries(st.text(min_size=1, max_size=8).filter(str.strip), scalars, max_size=4),
    st.sampled_from(["en", "zh"]),
)
def test_any_context_gives_a_sentence(text, signals, locale):
    found = ContextExtractor(Settings()).extract(Context(text=text, signals=signals, at=1.7e9, locale=locale))
    assert isinstance(found.sentence, str)
    assert "weekday" in found.signals


def columns(at, context):
    n = len(at)
    return EventColumns(
        seq=np.arange(n),
        user=np.zeros(n, np.int32),
        item=np.zeros(n, np.int32),
        type=np.zeros(n, np.int16),
        value=np.full(n, np.nan, np.float32),
        at=np.array(at, np.float64),
        context=np.array(context, np.int32),
        types=("click",),
    )


def test_signals_of_past_events_are_what_a_request_would_have_had():
    extractor = ContextExtractor(Settings())
    contexts = [StoredContext(0, "", {"weather": "rainy", "load": 0.5}), StoredContext(1, "", {"weekday": "Holiday", "n": 3})]
    times, keys = [1.7e9, 1.71e9, np.nan, 5.0], [0, 1, -1, 0]
    found = extractor.event_signals(columns(times, keys), contexts)
    for row, (t, key) in enumerate(zip(times, keys, strict=True)):
        mine = {name: values[codes[row]] for name, (codes, values) in found.items() if codes[row] >= 0}
        given_signals = contexts[key].signals if key >= 0 else {}
        expected = extractor.extract(Context(at=None if np.isnan(t) else t, signals=given_signals)).signals
        if np.isnan(t):
            expected = {}
        assert mine == {name: v for name, v in expected.items() if not isinstance(v, float)}


def test_likeness_is_the_share_of_shared_signals_that_agree():
    extractor = ContextExtractor(Settings())
    contexts = [StoredContext(0, "", {"weather": "rain", "mood": "sad"}), StoredContext(1, "", {"weather": "sunny"})]
    like = extractor.likeness(columns([np.nan] * 3, [0, 1, -1]), contexts, {"weather": "rain", "mood": "happy"})
    assert like.tolist() == [0.5, 0.0, 0.0]


class Service(http.server.BaseHTTPRequestHandler):
    answer: bytes = b""
    status = 200
    delay = 0.0
    asked = 0

    def do_GET(self):
        type(self).asked += 1
        time.sleep(self.delay)
        try:
            self.send_response(self.status)
            self.end_headers()
            self.wfile.write(self.answer)
        except BrokenPipeError:
            pass

    def log_message(self, *_):
        pass


@pytest.fixture
def service():
    handler = type("Handler", (Service,), {})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    handler.url = f"http://127.0.0.1:{server.server_port}/v1/forecast"
    yield handler
    server.shutdown()
    server.server_close()
    thread.join()


HERE = {"latitude": 52.5, "longitude": 13.4}


def test_weather_of_now_is_asked_once_an_hour(service):
    service.answer = json.dumps({"current": {"temperature_2m": 3.5, "weather_code": 61}}).encode()
    extractor = ContextExtractor(Settings(weather_url=service.url))
    for _ in range(3):
        found = extractor.extract(Context(at=time.time(), signals=HERE)).signals
        assert (found["weather"], found["temperature"]) == ("rain", 3.5)
    assert service.asked == 1
    assert "weather" not in extractor.extract(Context(at=time.time() - 86400, signals=HERE)).signals
    assert "weather" not in extractor.extract(Context(at=time.time())).signals
    assert service.asked == 1


@pytest.mark.parametrize(
    ("status", "answer", "delay"), [(500, b"", 0), (200, b"<html>", 0), (200, b"{}", 0), (200, b"[1]", 0), (200, b"{}", 2)]
)
def test_a_bad_service_costs_one_timeout_and_then_nothing(service, status, answer, delay):
    service.status, service.answer, service.delay = status, answer, delay
    provider = WeatherProvider(Settings(weather_url=service.url, weather_timeout=0.2))
    start = time.perf_counter()
    for _ in range(20):
        assert provider.signals(Context(at=time.time(), signals=HERE)) == {}
    assert time.perf_counter() - start < 1.5
    assert service.asked == 1


def test_a_weather_address_must_be_http():
    with pytest.raises(SettingsError, match="https"):
        WeatherProvider(Settings(weather_url="file:///etc/passwd"))


def test_every_weather_code_has_a_word():
    assert {weather_of_code(c) for c in range(100)} == {"sunny", "cloudy", "fog", "rain", "snow", "storm"}
