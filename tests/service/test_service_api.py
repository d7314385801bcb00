"""The HTTP interface: what each route gives, and how it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest
from service_shop import ITEMS

from occasion.policies import make_policy
from occasion.recommender import Recommender
from occasion.settings import Settings
from waiting import until

ODD = ITEMS[6].id


@pytest.fixture
def http(serve):
    return serve()


def refused(answer, status, code=None):
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "cure", "request_id"}
    assert error["message"]
    assert error["cure"]
    assert error["request_id"] == answer.headers["x-request-id"]
    if code:
        assert error["code"] == code
    return error


def test_recommend_answers_with_all_that_is_promised(http):
    answer = http.post("/v1/recommend", json={"user": "ann", "text": "friends come over to watch the game", "k": 3}).json()
    assert len(answer["items"]) == 3
    assert answer["items"][0]["item"] in ("chips", "dip", "beer")
    for entry in answer["items"]:
        assert entry["score"] == pytest.approx(sum(entry["parts"].values()), abs=1e-5)
        assert entry["reason"]
    assert {"queue", "context", "encode", "search", "rank", "policy", "write", "total"} <= set(answer["timing"])
    assert answer["version"]
    assert answer["sentence"]
    stored = http.get("/v1/slates", params={"slate": answer["slate"]}).json()
    assert [e["item"] for e in stored["items"]] == [e["item"] for e in answer["items"]]
    assert stored["user"] == "ann"


def test_an_event_counts_in_the_very_next_answer(http):
    first = http.post("/v1/recommend", json={"user": "bob", "text": "watching the game", "k": 3}).json()
    top = first["items"][0]["item"]
    event = {"user": "bob", "item": top, "type": "dislike", "slate": first["slate"], "id": "e1"}
    assert http.post("/v1/events", json=event).json() == {"received": 1, "new": 1, "notes": []}
    assert http.post("/v1/events", json=event).json() == {"received": 1, "new": 0, "notes": []}
    after = http.post("/v1/recommend", json={"user": "bob", "text": "watching the game", "k": 8}).json()
    assert top not in [e["item"] for e in after["items"]]
    told = http.get("/v1/events", params={"user": "bob"}).json()["events"]
    assert [(e["item"], e["type"]) for e in told] == [(top, "dislike")]


def test_new_and_deleted_items_count_at_once(http):
    item = {"id": "umbrella", "text": {"title": "Large rain umbrella"}, "price": 12}
    assert http.put("/v1/items", json={"items": [item]}).json() == {"changed": 1}
    assert http.put("/v1/items", json={"items": [item]}).json() == {"changed": 0}
    moment = {"text": "an umbrella for the rain", "k": 3}
    assert http.post("/v1/recommend", json=moment).json()["items"][0]["item"] == "umbrella"
    assert http.request("DELETE", "/v1/items", params={"id": "umbrella"}).json() == {"changed": 1}
    assert "umbrella" not in [e["item"] for e in http.post("/v1/recommend", json=moment).json()["items"]]


@pytest.mark.parametrize("item", [ODD, ".."])
def test_ids_of_any_characters_go_everywhere(http, item):
    assert http.get("/v1/items", params={"id": item}).json()["items"][0]["id"] == item
    assert http.post("/v1/events", json={"user": item, "item": item, "type": "purchase"}).json()["new"] == 1
    assert http.get("/v1/events", params={"user": item}).json()["events"][0]["item"] == item
    assert http.post("/v1/similar", json={"item": item, "k": 2}).status_code == 200
    ranked = http.post("/v1/rank", json={"user": item, "items": [item, "chips", "nowhere"]}).json()
    assert {e["item"] for e in ranked["items"]} == {item, "chips"}
    assert ranked["unknown"] == ["nowhere"]
    assert http.put("/v1/users", json={"users": [{"id": item, "attributes": {"a": ["b"]}}]}).json() == {"changed": 1}
    assert http.get("/v1/users", params={"id": item}).json() == {"id": item, "attributes": {"a": ["b"]}}


def test_pages_of_one_slate_hold_different_items(http):
    moment = {"user": "ann", "text": "something to eat", "k": 3}
    first = http.post("/v1/recommend", json=moment).json()
    second = http.post("/v1/recommend", json={**moment, "after": first["slate"]}).json()
    third = http.post("/v1/recommend", json={**moment, "after": second["slate"]}).json()
    pages = [{e["item"] for e in page["items"]} for page in (first, second, third)]
    assert [len(p) for p in pages] == [3, 3, 2]
    assert len(set.union(*pages)) == 8
    assert second["slate"].startswith(first["slate"])
    refused(http.post("/v1/recommend", json={**moment, "user": "eve", "after": first["slate"]}), 404)
    refused(http.post("/v1/recommend", json={**moment, "after": "nothing"}), 404)


def test_score_what_if_and_explain(http):
    scored = http.post("/v1/score", json={"text": "breakfast", "items": ["pancakes", "syrup"]}).json()["scores"]
    assert scored["pancakes"] > scored["syrup"]
    both = http.post("/v1/what-if", json={"text": "", "k": 3, "change": {"text": "I caught a cold and cough"}}).json()
    after = [e["item"] for e in both["after"]["items"]]
    assert "syrup" in after
    assert set(both["came"]) == set(after) - {e["item"] for e in both["before"]["items"]}
    asked = {"text": "breakfast", "k": 3, "change": {"text": "I caught a cold"}, "rules": {"exclude": ["syrup"]}}
    for level, policy in (({"explore": 1.0}, "epsilon"), ({"diversity": 1.0}, "diverse")):
        both = http.post("/v1/what-if", json={**asked, **level}).json()
        assert [both[side]["policy"] for side in ("before", "after")] == [policy, policy]
        assert "syrup" not in [e["item"] for side in ("before", "after") for e in both[side]["items"]]
    refused(http.post("/v1/what-if", json={**asked, "explore": 2.0}), 422)
    answer = http.post("/v1/recommend", json={"user": "ann", "k": 2}).json()
    item = answer["items"][1]["item"]
    why = http.post("/v1/explain", json={"slate": answer["slate"], "item": item}).json()
    assert (why["place"], why["item"], why["reason"]) == (2, item, answer["items"][1]["reason"])
    refused(http.post("/v1/explain", json={"slate": answer["slate"], "item": "nowhere"}), 404)


def test_rules_and_scenarios(http):
    cheap = {"k": 8, "rules": {"filter": "price < 3"}}
    assert http.put("/v1/scenarios/cheap", json=cheap).status_code == 200
    named = http.post("/v1/recommend", json={"scenario": "cheap"}).json()
    assert {e["item"] for e in named["items"]} == {"chips", ODD}
    assert named["notes"]
    own = http.post("/v1/recommend", json={"scenario": "cheap", "rules": {"exclude": ["chips"]}}).json()
    assert {e["item"] for e in own["items"]} == {ODD}
    assert set(http.get("/v1/scenarios").json()["scenarios"]) == {"cheap"}
    assert http.delete("/v1/scenarios/cheap").status_code == 204
    refused(http.post("/v1/recommend", json={"scenario": "cheap"}), 404)
    refused(http.put("/v1/scenarios/bad", json={"rules": {"filter": "price <"}}), 422, "invalid_rule")


@pytest.mark.parametrize(
    ("policy", "options"),
    [
        ("greedy", {}),
        ("diverse", {"diversity": 0.4}),
        ("epsilon", {"epsilon": 0.3}),
        ("plackett-luce", {"temperature": 0.3}),
        ("thompson", {"scale": 2.0, "spread": 0.2}),
    ],
)
def test_a_policy_named_by_a_request_or_its_scenario_chooses_and_tells_how_likely(http, encoder, tmp_path, policy, options):
    asked = {"policy": policy, "policy_options": options}
    assert http.put("/v1/scenarios/chance", json=asked).status_code == 200
    assert http.get("/v1/scenarios").json()["scenarios"]["chance"].items() >= {"policy": policy}.items()
    answers = [http.post("/v1/recommend", json={"k": 5, **how}).json() for how in (asked, {"scenario": "chance"})]
    with Recommender(Settings(home=tmp_path / "home"), encoder=encoder) as recommender:
        for answer in answers:
            assert answer["policy"] == policy
            context = recommender.store.get_slate(answer["slate"]).context
            found = recommender.scored(context, slate_id=answer["slate"])
            ids = [recommender.live.catalogue.id(int(key)) for key in found.keys]
            order = np.array([ids.index(entry["item"]) for entry in answer["items"]])
            exact = make_policy(policy, **options).probabilities(
                found.scores, order, similarity=found.similarity, spread=found.spread
            )
            assert [entry["propensity"] for entry in answer["items"]] == pytest.approx(exact.tolist(), abs=1e-5)


def test_what_a_request_says_of_choosing_goes_before_its_scenario(http):
    assert http.put("/v1/scenarios/chance", json={"policy": "thompson", "policy_options": {"scale": 3}}).status_code == 200

    def policy(**asked):
        return http.post("/v1/recommend", json={"scenario": "chance", **asked}).json()["policy"]

    assert policy() == "thompson"
    assert policy(policy="greedy") == "greedy"
    assert policy(explore=0.2) == "epsilon"
    assert policy(diversity=0.2) == "diverse"
    refused(http.put("/v1/scenarios/both", json={"policy": "thompson", "explore": 0.2}), 422, "invalid")


def test_quotas_keep_places(http):
    asked = {"text": "breakfast with pancakes", "k": 3, "rules": {"quotas": [{"filter": "categories = garden", "least": 1}]}}
    items = [e["item"] for e in http.post("/v1/recommend", json=asked).json()["items"]]
    assert items[0] == "pancakes"
    assert ".." in items
    refused(http.post("/v1/recommend", json={"rules": {"quotas": [{"filter": "price < 3", "least": 0}]}}), 422)


def test_scenarios_are_tried_saved_and_undone(http):
    for n in range(4):
        http.post("/v1/recommend", json={"user": f"p{n}", "text": "something to eat", "k": 3})
    draft = {"rules": {"filter": "price < 3"}, "always": True}
    tried = http.post("/v1/scenarios/preview", json={"name": "cheap", "scenario": draft, "requests": 3}).json()
    assert (tried["requests"], tried["changed"], tried["shorter"]) == (3, 3, 3)
    assert {moved["item"] for moved in tried["entered"]} <= {"chips", ODD}
    assert http.get("/v1/scenarios").json()["scenarios"] == {}
    assert http.put("/v1/scenarios/cheap", json=draft).json() == draft
    assert {e["item"] for e in http.post("/v1/recommend", json={"k": 8}).json()["items"]} == {"chips", ODD}
    refused(http.put("/v1/scenarios/odd", json={"rules": {"filter": "prise < 3"}}), 422, "invalid_rule")
    (change,) = http.get("/v1/scenario-changes").json()["changes"]
    assert (change["name"], change["before"], change["after"], change["actor"]) == ("cheap", None, draft, "local")
    undone = http.post("/v1/scenario-changes/undo", json={"change": change["seq"]}).json()
    assert undone == {"name": "cheap", "scenario": None}
    assert len(http.post("/v1/recommend", json={"k": 8}).json()["items"]) == 8
    refused(http.post("/v1/scenario-changes/undo", json={"change": change["seq"]}), 409, "conflict")
    refused(http.post("/v1/scenario-changes/undo", json={"change": 9999}), 404)


def test_a_stream_keeps_the_good_lines_and_tells_of_the_bad(http):
    lines = [json.dumps({"user": f"s{n}", "item": "chips", "id": f"s-{n}"}) for n in range(1200)]
    lines[7] = "no json"
    lines[9] = json.dumps({"item": "chips"})
    lines[11] = json.dumps({"user": "x", "item": "chips", "typo": 1})
    headers = {"content-type": "application/x-ndjson"}
    told = http.post("/v1/events/stream", content="\n".join(lines).encode(), headers=headers).json()
    assert (told["received"], told["new"], told["rejected"]) == (1197, 1197, 3)
    assert [r["line"] for r in told["rejects"]] == [8, 10, 12]
    assert told["notes"] == []
    again = http.post("/v1/events/stream", content=("\n".join(lines) + "\n").encode(), headers=headers).json()
    assert again["new"] == 0
    refused(http.post("/v1/events/stream", content=b"{}", headers={"content-type": "text/plain"}), 415)


def test_a_batch_is_stored_whole_or_not_at_all(http):
    batch = [{"user": "c", "item": "chips", "id": "c-1"}, {"item": "chips", "id": "c-2"}]
    refused(http.post("/v1/events", json={"events": batch}), 422, "invalid")
    assert http.get("/v1/events", params={"user": "c"}).json()["events"] == []


def test_signals_that_cannot_be_are_told_and_their_events_stored(http):
    event = {"user": "d", "item": "chips", "signals": {"latitude": 131.2, "weather": "rain"}}
    told = http.post("/v1/events", json=event).json()
    assert told == {"received": 1, "new": 1, "notes": ["Not usable, and passed over: latitude 131.2 (-90 to 90)."]}
    assert http.get("/v1/events", params={"user": "d"}).json()["events"][0]["signals"] == event["signals"]
    batch = [{"user": "d", "item": "dip", "signals": {"hour": hour}} for hour in (7, 25, 26, 27, 28)]
    (note,) = http.post("/v1/events", json={"events": batch}).json()["notes"]
    assert note == "Not usable, and passed over, in 4 of 5 events: hour 25 (0 to 23), hour 26 (0 to 23), hour 27 (0 to 23)."
    lines = "\n".join(json.dumps({**one, "id": f"d-{n}"}) for n, one in enumerate(batch * 150)).encode()
    streamed = http.post("/v1/events/stream", content=lines, headers={"content-type": "application/x-ndjson"}).json()
    assert (streamed["received"], streamed["rejected"]) == (750, 0)
    assert streamed["notes"][0].startswith("Not usable, and passed over, in 600 of 750 events: hour 25")


def test_the_catalogue_comes_in_pages(http):
    seen, after = [], 0
    while after is not None:
        page = http.get("/v1/items", params={"after": after, "limit": 3}).json()
        seen += [item["id"] for item in page["items"]]
        after = page["next"]
    assert sorted(seen) == sorted(item.id for item in ITEMS)


@pytest.mark.parametrize(
    ("path", "body", "part"),
    [
        ("/v1/recommend", {"k": 0}, "k"),
        ("/v1/recommend", {"k": 1, "surprise": 1}, "surprise"),
        ("/v1/recommend", {"diversity": 2}, "diversity"),
        ("/v1/recommend", {"policy": "best"}, "'plackett-luce'"),
        ("/v1/recommend", {"policy": "greedy", "policy_options": {"scale": 2}}, "greedy has no setting 'scale'"),
        ("/v1/recommend", {"policy": "thompson", "policy_options": {"scale": 0}}, "policy_options.scale"),
        ("/v1/recommend", {"policy": "epsilon", "policy_options": {"warmth": 1}}, "warmth"),
        ("/v1/recommend", {"policy_options": {"temperature": 1}}, "name the policy"),
        ("/v1/recommend", {"policy": "thompson", "explore": 0.5}, "explore"),
        ("/v1/recommend", {"rules": {"filter": "price <"}}, ""),
        ("/v1/recommend", {"time_zone": "Nowhere/Land"}, ""),
        ("/v1/recommend", {"at": 1e15}, "at"),
        ("/v1/recommend", {"at": "2026-11-27T19:30"}, "zone"),
        ("/v1/recommend", {"user": " "}, "user"),
        ("/v1/events", {"item": "x"}, "user"),
        ("/v1/events", {"events": []}, "events"),
        ("/v1/items", {}, ""),
    ],
)
def test_what_cannot_be_used_is_named(http, path, body, part):
    answer = http.post(path, json=body)
    if path == "/v1/items":
        refused(answer, 405)
        return
    error = refused(answer, 422)
    assert part in error["message"] + error["cure"]


def test_bodies_that_are_no_json_or_too_large(serve):
    http = serve(max_body_mb=1)
    refused(http.post("/v1/recommend", content=b"{", headers={"content-type": "application/json"}), 422)
    refused(http.post("/v1/recommend", content=b"[" * 200_000, headers={"content-type": "application/json"}), 400)
    big = b'{"text": "' + b"x" * 1_100_000 + b'"}'
    refused(http.post("/v1/recommend", content=big), 413, "too_large")

    def pieces():
        for start in range(0, len(big), 100_000):
            yield big[start : start + 100_000]

    refused(http.post("/v1/recommend", content=pieces(), headers={"content-type": "application/json"}), 413)


def test_every_answer_has_safe_headers_and_an_id(http):
    answer = http.get("/v1/info", headers={"x-request-id": "mine-1"})
    assert answer.headers["x-request-id"] == "mine-1"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "server" not in answer.headers
    assert answer.json()["counts"]["items"] == len(ITEMS)
    refused(http.get("/v1/nothing"), 404)


def test_only_listed_origins_may_call(serve):
    http = serve(cors_origins="https://shop.example")
    ask = {"origin": "https://shop.example", "access-control-request-method": "POST"}
    assert http.options("/v1/recommend", headers=ask).headers["access-control-allow-origin"] == "https://shop.example"
    other = http.options("/v1/recommend", headers={**ask, "origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers


def test_health_measures_and_doctor(http):
    assert http.get("/v1/health/live").json() == {"status": "ok"}
    until(lambda: http.get("/v1/health/ready").status_code == 200)
    assert http.get("/v1/health/ready").json() == {"status": "ok"}
    http.post("/v1/recommend", json={"k": 1})
    http.post("/v1/events", json={"events": [{"user": "robot", "item": "chips", "id": f"r{n}"} for n in range(1000)]})
    text = http.get("/v1/metrics").text
    assert 'occasion_requests_total{method="POST",route="/v1/recommend",status="200"} 1.0' in text
    assert 'occasion_stage_seconds_count{stage="encode"}' in text
    assert 'occasion_events_total{new="yes"} 1000.0' in text
    assert "occasion_event_bursts_total 1.0" in text
    findings = http.get("/v1/doctor").json()["findings"]
    assert "impossible-rates" in {f["name"] for f in findings}


class Counting:
    """An encoder with a list of what it was given."""

    def __init__(self, encoder):
        self.encoder, self.version, self.dim, self.texts = encoder, encoder.version, encoder.dim, []

    def encode(self, texts, **options):
        self.texts += texts
        return self.encoder.encode(texts, **options)


def test_a_known_sentence_is_not_encoded_again(http):
    moment = {"text": "a long evening", "at": 1_790_000_000, "k": 1}
    # What a service asks itself beforehand is a sentence too.
    until(lambda: http.get("/v1/health/ready").status_code == 200)
    cache = http.app.state.service.encoder()
    http.post("/v1/recommend", json=moment)
    cache.encoder = counting = Counting(cache.encoder)
    http.post("/v1/recommend", json=moment)
    assert counting.texts == []
    http.post("/v1/recommend", json=moment | {"text": "a short morning"})
    assert len(counting.texts) == 1


def test_versions_are_listed_promoted_and_rolled_back(http):
    assert http.get("/v1/versions").json() == {"in_service": "blend", "versions": [], "changes": []}
    refused(http.post("/v1/versions/promote", json={"version": "../../etc"}), 404)
    refused(http.post("/v1/versions/rollback"), 409)
    assert http.post("/v1/versions/promote", json={"version": "blend"}).json() == {"in_service": "blend", "before": "blend"}
    assert [a["act"] for a in http.get("/v1/audit").json()["acts"]] == ["version.promote"]


def finished(http, job):
    def found():
        stand = http.get(f"/v1/imports/{job}").json()
        return stand["state"] not in ("queued", "running") and stand

    return until(found)


def test_a_file_is_imported_in_the_background(http):
    rows = b"id,title\n" + b"".join(b"n%d,Lamp number %d\n" % (n, n) for n in range(3000)) + b",nameless\n"
    started = http.post("/v1/imports", params={"name": "../../items.csv", "kind": "items"}, content=rows)
    assert started.status_code == 202
    job = started.json()["id"]
    found = finished(http, job)
    assert found["state"] == "done", found
    assert found["name"] == "items.csv"
    assert found["result"]["new"] == 3000
    assert sum(found["result"]["rejected"].values()) == 1
    lines = http.get(f"/v1/imports/{job}/rejects").text.splitlines()
    assert json.loads(lines[0])["line"] == 3002
    assert json.loads(lines[0])["file"] == "items.csv", "where it lay in the service is nobody's business"
    assert found["result"]["plan"][0] == "items.csv: items, csv"
    assert http.post("/v1/recommend", json={"text": "lamp number 77", "k": 5}).json()["items"]
    again = http.post("/v1/imports", params={"name": "items.csv", "kind": "items"}, content=rows).json()["id"]
    assert finished(http, again)["result"]["new"] == 0
    assert [j["id"] for j in http.get("/v1/imports").json()["imports"]] == [again, job]
    assert http.delete(f"/v1/imports/{job}").status_code == 204
    refused(http.get(f"/v1/imports/{job}"), 404)


def test_an_import_tells_of_signals_that_cannot_be(http):
    rows = b"user,item,time,ctx_hour\nann,chips,1.7e9,25\nann,dip,1.7e9,7\n"
    job = http.post("/v1/imports", params={"name": "events.csv"}, content=rows).json()["id"]
    result = finished(http, job)["result"]
    assert (result["new"], result["rejected"], result["warned"]) == (2, {}, 1)
    assert result["warnings"] == [{"file": "events.csv", "line": 2, "signals": "hour 25 (0 to 23)", "who": "ann"}]


def test_a_file_called_like_the_list_of_rejected_rows_is_not_taken_for_it(http):
    rows = b'{"user": "ann", "item": ""}\n' * 4
    job = http.post("/v1/imports", params={"name": "rejects.jsonl", "kind": "events"}, content=rows).json()["id"]
    assert finished(http, job)["result"]["rows"] == 4
    listed = http.get(f"/v1/imports/{job}/rejects").text.splitlines()
    assert [json.loads(line)["reason"] for line in listed] == ["no item"] * 4


@pytest.mark.parametrize("content", [b"\x00\xff\xfe" * 100, b"what,ever\n1,2\n", b"{}", b"PAR1garbagePAR1"])
def test_files_that_cannot_be_understood_fail_with_a_cure(http, content):
    job = http.post("/v1/imports", params={"name": "odd.bin"}, content=content).json()["id"]
    found = finished(http, job)
    assert found["state"] in ("failed", "done")
    if found["state"] == "failed":
        assert found["result"]["error"]
        assert str(http.app.state.service.settings.home) not in json.dumps(found)
    refused(http.post("/v1/imports", content=b""), 422)


def test_a_job_whose_worker_died_is_taken_up_again(http, monkeypatch):
    from occasion.service import jobs

    service = http.app.state.service
    monkeypatch.setattr(jobs, "LOST_SECONDS", 0.1)
    tenant = service.tenants.get("default")
    folder = jobs.job_folder(tenant, "a" * 32)
    folder.mkdir(parents=True)
    (folder / "items.csv").write_text("id,title\nlost,Lost umbrella\n")
    options = {"name": "items.csv", "kind": "items", "format": "auto", "mapping": {}, "event_type": None, "validate_only": False}
    service.jobs.submit("a" * 32, "default", options, 10)
    service.control.rows("UPDATE job SET state = 'running', beat = 0 WHERE id = ?", "a" * 32)
    service.imports.wake()
    assert finished(http, "a" * 32)["result"]["new"] == 1


def test_people_choose_see_and_leave(http):
    event = {"user": "eva", "item": "chips", "type": "purchase", "id": "eva-1", "text": "a quiet evening"}
    http.post("/v1/events", json=event)
    http.post("/v1/recommend", json={"user": "eva", "text": "a very private sentence", "k": 1})
    choice = {"user": "eva", "purpose": "train", "granted": False}
    assert [c["granted"] for c in http.put("/v1/people/consent", json=choice).json()["consents"]] == [False]
    assert http.get("/v1/people/consent", params={"user": "eva"}).json()["consents"][0]["purpose"] == "train"
    held = http.get("/v1/people/export", params={"user": "eva"}).json()
    assert [e["id"] for e in held["events"]] == ["eva-1"]
    assert held["slates"][0]["context"]["text"] == "a very private sentence"
    cache = http.app.state.service.encoder()
    words = cache.encoder._windowed._words._words
    assert "\u2581private" in {*words._once, *words._again}
    gone = http.request("DELETE", "/v1/people", params={"user": "eva"}).json()
    assert (gone["removed"]["events"], gone["removed"]["slates"], gone["clean"]) == (1, 1, True)
    kept = http.get("/v1/people/receipts").json()["receipts"]
    assert [{**gone["receipt"], "still_holding": []}] == kept
    check = {"receipt": gone["receipt"], "user": "eva"}
    good = {"valid": True, "signature": True, "of_this_home": True, "subject": True}
    assert http.post("/v1/people/receipts/verify", json=check).json() == good
    check["receipt"]["at"] += 1
    assert http.post("/v1/people/receipts/verify", json=check).json()["valid"] is False
    refused(http.post("/v1/people/receipts/verify", json={"receipt": {"at": 1}}), 422)
    refused(http.get("/v1/people/export", params={"user": "eva"}), 404)
    refused(http.request("DELETE", "/v1/people", params={"user": "eva"}), 404)
    refused(http.get("/v1/people/consent"), 422)
    assert http.get("/v1/events", params={"user": "eva"}).json()["events"] == []
    http.post("/v1/recommend", json={"user": "zoe", "k": 1})
    assert "\u2581private" not in {*words._once, *words._again}
    assert "a very private sentence" not in "".join([*cache._vectors._once, *cache._vectors._again])
    acts = [a["act"] for a in http.get("/v1/audit").json()["acts"]]
    assert acts == ["person.export", "person.erase"]
    assert "eva" not in http.get("/v1/audit").text
