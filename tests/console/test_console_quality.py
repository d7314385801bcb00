"""Quality: versions promoted and rolled back, a study run and cancelled, what was served compared."""

from __future__ import annotations

import httpx
import numpy as np
import pytest

from occasion.settings import Settings
from occasion.stores import open_store
from occasion.versions import Versions

GROUP = {"queries": 120, "difference": 0.02, "interval": [0.01, 0.03], "p": 0.01}
METRICS = {
    "all": {**GROUP, "ndcg": [0.12, 0.1, 0.14], "ndcg_before": [0.1, 0.08, 0.12]},
    "weather=rain": {**GROUP, "ndcg": [0.2, 0.1, 0.3], "ndcg_before": [0.1, 0.05, 0.15]},
}


@pytest.fixture
def version(shop):
    """Put a version with the gate's figures into the shop's home."""
    store = open_store(Settings(home=shop.home).resolved_store_url)
    registry = Versions(store, shop.home)

    def write(folder):
        folder.mkdir(parents=True)
        np.savez(folder / "weights.npz", w=np.zeros(3))

    made = registry.put(
        write, metrics=METRICS, gate={"passed": True, "reasons": ["not worse in any of 2 groups"]}, parts=("popularity",)
    )
    yield made.id
    registry.promote("blend")
    registry.remove(made.id)
    store.close()


def test_a_version_is_promoted_and_rolled_back(tab, shop, version):
    tab.open("/quality")
    shown = tab.one(f".version[data-version='{version}']")
    for text in ("0.1200 (0.1000 – 0.1400)", "Gate: passed", "not worse in any of 2 groups", "Learnt: popularity"):
        assert text in shown.text
    tab.click(".version button.promote")
    tab.says(f"In service: {version}")
    assert httpx.get(f"{shop.url}/v1/versions").json()["in_service"] == version
    tab.click("button.rollback")
    tab.says("In service: blend")
    assert httpx.get(f"{shop.url}/v1/versions").json()["in_service"] == "blend"
    assert [e["act"] for e in httpx.get(f"{shop.url}/v1/audit").json()["acts"]][-2:] == ["version.promote", "version.rollback"]
    # Last, as the buttons move while it opens.
    tab.click(".groups .q-item")
    tab.says("weather=rain")


def test_a_version_is_retired_and_older_ones_are_found(tab, shop):
    store = open_store(Settings(home=shop.home).resolved_store_url)
    registry = Versions(store, shop.home)
    for _ in range(13):
        registry.put(lambda folder: folder.mkdir(parents=True), metrics={}, gate={}, parts=())
    try:
        made = [one["id"] for one in httpx.get(f"{shop.url}/v1/versions").json()["versions"]]
        tab.open("/quality")
        oldest = f".version[data-version='{made[0]}']"
        tab.one(f".version[data-version='{made[1]}']")
        assert tab.all(oldest) == []
        tab.click("button.older")
        tab.one(oldest)
        tab.click(f"{oldest} button.retire")
        assert tab.violations() == []
        tab.click("button.answer-retire")
        tab.until(lambda: not tab.all(oldest), "a list without it")
        assert made[0] not in [one["id"] for one in httpx.get(f"{shop.url}/v1/versions").json()["versions"]]
    finally:
        for version in registry.all():
            registry.remove(version.id)
        store.close()


def test_tables_in_folded_parts_scroll_on_a_narrow_screen(tab, version):
    tab.open("/quality", width=400)
    tab.click(".groups .q-item")
    tab.until(lambda: tab.one(".groups table").size["width"] > 400, "the table")
    assert not tab.overflows()


def test_a_study_shows_how_far_it_is_and_what_it_found(tab, shop):
    tab.open("/quality")
    tab.fill(".max-queries input", "20")
    tab.click("button.start")
    tab.one(".study.running")
    tab.until(lambda: httpx.get(f"{shop.url}/v1/studies").json()["studies"][0]["state"] != "running", "its end", seconds=90)
    tab.one(".study.done")
    tab.says("What it found")
    study = httpx.get(f"{shop.url}/v1/studies").json()["studies"][0]["id"]
    report = httpx.get(f"{shop.url}/v1/studies/{study}").json()["report"]
    systems = tab.script(
        "return [...document.querySelector('section.measure table.figures').querySelectorAll('tbody th')].map(e => e.innerText)"
    )
    assert systems == list(report["systems"])
    tab.click("button.forget")
    tab.until(lambda: httpx.get(f"{shop.url}/v1/studies").json()["studies"] == [], "none")


