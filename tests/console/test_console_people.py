"""People: what the page tells is what the API tells; consent, export and erasure have their effect in the service."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing

import httpx
import pytest
from console_browser import Tab
from selenium.webdriver.common.keys import Keys


@pytest.fixture
def page(driver, shop, tmp_path):
    """A tab that keeps what is downloaded."""
    driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    tab = Tab(driver, shop.url)
    yield tab
    assert tab.faults() == []


def downloaded(tab, folder, name):
    return json.loads(tab.until(lambda: (folder / name).exists() and (folder / name).read_text(), name))


def test_a_person_is_found_and_told_of(tab, shop):
    tab.open("/people")
    tab.fill(".person input", "u4")
    tab.click(".finder .show")
    tab.one(".timeline")
    events = httpx.get(f"{shop.url}/v1/events", params={"user": "u4", "limit": 1000}).json()["events"]
    shown = tab.script("return [...document.querySelectorAll('.timeline .kind')].map(e => e.innerText)")
    assert shown == [event["type"] for event in events][:60]
    weather = {event["signals"]["weather"] for event in events if "weather" in event["signals"]}
    assert all(f"weather: {one}" in tab.text() for one in weather)
    taste = httpx.get(f"{shop.url}/v1/people/taste", params={"user": "u4"}).json()
    assert all(one["title"] in tab.one(".taste").text for one in taste["favourites"])
    assert len(tab.all(".taste li")) >= 3
    canvas = tab.one(".chosen-map canvas")
    chosen = {event["item"] for event in events if event["type"] not in ("dislike", "hide", "impression")}
    assert int(canvas.get_attribute("data-marks")) == len(chosen)
    inked = "const c = document.querySelector('.chosen-map canvas'); return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v)"
    tab.until(lambda: tab.script(inked), "the marks")
    assert tab.violations() == []


def test_somebody_unknown_is_said_to_be(tab):
    tab.open("/people?user=nobody%20%3Cb%3E")
    tab.says("Nothing is held of nobody <b>.")


def test_a_switch_is_a_choice_that_answers_obey(page, shop):
    page.open("/people?user=u5")
    page.click(".purpose.personalise")
    page.one(".q-notification")
    consents = httpx.get(f"{shop.url}/v1/people/consent", params={"user": "u5"}).json()["consents"]
    assert [(c["purpose"], c["granted"]) for c in consents] == [("personalise", False)]
    notes = httpx.post(f"{shop.url}/v1/recommend", json={"user": "u5"}).json()["notes"]
    assert any("does not allow" in note for note in notes)
    page.open("/people?user=u5")
    assert page.one(".purpose.personalise").get_attribute("aria-checked") == "false"


def test_a_choice_that_is_not_stored_is_not_shown_as_one(page, shop):
    page.open("/people?user=u6")
    page.says("Never chosen")
    with closing(sqlite3.connect(shop.home / "occasion.db", timeout=20, isolation_level=None)) as store:
        store.execute("CREATE TRIGGER refused BEFORE INSERT ON consent BEGIN SELECT RAISE(ABORT, 'no'); END")
        try:
            page.click(".purpose.train")
            page.says("The service cannot answer just now.")
        finally:
            store.execute("DROP TRIGGER refused")
    page.until(lambda: page.one(".purpose.train").get_attribute("aria-checked") == "true", "the choice as it is")
    assert httpx.get(f"{shop.url}/v1/people/consent", params={"user": "u6"}).json()["consents"] == []
    assert page.text().count("Never chosen") == 3
    page.click(".purpose.train")
    page.says("Chosen on ")
    assert page.text().count("Never chosen") == 2
    chosen = httpx.get(f"{shop.url}/v1/people/consent", params={"user": "u6"}).json()["consents"]
    assert [(c["purpose"], c["granted"]) for c in chosen] == [("train", False)]


def test_who_refuses_to_be_looked_at_is_shown_for_their_own_access_alone(page, shop):
    page.open("/people?user=u9")
    page.one(".timeline")
    page.click(".purpose.analyse")
    page.says("Chosen on ")
    page.open("/people?user=u9")
    page.says("nothing is shown of it")
    page.says("What is held: for their own access")
    assert page.all(".timeline li")
    assert page.all(".chosen-map") == []


def test_export_and_erasure_with_a_receipt(page, shop, tmp_path):
    page.open("/people?user=u7")
    page.click("button.export")
    held = downloaded(page, tmp_path, "person.json")
    assert held == httpx.get(f"{shop.url}/v1/people/export", params={"user": "u7"}).json()
    assert len(held["events"]) >= 20
    page.click("button.erase")
    page.one(".confirm-id")
    assert page.violations() == []
    page.fill(".confirm-id input", "u77")
    page.click("button.confirm")
    page.until(lambda: page.all(".confirm-id .text-negative"), "the refusal of a wrong id")
    assert httpx.get(f"{shop.url}/v1/people/taste", params={"user": "u7"}).status_code == 200
    page.fill(".confirm-id input", "u7")
    page.click("button.confirm")
    assert f"{len(held['events'])} events" in page.one(".erased").text
    page.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    time.sleep(0.5)
    page.click("button.receipt")
    receipt = downloaded(page, tmp_path, "receipt.json")
    verdict = httpx.post(f"{shop.url}/v1/people/receipts/verify", json={"receipt": receipt, "user": "u7"}).json()
    assert (verdict["valid"], verdict["subject"]) == (True, True)
    assert httpx.get(f"{shop.url}/v1/people/taste", params={"user": "u7"}).status_code == 404
    page.click("button.done")
    page.says("u8")
    assert "u7" not in [e.text for e in page.all(".people a")]
    page.open("/people")
    page.says(receipt["id"])
    assert page.violations() == []
    for whom, told in (("", "unchanged since"), ("u7", "about this person"), ("u8", "about somebody else")):
        page.fill(".about-whom input", whom)
        page.click("button.verify")
        page.says(told)
