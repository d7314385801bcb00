"""The live figures: what came of answers, by whom; drift; alerts."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occasion import Context, Event, Settings
from occasion.data import Slate, SlateEntry
from occasion.insight import traffic as traffic_module
from occasion.insight.alerts import alerts
from occasion.insight.drift import parted, signal_drift, vector_drift
from occasion.insight.traffic import Served, Traffic, chosen
from occasion.insight.uses import arms, compare_arms, series, totals
from occasion.people import Consent
from occasion.privacy.guarded import open_guarded
from occasion.scenarios import Scenario
from occasion.service.watching import Watched
from waiting import until

T0 = 1_790_000_000.0
EVERYBODY = ("personalise", "train", "analyse")


def answer(n: int, **fields) -> Slate:
    items = fields.pop("items", ("a", "b"))
    context = Context(user=f"u{n % 40}", at=T0 + n, signals=fields.pop("signals", {}))
    entries = tuple(SlateEntry(item=i, score=1.0, propensity=fields.get("propensity", 1.0)) for i in items)
    fields.pop("propensity", None)
    return Slate(id=f"s{n}", context=context, entries=entries, sentence="tea", **fields)


def served(n: int, *, took: bool = False, **fields) -> Served:
    out = {
        "scenario": "",
        "policy": "diverse",
        "version": "v",
        "items": ("a", "b"),
        "by_chance": 0,
        "signals": {},
        "sentence": "tea",
    }
    made = Served(id=f"s{n}", at=T0 + n, who=f"u{n % 40}", short=False, **{**out, **fields})
    if took:
        made.acts["click"] = {"a"}
    return made


@pytest.fixture
def store(tmp_path: Path):
    made = open_guarded(Settings(home=tmp_path))
    yield made
    made.close()


def test_traffic_follows_answers_events_and_choices(store) -> None:
    traffic = Traffic(store, EVERYBODY)
    assert traffic.refresh() == []
    for n in range(250):
        store.put_slate(answer(n, scenario="home" if n % 2 else ""))
    store.append([Event(user="u1", item="a", type="purchase", slate="s1", at=T0, id="e1")])
    held = traffic.refresh()
    assert [one.id for one in held] == [f"s{n}" for n in range(250)]
    assert held[1].acts == {"purchase": {"a"}}
    assert chosen(held[1])
    assert not chosen(held[2])
    store.put_slate(answer(250))
    store.append(
        [
            Event(user="u2", item="z", type="click", slate="s2", at=T0, id="e2"),
            Event(user="u2", item="b", slate="s250", at=T0, id="e3"),
        ]
    )
    held = traffic.refresh()
    assert len(held) == 251
    assert chosen(held[250])
    assert not chosen(held[2]), "an item that the answer did not hold is no choice of it"
    store.put_consents([Consent(purpose="analyse", granted=False, at=T0, user="u1")])
    assert not any(one.who == "u1" for one in traffic.refresh())
    assert {one.id for one in Traffic(store, EVERYBODY).refresh()} == {one.id for one in traffic.refresh()}


def test_after_an_import_the_last_events_alone_are_looked_at(store, monkeypatch) -> None:
    monkeypatch.setattr(traffic_module, "EVENTS", 50)
    read: list[int] = []

    class Told:
        def __getattr__(self, name):
            return getattr(store, name)

        def read_events(self, after: int = 0):
            for one in store.read_events(after):
                read.append(1)
                yield one

    traffic = Traffic(Told(), EVERYBODY)
    for n in range(3):
        store.put_slate(answer(n))
    traffic.refresh()
    store.append([Event(user=f"w{n}", item="a", type="click", at=T0, id=f"w{n}") for n in range(400)])
    store.append([Event(user="u2", item="a", type="click", slate="s2", at=T0, id="last")])
    assert [chosen(one) for one in traffic.refresh()] == [False, False, True]
    assert len(read) == 50
    traffic.refresh()
    assert len(read) == 50


def test_answers_of_those_who_left_are_not_held(store) -> None:
    traffic = Traffic(store, EVERYBODY)
    for n in range(4):
        store.put_slate(answer(n))
    _, state = traffic.looked()
    assert traffic.looked()[1] == state
    traffic.forget()
    assert len(traffic) == 4, "nobody left"
    store.erase("u1")
    traffic.forget()
    assert len(traffic) == 0
    held, after = traffic.looked()
    assert [one.who for one in held] == ["u0", "u2", "u3"]
    assert after != state


def test_comparing_many_people_takes_little_memory() -> None:
    answers = [served(n, took=n % 3 == 0, policy="a" if n % 2 else "b") for n in range(8000)]
    for n, one in enumerate(answers):
        one.who = f"w{n}"
    tracemalloc.start()
    try:
        made = compare_arms(answers, "policy", "a", "b")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert made is not None
    assert made.low < 0 < made.high
    assert peak < 60e6, "draws of 1,600 by 4,000 at once would take 150 MB"


def test_two_arms_alike_do_not_differ_for_sure() -> None:
    answers = [served(n // 2, took=n // 2 % 3 == 0, policy="ab"[n % 2]) for n in range(400)]
    made = compare_arms(answers, "policy", "a", "b")
    assert made.difference == 0.0
    assert made.low < 0 < made.high, "both are drawn each for itself"
    assert made.p > 0.5


def test_figures_are_worked_out_once_for_all_who_look() -> None:
    answers = [served(n, took=n % 4 == 0) for n in range(400)]
    watched = Watched()
    first = watched.figures(answers, "one", 10)
    assert watched.figures(answers, "one", 10) is first
    until(lambda: watched.figures(answers, "two", 10) is not first)
    second = watched.figures(answers, "two", 10)
    assert second is not first
    watched.forget()
    assert watched.figures(answers, "two", 10) is not second


def test_rates_are_of_answers_and_intervals_hold_them() -> None:
    answers = [served(n, took=n % 4 == 0, policy="a" if n % 2 else "b", by_chance=n % 2) for n in range(200)]
    found = {arm.name: arm for arm in arms(answers, "policy")}
    assert (found["a"].rate, found["b"].rate) == (0.0, 0.5)
    assert found["b"].low < 0.5 < found["b"].high
    assert (found["a"].by_chance, found["b"].by_chance) == (0.5, 0.0)
    figures = totals(answers, 10)
    assert (figures.answers, figures.people, figures.items, figures.coverage) == (200, 40, 2, 0.2)
    assert figures.rate == 0.25
    made = compare_arms(answers, "policy", "b", "a")
    assert made.difference == 0.5
    assert 0 < made.low < 0.5 < made.high
    assert made.p < 0.01
    assert made.enough
    assert compare_arms(answers, "policy", "b", "nobody") is None
    assert sum(point.answers for point in series(answers)) == 200
    assert series([]) == []


def test_a_moment_of_another_year_does_not_stretch_the_time() -> None:
    answers = [served(n) for n in range(100)]
    answers[50].at, answers[99].at = T0 + 1e8, T0 - 1e8
    figures = totals(answers, 10)
    assert T0 <= figures.since < figures.until <= T0 + 100
    points = series(answers)
    assert sum(point.answers for point in points) == 100
    assert sum(point.answers > 0 for point in points) > 40


def test_rates_over_time_are_of_what_was_seen() -> None:
    answers = [served(n, took=n % 8 == 0) for n in range(80)]
    for one in answers[::4]:
        one.acts["impression"] = {"a"}
    points = series(answers)
    assert sum(point.answers for point in points) == 80
    assert {point.rate for point in points if point.rate} == {1.0}
    assert totals(answers, 10).rate == 0.5


def test_moments_that_were_only_tried_move_nothing() -> None:
    real = [served(n, signals={"weather": "sun"}) for n in range(200)]
    tried = [served(n, signals={"weather": "snow"}) for n in range(200, 260)]
    for one in tried:
        one.who = "console-0123"
    assert not any(one.moved for one in signal_drift(*parted([*real, *tried])))
    for one in tried:
        one.who = "web-0123"
    assert signal_drift(*parted([*real, *tried]))[0].moved


def test_nothing_answered_has_no_figures() -> None:
    assert totals([], 0).answers == 0
    assert totals([], 0).since is None


def test_where_impressions_come_those_alone_count_as_shown() -> None:
    answers = [served(n, took=n < 10) for n in range(100)]
    for one in answers[:20]:
        one.acts["impression"] = {"a"}
    assert totals(answers, 10).rate == 0.5
    assert arms(answers, "policy")[0].answers == 20


@settings(derandomize=True, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(200, 400), st.lists(st.floats(0.01, 1), min_size=2, max_size=8))
def test_signals_drawn_alike_have_not_moved(seed: int, n: int, weights: list[float]) -> None:
    shares = np.array(weights) / sum(weights)
    weather = np.random.default_rng(seed).choice(len(shares), n, p=shares).tolist()
    answers = [served(n, signals={"weather": one}) for n, one in enumerate(weather)]
    for one in signal_drift(*parted(answers)):
        assert one.index >= 0
        assert not one.moved


def test_a_signal_that_moved_is_told_with_what_moved() -> None:
    answers = [
        served(n, signals={"weather": "rain" if n >= 160 else "sun", "device": "phone" if n % 2 else "desk"}) for n in range(200)
    ]
    weather, *others = signal_drift(*parted(answers))
    assert weather.signal == "weather"
    assert weather.moved
    assert weather.values[0][0] in ("rain", "sun")
    assert not any(one.moved for one in others)
    assert parted(answers[:50]) == ([], [])


def test_vectors_that_turned_are_told_from_chance() -> None:
    rng = np.random.default_rng(1)
    same = rng.normal(size=(200, 16)).astype(np.float32) + 1
    other = rng.normal(size=(100, 16)).astype(np.float32) - np.linspace(-1, 1, 16, dtype=np.float32)
    assert not vector_drift("x", same[:100], same[100:]).moved
    assert vector_drift("x", same, other).moved
    assert vector_drift("x", same, other[:2]) is None


def test_alerts_name_cause_and_page() -> None:
    def told(answers, **more):
        return {
            one.name: one
            for one in alerts(answers, totals(answers, 10), more.pop("signals", []), [], more.pop("scenarios", {}), now=T0, **more)
        }

    quiet = [served(n, took=n % 4 == 0) for n in range(400)]
    assert told(quiet) == {}
    silent = [served(n, took=n < 320 and n % 4 == 0) for n in range(400)]
    assert set(told(silent)) == {"no_feedback"}
    for n in range(320, 400, 20):
        silent[n].acts["click"] = {"a"}
    assert set(told(silent)) == {"fewer_choices"}
    short = quiet
    for one in short[::2]:
        one.short = True
    assert set(told(short)) == {"short_lists"}
    everything = told(
        [served(n, signals={"w": "a" if n < 160 else "b"}) for n in range(200)],
        signals=signal_drift(*parted([served(n, signals={"w": "a" if n < 160 else "b"}) for n in range(200)])),
        scenarios={"sale": Scenario(active_until=T0)},
        trouble="The model version v cannot be used.",
        service={"failed": 0.05, "p95": 2.0, "overloaded": 3.0},
    )
    assert set(everything) == {"version", "failing", "overloaded", "slow", "drift", "scenario_over"}
    assert next(iter(everything)) in ("version", "failing", "overloaded")
    for one in everything.values():
        assert one.message.endswith(".")
        assert one.cause.endswith(".")
        assert one.page.startswith("/")
