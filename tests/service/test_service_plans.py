"""Imports that are looked at before they begin, and that can be cancelled."""

from __future__ import annotations

from waiting import until

CSV = b"sku,NAME,amount\n" + b"".join(b"p%d,Thing %d,%d\n" % (n, n, n) for n in range(20)) + b",no id,3\n"


def held(http, content=CSV, name="goods.csv"):
    job = http.post("/v1/imports", params={"name": name, "hold": True}, content=content).json()
    assert job["state"] == "held"
    return job["id"]


def ended(http, job):
    def found():
        stand = http.get(f"/v1/imports/{job}").json()
        return stand["state"] in ("done", "failed", "cancelled") and stand

    return until(found)


def test_a_held_file_is_planned_then_imported_as_told(serve):
    http = serve()
    job = held(http)
    plan = http.get(f"/v1/imports/{job}/plan").json()
    assert (plan["kind"], plan["format"], plan["error"]) == ("items", "csv", "")
    assert {c["column"]: c["role"] for c in plan["columns"]} == {"sku": "id", "NAME": "text.title", "amount": "attributes.amount"}
    assert plan["columns"][1]["examples"] == ["Thing 0", "Thing 1", "Thing 2", "Thing 3"]
    mapped = http.get(f"/v1/imports/{job}/plan", params={"map": ["price=amount"]}).json()
    assert mapped["columns"][2]["role"] == "price"
    assert "price" in mapped["roles"]
    assert http.post(f"/v1/imports/{job}/start", json={"mapping": {"price": "amount"}}).json()["state"] in (
        "queued",
        "running",
        "done",
    )
    assert ended(http, job)["result"]["new"] == 20
    assert http.get("/v1/items", params={"id": "p7"}).json()["items"][0]["price"] == 7.0
    assert http.get(f"/v1/imports/{job}/plan").status_code == 409
    assert http.post(f"/v1/imports/{job}/start", json={}).status_code == 409


def test_a_check_writes_nothing(serve):
    http = serve()
    job = held(http)
    http.post(f"/v1/imports/{job}/start", json={"validate_only": True})
    result = ended(http, job)["result"]
    assert (result["validate_only"], result["valid"], sum(result["rejected"].values())) == (True, 20, 1)
    assert http.get("/v1/items", params={"id": "p7"}).json()["items"] == []


def test_a_plan_says_why_there_is_none(serve):
    http = serve()
    plan = http.get(f"/v1/imports/{held(http, b'colour,size' + bytes([10]) + b'red,3' + bytes([10]))}/plan").json()
    assert plan["error"]
    assert plan["cure"]
    assert [c["column"] for c in plan["columns"]] == ["colour", "size"]
    home = str(http.app.state.service.settings.home)
    assert home not in str(plan)


def test_cancelling_what_is_held_waits_or_runs(serve, tmp_path):
    http = serve()
    job = held(http)
    (upload,) = [p for p in tmp_path.rglob(f"{job}/*") if p.is_file()]
    assert http.post(f"/v1/imports/{job}/cancel").json()["state"] == "cancelled"
    assert not upload.exists(), "rows of people that nobody will read"
    assert http.post(f"/v1/imports/{job}/start", json={}).status_code == 409
    assert http.delete(f"/v1/imports/{job}").status_code == 204
    # Long enough that it is under way when the word to end comes.
    line = b'{"user": "u%d", "item": "p%d", "at": %d}\n'
    rows = b"".join(line % (n % 999, n % 77, 1_700_000_000 + n) for n in range(160_000))
    long = http.post("/v1/imports", params={"name": "events.jsonl"}, content=rows).json()["id"]
    until(lambda: http.get(f"/v1/imports/{long}").json()["state"] != "queued")
    assert http.post(f"/v1/imports/{long}/cancel").json()["state"] == "cancelling"
    assert ended(http, long)["state"] == "cancelled"
    stored = http.get("/v1/info").json()["counts"]["events"]
    assert stored < 160_000
    # What was stored stays, and the same file again brings the rest.
    again = http.post("/v1/imports", params={"name": "events.jsonl"}, content=rows).json()["id"]
    assert ended(http, again)["state"] == "done"
    assert http.get("/v1/info").json()["counts"]["events"] == 160_024


def test_demo_data_go_into_an_empty_store_alone(serve):
    assert serve().post("/v1/imports/demo").status_code == 409
