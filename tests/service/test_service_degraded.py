"""Parts that hang, die, lie or fill up, over real sockets and real files: answers go on without them, and with them again after."""

from __future__ import annotations

import hashlib
import json
import resource
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

import httpx
import pytest
from fastapi.testclient import TestClient
from service_shop import fill, running

from occasion import live
from occasion.context import weather
from occasion.notes import note
from occasion.service import app as application
from occasion.service import create_app, patience
from occasion.settings import Settings
from waiting import until


class Remote:
    """A service of somebody else's: ``mode`` says what it does with a request."""

    def __init__(self):
        remote = self
        self.mode, self.asked, self.release = "fine", 0, threading.Event()
        self.texts = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                remote.texts += body["input"]
                self.answer(remote.vectors(body["input"]))

            def do_GET(self):
                self.answer({"current": {"temperature_2m": -7.0, "weather_code": 73}})

            def answer(self, value):
                remote.asked += 1
                if remote.mode == "hang":
                    remote.release.wait(120)
                text = b"<html>502" if remote.mode == "garbage" else json.dumps(value).encode()
                status = 500 if remote.mode == "broken" else 200
                self.wfile.write(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % (status, len(text)) + text)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, address):  # clients that went away
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @staticmethod
    def vectors(texts):
        def vector(text):
            return [b - 127.5 for word in text.split()[:1] for b in hashlib.sha256(word.lower().encode()).digest()[:16]] or [
                0.0
            ] * 16

        return {"data": [{"index": n, "embedding": vector(text)} for n, text in enumerate(texts)], "usage": {"total_tokens": 1}}

    def close(self):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def remote():
    found = Remote()
    yield found
    found.close()


@pytest.fixture
def short(monkeypatch):
    """Pauses that a test can wait for."""
    monkeypatch.setattr(patience, "REST", 2.0)
    monkeypatch.setattr(patience, "LONGEST_REST", 3.0)
    monkeypatch.setattr(live, "AGAIN_SECONDS", 0.2)
    monkeypatch.setattr(weather, "REST", 2.0)
    monkeypatch.setattr(weather, "LONGEST_REST", 3.0)
    monkeypatch.setattr(application, "WARM_SECONDS", 0.2)
    monkeypatch.setattr("occasion.service.core.PAUSE_SECONDS", 0.2)


def shop(home, **settings):
    app = create_app(Settings(home=fill(home), allow_private_urls=True, **settings))
    return TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)