def test_a_study_is_cancelled(tab, shop):
    tab.open("/quality")
    tab.fill(".max-queries input", "100000")
    tab.click(".measure .q-toggle")
    tab.click("button.start")
    tab.one("button.cancel_study")
    tab.script("document.querySelector('button.cancel_study').focus(); window.mine = document.activeElement")
    before = tab.one(".how-far").text
    tab.until(lambda: tab.one(".how-far").text != before, "progress")
    assert tab.script("return document.activeElement === mine && mine.isConnected && mine.classList.contains('cancel_study')")
    tab.click("button.cancel_study")
    tab.until(lambda: httpx.get(f"{shop.url}/v1/studies").json()["studies"][0]["state"] != "running", "its end", seconds=60)
    assert httpx.get(f"{shop.url}/v1/studies").json()["studies"][0]["state"] == "cancelled"
    tab.one(".study.cancelled")
    assert "cancelled" in tab.script("return document.querySelector('.measure [role=status]').innerText")
    tab.click("button.forget")


def test_a_version_is_learnt_in_the_background_and_one_is_cancelled(tab, shop):
    def studies():
        return httpx.get(f"{shop.url}/v1/studies").json()["studies"]

    tab.open("/quality")
    tab.fill(".budget input", "600")
    tab.click("button.start-fit")
    tab.one(".study.running")
    tab.click("button.cancel_study")
    tab.until(lambda: studies()[0]["state"] == "cancelled", "its end", seconds=60)
    tab.one(".study.cancelled")
    tab.click("button.forget")
    tab.until(lambda: studies() == [], "none")
    tab.fill(".budget input", "5")
    tab.click(".promote-it")
    tab.click("button.start-fit")
    tab.one(".study.running")
    tab.until(lambda: studies()[0]["state"] != "running", "its end", seconds=120)
    assert (studies()[0]["state"], studies()[0]["error"]) == ("done", "")
    made = httpx.get(f"{shop.url}/v1/versions").json()
    assert made["in_service"] == "blend"
    version = made["versions"][-1]["id"]
    tab.one(f".version[data-version='{version}']")
    assert version in tab.one(".fit-report").text
    assert tab.violations() == []
    tab.click("button.forget")
    tab.click(f".version[data-version='{version}'] button.retire")
    tab.click("button.answer-retire")
    tab.until(lambda: not tab.all(f".version[data-version='{version}']"), "a list without it")


def choose(tab, css, wanted):
    tab.click(css)
    tab.until(lambda: next(o for o in tab.all(".q-menu .q-item") if o.text == wanted).click() is None, "the options")
    tab.until(lambda: not tab.all(".q-menu") and wanted in tab.one(css).text, wanted)


def test_any_two_of_three_are_compared(tab, shop):
    for name in ("one", "two"):
        httpx.put(f"{shop.url}/v1/scenarios/{name}", json={"k": 2})
    try:
        for n in range(16):
            asked = {"user": f"u{n % 4}", **({"scenario": ("one", "two")[n % 3]} if n % 3 < 2 else {})}
            httpx.post(f"{shop.url}/v1/recommend", json=asked)
        names = httpx.get(f"{shop.url}/v1/compare", params={"by": "scenario"}).json()["names"]
        assert set(names) == {"", "one", "two"}
        tab.open("/quality")
        choose(tab, ".by", "scenario")
        choose(tab, ".compare .base", "two")
        choose(tab, ".compare .arm", "one")
        shown = "return [...document.querySelectorAll('.compare tbody th')].map(e => e.innerText)"
        tab.until(lambda: tab.script(shown) == ["two", "one"], "these two")
        assert tab.one(".readout").text.startswith("one less two: ")
    finally:
        for name in ("one", "two"):
            httpx.delete(f"{shop.url}/v1/scenarios/{name}")


def test_what_was_served_is_compared(tab, shop):
    for n in range(24):
        asked = {"user": f"u{n % 8}", "k": 3, "explore": 0.4 if n % 2 else 0.0}
        answer = httpx.post(f"{shop.url}/v1/recommend", json=asked).json()
        if n % 3 == 0:
            httpx.post(
                f"{shop.url}/v1/events", json={"user": f"u{n % 8}", "item": answer["items"][0]["item"], "slate": answer["slate"]}
            )
    tab.open("/quality")
    tab.click(".by")
    tab.until(lambda: next(o for o in tab.all(".q-menu .q-item") if o.text == "policy").click() is None, "the options")
    tab.one(".readout")
    told = httpx.get(f"{shop.url}/v1/compare", params={"by": "policy"}).json()
    assert f"{100 * told['difference']:.1f} %" in tab.one(".readout").text
    tab.says("Too few people")
