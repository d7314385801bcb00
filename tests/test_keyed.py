"""Arrays by key against plain loops."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from occasion.keyed import Board, is_allowed, joined, leading, looked_up, positive, taken, top_positive, values_of

key_lists = st.lists(st.integers(0, 30), max_size=12).map(lambda v: np.array(v, np.int32))
masks = st.lists(st.booleans(), max_size=20).map(lambda v: np.array(v, bool))


@given(key_lists, masks)
def test_masks_end_where_they_end(keys, mask):
    assert is_allowed(keys, mask).tolist() == [bool(k < len(mask) and mask[k]) for k in keys]
    assert is_allowed(keys, None).all()


@given(key_lists, st.lists(st.floats(-5, 5), max_size=20))
def test_values_beyond_the_end_are_zero(keys, values):
    assert values_of(np.array(values), keys).tolist() == [values[k] if k < len(values) else 0 for k in keys]


@given(st.dictionaries(st.integers(0, 30), st.floats(-5, 5, width=32), max_size=12), key_lists, masks, st.integers(1, 6))
def test_look_ups_and_best_scores(table, keys, mask, k):
    own = np.array(sorted(table), np.int32)
    scores = np.array([table[x] for x in own.tolist()], np.float32)
    assert looked_up(own, scores, keys).tolist() == [table.get(x, 0) for x in keys.tolist()]
    found = top_positive(own, scores, k, mask)
    fits = [x for x in own.tolist() if table[x] > 0 and x < len(mask) and mask[x]]
    assert found.keys.tolist() == sorted(fits, key=lambda x: (-table[x], x))[:k]
    assert sorted(positive(own, scores, k, mask).tolist()) == sorted(found.keys.tolist())


@given(st.lists(st.lists(st.tuples(st.integers(0, 40), st.integers(-9, 9)), max_size=12), min_size=1, max_size=4))
def test_a_board_sums_by_place_and_is_clean_again(rounds):
    board = Board()
    for pairs in rounds:
        places = np.array([place for place, _ in pairs], np.int32)
        sums, last = board.sums(places, np.array([value for _, value in pairs], np.float32))
        assert sums.tolist() == [sum(v for p, v in pairs if p == place) for place, _ in pairs]
        assert places[last].tolist() == [p for n, (p, _) in enumerate(pairs) if p not in [q for q, _ in pairs[n + 1 :]]]
    assert not board.looked_up(np.zeros(0, np.int64), np.zeros(0, np.float32), np.arange(60)).any()


def test_no_batches_join_to_an_empty_one_that_joins_again():
    empty = joined([])
    assert len(joined([empty, empty]).seq) == len(taken(empty, np.zeros(0, bool)).seq) == 0
    assert empty.item.dtype == np.int32


@given(st.integers(0, 2**32 - 1), st.integers(0, 700), st.integers(1, 60), st.sampled_from([3, 50, 10_000]))
def test_leading_values_are_those_of_a_whole_sort(seed, size, count, levels):
    values = np.random.default_rng(seed).integers(0, levels, size).astype(np.float32)
    least = np.sort(values)[-count] if size > count else -np.inf
    assert leading(values, count).tolist() == np.flatnonzero(values >= least).tolist()
