"""Keys, roles, tenants, rates: nothing opens without a good key, and no key opens another tenant's data."""

from __future__ import annotations

import time

import pytest
from fastapi.testclient import TestClient
from service_shop import bearer

from occasion.errors import DataError, NotFoundError
from occasion.service.control import ControlFile
from occasion.service.keys import KeyRing
from occasion.service.rates import RateLimits

PUBLIC = {"/v1/health/live", "/v1/health/ready"}
METHODS = ("get", "put", "post", "delete")


@pytest.fixture
def ring(tmp_path):
    control = ControlFile(tmp_path)
    yield KeyRing(control)
    control.close()


def test_a_key_opens_until_it_is_revoked_and_is_stored_hashed(ring, tmp_path):
    key, token = ring.create("read", "acme", name="web")
    assert ring.find(token) == key
    assert ring.find(token[:-1] + ("A" if token[-1] != "A" else "B")) is None
    assert ring.find("") is None
    secret = token.rpartition("_")[2].encode()
    assert all(secret not in path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    ring.revoke(key.id)
    assert ring.find(token) is None
    with pytest.raises(NotFoundError):
        ring.revoke(key.id)


def test_another_process_sees_a_change_at_once(ring, tmp_path):
    other = ControlFile(tmp_path)
    theirs = KeyRing(other)
    key, token = ring.create("admin")
    assert theirs.find(token) == key
    theirs.revoke(key.id)
    assert ring.find(token) is None
    other.close()


def test_a_rotated_key_ends_after_its_grace(ring, monkeypatch):
    old, old_token = ring.create("write", "acme", per_minute=7)
    new, new_token = ring.rotate(old.id, grace=3600)
    assert (new.role, new.tenant, new.per_minute) == ("write", "acme", 7)
    assert ring.find(old_token) is not None
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 3601)
    assert ring.find(old_token) is None
    assert ring.find(new_token) == new


@pytest.mark.parametrize(
    ("role", "tenant"), [("root", "acme"), ("read", "../up"), ("read", "UP"), ("read", ""), ("read", "a" * 64)]
)
def test_roles_and_tenants_that_cannot_be(ring, role, tenant):
    with pytest.raises(DataError):
        ring.create(role, tenant)


def test_rates_are_shared_by_all_who_map_the_file(ring, tmp_path):
    key, _ = ring.create("read", per_minute=5)
    one, two = RateLimits(tmp_path / "rates", 1000), RateLimits(tmp_path / "rates", 1000)
    assert [one.wait(key), two.wait(key), one.wait(key), two.wait(key), one.wait(key)] == [0, 0, 0, 0, 0]
    assert 0 < two.wait(key) <= 12
    one.close()
    two.close()


@pytest.fixture
def shop(serve):
    """A service with keys of three roles of two tenants."""
    http = serve()
    keys = http.app.state.service.keys
    tokens = {(t, r): keys.create(r, t)[1] for t in ("default", "acme") for r in ("read", "write", "admin")}
    return http, tokens


def operations(http: TestClient):
    document = http.get("/v1/openapi.json").json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def ask(http, path, method, headers=None):
    return http.request(
        method, path.replace("{name}", "x").replace("{key}", "0" * 12).replace("{job}", "0" * 32), headers=headers, json={}
    )


def test_no_route_opens_with_a_wrong_key(shop):
    http, tokens = shop
    revoked = http.app.state.service.keys
    key, gone = revoked.create("admin")
    revoked.revoke(key.id)
    wrong = [None, {"Authorization": "Bearer "}, bearer("occ_0"), bearer(gone), {"X-API-Key": "x"}, {"Authorization": "Basic YTpi"}]
    wrong.append(bearer(tokens["default", "admin"][:-2] + "xx"))
    tried = 0
    for path, method, operation in operations(http):
        for headers in wrong:
            answer = ask(http, path, method, headers)
            if path in PUBLIC:
                assert answer.status_code in (200, 503)
            else:
                tried += 1
                assert answer.status_code == 401, (path, method)
                assert set(answer.json()) == {"error"}
                assert operation["security"], path
    assert tried > 100


def test_lower_roles_do_no_more_than_they_may(shop):
    http, tokens = shop
    least = {}
    for path, method, _ in operations(http):
        if path in PUBLIC:
            continue
        allowed = [r for r in ("read", "write", "admin") if ask(http, path, method, bearer(tokens["acme", r])).status_code != 403]
        least[method, path] = allowed[0] if allowed else "operator"
        assert allowed in (["read", "write", "admin"], ["write", "admin"], ["admin"], [])
    reading = {path for (method, path), role in least.items() if role == "read"}
    assert reading == {
        "/v1/recommend", "/v1/similar", "/v1/rank", "/v1/score", "/v1/rate", "/v1/what-if", "/v1/explain", "/v1/slates",
        "/v1/catalogue/search", "/v1/catalogue/item", "/v1/catalogue/map", "/v1/catalogue/map/marks", "/v1/live", "/v1/compare",
        "/v1/signals", "/v1/people/taste", "/v1/users/search",
        "/v1/items", "/v1/users", "/v1/events", "/v1/scenarios", "/v1/info", "/v1/versions",
    }  # fmt: skip
    assert all(method == "get" or path in reading for (method, path), role in least.items() if role == "read")
    assert least["put", "/v1/items"] == least["post", "/v1/events"] == least["post", "/v1/events/stream"] == "write"
    assert least["get", "/v1/keys"] == least["put", "/v1/scenarios/{name}"] == least["get", "/v1/doctor"] == "admin"
    assert least["get", "/v1/metrics"] == "operator"


