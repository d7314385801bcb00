"""Signals: one name and spelling each, numbers with words, nothing that says nothing; what own words state."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from occasion.context.signals import MISSING, as_written, level, normalised, unusable, warmth
from occasion.context.spellings import NAMES, VALUES
from occasion.context.words import signals_in_words

scalars = st.one_of(st.text(max_size=20), st.integers(), st.floats(), st.booleans())
signals = st.dictionaries(st.one_of(st.sampled_from(sorted(NAMES)), st.text(min_size=1, max_size=8)), scalars, max_size=6)


@given(signals)
@example({"action": "_"})
@example({"mood": "_none_"})
def test_what_is_normal_stays_so(given_signals):
    once = normalised(given_signals)
    assert normalised(once) == once
    assert not any(isinstance(v, float) and not math.isfinite(v) for v in once.values())
    assert not any(isinstance(v, str) and v.casefold() in MISSING for v in once.values())


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"weather": " Rainy "}, {"weather": "rain"}),
        ({"Weather Condition": "CLEAR"}, {"weather": "sunny"}),
        ({"天气": "下雨"}, {"weather": "rain"}),
        ({"companion": "with partner"}, {"company": "partner"}),
        ({"company": "with friends"}, {"company": "friends"}),
        ({"location": "At home"}, {"place": "home"}),
        ({"device": "iPhone"}, {"device": "phone"}),
        (
            {"daytime": "noon", "isweekend": "workday", "weekday": "Fri"},
            {"part_of_day": "midday", "weekend": False, "weekday": "friday"},
        ),
        ({"time": "Weekend"}, {"weekend": True}),
        ({"time": "Weekday"}, {"weekend": False}),
        ({"day": "周五"}, {"weekday": "friday"}),
        ({"is_weekend": 1}, {"weekend": True}),
        ({"road type": "Highway", "DrivingStyle": "Sport"}, {"road type": "highway", "DrivingStyle": "sport"}),
        ({"city": "1023", "n": 3, "flag": True}, {"city": "1023", "n": 3, "flag": True}),
        ({"mood": "unknown", "a": "", "b": "NaN", "c": float("nan"), "d": "  ", "e": "未知"}, {}),
        ({"temperature": 3}, {"temperature": 3.0, "temperature_level": "cold"}),
        ({"temp": "86 °F"}, {"temperature": 30.0, "temperature_level": "hot"}),
        ({"temperature": "20,5 °C"}, {"temperature": 20.5, "temperature_level": "warm"}),
        ({"temperature": "Hot"}, {"temperature_level": "hot"}),
        ({"temperature": 4000}, {}),
        ({"lat": 52.52, "lng": "13.405"}, {"latitude": 52.52, "longitude": 13.405, "area": "52.5,13.4"}),
        ({"latitude": 1e9, "longitude": True}, {}),
        ({"hour": 25}, {}),
        ({"hour": 7.0}, {"hour": 7}),
        ({"heart_rate": 72.3}, {"heart_rate": 72.3, "heart_rate_level": "about 70"}),
        ({"steps": 10_432}, {"steps": 10_432, "steps_level": "about 10000"}),
        ({"x": 10**400}, {"x_level": "huge"}),
        ({"x": float("inf")}, {"x_level": "huge"}),
        ({"weather": "sun", "Weather": "rain"}, {"weather": "sunny"}),
        ({"Weather": "rain", "weather": "sun"}, {"weather": "sunny"}),
        ({"country": "de", "time_zone": "Europe/Berlin"}, {"country": "DE", "time_zone": "Europe/Berlin"}),
    ],
)
def test_known_spellings(raw, expected):
    assert normalised(raw) == expected


def test_huge_text_is_cut():
    assert len(normalised({"x": "é" * 100_000})["x"]) == 120


@given(st.floats(-1e300, 1e300))
def test_the_level_of_a_number_lies_near_it(number):
    about = float(level(number).removeprefix("about "))
    assert about == 0 if abs(number) < 1e-300 else 0.7 < about / number < 1.5


def test_levels_of_warmth():
    assert [warmth(c) for c in (-5, 9.9, 10, 18, 26)] == ["cold", "cold", "mild", "warm", "hot"]


def test_values_as_they_were_written():
    raw = {"place": "New  York", "weather": "Rainy", "n": 3}
    assert as_written(raw, normalised(raw)) == {"place": "New York"}


def test_every_spelling_leads_to_a_value_that_stays():
    for name, table in VALUES.items():
        for value in table.values():
            assert normalised({name: value}) == {name: value}


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ("Friday night, at home with friends, it is raining",
         {"weather": "rain", "place": "home", "company": "friends", "weekday": "friday", "part_of_day": "evening"}),
        ("It's not raining, I am ALONE", {"company": "alone"}),
        ("with my kids in the snow, on my phone", {"weather": "snow", "company": "children", "device": "phone"}),
        ("a quiet weekend, feeling exhausted", {"weekend": True, "mood": "tired"}),
        ("I don't feel happy", {}),
        ("tired, want something easy", {"mood": "tired"}),
        ("early in the morning", {"part_of_day": "early morning"}),
        ("Saturday or Sunday", {}),
        ("周五晚上和朋友在家，下雨，有点累",
         {"weather": "rain", "place": "home", "company": "friends", "mood": "tired",
          "weekday": "friday", "part_of_day": "evening"}),
        ("没有下雨，一个人在家", {"place": "home", "company": "alone"}),
        ("通勤路上想听歌", {"activity": "commuting"}),
        # Goods are no circumstances.
        ("rain jacket, running shoes, snow boots, sunscreen", {}),
        ("happy birthday card", {}),
        ("最近浏览了多个商品，包括手机、平板电脑和相机。", {}),
        ("", {}),
    ],
)  # fmt: skip
def test_what_own_words_state(text, stated):
    assert signals_in_words(text) == stated


@given(st.text(max_size=300))
def test_any_words_can_be_read(text):
    found = signals_in_words(text)
    assert normalised(found) == found


@pytest.mark.parametrize("name", ["latitude", "lng", "Temperature", "hour", "month"])
@given(
    value=st.one_of(
        st.integers(-400, 400), st.floats(-400, 400), st.booleans(), st.text(max_size=9), st.sampled_from(sorted(MISSING))
    )
)
@example(value="24")
@example(value="13 °C")
def test_a_number_is_used_or_missing_or_told_to_be_unusable(name, value):
    told = unusable({name: value})
    missing = isinstance(value, str) and value.strip().casefold() in MISSING
    if missing or (isinstance(value, str) and "_" in value):  # "_" is a blank.
        return
    assert bool(normalised({name: value})) != bool(told)
    assert all(text.startswith(f"{name} ") and " to " in text for text in told)


def test_values_that_are_in_range_are_not_told():
    assert (
        unusable({"latitude": 48.1, "longitude": "11,5", "hour": 23, "month": "December", "temperature": "hot", "mood": 999}) == []
    )
