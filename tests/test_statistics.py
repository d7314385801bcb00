"""Counts over the log: built at once or event by event they agree, and they mean what their docstrings say."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occasion.errors import ModelError
from occasion.horizon import Horizon
from occasion.keyed import taken
from occasion.liking import RatingScale, liking, rating_range
from occasion.protocols import EventColumns
from occasion.statistics import DAY, Statistics

TYPES = ("click", "view", "rating", "dislike", "dwell")


def columns(rows, types=TYPES):
    """rows: (user, item, type name, value, at)."""
    user, item, kind, value, at = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    return EventColumns(
        seq=np.arange(1, len(rows) + 1, dtype=np.int64),
        user=np.array(user, np.int32),
        item=np.array(item, np.int32),
        type=np.array([types.index(k) for k in kind], np.int16),
        value=np.array(value, np.float32),
        at=np.array(at, np.float64),
        context=np.full(len(rows), -1, np.int32),
        types=types,
    )


def clicks(*pairs):
    return columns([(u, i, "click", np.nan, float(n)) for n, (u, i) in enumerate(pairs)])


events = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.integers(0, 7),
        st.sampled_from(["click", "view", "dislike"]),
        st.just(math.nan),
        st.integers(0, 10**6).map(float),
    ),
    min_size=1,
    max_size=40,
)


def built(rows, size=8):
    out = Statistics()
    out.build(columns(rows), size)
    return out


@settings(max_examples=60, deadline=None)
@given(events)
def test_event_by_event_counts_what_building_at_once_counts(rows):
    rows = sorted(rows, key=lambda r: r[4])
    half = len(rows) // 2
    whole, late = built(rows), built(rows[:half])
    late.grow(8)
    seen: dict[int, list[int]] = {}
    for user, item, kind, _, _ in rows[:half]:
        if kind != "dislike":
            seen.setdefault(user, []).append(item)
    rest = columns(rows[half:])
    late.observe(rest, {}, seen)
    np.testing.assert_allclose(late.count[:8], whole.count)
    assert late.events == whole.events
    assert late.repeats == whole.repeats
    # Discounted to different references, the decayed counts agree up to one common factor.
    factor = 2 ** ((whole.reference - late.reference) / whole.half_life)
    np.testing.assert_allclose(late.now[:8], whole.now * factor, rtol=1e-6, atol=1e-9)


def test_an_event_one_half_life_old_counts_half():
    s = Statistics(half_life_days=1)
    s.build(columns([(0, 0, "click", np.nan, 0.0), (0, 1, "click", np.nan, DAY)]), 2)
    np.testing.assert_allclose(s.now, [0.5, 1.0])
    assert s.top(2).keys.tolist() == [1, 0]


def test_top_respects_what_is_allowed_even_when_all_the_popular_are_not():
    s = built([(0, i, "click", np.nan, 0.0) for i in (0, 0, 0, 1, 1, 2)], 3)
    assert s.top(3, np.array([False, False, True])).keys.tolist() == [2]
    assert s.top(3, np.zeros(3, bool)).keys.tolist() == []


def test_what_is_new_is_among_the_most_popular_while_these_are_few():
    s = Statistics()
    s.build(clicks((0, 0), (1, 0), (2, 1), (3, 1)), 9)
    assert sorted(s.top(5).keys.tolist()) == [0, 1]
    s.observe(clicks((4, 8), (5, 8), (6, 8)), {}, {})
    s.observe(clicks((4, 7)), {}, {})
    assert sorted(s.top(5).keys.tolist()) == [0, 1, 7, 8]


def test_items_of_one_person_go_together_and_not_with_themselves():
    s = Statistics()
    s.build(clicks((0, 0), (0, 1), (1, 0), (1, 1), (2, 5), (2, 5)), 6)
    assert s.together(0).keys.tolist() == [1]
    assert s.together(1).keys.tolist() == [0]
    assert len(s.together(5).keys) == 0
    assert len(s.together(99).keys) == 0


def test_new_events_bring_items_together_at_once():
    s = Statistics()
    s.build(clicks((0, 0), (0, 1)), 4)
    s.observe(clicks((7, 3)), {}, {7: [0]})
    assert 3 in s.together(0).keys.tolist()
    assert s.together(0).scores[s.together(0).keys.tolist().index(3)] > 0


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 7)), max_size=30),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), max_size=20),
)
def test_what_goes_together_is_the_same_one_by_one_and_at_once(before, after):
    s = Statistics()
    s.build(clicks(*before), 8)
    s.observe(clicks(*after), {}, {})
    asked = np.array([0, 3, 9, 40], np.int32)
    place, others, scores = s.together_each(asked)
    for at, key in enumerate(asked.tolist()):
        sums = np.bincount(others[place == at], scores[place == at], 50)
        one = s.together(key)
        np.testing.assert_allclose(sums, np.bincount(one.keys, one.scores, 50), atol=1e-5)


def test_dislikes_do_not_make_popular():
    s = built([(0, 0, "dislike", np.nan, 0.0), (0, 1, "view", np.nan, 0.0)], 2)
    assert s.count.tolist() == [0.0, 0.5]


def test_ratings_count_by_their_place_on_the_scale_seen():
    c = columns([(0, 0, "rating", v, 0.0) for v in (1.0, 3.0, 5.0)])
    assert rating_range(c) == (1.0, 5.0)
    np.testing.assert_allclose(liking(c, (1.0, 5.0)), [-2, 0, 2])


STARS = st.lists(st.tuples(st.integers(0, 60), st.sampled_from((1.0, 2.0, 3.0, 4.0, 5.0))), min_size=40, max_size=300)
BEYOND = st.floats(-1e9, 1e9, width=32).filter(lambda value: not 0 <= value <= 5)


@settings(max_examples=40, deadline=None)
@given(STARS, st.lists(BEYOND, min_size=1, max_size=20), st.integers(1, 9))
def test_one_account_moves_nobodys_stars(stars, odd, parts):
    """Once ten people have rated, no number of ratings by one account, of whatever height, changes what those of others tell."""
    ordinary = [(user, 0, "rating", value, 0.0) for user, value in stars]
    ordinary += [(user, 0, "rating", value, 0.0) for user in range(100, 112) for value in (1.0, 5.0)]
    attack = [(999, 1, "rating", value, 0.0) for value in odd]
    assert rating_range(columns(ordinary)) == (1.0, 5.0)
    assert rating_range(columns(ordinary + attack)) == (1.0, 5.0)
    piecewise = RatingScale()
    for part in np.array_split(np.arange(len(ordinary + attack)), parts):
        piecewise.add(columns([(ordinary + attack)[n] for n in part]))
    assert piecewise.range == (1.0, 5.0)
    assert RatingScale.of(json.loads(json.dumps(piecewise.document()))).range == (1.0, 5.0)
    weights = liking(columns(attack), (1.0, 5.0))
    assert (np.abs(weights) <= 2).all()


def test_a_scale_of_few_people_or_of_one_value_is_what_was_given():
    assert rating_range(columns([(0, 0, "rating", v, 0.0) for v in (0.0, 3.0, 10.0)])) == (0.0, 10.0)
    content = [(u, 0, "rating", 5.0 - u % 2, 0.0) for u in range(50)]
    assert rating_range(columns([*content, (51, 0, "rating", 1.0, 0.0)])) == (1.0, 5.0), "one star is a star, whoever gave it"
    assert rating_range(columns([*content, (51, 0, "rating", 9.0, 0.0)])) == (4.0, 5.0)
    wide = [(u, 0, "rating", 37.0 * (u % 20), 0.0) for u in range(400)]
    assert rating_range(columns([*wide, (999, 0, "rating", -1e6, 0.0)])) == (0.0, 703.0)
    s = Statistics()
    s.build(columns([(u, u % 3, "rating", float(1 + u % 5), 0.0) for u in range(30)]), 3)
    before = s.count.tolist()
    s.build(columns([(u, u % 3, "rating", float(1 + u % 5), 0.0) for u in range(30)] + [(99, 2, "rating", 1e6, 0.0)]), 3)
    assert s.count.tolist() == [*before[:2], before[2] + 2]


@settings(max_examples=30, deadline=None)
@given(st.floats(DAY, 500 * 365 * DAY), st.integers(1, 30), st.integers(0, 2))
def test_one_account_of_the_future_leaves_what_is_popular_now(ahead, times, way):
    """One event dated 2096 made all others of no account, for good; of ten people on, nobody alone can move the clock."""
    ordinary = [(u, u % 4, "click", np.nan, 1.7e9 + 3600.0 * u) for u in range(40)]
    odd = [(999, 5, "click", np.nan, 1.7e9 + 3600.0 * 40 + ahead + n) for n in range(times)]
    expected = built(ordinary, size=6)
    if way == 0:
        s = built(ordinary + odd, size=6)
    else:
        s = built(ordinary if way == 1 else ordinary[:20], size=6)
        s.observe(columns(odd if way == 1 else odd + ordinary[20:]), {}, {})
    share = s.now[:4] / s.now[:4].sum()
    np.testing.assert_allclose(share, expected.now[:4] / expected.now[:4].sum(), rtol=0.02)
    assert s.now[5] <= 1.4 * min(times, 20) * s.now[:4].max()
    assert Horizon.of(json.loads(json.dumps(s.horizon.document()))).document() == s.horizon.document()


def test_the_clock_goes_on_once_more_than_a_few_have_gone_on():
    horizon = Horizon()
    horizon.add(np.arange(40, dtype=np.int32), np.arange(40.0))
    assert horizon.held(np.array([1e9, 3.0, np.nan]), 5.0)[:2].tolist() == [39 - 5 + 5.0, 3.0]
    horizon.add(np.arange(100, 110, dtype=np.int32), np.full(10, 1000.0))
    assert horizon.held(np.array([1e9]), 5.0).tolist() == [1005.0]
    few = Horizon()
    few.add(np.array([1, 2], np.int32), np.array([1.0, 1e9]))
    assert few.held(np.array([1e9]), 0.0).tolist() == [1e9], "among a handful of people nobody is odd"


def test_half_a_minute_of_dwell_is_worth_a_click():
    c = columns([(0, 0, "dwell", v, 0.0) for v in (0.0, 30.0, 1e6)])
    np.testing.assert_allclose(liking(c, None), [0, 1, 2])


@settings(max_examples=40, deadline=None)
@given(events, st.integers(0, 2))
def test_lift_is_positive_where_an_item_is_chosen_more_than_expected(rows, value):
    c = columns(rows)
    codes = (np.arange(len(rows), dtype=np.int32) % 3, ("a", "b", "c"))
    s = Statistics()
    s.build(c, 8, {"mood": codes})
    keys = np.arange(8, dtype=np.int32)
    lift = s.lift({"mood": "abc"[value]}, keys)
    weight = np.maximum(liking(c, None), 0)
    own = np.bincount(c.item[codes[0] == value], weight[codes[0] == value], 8)
    expected = s.count * (weight[codes[0] == value].sum() / max(1, weight.sum()))
    assert np.all((lift > 1e-6) <= (own > expected - 1e-4))
    assert np.all((lift < -1e-6) <= (own < expected + 1e-4))
    assert not s.lift({"mood": "never heard of"}, keys).any()


def test_lift_counts_new_events_and_new_values():
    s = built([(0, i % 4, "click", np.nan, 0.0) for i in range(40)], 4)
    for n in range(20):
        s.observe(columns([(1, 2, "click", np.nan, float(n))]), {"weather": (np.zeros(1, np.int32), ("snow",))}, {})
    lift = s.lift({"weather": "snow"}, np.arange(4, dtype=np.int32))
    assert lift[2] > 0.3
    assert lift[0] < 0
    assert 2 in s.under({"weather": "snow"}, 5).tolist()


def test_many_new_events_count_like_those_of_the_log():
    rng = np.random.default_rng(0)
    rows = [(n % 7, int(rng.integers(400)), "click", np.nan, float(n)) for n in range(3000)]
    moods = rng.integers(0, 2, 3000).astype(np.int32)
    whole, late = Statistics(), Statistics()
    whole.build(columns(rows), 400, {"mood": (moods, ("dull", "gay"))})
    late.build(columns(rows[:1000]), 400, {"mood": (moods[:1000], ("dull", "gay"))})
    late.under({"mood": "gay"}, 10)  # what was worked out before must not stay
    late.observe(taken(columns(rows), slice(1000, None)), {"mood": (moods[1000:], ("dull", "gay"))}, {})
    keys = rng.permutation(400).astype(np.int32)
    np.testing.assert_allclose(late.lift({"mood": "gay"}, keys), whole.lift({"mood": "gay"}, keys), atol=1e-5)
    assert set(whole.under({"mood": "gay"}, 10).tolist()) <= set(late.under({"mood": "gay"}, 10).tolist())


def test_saved_and_loaded_are_the_same(tmp_path):
    s = Statistics(3.0)
    rows = [(n % 3, n % 5, "click", np.nan, float(n)) for n in range(30)]
    s.build(
        columns(rows),
        5,
        {"weekend": (np.arange(30, dtype=np.int32) % 2, (False, True)), "city": (np.zeros(30, np.int32), ("北京",))},
    )
    s.save(tmp_path)
    t = Statistics.load(tmp_path)
    keys = np.arange(5, dtype=np.int32)
    for signals in ({"weekend": True}, {"city": "北京", "weekend": False}):
        np.testing.assert_array_equal(s.lift(signals, keys), t.lift(signals, keys))
    np.testing.assert_array_equal(s.together(1).scores, t.together(1).scores)
    assert (t.cursor, t.events, t.repeats, t.scale.range, t.half_life) == (
        s.cursor,
        s.events,
        s.repeats,
        s.scale.range,
        s.half_life,
    )


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 not really", b"\x00" * 4000])
def test_a_damaged_file_is_named_with_its_cure(tmp_path, content):
    if content is not None:
        (tmp_path / "statistics.npys").write_bytes(content)
    with pytest.raises(ModelError, match="occasion index"):
        Statistics.load(tmp_path)


def saved(tmp_path):
    s = Statistics()
    s.build(columns([(n % 3, n % 5, "click", np.nan, float(n)) for n in range(30)]), 5)
    s.save(tmp_path)
    return s, tmp_path / "statistics.npys"


@pytest.mark.parametrize("place", [0, 200, -600, -1])
def test_a_byte_that_changed_is_noticed(tmp_path, place):
    _, path = saved(tmp_path)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match="damaged"):
        Statistics.load(tmp_path)


def test_what_is_read_in_place_outlasts_the_next_counts_and_is_written_on_by_nobody(tmp_path):
    s, path = saved(tmp_path)
    before = path.read_bytes()
    t = Statistics.load(tmp_path)
    t.observe(columns([(1, 2, "click", np.nan, 99.0)]), {}, {1: [0]})
    assert path.read_bytes() == before
    assert t.count[2] > s.count[2]
    other = Statistics()
    other.build(columns([]), 5)
    other.save(tmp_path)
    np.testing.assert_array_equal(t.neighbours.scores, s.neighbours.scores)


def test_what_an_older_release_kept_is_removed_with_the_rest(tmp_path):
    older = tmp_path / "statistics.npz"
    older.write_bytes(b"of somebody")
    saved(tmp_path)
    assert not older.exists()
    older.write_bytes(b"of somebody")
    Statistics.discard(tmp_path)
    assert not list(tmp_path.glob("*.np*"))


def test_an_empty_log_answers_empty():
    s = Statistics()
    s.build(columns([]), 3)
    assert s.repeat_rate == 0
    assert len(s.top(5).keys) == 0
    assert not s.lift({"a": "b"}, np.arange(3, dtype=np.int32)).any()
    assert len(s.under({"a": "b"}, 5)) == 0
    assert len(s.together(0).keys) == 0


def test_a_clock_that_jumps_centuries_does_not_overflow():
    s = Statistics(1.0)
    s.build(columns([(0, 0, "click", np.nan, 0.0)]), 2)
    s.observe(columns([(0, 1, "click", np.nan, 1.6e10)]), {}, {})
    assert np.isfinite(s.now).all()
    assert s.top(1).keys.tolist() == [1]
