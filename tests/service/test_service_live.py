"""Live figures, comparisons, and studies over HTTP."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from occasion.errors import ConflictError, StoreError
from occasion.service import studies
from occasion.service.studies import AT_ONCE, Studies
from occasion.settings import Settings
from waiting import until


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
    assert [one["name"] for one in compared["arms"]] == compared["names"]
    turned = http.get("/v1/compare", params={"by": "policy", "base": compared["names"][1], "arm": compared["names"][0]}).json()
    assert [one["name"] for one in turned["arms"]] == compared["names"][::-1]
    assert turned["difference"] == -compared["difference"]
    assert compared["low"] <= compared["difference"] <= compared["high"]
    assert compared["enough"] is False
    assert http.get("/v1/compare", params={"by": "version"}).json()["difference"] is None
    assert http.get("/v1/compare", params={"by": "nothing"}).status_code == 422


def wait(http, study, *states):
    def found():
        stand = http.get(f"/v1/studies/{study}").json()
        return stand["state"] in states and stand

    return until(found, 300.0)


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


def test_a_fit_is_a_study_that_can_be_cancelled_and_its_options_are_checked(http):
    events = [
        {
            "user": f"w{n % 12}",
            "item": ("chips", "dip", "beer", "soup")[(n + n % 12) % 4],
            "at": 1_790_000_100 + 60 * n,
            "id": f"w{n}",
            "type": "purchase",
        }
        for n in range(400)
    ]
    http.post("/v1/events", json={"events": events})
    for options in ({"budget": 1}, {"queries": 5}, {"max_queries": 20}):
        assert http.post("/v1/studies", json={"kind": "fit", "options": options}).status_code == 422
    long = http.post("/v1/studies", json={"kind": "fit", "options": {"budget": 3600}}).json()
    http.delete(f"/v1/studies/{long['id']}")
    assert wait(http, long["id"], "cancelled", "done", "failed")["state"] == "cancelled"
    assert http.get("/v1/versions").json()["versions"] == []
    made = http.post("/v1/studies", json={"kind": "fit", "options": {"budget": 5, "promote": False}}).json()
    done = wait(http, made["id"], "done", "failed")
    assert done["state"] == "done", done
    versions = http.get("/v1/versions").json()
    assert [one["id"] for one in versions["versions"]] == [done["report"]["version"]]
    assert (versions["in_service"], done["report"]["promoted"]) == ("blend", False)
    assert versions["versions"][0]["gate"]["passed"] == done["report"]["passed"]
    assert http.get("/v1/audit", params={"newest": True, "limit": 1}).json()["acts"][0]["target"] == "fit"


def learning(telling, folder):
    """Go on for two minutes, and cancel that as soon as it has said what it does."""
    end = time.monotonic() + 120
    with studies._Following(telling, 60.0) as following:
        following.note("learning")
        while time.monotonic() < end:
            if json.loads((folder / "state.json").read_text())["stage"] == "learning":
                (folder / "cancel").touch()
            time.sleep(0.01)


def test_a_fit_is_cancelled_wherever_it_is(tmp_path):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        telling = studies._Telling(tmp_path)
        with pytest.raises(KeyboardInterrupt):
            learning(telling, tmp_path)
        with pytest.raises(studies._CancelledError):
            learning(telling, tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_study_that_cannot_be_says_why(http):
    assert http.post("/v1/studies", json={"options": {"typo": 1}}).status_code == 422
    began = http.post("/v1/studies", json={"kind": "off-policy"}).json()
    failed = wait(http, began["id"], "failed", "done")
    assert failed["state"] == "failed"
    assert "no answers to estimate from" in failed["error"]
    assert "serve with recommend" in failed["cure"]


@pytest.mark.parametrize(
    "body",
    [
        {"options": {"max_queries": 0}},
        {"options": {"k": "x"}},
        {"options": {"share": 1.5}},
        {"kind": "off-policy", "options": {"k": 5}},
        {"kind": "off-policy", "options": {"places": 1000}},
        {"kind": "other"},
        {"options": None},
    ],
)
def test_options_of_a_study_are_checked_before_it_begins(http, body):
    refused = http.post("/v1/studies", json=body)
    assert refused.status_code == 422
    named = list(body["options"] or ["options"]) if "options" in body else ["kind"]
    assert named[0] in refused.json()["error"]["message"] or named == ["options"]
    assert http.get("/v1/studies").json()["studies"] == []


def test_of_two_who_begin_at_once_one_waits(http):
    codes: list[int] = []

    def begin() -> None:
        codes.append(http.post("/v1/studies", json={"options": {"max_queries": 5}}).status_code)

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [202, 409, 409, 409]
    (study,) = http.get("/v1/studies").json()["studies"]
    http.delete(f"/v1/studies/{study['id']}")
    wait(http, study["id"], "cancelled", "done", "failed")


def _not_started(monkeypatch, studies: Studies) -> str:
    """Begin a study whose process cannot be had; return how it stands."""
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", str(Path(sys.executable).with_name("nothing")))
        with pytest.raises(StoreError, match="Cure"):
            studies.start("offline", {})
    return studies.all()[0]["state"]


def test_a_study_whose_process_cannot_be_started_has_failed(tmp_path, monkeypatch):
    studies = Studies(Settings(home=tmp_path / "home"), tmp_path / "home")
    assert _not_started(monkeypatch, studies) == "failed"
    assert _not_started(monkeypatch, studies) == "failed", "the first one stands in no way"
    assert len(studies.all()) == 2


def test_studies_of_all_tenants_share_what_may_run(tmp_path, monkeypatch):
    # A process that says nothing counts as one that is about to begin.
    monkeypatch.setattr(sys, "executable", shutil.which("true"))
    for n in range(AT_ONCE):
        Studies(Settings(home=tmp_path / f"t{n}"), tmp_path).start("offline", {})
    late = Studies(Settings(home=tmp_path / "late"), tmp_path)
    with pytest.raises(ConflictError, match="of other tenants"):
        late.start("offline", {})
    with pytest.raises(ConflictError, match="runs already"):
        Studies(Settings(home=tmp_path / "t0"), tmp_path).start("offline", {})
    mine = Studies(Settings(home=tmp_path / "t1"), tmp_path)
    (tmp_path / "t1" / "studies" / mine.all()[0]["id"] / "state.json").write_text('{"state": "done", "beat": 0}')
    assert late.start("offline", {})["state"] == "running"


def test_what_lies_inside_the_service_is_not_told(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "occasion.db").write_bytes(b"no database" * 1000)
    studies = Studies(Settings(home=home), home)
    began = studies.start("offline", {})
    until(lambda: studies.get(began["id"])["state"] != "running")
    stand = studies.get(began["id"])
    assert stand["state"] == "failed"
    assert "home" not in stand["error"] + stand["cure"]
    assert began["id"] in stand["cure"]
    assert "Error" in (home / "studies" / began["id"] / "log").read_text()


def test_who_left_is_forgotten_by_those_who_look_on(http):
    answer = http.post("/v1/recommend", json={"user": "u0", "text": "something to eat"}).json()
    http.post("/v1/events", json={"user": "u0", "item": answer["items"][0]["item"], "slate": answer["slate"]})
    service = http.app.state.service
    mine = service.insights.of(service.tenants.get("default"))
    assert http.get("/v1/live").json()["totals"]["people"] == 1
    http.get("/v1/catalogue/item", params={"id": "chips"})
    assert (len(mine.uptake), len(mine.traffic)) == (25, 1)
    assert http.request("DELETE", "/v1/people", params={"user": "u0"}).status_code == 200
    until(lambda: (len(mine.uptake), len(mine.traffic)) == (23, 0))
    assert http.get("/v1/live").json()["totals"]["answers"] == 0
