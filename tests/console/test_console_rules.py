"""Rules and scenarios: tried on recent requests, saved, in force, undone; the API says the same."""

from __future__ import annotations

import httpx
import pytest
from console_shop import NASTY, SHELVES


@pytest.fixture
def asked(shop):
    """Let some requests come in before."""
    with httpx.Client(base_url=shop.url) as client:
        for n in range(6):
            client.post("/v1/recommend", json={"user": f"u{n}", "text": "something to eat", "k": 6})
        yield client
        for name in client.get("/v1/scenarios").json()["scenarios"]:
            client.delete(f"/v1/scenarios/{name}")


def test_a_rule_is_tried_saved_and_undone(tab, asked):
    tab.open("/rules")
    tab.fill(".field-name input", "evening")
    tab.fill(".field-filter input", "categories = drinks")
    tab.fill(".field-pins textarea", "1 = green17")
    tab.click("button.preview")
    tab.one(".effect")
    tiles = dict(
        tab.script(
            "return [...document.querySelectorAll('.effect .tile')].map(t => [t.children[0].innerText, t.children[1].innerText])"
        )
    )
    assert int(tiles["requests tried"]) >= 6
    assert tiles["lists change"] == tiles["requests tried"]
    assert "Green tea" in tab.one(".entered").text
    assert asked.get("/v1/scenarios").json()["scenarios"] == {}
    tab.click("button.save")
    tab.one(".choice[data-name='evening']")
    stored = asked.get("/v1/scenarios").json()["scenarios"]["evening"]
    assert stored == {"rules": {"filter": "categories = drinks", "pins": {"green17": 1}}}
    answer = asked.post("/v1/recommend", json={"scenario": "evening"}).json()
    assert answer["items"][0]["item"] == "green17"
    assert len(answer["items"]) == 4
    tab.click(".change button.undo")
    tab.until(lambda: not tab.all(".choice[data-name='evening']"), "a list without it")
    assert asked.get("/v1/scenarios").json()["scenarios"] == {}
    assert asked.get("/v1/scenario-changes").json()["changes"][0]["act"] == "scenario.undo"


def test_a_stored_scenario_comes_into_the_form_and_goes(tab, asked):
    asked.put("/v1/scenarios/sale", json={"always": True, "k": 3, "rules": {"exclude": ["salted0"]}, "active_until": 1_790_000_000})
    tab.open("/rules?name=sale")
    assert tab.one(".field-exclude textarea").get_property("value") == "salted0"
    assert tab.one(".field-k input").get_property("value") == "3"
    assert tab.one(".choice[aria-pressed='true']").text.split() == ["sale", "always", "over"]
    tab.fill(".field-about input", "Only a test")
    tab.click("button.save")
    tab.until(lambda: asked.get("/v1/scenarios").json()["scenarios"]["sale"].get("about") == "Only a test", "the remark")
    tab.click("button.delete")
    tab.until(lambda: asked.get("/v1/scenarios").json()["scenarios"] == {}, "nothing")


def test_a_name_that_is_taken_or_changed_is_asked_about(tab, asked):
    asked.put("/v1/scenarios/home", json={"k": 2, "active_until": 1_990_000_039})
    asked.put("/v1/scenarios/away", json={"k": 3})
    tab.open("/rules?name=home")
    # What the form cannot show stays.
    tab.fill(".field-about input", "Here")
    tab.click("button.save")
    tab.says("Saved: home")
    assert asked.get("/v1/scenarios").json()["scenarios"]["home"]["active_until"] == 1_990_000_039
    tab.fill(".field-name input", "away")
    tab.click("button.save")
    tab.one(".asks")
    assert tab.violations() == []
    tab.says("There is a scenario away already")
    tab.click(".asks .q-btn:last-child")
    tab.until(lambda: not tab.all(".asks"), "the end of the question")
    assert asked.get("/v1/scenarios").json()["scenarios"]["away"] == {"k": 3}
    tab.fill(".field-name input", "house")
    tab.click("button.save")
    tab.says("Rename home to house")
    tab.click("button.answer-rename")
    tab.one(".choice[data-name='house'][aria-pressed='true']")
    assert set(asked.get("/v1/scenarios").json()["scenarios"]) == {"house", "away"}
    # Whatever is typed: what goes is what was put into the form.
    tab.fill(".field-name input", "away")
    tab.click("button.delete")
    tab.until(lambda: set(asked.get("/v1/scenarios").json()["scenarios"]) == {"away"}, "one scenario")


def test_a_preview_shows_titles_and_what_chance_does(tab, asked):
    tab.open("/rules")
    tab.fill(".field-name input", "chancy")
    tab.fill(".field-explore input", "1")
    tab.click("button.preview")
    tab.one(".effect")
    tab.click(".examples .q-item")
    tab.one(".examples .came")
    titles = {title for shelf in SHELVES.values() for title in shelf} | {NASTY}
    assert {e.text for e in tab.all(".examples li")} <= titles


def test_what_cannot_be_read_is_told_in_chinese(tab, asked):
    tab.open("/rules")
    tab.click("a[href*='locale=zh']")
    tab.until(lambda: tab.one("h1").text == "规则与场景", "the Chinese page")
    tab.click("button.save")
    tab.says("场景没有名称。 请填写")
    tab.fill(".field-name input", "bad")
    tab.fill(".field-pins textarea", "chips")
    tab.click("button.save")
    tab.says("无法识别 'chips'。")


def test_what_cannot_be_read_is_told(tab, asked):
    tab.open("/rules")
    tab.click("button.save")
    tab.says("The scenario has no name")
    tab.fill(".field-name input", "bad")
    tab.fill(".field-filter input", "colour = red")
    tab.click("button.save")
    tab.says("no item has a field 'colour'")
    assert asked.get("/v1/scenarios").json()["scenarios"] == {}
