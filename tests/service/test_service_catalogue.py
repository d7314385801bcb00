"""The routes for those who keep the catalogue."""

from __future__ import annotations

import base64
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from service_shop import ITEMS, bearer

from occasion.insight.atlas import Atlas, load, save
from waiting import until


@pytest.fixture
def http(serve):
    return serve()


def test_search_and_facets(http):
    found = http.post("/v1/catalogue/search", json={"text": "party snacks", "k": 3}).json()
    assert {one["item"]["id"] for one in found["items"]} & {"chips", "dip"}
    assert found["items"][0]["title"]
    every = http.post("/v1/catalogue/search", json={"filter": "price < 4"}).json()
    assert every["total"] == sum(item.price < 4 for item in ITEMS)
    assert every["facets"]["categories"][0][0] == "snacks"
    assert every["facets"]["price"] == [1.0, 3.5]
    assert http.post("/v1/catalogue/search", json={"filter": "prise < 4"}).status_code == 422


def test_an_items_page(http):
    http.post("/v1/events", json={"user": "ann", "item": "chips", "type": "purchase", "signals": {"weather": "rain"}})
    page = http.get("/v1/catalogue/item", params={"id": "chips"}).json()
    assert page["text"] == "Salted tortilla chips. snacks"
    assert page["taken"]["events"] == {"click": 4, "purchase": 1}
    assert "ann" in page["taken"]["sample"]
    assert len(page["neighbours"]) == 7
    assert set(page["titles"]) == {e["item"] for e in page["neighbours"]}
    assert http.get("/v1/catalogue/item", params={"id": ITEMS[6].id}).json()["item"]["id"] == ITEMS[6].id
    assert http.get("/v1/catalogue/item", params={"id": "nowhere"}).status_code == 404


def test_an_item_is_hidden_pinned_boosted_and_let_go(http):
    def items():
        return [e["item"] for e in http.post("/v1/recommend", json={"text": "a snack for the game", "k": 8}).json()["items"]]

    assert http.post("/v1/catalogue/steer", json={"item": "chips", "hide": True}).json() == {
        "hide": True,
        "pin": None,
        "boost": None,
    }
    assert "chips" not in items()
    http.post("/v1/catalogue/steer", json={"item": "chips", "hide": False})
    http.post("/v1/catalogue/steer", json={"item": "..", "pin": 1})
    assert items()[0] == ".."
    http.post("/v1/catalogue/steer", json={"item": "..", "pin": None})
    http.post("/v1/catalogue/steer", json={"item": "..", "boost": 100})
    entries = http.post("/v1/recommend", json={"text": "watering the garden", "k": 8}).json()["items"]
    assert next(e for e in entries if e["item"] == "..")["parts"]["rules"] > 0
    page = http.get("/v1/catalogue/item", params={"id": ".."}).json()
    assert page["steering"] == {"steering": {"hide": False, "pin": None, "boost": 100.0}}
    changes = http.get("/v1/scenario-changes").json()["changes"]
    assert len(changes) == 5
    assert http.post("/v1/scenario-changes/undo", json={"change": changes[0]["seq"]}).status_code == 200
    assert http.get("/v1/catalogue/item", params={"id": ".."}).json()["steering"] == {}
    assert http.post("/v1/catalogue/steer", json={"item": "nowhere", "hide": True}).status_code == 404


def map_when(http, state, **more):
    """Return the map once it stands so."""

    def found():
        stand = http.get("/v1/catalogue/map", params=more).json()
        return stand["state"] == state and stand

    return until(found)


def live_of(http):
    return http.app.state.service.tenants.get("default").recommender.live


def test_a_map_that_cannot_be_drawn_says_so_until_it_is_drawn_anew(http, monkeypatch):
    asked = []

    def broken(keys):
        asked.append(len(keys))
        raise ValueError("/secret/place")

    with monkeypatch.context() as patched:
        patched.setattr(live_of(http), "vectors", broken)
        failed = map_when(http, "failed")
        for _ in range(3):
            assert http.get("/v1/catalogue/map").json() == failed
        assert "Cure" in failed["trouble"]
        assert "secret" not in failed["trouble"]
        assert http.post("/v1/catalogue/map/marks", json={"items": ["chips"]}).json()["state"] == "failed"
        assert len(asked) == 1, "it is not begun again and again"
    assert http.get("/v1/catalogue/map", params={"redraw": "true"}).json()["state"] == "drawing"
    assert map_when(http, "ready")["trouble"] == ""
    with monkeypatch.context() as patched:
        patched.setattr(live_of(http), "vectors", broken)
        assert http.get("/v1/catalogue/map", params={"redraw": "true"}).json()["state"] == "drawing"
        old = map_when(http, "ready")
        assert old["ids"], "the old map is still shown"
        assert "Cure" in old["trouble"]


