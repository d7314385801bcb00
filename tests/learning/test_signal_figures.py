"""Figures of a moment: read as numbers and by ranges, from frames, moments and histories alike; their words beside them are not."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occasion.learning.dataset import Dataset
from occasion.learning.signals import SignalCodes, Signals, number_of

COLUMNS = {"ctx_heat": pl.Float64, "ctx_heat_level": pl.String, "ctx_grade": pl.Float64, "ctx_mood": pl.String}


def frame(rows):
    """Return moments (heat, words for heat, grade, mood) as columns."""
    return pl.DataFrame([list(column) for column in zip(*rows, strict=True)], schema=COLUMNS)


def learnt():
    """Return the signals of a log in which heat is told in degrees or in words, and grade has few values."""
    rng = np.random.default_rng(0)
    rows = [(float(x), "hot" if x > 25 else "mild", 1.5, "calm") for x in rng.uniform(0, 40, 60).round(1)]
    rows += [(None, word, float(grade), "glad") for word in ("hot", "cold") for grade in (1, 2)]
    return Signals.learn(frame(rows), clock=False)


words, numbers = st.sampled_from([None, "hot", "cold", "mild", "new"]), st.none() | st.floats(-50, 60) | st.integers(-50, 60)
moments = st.lists(st.tuples(numbers, words, st.sampled_from([None, 1, 1.0, 1.5, 2.0, 7.25]), words), min_size=1, max_size=12)


@settings(max_examples=100)
@given(moments)
def test_a_moment_a_history_and_a_frame_give_the_same_codes_and_numbers(rows):
    signals = learnt()
    codes, figures = signals.code(frame(rows), np.full(len(rows), np.nan))
    reading, names = SignalCodes(signals), ["heat", "heat_level", "grade", "mood"]
    one = [reading.of({k: v for k, v in zip(names, row, strict=True) if v is not None}) for row in rows]
    np.testing.assert_array_equal([c for c, _ in one], codes)
    np.testing.assert_array_equal([n for _, n in one], figures)
    # In a log fractions have no codes, whole numbers and words have.
    coded, told = {}, {}
    for name, column in zip(names, zip(*rows, strict=True), strict=True):
        classes = sorted({v for v in column if v is not None and not isinstance(v, float)}, key=str)
        coded[name] = np.array([classes.index(v) if v in classes and not isinstance(v, float) else -1 for v in column]), classes
        told[name] = np.array([number_of(v) for v in column])
    order = np.random.default_rng(1).permutation(len(rows))
    past, past_figures = reading.of_columns(coded, {name: told[name] for name in reading.measured}, order)
    np.testing.assert_array_equal(past, codes[order])
    np.testing.assert_array_equal(past_figures, figures[order])


def test_the_words_for_a_number_count_where_it_was_not_told():
    signals = learnt()
    assert signals.numeric == ["ctx_heat"]
    assert signals.values["ctx_heat_level"] == ["cold", "hot"], "mild was only said of what was told in degrees"
    assert signals.values["ctx_grade"] == ["1", "1.5", "2"]
    level = signals.names.index("ctx_heat_level")
    codes, _ = signals.code(frame([(30.0, "hot", None, None), (None, "hot", None, None)]), np.full(2, np.nan))
    assert codes[:, level].tolist() == [-1, 1]


def test_words_that_stand_beside_their_number_everywhere_are_no_signal_and_other_words_are():
    rows = frame([(x + 0.5, f"about {x}", 1.0, "calm") for x in range(20)])
    assert Signals.learn(rows, clock=False).names == ["ctx_heat"]
    alone = Signals.learn(rows.drop("ctx_heat"), clock=False)
    assert alone.names == ["ctx_heat_level"]
    coded = Signals.learn(rows.with_columns(pl.col("ctx_heat").cast(pl.String)), clock=False)
    assert set(coded.names) == {"ctx_heat", "ctx_heat_level"}, "words for words are as good as any"
    assert list(coded.levels) == []


@pytest.mark.parametrize("strange", [1e200, -1e200, float("inf"), float("nan"), 10**400])
def test_numbers_that_measure_nothing_are_not_told(strange):
    signals = learnt()
    codes, figures = SignalCodes(signals).of({"heat": strange, "heat_level": "hot"})
    assert codes[signals.names.index("ctx_heat")] == -1
    assert np.isnan(figures).all()
    assert codes[signals.names.index("ctx_heat_level")] == 1


def test_signals_of_a_release_before_are_read():
    signals = object.__new__(Signals)
    signals.names, signals.values, signals.edges, signals.clock = ["ctx_mood"], {"ctx_mood": ["calm", "glad"]}, {}, False
    codes, figures = SignalCodes(signals).of({"mood": "glad", "heat": 20.5})
    assert codes.tolist() == [1]
    assert figures.shape == (0,)


def test_where_somebody_is_is_read_where_the_catalogue_tells_positions():
    items = pl.DataFrame({"item_id": ["a", "b", "c", "d"], "lat": [1.0, 2.0, 3.0, 4.5], "lon": [5.0, 6.0, 7.0, 8.5]})
    events = pl.DataFrame({"user_id": ["u"] * 4, "item_id": ["a", "b", "c", "d"], "time": [1.7e9 + k for k in range(4)]})
    data = Dataset.from_frames(items, events)
    assert not any(name.startswith("ctx_") for name in data.signals.names)
    assert data.signals.numeric == []
    asked = pl.DataFrame({"query_id": ["q"], "user_id": ["u"], "ctx_latitude": [2.5], "ctx_longitude": [6.5]})
    assert data.queries(asked).numbers.tolist() == [[2.5, 6.5]]
    assert np.isnan(data.queries(asked.select("query_id", "user_id")).numbers).all()
    assert SignalCodes(data.signals).of({"latitude": 2.5, "longitude": 6.5})[1].tolist() == [2.5, 6.5]
    assert Dataset.from_frames(items, events, rated=True).signals.figures == [], "ratings have no use for it"
    assert Dataset.from_frames(items.select("item_id"), events).signals.figures == []
