"""Live figures, comparisons, and studies over HTTP."""

from __future__ import annotations

import time

import pytest


@pytest.fixture
def http(serve):
    return serve()


def test_what_goes_on_is_told(http):
    http.put("/v1/scenarios/home", json={"k": 2})
    for n in range(30):
        asked = {"user": f"p{n % 5}", "text": "something to eat", **({"scenario": "home"} if n % 2 else {"explore": 0.9})}
        answer = http.post("/v1/recommend", json=asked).json()
        if n % 3 == 0:
            http.post("/v1/events", json={"user": f"p{n % 5}", "item": answer["items"][0]["item"], "slate": answer["slate"]})
    told = http.get("/v1/live").json()
    assert told["totals"]["answers"] == 30
    assert told["totals"]["rate"] == pytest.approx(1 / 3)
    assert {(arm["name"], arm["answers"]) for arm in told["scenarios"]} == {("", 15), ("home", 15)}
    assert {arm["name"] for arm in told["policies"]} == {"diverse", "epsilon"}
    assert next(arm for arm in told["policies"] if arm["name"] == "epsilon")["by_chance"] > 0.5
    assert 0 < told["totals"]["coverage"] <= 1
    assert told["service"]["requests"] >= 40
    stages = {row["stage"]: row for row in told["service"]["stages"]}
    assert stages["total"]["count"] == 30
    assert 0 < stages["total"]["p50"] <= stages["total"]["p95"] <= stages["total"]["p99"]
    compared = http.get("/v1/compare", params={"by": "policy"}).json()
    assert len(compared["arms"]) == 2
    assert compared["low"] <= compared["difference"] <= compared["high"]
    assert compared["enough"] is False
    assert http.get("/v1/compare", params={"by": "version"}).json()["difference"] is None
    assert http.get("/v1/compare", params={"by": "nothing"}).status_code == 422


def wait(http, study, *states):
    end = time.monotonic() + 120
    while (stand := http.get(f"/v1/studies/{study}").json())["state"] not in states and time.monotonic() < end:
        time.sleep(0.1)
    return stand


def test_a_study_runs_aside_and_can_be_cancelled(http):
    events = [
        {
            "user": f"w{n % 12}",
            "item": ("chips", "dip", "beer", "soup")[(n + n % 12) % 4],
            "at": 1_790_000_100 + 60 * n,
            "id": f"w{n}",
        }
        for n in range(400)
    ]
    assert http.post("/v1/events", json={"events": events}).status_code == 200
    began = http.post("/v1/studies", json={"options": {"max_queries": 20, "share": 0.3}})
    assert began.status_code == 202
    assert http.post("/v1/studies", json={}).status_code == 409
    done = wait(http, began.json()["id"], "done", "failed")
    assert done["state"] == "done", done
    assert done["report"]["systems"]
    assert "settings" not in done
    assert [one["id"] for one in http.get("/v1/studies").json()["studies"]] == [done["id"]]
    long = http.post("/v1/studies", json={"options": {"max_queries": 100_000, "curves": True}}).json()
    assert http.delete(f"/v1/studies/{long['id']}").json()["state"] == "running"
    assert wait(http, long["id"], "cancelled", "done", "failed")["state"] == "cancelled"
    http.delete(f"/v1/studies/{done['id']}")
    assert [one["id"] for one in http.get("/v1/studies").json()["studies"]] == [long["id"]]
    assert http.get(f"/v1/studies/{done['id']}").status_code == 404


def test_a_study_that_cannot_be_says_why(http):
    assert http.post("/v1/studies", json={"options": {"typo": 1}}).status_code == 422
    began = http.post("/v1/studies", json={"kind": "off-policy"}).json()
    failed = wait(http, began["id"], "failed", "done")
    assert failed["state"] == "failed"
    assert "no answers to estimate from" in failed["error"]
    assert "serve with recommend" in failed["cure"]
