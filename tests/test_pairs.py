"""Late pairs against a plain dictionary."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occasion import pairs
from occasion.pairs import LatePairs, PairCounts, summed

keys = st.integers(0, 9)
added = st.lists(st.tuples(keys, keys, st.sampled_from([0.5, 1.0, 2.0])).filter(lambda p: p[0] != p[1]), max_size=60)


@settings(max_examples=80, deadline=None)
@given(added, st.integers(1, 30))
def test_sums_are_those_of_a_dictionary(some, newest):
    expected: dict[int, Counter[int]] = defaultdict(Counter)
    late = LatePairs()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "NEWEST", newest)
        for one, other, gain in some:
            late.add(one, other, gain)
            expected[one][other] += gain
            expected[other][one] += gain
        asked = np.array([*range(11), 3], np.int32)
        place, others, gains = late.each(asked)
        assert others.dtype == np.int32
        for at, key in enumerate(asked.tolist()):
            sums: Counter[int] = Counter()
            for other, gain in zip(others[place == at].tolist(), gains[place == at].tolist(), strict=True):
                sums[other] += gain
            assert dict(sums) == pytest.approx(dict(expected[key]))
    late.clear()
    assert len(late) == 0
    assert len(late.each(asked)[0]) == 0


def test_a_popular_item_keeps_its_strongest_others_in_both_states(monkeypatch):
    monkeypatch.setattr(pairs, "NEWEST", 1000)
    late = LatePairs(strongest=5)
    for other in range(1, 2000):
        late.add(0, other, 1.0)
        if other % 20 == 0:
            late.add(0, 7, 1.0)
    _, others, gains = late.each(np.array([0], np.int32))
    others, gains = summed(others, gains)
    assert len(others) <= 15
    assert int(others[np.argmax(gains)]) == 7
    assert gains.max() == 1.0 + 99
    assert len(late) < 6000


def test_memory_an_event_is_small():
    rng = np.random.default_rng(0)
    late = LatePairs()
    for _ in range(20_000):
        one, other = rng.integers(0, 20_000, 2).tolist()
        if one != other:
            late.add(one, other, 1.0)
    held = late._codes.nbytes + late._gains.nbytes
    assert held <= 12 * len(late)


def test_equal_keys_are_summed():
    found, values = summed(np.array([3, 1, 3], np.int32), np.array([1, 2, 4], np.float32))
    assert found.tolist() == [1, 3]
    assert values.tolist() == [2, 5]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 5)), max_size=60))
def test_few_pairs_are_counted_exactly(some):
    counts, expected = PairCounts(), Counter()
    for pair in some:
        expected[pair] += 1
        assert counts.add(*pair) == expected[pair]


def test_counts_of_many_pairs_are_never_too_small_and_hardly_ever_too_great():
    rng = np.random.default_rng(0)
    counts, expected, over = PairCounts(), Counter(), 0
    for one, other in zip(rng.integers(0, 5000, 100_000).tolist(), rng.integers(0, 5000, 100_000).tolist(), strict=True):
        expected[one, other] += 1
        found = counts.add(one, other)
        assert found >= expected[one, other]
        over += found > expected[one, other]
    assert over < 500
    for _ in range(300):
        last = counts.add(1, 1)
    assert last == PairCounts.MOST
    counts.clear()
    assert counts.add(1, 1) == 1


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=60), st.integers(1, 5))
def test_only_the_newest_of_what_one_user_repeats_are_left(log, most):
    users, items = (np.array([pair[side] for pair in log], np.int32) for side in (0, 1))
    left = set(range(len(log))) - set(pairs.beyond(users, items, most).tolist())
    for pair in set(log):
        mine = [place in left for place, one in enumerate(log) if one == pair]
        older = max(len(mine) - most, 0)
        assert mine == [False] * older + [True] * (len(mine) - older)
