"""Late pairs against a plain dictionary."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occasion import pairs
from occasion.pairs import LatePairs, PairCounts, strongest, summed

keys = st.integers(0, 9)
added = st.lists(st.tuples(keys, keys, st.sampled_from([0.5, 1.0, 2.0])).filter(lambda p: p[0] != p[1]), max_size=60)


def put(late, some):
    ones, others, gains = zip(*some, strict=True)
    late.add(np.array(ones, np.int32), np.array(others, np.int32), np.array(gains, np.float32))


@settings(max_examples=80, deadline=None)
@given(added, st.integers(1, 30))
def test_sums_are_those_of_a_dictionary(some, at_once):
    expected: dict[int, Counter[int]] = defaultdict(Counter)
    late = LatePairs()
    for first in range(0, len(some), at_once):
        put(late, some[first : first + at_once])
    for one, other, gain in some:
        expected[one][other] += gain
        expected[other][one] += gain
    asked = np.array([*range(11), 3], np.int32)
    place, others, gains = late.each(asked)
    assert (place.dtype, others.dtype, gains.dtype) == (np.int64, np.int32, np.float32)
    for at, key in enumerate(asked.tolist()):
        sums: Counter[int] = Counter()
        for other, gain in zip(others[place == at].tolist(), gains[place == at].tolist(), strict=True):
            sums[other] += gain
        assert dict(sums) == pytest.approx(dict(expected[key]))
    late.clear()
    assert len(late) == 0
    assert len(late.each(asked)[0]) == 0


def test_a_popular_item_keeps_its_strongest_others():
    late = LatePairs(strongest=5)
    for other in range(8, 2000):
        put(late, [(0, other, 1.0)])
        if other % 20 == 0:
            put(late, [(0, 7, 1.0)])
    _, others, gains = late.each(np.array([0], np.int32))
    others, gains = summed(others, gains)
    assert int(others[np.argmax(gains)]) == 7
    assert gains.max() == 99
    # Those of the longest run are cut, those that came since are not yet.
    assert len(others) < 1000
    assert len(late) < 6000


def test_there_are_few_runs_to_look_into_and_a_pair_is_moved_seldom(monkeypatch):
    moved = []
    plain = pairs._distinct
    monkeypatch.setattr(pairs, "_distinct", lambda codes, gains: moved.append(len(codes)) or plain(codes, gains))
    late, rng = LatePairs(), np.random.default_rng(0)
    for _ in range(2000):
        ones, others = rng.integers(0, 50_000, (2, 10))
        put(late, [(one, other, 1.0) for one, other in zip(ones, others, strict=True) if one != other])
        assert len(late._runs) <= 7
    assert sum(moved) < 25 * len(late)


@pytest.mark.parametrize(("block", "at_once"), [(7, 10**9), (7, 20), (100, 1000)])
def test_large_runs_are_merged_step_by_step_to_the_same(monkeypatch, block, at_once):
    rng = np.random.default_rng(1)
    some = [(rng.zipf(1.4, 30) % 50, rng.zipf(1.4, 30) % 50, rng.random(30, np.float32)) for _ in range(300)]
    monkeypatch.setattr(pairs, "OWN_MEMORY", 64)
    monkeypatch.setattr(pairs, "BLOCK", block)
    monkeypatch.setattr(pairs, "AT_ONCE", at_once)
    late, expected = LatePairs(strongest=1000), np.zeros((50, 50))
    for ones, others, gains in some:
        different = ones != others
        ones, others, gains = ones[different].astype(np.int32), others[different].astype(np.int32), gains[different]
        late.add(ones, others, gains)
        np.add.at(expected, (ones, others), gains)
        np.add.at(expected, (others, ones), gains)
        assert len(late._runs) < 12
    place, others, gains = late.each(np.arange(50, dtype=np.int32))
    found = np.zeros((50, 50))
    np.add.at(found, (place, others), gains)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert (found > 0).sum() > 300
    # What is being merged is forgotten, too.
    late.clear()
    late.add(np.array([1], np.int32), np.array([2], np.int32), np.ones(1, np.float32))
    assert len(late) == 2


def test_no_addition_takes_long_and_runs_stay_few(monkeypatch):
    moved = []
    plain = pairs._distinct
    monkeypatch.setattr(pairs, "_distinct", lambda codes, gains: moved.append(len(codes)) or plain(codes, gains))
    late, rng, most, longest = LatePairs(), np.random.default_rng(0), 0, 0
    for _ in range(700):
        ones, others = rng.integers(0, 50_000, (2, 640)).astype(np.int32)
        before = len(moved)
        late.add(ones, others + np.int32(50_000), np.ones(640, np.float32))
        longest = max(longest, sum(moved[before:]))
        most = max(most, len(late._runs))
    assert len(late) > 880_000
    assert longest < 300_000
    assert most < 12


def test_memory_an_event_is_small():
    rng = np.random.default_rng(0)
    late = LatePairs()
    for _ in range(200):
        put(late, [(one, other, 1.0) for one, other in rng.integers(0, 20_000, (100, 2)).tolist() if one != other])
    held = sum(codes.nbytes + gains.nbytes for codes, gains in late._runs)
    assert len(late) > 39_000
    assert held <= 12 * len(late)


def test_equal_keys_are_summed():
    found, values = summed(np.array([3, 1, 3], np.int32), np.array([1, 2, 4], np.float32))
    assert found.tolist() == [1, 3]
    assert values.tolist() == [2, 5]


def counted(counts, some):
    ones, others = np.array(some, np.int32).reshape(-1, 2).T
    return counts.add(ones, others).tolist()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 5)), max_size=60), st.integers(1, 60))
def test_few_pairs_are_counted_exactly(some, at_once):
    counts, expected = PairCounts(), Counter()
    found = [one for first in range(0, len(some), at_once) for one in counted(counts, some[first : first + at_once])]
    for pair, count in zip(some, found, strict=True):
        expected[pair] += 1
        assert count == expected[pair]


@pytest.mark.parametrize("at_once", [1, 1000])
def test_counts_of_many_pairs_are_never_too_small_and_hardly_ever_too_great(at_once):
    rng = np.random.default_rng(0)
    counts, expected, over = PairCounts(), Counter(), 0
    some = rng.integers(0, 5000, (20_000 if at_once == 1 else 100_000, 2)).tolist()
    for first in range(0, len(some), at_once):
        part = some[first : first + at_once]
        for pair, found in zip(part, counted(counts, part), strict=True):
            expected[tuple(pair)] += 1
            assert found >= expected[tuple(pair)]
            over += found > expected[tuple(pair)]
    assert over < 500
    assert counted(counts, 300 * [(1, 1)])[-1] == PairCounts.MOST
    assert counted(counts, [(1, 1)]) == [PairCounts.MOST]
    counts.clear()
    assert counted(counts, [(1, 1), (2, 1), (1, 1)]) == [1, 1, 2]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=60), st.integers(1, 5))
def test_only_the_newest_of_what_one_user_repeats_are_left(log, most):
    users, items = (np.array([pair[side] for pair in log], np.int32) for side in (0, 1))
    left = set(range(len(log))) - set(pairs.beyond(users, items, most).tolist())
    for pair in set(log):
        mine = [place in left for place, one in enumerate(log) if one == pair]
        older = max(len(mine) - most, 0)
        assert mine == [False] * older + [True] * (len(mine) - older)


@given(st.lists(st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0]), max_size=8), max_size=6), st.integers(1, 4))
def test_the_strongest_of_each_row_come_best_first_and_ties_by_place(rows, most):
    starts = np.cumsum([0, *map(len, rows)])
    values = np.array([value for row in rows for value in row], np.float32)
    expected = [
        int(start) + place
        for start, row in zip(starts, rows, strict=False)
        for place in sorted(range(len(row)), key=lambda n, row=row: -row[n])[:most]
    ]
    assert strongest(starts, values, most).tolist() == expected
