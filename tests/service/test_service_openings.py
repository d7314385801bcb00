"""Opening a tenant takes what it takes, and nobody else waits for it; what nobody asks for is kept up all the same."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from fastapi.testclient import TestClient
from service_shop import bearer, fill

from occasion import live
from occasion.data import Event, Item
from occasion.encoders.remote import RemoteEncoder
from occasion.privacy.erasure import erase
from occasion.privacy.guarded import open_guarded
from occasion.service import create_app, upkeep
from occasion.service.control import ControlFile
from occasion.service.keys import KeyRing
from occasion.service.patience import PatientEncoder, unhurried
from occasion.settings import Settings
from occasion.stores import open_store
from waiting import until


class Held:
    """An encoder that takes its time with the items of one catalogue."""

    def __init__(self, encoder):
        self.encoder, self.version, self.dim = encoder, encoder.version, encoder.dim
        self.entered, self.release = threading.Event(), threading.Event()

    def encode(self, texts, *, role="item", progress=None):
        if role == "item" and any("glacier" in text for text in texts):
            self.entered.set()
            assert self.release.wait(120)
        return self.encoder.encode(texts, role=role, progress=progress)


@pytest.fixture
def held(encoder):
    made = Held(encoder)
    yield made
    made.release.set()


@pytest.fixture
def shops(tmp_path, held):
    """A service of two tenants, one of which takes long to open, and their keys."""
    home = fill(tmp_path / "home")
    store = open_store(f"sqlite:///{home}/tenants/slow/occasion.db")
    store.put_items([Item(id=f"g{n}", text={"title": f"glacier number {n}"}) for n in range(5000)])
    store.close()
    control = ControlFile(home)
    keys = {name: KeyRing(control).create("write", name)[1] for name in ("default", "slow")}
    control.close()
    with TestClient(create_app(Settings(home=home, queue=2), encoder=held), base_url="http://127.0.0.1") as http:
        until(lambda: http.get("/v1/health/ready").status_code == 200)
        yield lambda tenant: http.post("/v1/recommend", json={"text": "glacier", "k": 1}, headers=bearer(keys[tenant])), http


def test_while_a_tenant_is_opened_others_are_answered(shops, held):
    ask, _ = shops
    with ThreadPoolExecutor(8) as pool:
        slow = pool.submit(ask, "slow")
        assert held.entered.wait(60)
        try:
            assert pool.submit(ask, "default").result(timeout=30).status_code == 200
            late = [pool.submit(ask, "slow") for _ in range(4)]
            refused = until(lambda: [one for one in late if one.done()])
            assert refused[0].result().json()["error"]["code"] == "overloaded", "and no more may wait than in any other queue"
            assert pool.submit(ask, "default").result(timeout=30).status_code == 200
        finally:
            held.release.set()
        assert slow.result(timeout=120).json()["items"][0]["item"].startswith("g")


def test_a_service_that_is_to_end_does_not_wait_for_an_opening(shops, held):
    ask, http = shops
    tenant = http.app.state.service.tenants.get("slow")
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(ask, "slow")
        assert held.entered.wait(60)
        http.app.state.service.tenants.stop()
        held.release.set()
        assert slow.result(timeout=120).status_code == 503
    assert not tenant.warm


def test_taking_time_is_a_thing_of_one_thread(held):
    """Beside an opening that may take hours, answers to others wait for a remote encoder as long as ever and no longer."""

    class Slow(RemoteEncoder):
        version, dim = "slow-1", 4

        def __init__(self):
            self.release = threading.Event()

        def encode(self, texts, *, role="item", progress=None):
            assert self.release.wait(60)
            return held.encoder.encode(texts, role=role, progress=progress)

    slow = Slow()
    patient = PatientEncoder(slow, 0.05)
    with ThreadPoolExecutor(1) as pool:

        def opening():
            with unhurried(patient):
                return patient.encode(["an item"])

        opened = pool.submit(opening)
        with pytest.raises(Exception, match="no answer within"):
            patient.encode(["a question"], role="query")
        slow.release.set()
        assert len(opened.result(timeout=60)) == 1


def test_a_worker_that_nobody_asks_forgets_who_left(tmp_path, encoder, monkeypatch):
    """Another process erases somebody; on a long log counts follow aside, and nobody's answer has to come first for that."""
    monkeypatch.setattr(upkeep, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(live, "RECOUNT_AT_ONCE", 0)
    settings = Settings(home=fill(tmp_path / "home"))
    with closing(open_guarded(settings)) as store:
        store.append([Event(user="eva", item="chips", signals={"mood": "frabjous"}, id="eva", at=1_790_000_100.0)])
        with TestClient(create_app(settings, encoder=encoder), base_url="http://127.0.0.1") as http:
            until(lambda: http.get("/v1/health/ready").status_code == 200)
            assert "frabjous" in http.get("/v1/signals").text
            erase(store, settings, user="eva")
            counted = http.app.state.service.tenants.get("default").recommender.live.statistics
            until(lambda: "mood" not in counted.signals)
            assert "frabjous" not in http.get("/v1/signals").text
