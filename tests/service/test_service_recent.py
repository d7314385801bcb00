"""The measures of the last quarter of an hour: of that time, whoever looked when."""

from __future__ import annotations

import pytest

from occasion.service.measures import Measures
from occasion.service.recent import RecentMeasures


class Clock:
    def __init__(self) -> None:
        self.now = 5000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def recent():
    clock = Clock()
    made = RecentMeasures(measures := Measures(), clock)
    return made, measures, clock


def passed(recent: RecentMeasures, clock: Clock, seconds: float) -> None:
    """Let time pass, with the looks that its thread would take."""
    for _ in range(int(seconds / 20)):
        clock.now += 20
        recent.look()


def test_figures_are_of_the_last_quarter_of_an_hour_though_nobody_looked(recent):
    made, measures, clock = recent
    made.look()
    ask = measures.requests.labels
    passed(made, clock, 300)
    ask("/v1/recommend", "POST", "200").inc(1000)
    passed(made, clock, 1200)
    ask("/v1/recommend", "POST", "200").inc(6)
    passed(made, clock, 600)
    ask("/v1/recommend", "POST", "500").inc(2)
    clock.now += 10
    told = made.figures()
    assert 900 <= told["seconds"] <= 930
    assert (told["requests"], told["failed"]) == (8, 0.25)
    assert made.figures()["requests"] == 8, "to look changes nothing"
    assert 60 <= made.figures(60)["seconds"] <= 80
    assert made.figures(60)["requests"] == 2
    passed(made, clock, 1000)
    assert made.figures()["requests"] == 0


def test_before_a_quarter_of_an_hour_has_passed_figures_are_of_all_of_it(recent):
    made, measures, clock = recent
    measures.requests.labels("/v1/recommend", "POST", "200").inc(3)
    made.look()
    passed(made, clock, 100)
    measures.requests.labels("/v1/recommend", "POST", "200").inc(4)
    told = made.figures()
    assert (told["seconds"], told["requests"]) == (100, 4)


def test_those_who_look_on_do_not_count(recent):
    made, measures, _ = recent
    made.look()
    measures.requests.labels("outside", "GET", "200").inc(500)
    measures.requests.labels("/v1/live", "GET", "200").inc(90)
    measures.requests.labels("/v1/health/ready", "GET", "503").inc(90)
    measures.requests.labels("/v1/recommend", "POST", "200").inc(9)
    measures.requests.labels("/v1/events", "POST", "500").inc()
    told = made.figures()
    assert (told["requests"], told["failed"]) == (10, 0.1)
    assert [row["route"] for row in told["routes"]] == ["/v1/recommend", "/v1/events"]


def test_latencies_are_of_their_route_and_stage(recent):
    made, measures, _ = recent
    for route in ("/v1/recommend", "/v1/events"):
        measures.seconds.labels(route).observe(9.0)
    made.look()
    for route, seconds in (("/v1/recommend", 0.015), ("/v1/events", 0.3)):
        for _ in range(100):
            measures.seconds.labels(route).observe(seconds)
            measures.requests.labels(route, "POST", "200").inc()
            measures.stages.labels(f"stage of {route}").observe(seconds)
    told = made.figures()
    for rows in (told["routes"], told["stages"]):
        quick, slow = sorted(rows, key=lambda row: row["p50"])
        assert quick["count"] == slow["count"] == 100
        assert 0.01 < quick["p50"] <= quick["p99"] <= 0.02
        assert 0.25 < slow["p50"] <= slow["p99"] <= 0.5


def test_a_quarter_of_an_hour_of_looks_is_kept_and_no_more(recent):
    made, _, clock = recent
    made.look()
    passed(made, clock, 10_000)
    assert len(made._taken) <= 900 / 20 + 2