def test_drawn_anew_the_old_map_is_not_taken_for_the_new_one(http):
    map_when(http, "ready")
    began = http.get("/v1/catalogue/map", params={"redraw": "true"}).json()
    assert began["state"] == "drawing"
    assert began["total"] > 0
    map_when(http, "ready")
    service = http.app.state.service
    key = bearer(service.keys.create("read")[1])
    assert http.get("/v1/catalogue/map", headers=key).status_code == 200
    refused = http.get("/v1/catalogue/map", params={"redraw": "true"}, headers=key)
    assert refused.status_code == 403
    assert "role write" in refused.json()["error"]["message"]
    writer = bearer(service.keys.create("write")[1])
    assert http.get("/v1/catalogue/map", params={"redraw": "true"}, headers=writer).status_code == 200


def test_a_drawing_can_be_cancelled(http, monkeypatch):
    free, inner = threading.Event(), live_of(http).vectors

    def slow(keys):
        free.wait(120)
        return inner(keys)

    with monkeypatch.context() as patched:
        patched.setattr(live_of(http), "vectors", slow)
        assert http.get("/v1/catalogue/map").json()["state"] == "drawing"
        service = http.app.state.service
        atlas = service.insights.of(service.tenants.get("default")).atlas
        with ThreadPoolExecutor(1) as pool:
            told = pool.submit(http.delete, "/v1/catalogue/map/drawing")
            # How the map stands is worked out in the lane that the drawing holds.
            until(atlas._end.is_set)
            free.set()
            assert told.result().status_code == 200
        assert map_when(http, "cancelled")["trouble"] == ""
    assert http.get("/v1/catalogue/map").json()["state"] == "cancelled", "it does not begin unasked"
    assert http.get("/v1/catalogue/map", params={"redraw": "true"}).json()["state"] == "drawing"
    map_when(http, "ready")
    assert http.delete("/v1/catalogue/map/drawing").json()["state"] == "ready", "there is nothing to cancel"


def test_a_map_of_a_later_catalogue_is_of_another_one(serve, encoder, tmp_path):
    path = tmp_path / "home" / "derived" / "atlas.npz"
    keys, places = np.arange(len(ITEMS), dtype=np.int32), np.full((len(ITEMS), 2), 0.5, np.float32)
    save(Atlas(keys, places, encoder.version, 10**6), path)
    http = serve()
    found = map_when(http, "ready")
    assert len(set(np.frombuffer(base64.b64decode(found["x"]), "<u2").tolist())) > 1
    again = load(path)
    assert again is not None
    assert again.revision < 10**6


def test_places_of_some_items_are_those_of_the_map(http):
    whole = map_when(http, "ready")
    x, y = (np.frombuffer(base64.b64decode(whole[axis]), "<u2") for axis in "xy")
    place = {item: [int(x[n]), int(y[n])] for n, item in enumerate(whole["ids"])}
    some = http.post("/v1/catalogue/map/marks", json={"items": ["chips", "..", "nowhere"]}).json()
    assert some["marks"] == {item: place[item] for item in ("chips", "..")}
    assert (some["x"], some["y"], some["total"]) == (whole["x"], whole["y"], len(ITEMS))
    assert http.post("/v1/catalogue/map/marks", json={"items": ["x"] * 1001}).status_code == 422


def test_groups_are_of_fields_with_few_values(http):
    map_when(http, "ready")
    refused = http.get("/v1/catalogue/map", params={"field": "title"})
    assert refused.status_code == 422
    assert "is text" in refused.json()["error"]["message"]
    assert http.get("/v1/catalogue/map", params={"field": "nothing"}).json()["groups"] == [""]


def test_a_program_that_searches_reads_no_log(http):
    service = http.app.state.service
    mine = service.insights.of(service.tenants.get("default"))
    http.post("/v1/catalogue/search", json={"text": "soup"})
    assert not mine._warmed
    http.get("/v1/catalogue/item", params={"id": "chips"})
    assert len(mine.uptake) == 24


def test_the_map_is_drawn_aside_and_kept(http):
    def asked(**more):
        return http.get("/v1/catalogue/map", params=more).json()

    assert asked()["state"] in ("drawing", "ready")
    found = map_when(http, "ready")
    assert sorted(found["ids"]) == sorted(item.id for item in ITEMS)
    x = np.frombuffer(base64.b64decode(found["x"]), "<u2")
    group = np.frombuffer(base64.b64decode(found["group"]), np.uint8)
    assert len(x) == len(group) == len(ITEMS)
    assert found["groups"][group[found["ids"].index("chips")]] == "snacks"
    popularity = dict(zip(found["ids"], np.frombuffer(base64.b64decode(found["popularity"]), np.uint8).tolist(), strict=True))
    assert popularity["chips"] > popularity[".."] == 0
    http.put("/v1/items", json={"items": [{"id": "new", "text": {"title": "A new umbrella"}}]})
    until(lambda: "new" in asked()["ids"])
    http.request("DELETE", "/v1/items", params={"id": "chips"})
    assert "chips" not in asked()["ids"]
    assert asked(field="price")["field"] == "price"
