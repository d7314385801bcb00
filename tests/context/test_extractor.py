"""Extractor: the surer source wins, a log is read as each request would have been, and it is fast."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occasion.context import ContextExtractor
from occasion.context.coding import MAX_FIGURES
from occasion.data import Context
from occasion.errors import DataError
from occasion.protocols import ContextProvider, EventColumns, StoredContext
from occasion.settings import Settings

EXTRACTOR = ContextExtractor(Settings(time_zone="Europe/Berlin", country="DE"))
FRIDAY_NOON = 1783075200.0  # 2026-07-03 12:40 in Berlin


def columns(at, context):
    n = len(at)
    return EventColumns(
        seq=np.arange(n),
        user=np.zeros(n, np.int32),
        item=np.zeros(n, np.int32),
        type=np.zeros(n, np.int16),
        value=np.full(n, np.nan, np.float32),
        at=np.array(at, np.float64),
        context=np.array(context, np.int32),
        types=("click",),
    )


def test_given_goes_before_stated_and_stated_before_derived():
    context = Context(at=FRIDAY_NOON, text="on Sunday evening at home", signals={"place": "work"})
    found = EXTRACTOR.extract(context).signals
    assert (found["place"], found["weekday"], found["part_of_day"]) == ("work", "sunday", "evening")
    assert found["month"] == 7


@pytest.mark.parametrize(
    ("given_signals", "follows", "gone"),
    [
        ({"weekday": "Sunday"}, {"weekend": True}, ()),
        ({"weekend": True}, {"weekend": True}, ("weekday",)),
        ({"hour": 23}, {"part_of_day": "night"}, ()),
        ({"daytime": "morning"}, {"part_of_day": "morning"}, ("hour",)),
        ({"month": 1}, {"season": "winter"}, ()),
        ({"season": "winter"}, {"season": "winter"}, ("month",)),
        ({"weekday": "Sunday", "weekend": "no"}, {"weekday": "sunday", "weekend": False}, ()),
    ],
)
def test_what_is_given_takes_what_follows_from_it_along(given_signals, follows, gone):
    found = EXTRACTOR.extract(Context(at=FRIDAY_NOON, signals=given_signals)).signals
    assert follows.items() <= found.items()
    assert not set(gone) & set(found)


def test_recent_titles_become_signals_too():
    found = EXTRACTOR.extract(Context(at=FRIDAY_NOON), ["Pan", "Cook\nbook"]).signals
    assert (found["recent_items"], found["last_item"]) == (2, "Cook book")


def test_positions_are_no_times_and_now_is_the_default():
    assert EXTRACTOR.extract(Context(at=12.0)).signals == {}
    assert EXTRACTOR.extract(Context()).at == pytest.approx(time.time(), abs=60)
    assert "weekday" in EXTRACTOR.extract(Context()).signals


def test_a_zone_that_does_not_exist_is_named():
    with pytest.raises(DataError, match=r"Mars/Base.*Cure"):
        EXTRACTOR.extract(Context(at=FRIDAY_NOON, time_zone="Mars/Base"))


def test_as_many_signals_as_a_context_takes():
    signals = {f"s{n}": n / 7 for n in range(254)} | {"latitude": -40.0, "longitude": 9.5}
    found = EXTRACTOR.extract(Context(at=FRIDAY_NOON, signals=signals)).signals
    assert len(found) > 500
    assert found["season"] == "winter"


def test_faults_of_configuration():
    with pytest.raises(DataError, match="clock"):
        ContextExtractor(Settings(), providers=["clok"])
    with pytest.raises(DataError, match="Atlantis"):
        ContextExtractor(Settings(country="Atlantis"))
    assert ContextExtractor(Settings(), providers=[]).extract(Context(at=FRIDAY_NOON)).signals == {}


def test_providers_keep_the_protocol():
    for provider in EXTRACTOR.providers:
        assert isinstance(provider, ContextProvider)
        for context in (Context(), Context(at=5.0), Context(at=1.7e9, country="??"), Context(at=-2e9, signals={"latitude": "x"})):
            assert isinstance(dict(provider.signals(context)), dict)


names = st.sampled_from(
    ["weather", "Weather", "mood", "weekday", "weekend", "hour", "daytime", "season", "n", "load", "country", "tz"]
)
values = st.one_of(
    st.sampled_from(["rain", "Rainy", "sunday", "evening", "unknown", "winter", "AU", "Asia/Tokyo", "x"]),
    st.integers(-3, 30),
    st.floats(-5, 5),
    st.booleans(),
)
stored = st.tuples(st.sampled_from(["", "at home, raining", "Sunday evening"]), st.dictionaries(names, values, max_size=4))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(stored, max_size=4),
    st.lists(st.tuples(st.floats(1e9, 2e9) | st.just(np.nan) | st.just(5.0), st.integers(-1, 3)), max_size=8),
)
def test_past_events_have_the_signals_a_request_would_have_had(pool, events):
    contexts = [StoredContext(n, text, signals) for n, (text, signals) in enumerate(pool)]
    rows = [(t, key if key < len(contexts) else -1) for t, key in events]
    found = EXTRACTOR.event_signals(columns([t for t, _ in rows], [k for _, k in rows]), contexts)
    for row, (moment, key) in enumerate(rows):
        mine = {name: known[codes[row]] for name, (codes, known) in found.items() if codes[row] >= 0}
        text, signals = pool[key] if key >= 0 else ("", {})
        at = 5.0 if np.isnan(moment) else moment  # a position has no clock either
        expected = EXTRACTOR.extract(Context(at=at, text=text, signals=signals)).signals
        assert mine == {name: v for name, v in expected.items() if not isinstance(v, float)}


def test_contexts_that_came_later_are_read_too_and_another_log_starts_anew():
    extractor = ContextExtractor(Settings())
    log = [StoredContext(0, "", {"mood": "happy"})]
    assert extractor.event_signals(columns([np.nan], [0]), log)["mood"][1] == ["happy"]
    log.append(StoredContext(1, "", {"mood": "sad", "new": "x"}))
    found = extractor.event_signals(columns([np.nan] * 2, [1, 0]), log)
    codes, known = found["mood"]
    assert [known[c] for c in codes] == ["sad", "happy"]
    assert found["new"][0].tolist() == [0, -1]
    assert "mood" not in extractor.event_signals(columns([np.nan], [0]), [StoredContext(0, "", {"other": "y"})])


def numbers(pool):
    """Return the figures of the stored contexts of a pool (text, signals), read in two goes."""
    extractor = ContextExtractor(Settings())
    log = [StoredContext(n, text, signals) for n, (text, signals) in enumerate(pool[: len(pool) // 2])]
    extractor.stored_figures(columns([], []), log)
    log += [StoredContext(n, text, signals) for n, (text, signals) in enumerate(pool) if n >= len(log)]
    keys = [-1, *range(len(pool)), len(pool) + 5]
    return extractor.stored_figures(columns([np.nan] * len(keys), keys), log)


@settings(max_examples=150, deadline=None)
@given(st.lists(stored, max_size=8))
def test_of_what_was_ever_told_as_a_fraction_all_numbers_are_kept(pool):
    found = numbers(pool)
    told = [EXTRACTOR.extract(Context(at=5.0, text=text, signals=signals)).signals for text, signals in pool]
    assert set(found) == {name for signals in told for name, value in signals.items() if isinstance(value, float)}
    for name, column in found.items():
        values = [signals.get(name) for signals in told]
        expected = [v if isinstance(v, int | float) and not isinstance(v, bool) else np.nan for v in values]
        np.testing.assert_array_equal(column, [np.nan, *expected, np.nan])


def test_figures_of_some_names_of_a_log_that_changes():
    extractor = ContextExtractor(Settings())
    log = [StoredContext(0, "", {"load": 3, "pace": 2.5}), StoredContext(1, "", {"load": 1e200})]
    assert extractor.stored_figures(columns([np.nan], [0]), log, ["load", "gone"])["load"].tolist() == [3.0]
    both = extractor.stored_figures(columns([np.nan] * 2, [1, 0]), log)
    assert np.isnan(both["load"][0]), "what is too large measures nothing"
    assert extractor.stored_figures(columns([np.nan], [0]), log, ["mood"]) == {}
    # Where somebody is erased, the list of contexts is another one, and their words and numbers are gone from it.
    assert extractor.stored_figures(columns([np.nan], [0]), [StoredContext(0, "", {})]) == {}


def test_no_more_names_have_figures_than_are_kept():
    signals = {f"n{k}": k + 0.5 for k in range(MAX_FIGURES + 9)}
    found = ContextExtractor(Settings()).stored_figures(columns([np.nan], [0]), [StoredContext(0, "", signals)])
    assert list(found) == [f"n{k}" for k in range(MAX_FIGURES)]


def test_likeness_is_the_share_of_known_signals_that_agree():
    contexts = [StoredContext(0, "", {"weather": "rain", "mood": "sad"}), StoredContext(1, "", {"weather": "sunny"})]
    like = EXTRACTOR.likeness(columns([np.nan] * 3, [0, 1, -1]), contexts, {"weather": "rain", "mood": "happy"})
    assert like.tolist() == [0.5, 0.0, 0.0]
    assert EXTRACTOR.likeness(columns([], []), contexts, {"weather": "rain"}).tolist() == []


def test_the_same_moment_is_entirely_alike_and_a_nearer_one_more_alike():
    signals = EXTRACTOR.extract(Context(at=FRIDAY_NOON)).signals
    week, night = 7 * 86400, 11 * 3600
    like = EXTRACTOR.likeness(columns([FRIDAY_NOON, FRIDAY_NOON - week, FRIDAY_NOON + night - week], [-1] * 3), [], signals)
    assert like[0] == pytest.approx(1)
    assert like[0] >= like[1] > like[2]


@pytest.mark.slow
def test_a_log_is_read_at_once_and_not_event_by_event():
    """A million and a half take half a second of a processor, where one by one they would take a minute."""
    n = 1_500_000
    rng = np.random.default_rng(0)
    contexts = [StoredContext(k, "", {"store": str(k), "weather": "rainy"}) for k in range(500)]
    log = columns(rng.uniform(1.48e9, 1.52e9, n), rng.integers(0, 500, n))
    start = time.process_time()
    found = EXTRACTOR.event_signals(log, contexts)
    together = time.process_time() - start
    start = time.process_time()
    for at in log.at[:1000].tolist():
        EXTRACTOR.extract(Context(at=at, signals={"store": "7", "weather": "rainy"}))
    assert together < (time.process_time() - start) * n / 1000 / 20
    assert {"store", "weather", "hour", "is_holiday"} <= set(found)
