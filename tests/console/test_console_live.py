"""Live: what the page says is what the API says, and it follows."""

from __future__ import annotations

import httpx
import pytest


@pytest.fixture(autouse=True)
def traffic(shop):
    with httpx.Client(base_url=shop.url) as client:
        for n in range(20):
            answer = client.post("/v1/recommend", json={"user": f"u{n % 6}", "k": 3, "explore": 0.5 if n % 2 else 0.0}).json()
            if n % 4 == 0:
                client.post("/v1/events", json={"user": f"u{n % 6}", "item": answer["items"][0]["item"], "slate": answer["slate"]})
        yield client


def tile(tab, name):
    code = "return [...document.querySelectorAll('.tile')].map(t => [t.children[0].innerText, t.children[1].innerText])"
    return dict(tab.script(code))[name]


def test_the_figures_are_those_of_the_api_and_follow(tab, traffic):
    tab.open("/live")
    told = traffic.get("/v1/live").json()
    assert tile(tab, "Answers") == str(told["totals"]["answers"])
    assert tile(tab, "Taken up") == f"{100 * told['totals']['rate']:.1f} %"
    for name in ("policy", "scenario", "version"):
        tab.says(f"By {name}")
    stages = tab.script("return [...document.querySelectorAll('#stages tbody th')].map(e => e.innerText)")
    assert stages[0] == "total"
    assert set(stages) == {row["stage"] for row in told["service"]["stages"]}
    for _ in range(3):
        traffic.post("/v1/recommend", json={"user": "u1", "k": 3})
    tab.until(lambda: tile(tab, "Answers") == str(told["totals"]["answers"] + 3), "the new answers")


def test_it_stays_as_it_is_where_nobody_follows(tab, traffic):
    tab.open("/live")
    tab.click(".follow")
    before = tile(tab, "Answers")
    traffic.post("/v1/recommend", json={"user": "u1", "k": 3})
    # Two looks would have come by then.
    tab.script("return new Promise(done => setTimeout(done, 11000))")
    assert tile(tab, "Answers") == before


def test_an_alert_leads_to_its_page(tab, traffic):
    traffic.put("/v1/scenarios/gone", json={"k": 1, "active_until": 1_000_000_000})
    try:
        tab.open("/live")
        tab.says("The scenario gone is over")
        tab.click(".alert a[href*='/rules?name=gone']")
        tab.until(lambda: tab.one(".field-name input").get_property("value") == "gone", "the scenario")
    finally:
        traffic.delete("/v1/scenarios/gone")
