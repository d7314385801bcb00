"""Live: what the page says is what the API says, and it follows."""

from __future__ import annotations

import re
from dataclasses import asdict

import httpx
import pytest

from occasion.console.pages.live import WORDS, worded
from occasion.insight.alerts import alerts
from occasion.insight.drift import SignalDrift, VectorDrift
from occasion.insight.traffic import Served
from occasion.insight.uses import Totals
from occasion.scenarios import Scenario


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


def test_the_page_has_words_for_every_alert():
    def served(n, took):
        fields = {"scenario": "", "policy": "", "version": "", "by_chance": 0, "signals": {}, "sentence": ""}
        acts = {"click": {"a"}} if took else {}
        return Served(id=f"s{n}", at=float(n), who=f"u{n}", items=("a",), short=False, acts=acts, **fields)

    figures = Totals(
        **dict.fromkeys(("people", "items", "since", "until"), 50),
        **dict.fromkeys(("rate", "coverage", "by_chance"), 0.5),
        answers=400,
        top_share=0.95,
        short=0.5,
        impressions=False,
    )
    signals = [SignalDrift(signal="w", index=1.0, chance=0.1, moved=True, values=((value, 0.25, 0.75),)) for value in ("", "rain")]
    vectors = [VectorDrift(what=what, distance=0.5, chance=0.1, moved=True) for what in ("situations", "items shown")]
    service = {"failed": 0.05, "p95": 2.0, "overloaded": 3.0}
    found = [
        alert
        for late in (0, 20)
        for alert in alerts(
            [served(n, n % 4 == 0 if n < 320 else late and n % late == 0) for n in range(400)],
            figures,
            signals,
            vectors,
            {"sale": Scenario(active_until=1.0)},
            now=2.0,
            trouble="The version v cannot be used.",
            service=service,
        )
    ]
    assert {f"alert_{alert.name}" for alert in found} == {name for name in WORDS if name.startswith("alert_")}
    for alert in found:
        assert worded(asdict(alert), "en") == (alert.message, alert.cause)
        message, cause = worded(asdict(alert), "zh")
        assert re.search("[\u4e00-\u9fff]", cause)
        assert message == alert.message if alert.name == "version" else re.search("[\u4e00-\u9fff]", message)


def test_an_alert_leads_to_its_page(tab, traffic):
    traffic.put("/v1/scenarios/gone", json={"k": 1, "active_until": 1_000_000_000})
    try:
        tab.open("/live")
        tab.says("The scenario gone is over")
        told = traffic.get("/v1/live").json()["alerts"]
        shown = tab.script(
            "return [...document.querySelectorAll('.alert')].map(a => [a.children[0].innerText, a.children[1].innerText])"
        )
        assert shown == [[one["message"], f"Cause: {one['cause']}"] for one in told]
        tab.click("a[href*='locale=zh']")
        tab.says("场景 gone 已结束，但请求可能仍在引用。")
        tab.says("原因：其生效时间已过。")
        tab.click(".alert a[href*='/rules?name=gone']")
        tab.until(lambda: tab.one(".field-name input").get_property("value") == "gone", "the scenario")
    finally:
        traffic.delete("/v1/scenarios/gone")
