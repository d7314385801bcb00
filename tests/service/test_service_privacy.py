"""People's rights in running services and on the command line: erasure that leaves no byte, retention that is really enforced."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import httpx
import pytest
from service_shop import bearer, fill, running

from occasion.data import Event
from occasion.privacy.guarded import open_guarded
from occasion.settings import Settings
from occasion.versions import Versions
from waiting import until

WHO, WORD = "eva-of-elm-street", "xylophonophobia"


def occasion(home, *arguments, given=None, **environment):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("OCCASION_")}
    command = [sys.executable, "-m", "occasion", *arguments, "--home", str(home)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, input=given, env={**clean, **environment}
    )


def files_with(home, *words):
    return [
        str(p.relative_to(home))
        for p in sorted(home.rglob("*"))
        if p.is_file() and any(w.encode() in p.read_bytes() for w in words)
    ]


def imported(http, name, content):
    job = http.post("/v1/imports", params={"name": name, "kind": "events", "map": "at=at"}, content=content).json()["id"]
    until(lambda: http.get(f"/v1/imports/{job}").json()["state"] not in ("queued", "running"))
    return job


def test_after_an_erasure_no_file_of_any_home_has_the_person(tmp_path):
    home = fill(tmp_path / "home")
    keys = {
        tenant: json.loads(occasion(home, "keys", "create", "--role", "admin", "--tenant", tenant, "--json").stdout)["key"]
        for tenant in ("default", "acme")
    }
    fill(home / "tenants" / "acme")
    with running(home, "--workers", "2") as service:
        for tenant, key in keys.items():
            with httpx.Client(base_url=service.url, headers=bearer(key), timeout=30) as http:
                event = {"user": WHO, "item": "chips", "type": "purchase", "text": f"against {WORD}"}
                http.put("/v1/users", json={"users": [{"id": WHO, "attributes": {"fear": WORD}}]}).raise_for_status()
                http.post("/v1/events", json=event).raise_for_status()
                for _ in range(4):
                    http.post("/v1/recommend", json={"user": WHO, "text": f"I fear {WORD}", "k": 3}).raise_for_status()
                imported(http, f"{WHO}.csv", f"user,item,at\n{WHO},chips,{WORD}\nbob,chips,noon\n")
                imported(http, "export.csv", f"{WHO},chips,{WORD}\n{WHO},dip,{WORD}\n")
                imported(http, "places.csv", f"user,item,at,ctx_latitude\n{WHO},chips,1.7e9,{WORD}\n")
                assert files_with(home if tenant == "default" else home / "tenants" / "acme", WHO)
        for tenant, key in keys.items():
            with httpx.Client(base_url=service.url, headers=bearer(key), timeout=60) as http:
                gone = http.request("DELETE", "/v1/people", params={"user": WHO}).raise_for_status().json()
                assert (gone["removed"]["rejects"] > 0, gone["removed"]["slates"]) == (True, 4), tenant
                assert gone["pending_imports"] == 0
                assert gone["clean"] or until(lambda: http.post("/v1/people/expire").raise_for_status().json()["clean"])
        left = [name for name in files_with(home, WHO, WORD) if name != "log"]
        assert left == []
        assert WORD not in service.log.read_text()
        assert WHO not in service.log.read_text()
        with httpx.Client(base_url=service.url, headers=bearer(keys["acme"]), timeout=30) as http:
            receipt = http.get("/v1/people/receipts").json()["receipts"][0]
            other = {"receipt": {k: v for k, v in receipt.items() if k != "still_holding"}, "user": WHO}
            assert http.post("/v1/people/receipts/verify", json=other).json()["valid"]
        with httpx.Client(base_url=service.url, headers=bearer(keys["default"]), timeout=30) as http:
            assert http.post("/v1/people/receipts/verify", json=other).json()["of_this_home"] is False, (
                "homes have keys of their own"
            )


def test_a_running_service_removes_what_is_too_old(tmp_path):
    home, now, day = tmp_path / "home", time.time(), 86_400
    fill(home)
    settings = Settings(home=home)
    store = open_guarded(settings)
    store.append([Event(user="u", item="chips", type=t, at=now - 5 * day + 2, id=f"soon-{t}") for t in ("view", "purchase")])
    store.append([Event(user="u", item="dip", type="view", at=at, id=f"at-{n}") for n, at in enumerate((now, None, 7.0))])
    before = store.counts()["events"]
    store.close()
    keep = {"OCCASION_RETENTION_DAYS": "view=5, *=20000", "OCCASION_UPKEEP_SECONDS": "1", "OCCASION_SLATE_DAYS": "1"}
    with running(home, "--workers", "2", **keep) as service, httpx.Client(base_url=service.url, timeout=30) as http:
        old = http.post("/v1/recommend", json={"user": "u", "k": 1, "at": now - day + 2}).json()["slate"]
        kept = http.post("/v1/recommend", json={"user": "u", "k": 1}).json()["slate"]

        def events_of_u():
            return http.get("/v1/events", params={"user": "u"}).json()["events"]

        until(lambda: all((e["item"], e["type"]) != ("chips", "view") for e in events_of_u()))
        until(lambda: http.get("/v1/slates", params={"slate": old}).status_code == 404)
        events = events_of_u()
        assert {(e["item"], e["type"]) for e in events} == {("chips", "purchase"), ("dip", "view")}
        assert len(events) == 4, "events without a time of the clock have no age"
        assert http.get("/v1/slates", params={"slate": kept}).status_code == 200
        assert http.get("/v1/info").json()["counts"]["events"] == before - 1
        assert http.post("/v1/recommend", json={"user": "u", "k": 3}).status_code == 200
        said = [json.loads(line) for line in service.log.read_text().splitlines() if line.startswith("{")]
        assert sum(line.get("events", 0) for line in said if line["event"] == "expired") == 1
        assert sum(line.get("slates", 0) for line in said if line["event"] == "expired") == 1
        assert service.stop() == 0


def test_retention_removes_what_the_counts_knew(tmp_path):
    home, now = tmp_path / "home", time.time()
    fill(home)
    store = open_guarded(Settings(home=home))
    store.append([Event(user=f"v{n}", item="soup", type="view", at=now - 10 * 86_400, id=f"v{n}") for n in range(1200)])
    store.close()
    assert occasion(home, "index").returncode == 0
    assert (home / "derived" / "statistics.npys").exists()
    done = occasion(home, "privacy", "expire", "--json", OCCASION_RETENTION_DAYS="view=9")
    assert json.loads(done.stdout) == {"events": {"view": 1200}, "slates": 0, "rejects": 0, "clean": True}
    assert not (home / "derived" / "statistics.npys").exists()
    counted = json.loads(occasion(home, "index", "--json").stdout)["events"]
    assert counted == 24
    assert json.loads(occasion(home, "privacy", "expire", "--json").stdout)["events"] == {}, "nothing without a setting"
    assert "retention_days" in occasion(home, "privacy", "expire").stderr
    wrong = occasion(home, "privacy", "expire", OCCASION_RETENTION_DAYS="view=ever")
    assert wrong.returncode == 2
    assert "view=ever" in wrong.stderr


def test_the_commands_answer_a_request_from_its_beginning_to_its_end(tmp_path):
    home = fill(tmp_path / "home")
    settings = Settings(home=home)
    store = open_guarded(settings)
    store.append([Event(user=WHO, item="chips", id="1", text=WORD)])

    def write(folder):
        folder.mkdir(parents=True)
        (folder / "weights").write_text("1")

    version = Versions(store, home).put(write, data={"seq": 25, "withdrawals": 0}).id
    store.close()
    held = json.loads(occasion(home, "privacy", "export", "--user", WHO).stdout)
    assert held["events"][0]["text"] == WORD
    out = tmp_path / "out.json"
    assert occasion(home, "privacy", "export", "--user", WHO, "--out", str(out)).returncode == 0
    assert json.loads(out.read_text()) == held
    assert out.stat().st_mode & 0o077 == 0
    refused = json.loads(occasion(home, "privacy", "consent", "--user", WHO, "--purpose", "train", "--deny", "--json").stdout)
    assert refused["in_force"] == {"personalise": True, "train": False, "analyse": True}
    assert "train: refused" in occasion(home, "privacy", "consent", "--user", WHO).stdout
    done = occasion(home, "privacy", "erase", "--user", WHO, "--out", str(tmp_path / "receipt.json"))
    assert done.returncode == 0
    assert version in done.stderr
    assert files_with(home, WHO, WORD) == []
    assert occasion(home, "privacy", "erase", "--user", WHO).returncode == 3
    assert occasion(home, "privacy", "export", "--user", WHO).returncode == 3
    receipt = (tmp_path / "receipt.json").read_text()
    assert occasion(home, "privacy", "verify", str(tmp_path / "receipt.json"), "--user", WHO).returncode == 0
    assert occasion(home, "privacy", "verify", "-", given=receipt).returncode == 0
    assert occasion(home, "privacy", "verify", "-", "--user", "bob", given=receipt).returncode == 6
    forged = receipt.replace('"events": 1', '"events": 2')
    assert forged != receipt
    assert occasion(home, "privacy", "verify", "-", given=forged).returncode == 6
    (listed,) = json.loads(occasion(home, "privacy", "receipts", "--json").stdout)["receipts"]
    assert listed["still_holding"] == [version]
    public = listed["public_key"]
    assert occasion(tmp_path / "elsewhere", "privacy", "verify", "-", "--public-key", public, given=receipt).returncode == 0
    assert occasion(home, "retire", version).returncode == 0
    assert json.loads(occasion(home, "privacy", "receipts", "--json").stdout)["receipts"][0]["still_holding"] == []
    assert occasion(home, "retire", version).returncode == 3


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("export",), 2),
        (("erase", "--user", "a", "--session", "b"), 2),
        (("export", "--user", "u1", "--tenant", "nobody"), 3),
        (("verify", "nothing.json"), 2),
        (("consent", "--user", "u1", "--purpose", "sell", "--deny"), 2),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path, arguments, code):
    done = occasion(fill(tmp_path / "home"), "privacy", *arguments)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "home" / "tenants").exists()


def test_versions_are_retired_over_http(serve):
    http = serve()
    tenant = http.app.state.service.tenants.get("default")

    def write(folder):
        folder.mkdir(parents=True)
        (folder / "weights").write_text("1")

    version = Versions(tenant.store, tenant.settings.home).put(write).id
    Versions(tenant.store, tenant.settings.home).promote(version)
    assert http.post("/v1/versions/retire", json={"version": version}).status_code == 409
    Versions(tenant.store, tenant.settings.home).promote("blend")
    assert http.post("/v1/versions/retire", json={"version": version}).status_code == 200
    assert http.post("/v1/versions/retire", json={"version": version}).status_code == 404
    assert http.get("/v1/versions").json()["versions"] == []
    assert [(a["act"], a["target"]) for a in http.get("/v1/audit").json()["acts"]] == [("version.retire", version)]
