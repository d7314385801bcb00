"""Weather: against a real server that answers, errs, hangs, drips, or talks nonsense."""

import http.server
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from occasion.context import ContextExtractor, weather
from occasion.context.weather import WeatherProvider, weather_of_code
from occasion.data import Context
from occasion.errors import SettingsError
from occasion.settings import Settings

HERE = {"latitude": 52.52, "longitude": 13.405}
RAIN = json.dumps({"current": {"temperature_2m": 3.5, "weather_code": 61}}).encode()


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"
    answer = RAIN
    status = 200
    delay = 0.0
    drip = 0.0
    paths: list[str]
    free: threading.Event

    def do_GET(self):
        self.paths.append(self.path)
        self.free.wait(self.delay)
        try:
            self.send_response(self.status)
            if self.status == 302:
                self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.end_headers()
            for n in range(len(self.answer) if self.drip else 1):
                self.wfile.write(self.answer[n : n + 1] if self.drip else self.answer)
                self.wfile.flush()
                self.free.wait(self.drip)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def log_message(self, *_):
        pass


@pytest.fixture
def service():
    handler = type("Handler", (Service,), {"paths": [], "free": threading.Event()})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    handler.url = f"http://127.0.0.1:{server.server_port}/v1/forecast?models=best"
    yield handler
    handler.free.set()
    server.shutdown()
    server.server_close()
    thread.join()


def provider(service, timeout=10.0):
    return WeatherProvider(Settings(weather_url=service.url, weather_timeout=timeout))


def now(signals=HERE):
    return Context(at=time.time(), signals=signals)


def idle():
    """Wait until no question is under way."""
    for thread in threading.enumerate():
        if thread.name == "weather":
            thread.join(60)


def test_weather_of_now_is_asked_once_a_place_and_hour(service):
    extractor = ContextExtractor(Settings(weather_url=service.url, weather_timeout=10.0))
    for _ in range(3):
        found = extractor.extract(now()).signals
        assert (found["weather"], found["temperature"], found["temperature_level"]) == ("rain", 3.5, "cold")
    assert extractor.extract(now({"lat": 52.49, "lon": 13.42})).signals["weather"] == "rain"
    assert len(service.paths) == 1
    assert "latitude=52.5&longitude=13.4&" in service.paths[0]
    assert "models=best" in service.paths[0]


def test_only_requests_about_now_with_a_place_ask(service):
    mine = provider(service)
    contexts = [
        Context(at=time.time() - 86400, signals=HERE),
        Context(at=time.time() + 86400, signals=HERE),
        now({}),
        now({"latitude": 52.5}),
        now({"latitude": "here", "longitude": "there"}),
        now({"latitude": 500.0, "longitude": 0.0}),
        now({"latitude": True, "longitude": False}),
    ]
    assert [mine.signals(c) for c in contexts] == [{}] * len(contexts)
    assert service.paths == []


def test_given_weather_goes_before_the_services(service):
    found = ContextExtractor(Settings(weather_url=service.url)).extract(now({**HERE, "weather": "sunny"})).signals
    assert found["weather"] == "sunny"


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (500, b""), (404, RAIN), (302, b""), (200, b"<html>"), (200, b"{}"), (200, b"[1]"), (200, b"null"),
        (200, b"\xff\xfe"), (200, b""),
        (200, b'{"current": 5}'), (200, b'{"current": {"weather_code": "x", "temperature_2m": "y"}}'),
        (200, b'{"current": {"weather_code": NaN, "temperature_2m": 1e9}}'), (200, b'{"current": {"weather_code": true}}'),
        (200, b"[" * 50_000), (200, b" " * 200_000 + RAIN),
    ],
)  # fmt: skip
def test_a_bad_service_is_left_alone_after_three_failures(service, status, answer):
    service.status, service.answer = status, answer
    mine = provider(service)
    for _ in range(20):
        assert mine.signals(now()) == {}
        idle()
    assert len(service.paths) == 3


def test_an_answer_in_part_is_taken_in_part(service):
    service.answer = b'{"current": {"weather_code": 999, "temperature_2m": -7}}'
    assert provider(service).signals(now()) == {"temperature": -7.0, "temperature_level": "cold"}


@pytest.mark.parametrize(("delay", "drip"), [(60.0, 0.0), (0.0, 1.0)])
def test_a_slow_service_costs_no_more_than_the_timeout(service, delay, drip):
    service.delay, service.drip = delay, drip
    mine = provider(service, timeout=0.2)
    for _ in range(6):
        start = time.perf_counter()
        assert mine.signals(now()) == {}
        assert time.perf_counter() - start < 15
    service.free.set()
    idle()


def test_an_answer_that_comes_late_serves_the_next_request(service):
    service.delay = 60.0
    mine = provider(service, timeout=1.5)
    assert mine.signals(now()) == {}
    service.free.set()
    assert mine.signals(now())["weather"] == "rain"
    assert len(service.paths) == 1


def test_many_at_once_ask_once(service):
    service.delay = 0.1
    mine = provider(service)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: mine.signals(now()), range(32)))
    assert all(f["weather"] == "rain" for f in found)
    assert len(service.paths) == 1


def test_no_more_than_a_few_questions_are_under_way(service):
    service.delay = 0.5
    mine = provider(service, timeout=0.05)
    for n in range(30):
        mine.signals(now({"latitude": float(n), "longitude": 0.0}))
    assert len(mine._running) <= weather.MAX_RUNNING
    idle()


def test_a_service_that_is_back_is_found_again(service, monkeypatch):
    service.status = 500
    mine = provider(service)
    for _ in range(5):
        mine.signals(now())
        idle()
    service.status = 200
    assert mine.signals(now()) == {}
    real = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: real() + weather.REST + 1)
    assert mine.signals(now())["weather"] == "rain"
    assert len(service.paths) == 4


def test_a_port_nobody_listens_on():
    mine = WeatherProvider(Settings(weather_url="http://127.0.0.1:9/", weather_timeout=0.2))
    assert mine.signals(now()) == {}
    idle()


@pytest.mark.parametrize(
    "address", ["file:///etc/passwd", "ftp://x/y", "example.com/forecast", "http://", "http://[bad", "https:///x", " "]
)
def test_a_weather_address_must_be_http(address):
    with pytest.raises(SettingsError, match=r"weather_url.*Cure"):
        WeatherProvider(Settings(weather_url=address))


def test_weather_codes():
    words = {weather_of_code(code) for code in range(-5, 120)}
    assert words == {"sunny", "cloudy", "fog", "rain", "snow", "storm", None}
    assert [weather_of_code(c) for c in (0, 3, 48, 55, 65, 75, 82, 86, 99, 4)] == [
        "sunny", "cloudy", "fog", "rain", "rain", "snow", "rain", "snow", "storm", None,
    ]  # fmt: skip
