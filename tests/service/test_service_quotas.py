"""Quotas: one tenant cannot take the service from the others."""

from __future__ import annotations

import time

import pytest
from service_shop import bearer

from occasion.errors import DataError
from occasion.service import quotas
from occasion.service.keys import MAX_TENANT_KEYS
from waiting import until


@pytest.fixture
def acme(serve):
    http = serve()
    service = http.app.state.service
    return http, service, bearer(service.keys.create("admin", "acme")[1])


def test_a_tenant_holds_no_more_than_it_may(acme, monkeypatch):
    http, service, key = acme
    service.quotas.put("acme", items=3, events=2)
    items = [{"id": f"i{n}"} for n in range(4)]
    assert http.put("/v1/items", json={"items": items}, headers=key).status_code == 403
    assert http.put("/v1/items", json={"items": items[:3]}, headers=key).json() == {"changed": 3}
    refused = http.put("/v1/items", json={"items": items[3:]}, headers=key)
    assert refused.json()["error"]["code"] == "quota"
    event = {"user": "ann", "item": "i1"}
    assert [http.post("/v1/events", json={**event, "id": f"{n}"}, headers=key).status_code for n in range(3)] == [200, 200, 403]
    monkeypatch.setattr(quotas, "COUNT_SECONDS", 0.0)
    assert http.request("DELETE", "/v1/items", params={"id": "i0"}, headers=key).status_code == 200
    assert http.put("/v1/items", json={"items": items[3:]}, headers=key).status_code == 200
    # Others are not concerned.
    other = bearer(service.keys.create("admin")[1])
    assert http.put("/v1/items", json={"items": items}, headers=other).json() == {"changed": 4}


def test_an_import_stops_at_the_quota(acme):
    http, service, key = acme
    service.quotas.put("acme", items=2)
    http.put("/v1/items", json={"items": [{"id": "a"}, {"id": "b"}]}, headers=key)
    time.sleep(0.01)
    service.quotas.put("acme", items=1)
    job = http.post("/v1/imports", params={"name": "items.csv"}, content=b"id,title\nx,Lamp\n", headers=key).json()["id"]
    until(lambda: http.get(f"/v1/imports/{job}", headers=key).json()["state"] not in ("queued", "running"))
    found = http.get(f"/v1/imports/{job}", headers=key).json()
    assert found["state"] == "failed"
    assert "may hold" in found["result"]["error"]
    assert http.get("/v1/items", params={"id": "x"}, headers=key).json()["items"] == []


def test_imports_of_one_tenant_do_not_pile_up(acme):
    http, service, key = acme
    service.imports.close()
    codes = [http.post("/v1/imports", content=b"id\nx\n", headers=key).status_code for _ in range(quotas.WAITING_IMPORTS + 1)]
    assert codes == [202] * quotas.WAITING_IMPORTS + [409]


def test_all_keys_of_a_tenant_share_its_rate(acme):
    http, service, key = acme
    another = bearer(service.keys.create("read", "acme", per_minute=1_000_000)[1])
    other = bearer(service.keys.create("read")[1])
    service.quotas.put("acme", per_minute=4)
    codes = [http.get("/v1/info", headers=key if n % 2 else another).status_code for n in range(6)]
    assert codes == [200] * 4 + [429] * 2
    assert http.get("/v1/info", headers=other).status_code == 200
    service.quotas.put("acme", per_minute=0)
    assert http.get("/v1/info", headers=key).status_code == 200


def test_keys_of_one_tenant_leave_room_for_those_of_others(acme):
    http, service, key = acme
    for n in range(MAX_TENANT_KEYS - 1):
        service.keys.create("read", "acme", name=f"{n}")
    refused = http.post("/v1/keys", json={"role": "read"}, headers=key)
    assert refused.status_code == 422
    service.keys.create("read")


def test_quotas_that_cannot_be(acme):
    _, service, _ = acme
    with pytest.raises(DataError):
        service.quotas.put("acme", items=-1)
    with pytest.raises(DataError):
        service.quotas.put("../x", items=1)
    assert service.quotas.put("acme", items=5).items == 5
    assert (service.quotas.put("acme", events=7).items, service.quotas.get("acme").events) == (5, 7)