def test_tenants_see_nothing_of_each_other(shop):
    http, tokens = shop
    acme, own = bearer(tokens["acme", "admin"]), bearer(tokens["default", "admin"])
    assert http.get("/v1/info", headers=acme).json()["counts"]["items"] == 0
    assert http.put("/v1/items", json={"items": [{"id": "secret", "text": {"title": "secret lamp"}}]}, headers=acme).json() == {
        "changed": 1
    }
    http.post("/v1/events", json={"user": "ann", "item": "secret", "type": "purchase", "id": "acme-1"}, headers=acme)
    http.put("/v1/users", json={"users": [{"id": "acme-ann"}]}, headers=acme)
    http.put("/v1/scenarios/mine", json={"k": 1}, headers=acme)
    answer = http.post("/v1/recommend", json={"user": "zoe", "text": "a lamp"}, headers=acme).json()
    assert [e["item"] for e in answer["items"]] == ["secret"]
    job = http.post("/v1/imports", params={"name": "u.csv"}, content=b"id,title\nu,Umbrella\n", headers=acme).json()["id"]
    # The same questions with a key of the other tenant.
    assert http.get(f"/v1/imports/{job}", headers=own).status_code == 404
    assert http.get(f"/v1/imports/{job}/rejects", headers=own).status_code == 404
    assert http.delete(f"/v1/imports/{job}", headers=own).status_code == 404
    assert http.get("/v1/imports", headers=own).json()["imports"] == []
    assert http.get("/v1/items", params={"id": "secret"}, headers=own).json()["items"] == []
    assert http.get("/v1/events", params={"user": "ann"}, headers=own).json()["events"] == []
    assert http.get("/v1/users", params={"id": "acme-ann"}, headers=own).status_code == 404
    assert http.get("/v1/scenarios", headers=own).json()["scenarios"] == {}
    assert http.get("/v1/slates", params={"slate": answer["slate"]}, headers=own).status_code == 404
    assert http.post("/v1/explain", json={"slate": answer["slate"], "item": "secret"}, headers=own).status_code == 404
    assert http.post("/v1/recommend", json={"user": "zoe", "after": answer["slate"]}, headers=own).status_code == 404
    assert http.post("/v1/similar", json={"item": "secret"}, headers=own).status_code == 404
    assert http.post("/v1/rank", json={"items": ["secret"]}, headers=own).json()["unknown"] == ["secret"]
    everything = http.post("/v1/recommend", json={"text": "secret lamp", "k": 100}, headers=own).json()
    assert "secret" not in [e["item"] for e in everything["items"]]
    # An event id is an id of its tenant alone.
    assert http.post("/v1/events", json={"user": "ann", "item": "chips", "id": "acme-1"}, headers=own).json()["new"] == 1


def test_admins_manage_the_keys_of_their_tenant_alone(shop):
    http, tokens = shop
    acme, own = bearer(tokens["acme", "admin"]), bearer(tokens["default", "admin"])
    made = http.post("/v1/keys", json={"role": "read", "name": "site"}, headers=acme)
    assert made.status_code == 201
    key, token = made.json()["id"], made.json()["key"]
    assert made.json()["tenant"] == "acme"
    assert http.get("/v1/info", headers={"X-API-Key": token}).json()["tenant"] == "acme"
    assert key not in [k["id"] for k in http.get("/v1/keys", headers=own).json()["keys"]]
    assert all("key" not in k for k in http.get("/v1/keys", headers=acme).json()["keys"])
    assert http.delete(f"/v1/keys/{key}", headers=own).status_code == 404
    assert http.post(f"/v1/keys/{key}/rotate", json={}, headers=own).status_code == 404
    new = http.post(f"/v1/keys/{key}/rotate", json={}, headers=acme).json()["key"]
    assert http.get("/v1/info", headers=bearer(token)).status_code == 401
    assert http.get("/v1/info", headers=bearer(new)).status_code == 200
    assert http.delete(f"/v1/keys/{new.split('_')[1]}", headers=acme).status_code == 204
    assert http.get("/v1/info", headers=bearer(new)).status_code == 401
    acts = [a["act"] for a in http.get("/v1/audit", headers=acme).json()["acts"]]
    assert acts == ["scenario.put", "key.create", "key.rotate", "key.revoke"][-3:]
    assert http.get("/v1/audit", headers=own).json()["acts"] == []


def test_a_key_that_asks_too_often_must_wait(serve):
    http = serve(rate_limit=60)
    http.app.state.service.keys.create("admin")
    _, token = http.app.state.service.keys.create("read", per_minute=3)
    codes = [http.get("/v1/info", headers=bearer(token)).status_code for _ in range(5)]
    assert codes == [200, 200, 200, 429, 429]
    assert int(http.get("/v1/info", headers=bearer(token)).headers["retry-after"]) >= 1


def test_open_on_loopback_only_to_its_own_name(serve):
    http = serve()
    assert http.get("/v1/info").status_code == 200
    assert http.get("/v1/info", headers={"host": "rebound.example"}).status_code == 403
    assert http.get("/v1/info", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    for header in ("x-forwarded-for", "forwarded", "x-real-ip", "via"):
        brought = http.get("/v1/info", headers={header: "203.0.113.7"})
        assert brought.status_code == 403, "a proxy on this machine asks on behalf of anybody"
        assert "occasion keys create" in brought.json()["error"]["cure"]
    key, _ = http.app.state.service.keys.create("read")
    assert http.get("/v1/info").status_code == 401
    http.app.state.service.keys.revoke(key.id)
    assert http.get("/v1/info").status_code == 401, "closed once, it does not open by itself"


def test_another_address_is_never_open(serve):
    assert serve(host="0.0.0.0").get("/v1/info").status_code == 401
