"""The routes for those who keep the catalogue."""

from __future__ import annotations

import base64
import time

import numpy as np
import pytest
from service_shop import ITEMS


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


def test_the_map_is_drawn_aside_and_kept(http):
    def asked(**more):
        return http.get("/v1/catalogue/map", params=more).json()

    assert asked()["state"] in ("drawing", "ready")
    end = time.monotonic() + 30
    while (found := asked())["state"] != "ready" and time.monotonic() < end:
        time.sleep(0.05)
    assert found["state"] == "ready"
    assert sorted(found["ids"]) == sorted(item.id for item in ITEMS)
    x = np.frombuffer(base64.b64decode(found["x"]), "<u2")
    group = np.frombuffer(base64.b64decode(found["group"]), np.uint8)
    assert len(x) == len(group) == len(ITEMS)
    assert found["groups"][group[found["ids"].index("chips")]] == "snacks"
    popularity = dict(zip(found["ids"], np.frombuffer(base64.b64decode(found["popularity"]), np.uint8).tolist(), strict=True))
    assert popularity["chips"] > popularity[".."] == 0
    http.put("/v1/items", json={"items": [{"id": "new", "text": {"title": "A new umbrella"}}]})
    end = time.monotonic() + 30
    while "new" not in asked()["ids"] and time.monotonic() < end:
        time.sleep(0.05)
    assert "new" in asked()["ids"]
    http.request("DELETE", "/v1/items", params={"id": "chips"})
    assert "chips" not in asked()["ids"]
    assert asked(field="price")["field"] == "price"
