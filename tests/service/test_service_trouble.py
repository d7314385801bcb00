"""When something is wrong: too much at once, too slow, the store gone. The service says so at once, and goes on afterwards."""

from __future__ import annotations

import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from occasion.service.logs import JsonLines
from waiting import until


@pytest.fixture
def lines():
    """The log as it is written."""
    kept = []

    class Keep(logging.Handler):
        def emit(self, record):
            kept.append(JsonLines().format(record))

    handler = Keep()
    log = logging.getLogger("occasion.service")
    log.addHandler(handler)
    log.setLevel("INFO")
    yield kept
    log.removeHandler(handler)


def test_too_many_at_once_are_refused_and_the_others_answered(serve):
    http = serve(queue=2)
    http.post("/v1/recommend", json={"k": 1})
    free, lane = threading.Event(), http.app.state.service.answers
    lane._pool.submit(free.wait, 120)
    with ThreadPoolExecutor(12) as pool:
        asked = [pool.submit(http.post, "/v1/recommend", json={"text": f"moment {n}", "k": 8}) for n in range(12)]
        until(lambda: lane.busy == 2 and any(each.done() for each in asked))
        free.set()
        answers = [each.result() for each in asked]
    codes = {answer.status_code for answer in answers}
    assert codes == {200, 503}
    refused = next(answer for answer in answers if answer.status_code == 503)
    assert refused.json()["error"]["code"] == "overloaded"
    assert int(refused.headers["retry-after"]) >= 1
    assert http.post("/v1/recommend", json={"k": 1}).status_code == 200


def test_what_takes_too_long_is_given_up(serve):
    http = serve(request_seconds=0.3)
    free = threading.Event()
    http.app.state.service.answers._pool.submit(free.wait, 120)
    answer = http.post("/v1/recommend", json={"k": 1})
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "too_slow")
    free.set()
    until(lambda: http.post("/v1/recommend", json={"k": 1}).status_code == 200)


def test_a_store_that_is_gone_is_told_of_without_its_place(serve, tmp_path, lines):
    http = serve()
    http.post("/v1/recommend", json={"k": 1})
    store = tmp_path / "home" / "occasion.db"
    service = http.app.state.service
    service.tenants.get("default").store.close()
    store.rename(store.with_name("away.db"))
    answer = http.post("/v1/recommend", json={"text": "my own words", "k": 1})
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "store_unavailable"
    assert str(tmp_path) not in answer.text
    told = [json.loads(line) for line in lines if '"status": 503' in line]
    assert str(store) in told[0]["cause"], "the operator sees where"
    assert told[0]["request_id"] == answer.json()["error"]["request_id"]
    assert "my own words" not in "".join(lines)
    assert http.get("/v1/health/ready").status_code == 503
    assert http.get("/v1/health/live").status_code == 200


def test_an_unforeseen_fault_shows_its_place_in_the_log_and_nothing_outside(serve, lines, monkeypatch):
    http = serve()
    tenant = http.app.state.service.tenants.get("default")

    def broken(user_id):
        raise RuntimeError(f"something about {user_id}")

    monkeypatch.setattr(tenant.store, "get_user", broken)
    answer = http.get("/v1/users", params={"id": "ann-the-person"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "unforeseen")
    assert "something" not in answer.text
    told = next(json.loads(line) for line in lines if '"status": 500' in line)
    assert told["error"] == "RuntimeError"
    assert any("test_service_trouble" in place for place in told["where"])
    assert "ann-the-person" not in "".join(lines)
