"""Drafts of scenarios as forms, and figures as HTML."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from occasion.console.parts.drafts import Draft
from occasion.console.parts.figures import bar, interval, lines, table, time_bars
from occasion.console.parts.signals import parse_signals, signal_lines
from occasion.errors import DataError
from occasion.scenarios import parse_scenario

ids = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8)
rules = st.fixed_dictionaries(
    {},
    optional={
        "filter": st.sampled_from(["price < 5", {"field": "id", "eq": "a/b"}]),
        "exclude": st.lists(ids, min_size=1, max_size=3, unique=True),
        "pins": st.dictionaries(ids, st.integers(1, 9), min_size=1, max_size=1),
        "boosts": st.just([{"filter": {"field": "id", "eq": "a: b"}, "factor": 1.5}, {"filter": "brand = Acme", "factor": 0.0}]),
        "caps": st.dictionaries(ids, st.integers(1, 9), min_size=1, max_size=3),
        "quotas": st.just([{"filter": "categories = drinks", "least": 2}]),
        "strict": st.just(False),
        "exclude_seen": st.just(True),
    },
)
documents = st.fixed_dictionaries(
    {},
    optional={
        "rules": rules.filter(bool),
        "k": st.integers(1, 100),
        "diversity": st.sampled_from([0.0, 0.25, 0.123456789]),
        "signals": st.dictionaries(ids, st.sampled_from(["home", "3", "true", 3, 2.5, True]), min_size=1, max_size=2),
        "policy_options": st.just({"temperature": 0.5}),
        "always": st.just(True),
        "active_from": st.sampled_from([1_790_000_040.0, 1_790_000_039.0, 1_790_000_000.5]),
        "active_until": st.just(1_890_071_999.0),
        "about": st.just("A remark"),
    },
)


@given(documents)
def test_a_form_gives_back_what_it_shows(document) -> None:
    if "policy_options" in document:
        document = {name: value for name, value in document.items() if name != "diversity"} | {"policy": "plackett-luce"}
    again = Draft.of("x", document, "Europe/Berlin").document("Europe/Berlin", "en")
    assert parse_scenario(again) == parse_scenario(document)


values = st.text(max_size=6) | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans()


@given(st.dictionaries(st.sampled_from(["place", "天气", "x y"]), values, max_size=2))
def test_signals_come_back_as_what_they_were(signals) -> None:
    again = parse_signals(signal_lines(signals), "en")
    assert again == signals
    assert [type(value) for value in again.values()] == [type(value) for value in signals.values()]


@pytest.mark.parametrize("text", ["1_000", "nan", "Infinity", "1e999", "null", "[1]", "007", "12:30"])
def test_what_is_no_number_of_json_is_a_text(text: str) -> None:
    assert parse_signals(f"code = {text}", "en") == {"code": text}


@pytest.mark.parametrize(
    ("field", "text", "told"),
    [
        ("pins", "one = chips", "the place is 'one'"),
        ("pins", "chips", "1 = potato-chips"),
        ("boosts", "brand = Acme", "1.5: brand = Acme"),
        ("boosts", "much: brand = Acme", "a number"),
        ("quotas", "many: categories = drinks", "the quota is 'many'"),
        ("caps", "categories", "categories = 2"),
        ("caps", "categories = two", "categories = 2"),
        ("signals", "home", "place = home"),
        ("filter", "{", "no JSON"),
        ("k", "many", "a number"),
        ("k", "2.5", "a number"),
        ("explore", "nan", "a number"),
        ("start", "tomorrow", "2026-12-01"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(field: str, text: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        Draft(name="x", **{field: text}).document("UTC", "en")
    with pytest.raises(DataError, match=r"[\u4e00-\u9fff].* Cure: "):
        Draft(name="x", **{field: text}).document("UTC", "zh")


def test_figures_escape_and_hold_their_values() -> None:
    nasty = '<b>"&'
    for drawn in (
        table(nasty, [nasty], []),
        bar(0.5, nasty),
        time_bars([(nasty, 1.0, 0.5)], nasty),
        lines([(nasty, 1.0, None, None)], nasty),
    ):
        assert "<b>" not in drawn
        assert "&lt;b&gt;" in drawn
    assert 'x1="4.0"' in interval(0.5, 0.0, 1.0, 1.0)
    assert "whisker" not in interval(0.5, None, None, 1.0)
    assert "zero" in interval(0.0, -1, 1, 1, least=-1)
    assert time_bars([], "x") == lines([], "x") == ""