def asked(http, text, **more):
    answer = http.post("/v1/recommend", json={"text": text, "k": 3, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("fault", ["hang", "broken", "garbage"])
def test_an_encoder_that_fails_costs_answers_their_meaning_and_no_more(tmp_path, remote, short, fault):
    settings = {"encoder": "openai:toy", "openai_base_url": remote.url, "openai_dimensions": 16, "encoder_wait": 0.3}
    with shop(tmp_path / "home", **settings) as http:
        until(lambda: http.get("/v1/health/ready").status_code == 200)
        until(lambda: asked(http, "chicken for supper")["notes"] == [])
        remote.mode = fault
        numbers, begun = count(), time.monotonic()

        def left_alone():
            before = remote.asked
            answer = asked(http, f"salsa number {next(numbers)}")
            assert note("unencoded", "en") in answer["notes"]
            assert answer["items"][0]["item"] == "dip", "its words still count"
            return remote.asked == before

        until(left_alone)
        assert next(numbers) >= patience.FAILURES
        assert time.monotonic() - begun < 60
        http.put("/v1/items", json={"items": [{"id": "kite", "text": {"title": "Kite of red paper"}}]})
        assert asked(http, "kite")["items"][0]["item"] == "kite", "a new item is there by its words"
        # What it was asked before needs no encoder.
        assert asked(http, "chicken for supper")["notes"] == []
        remote.mode = "fine"
        remote.release.set()
        until(lambda: asked(http, f"salsa again {time.time()}")["notes"] == [])
        recommender = http.app.state.service.tenants.get("default").recommender
        until(lambda: asked(http, "kite") and not recommender.live._unencoded)
        key = recommender.live.catalogue.key("kite")
        assert recommender.live.vectors(recommender.live.catalogue.keys(["kite"])).any(), key


def test_those_who_look_on_do_without_a_remote_encoder_that_fails(tmp_path, remote, short):
    settings = {"encoder": "openai:toy", "openai_base_url": remote.url, "openai_dimensions": 16, "encoder_wait": 0.3}
    with shop(tmp_path / "home", **settings) as http:
        until(lambda: http.get("/v1/health/ready").status_code == 200)
        for n in range(90):
            asked(http, f"supper {n}")
        found = http.post("/v1/catalogue/search", json={"text": "salsa for 13800138000"})
        assert found.json()["items"][0]["item"]["id"] == "dip"
        assert "salsa for [phone]" in remote.texts
        assert not any("13800138000" in text for text in remote.texts), "no model gets to see a number of somebody"
        remote.mode = "broken"
        found = http.post("/v1/catalogue/search", json={"text": "salsa and more"})
        assert found.status_code == 200, found.text
        assert found.json()["items"][0]["item"]["id"] == "dip", "its words still count"
        assert (figures := http.get("/v1/live")).status_code == 200, figures.text
        assert figures.json()["totals"]["answers"] == 90


def test_a_service_that_starts_without_its_encoder_gets_ready_when_it_is_back(tmp_path, remote, short):
    remote.mode = "hang"
    with shop(tmp_path / "home", encoder="openai:toy", openai_base_url=remote.url, encoder_wait=0.2) as http:
        begun = time.monotonic()
        assert http.get("/v1/health/ready").status_code == 503
        answer = http.post("/v1/recommend", json={"k": 1})
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "encoder_unavailable"
        assert http.post("/v1/events", json={"user": "a", "item": "chips"}).status_code == 200, "events need no encoder"
        assert time.monotonic() - begun < 60
        remote.mode = "fine"
        remote.release.set()
        until(lambda: http.get("/v1/health/ready").status_code == 200)
        assert asked(http, "chips")["items"]


def test_weather_that_hangs_is_left_out_and_comes_back(tmp_path, remote, short, encoder):
    home = fill(tmp_path / "home")
    settings = Settings(home=home, allow_private_urls=True, weather_url=remote.url, weather_timeout=0.2)
    place = {"latitude": 52.5, "longitude": 13.4}
    with TestClient(create_app(settings, encoder=encoder), base_url="http://127.0.0.1") as http:
        asked(http, "")
        remote.mode = "hang"
        numbers, begun = count(), time.monotonic()

        def left_alone():
            before = remote.asked
            asked(http, "", signals={**place, "latitude": float(next(numbers) % 80)})
            return remote.asked == before

        until(left_alone)
        assert next(numbers) >= weather.FAILURES
        assert time.monotonic() - begun < 60
        remote.mode = "fine"
        remote.release.set()
        until(lambda: "snow" in asked(http, "", signals=place)["sentence"])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prlimit")
def test_a_full_disk_refuses_what_must_be_stored_answers_the_rest_and_recovers(tmp_path):
    """A limit on the size of files stands for the disk: what is written beyond it fails as on a full one."""
    home = fill(tmp_path / "home")
    with running(home) as service, httpx.Client(base_url=service.url, timeout=120) as http:
        pids = [service.process.pid]
        event = {"user": "ann", "item": "chips", "type": "dislike"}
        assert http.post("/v1/events", json={**event, "id": "before"}).status_code == 200
        asked(http, "watching the game")
        for pid in pids:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        for n in range(4):
            refused = http.post("/v1/events", json={**event, "id": f"full-{n}"})
            assert refused.status_code == 503, refused.text
            assert refused.json()["error"]["code"] == "store_unavailable"
            answer = asked(http, f"watching the game {n}", user="ann")
            assert note("unstored", "en") in answer["notes"]
            assert "chips" not in [e["item"] for e in answer["items"]], "what was acknowledged before still counts"
        for pid in pids:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        told = until(lambda: http.post("/v1/events", json={**event, "id": "after"}).json().get("new") == 1)
        assert told
        answer = asked(http, "watching the game", user="ann")
        assert note("unstored", "en") not in answer["notes"]
        ids = [e["id"] for e in http.get("/v1/people/export", params={"user": "ann"}).json()["events"]]
        assert set(ids) == {"before", "after"}


@pytest.mark.parametrize("jump", [-7200.0, 40 * 86_400.0])
def test_a_clock_that_jumps_takes_nothing_from_the_next_answer(serve, monkeypatch, jump):
    http = serve()
    moment = {"user": "ann", "text": "watching the game", "k": 8}
    first = http.post("/v1/recommend", json=moment).json()["items"][0]["item"]
    http.post("/v1/events", json={"user": "ann", "item": first, "type": "dislike", "id": "d1"})
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + jump)
    answer = http.post("/v1/recommend", json=moment).json()
    assert first not in [e["item"] for e in answer["items"]]
    second = answer["items"][0]["item"]
    http.post("/v1/events", json={"user": "ann", "item": second, "type": "dislike", "id": "d2"})
    assert not {first, second} & {e["item"] for e in http.post("/v1/recommend", json=moment).json()["items"]}
    monkeypatch.setattr(time, "time", real)
    assert not {first, second} & {e["item"] for e in http.post("/v1/recommend", json=moment).json()["items"]}


def test_an_event_of_a_client_whose_clock_is_fast_counts_at_once(serve):
    http = serve()
    moment = {"user": "bob", "text": "watching the game", "k": 8}
    first = http.post("/v1/recommend", json=moment).json()["items"][0]["item"]
    http.post("/v1/events", json={"user": "bob", "item": first, "type": "dislike", "at": time.time() + 600})
    assert first not in [e["item"] for e in http.post("/v1/recommend", json=moment).json()["items"]]


def test_nobody_waits_while_the_store_of_another_tenant_is_opened(serve):
    http = serve()
    assert http.get("/v1/info").status_code == 200
    with ThreadPoolExecutor(1) as pool, http.app.state.service.tenants._lock:
        assert pool.submit(http.get, "/v1/info").result(120).status_code == 200


def test_a_service_that_takes_long_to_get_ready_says_so_at_once(tmp_path, encoder):
    fill(tmp_path / "home")
    app = create_app(Settings(home=tmp_path / "home"), encoder=encoder)
    service = app.state.service
    opening = service.tenants._lock
    opening.acquire()
    with ThreadPoolExecutor(1) as pool, TestClient(app, base_url="http://127.0.0.1") as http:
        try:
            assert pool.submit(http.get, "/v1/health/live").result(120).status_code == 200
            assert pool.submit(http.get, "/v1/health/ready").result(120).status_code == 503
        finally:
            opening.release()
        assert service.ready.wait(180)
        with opening:
            # What comes after it must not stop the loop either.
            assert pool.submit(http.get, "/v1/health/live").result(120).status_code == 200
        assert pool.submit(http.get, "/v1/health/ready").result(120).status_code == 200
