"""Metrics: their bounds, their known values, and agreement with a plain second computation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occasion import metrics

rankings = st.permutations(list(range(15)))
truths = st.sets(st.integers(0, 19), min_size=1, max_size=15)


@given(rankings, truths, st.integers(1, 15))
def test_bounds_and_relations(ranked, truth, k):
    values = [f(ranked, truth, k) for f in (metrics.ndcg, metrics.recall, metrics.hit)]
    assert all(0 <= v <= 1 for v in values)
    assert values[1] <= values[2]
    assert (values[0] > 0) == (values[2] == 1)


@given(rankings, truths)
def test_moving_a_right_answer_up_never_lowers_a_metric(ranked, truth):
    place = next((n for n, key in enumerate(ranked) if n and key in truth and ranked[n - 1] not in truth), None)
    if place is None:
        return
    better = list(ranked)
    better[place - 1], better[place] = better[place], better[place - 1]
    assert metrics.ndcg(better, truth) >= metrics.ndcg(ranked, truth)
    assert metrics.reciprocal_rank(better, truth) >= metrics.reciprocal_rank(ranked, truth)


def test_known_values():
    assert metrics.ndcg([1, 2, 3], {1, 2, 3}) == 1
    assert metrics.ndcg([9, 1], {1}) == pytest.approx(1 / np.log2(3))
    assert metrics.ndcg(list(range(10)), set(range(100))) == 1
    assert metrics.reciprocal_rank([5, 6, 7], {7}) == pytest.approx(1 / 3)
    assert metrics.recall([1, 2], {2, 3, 4, 5}, 2) == 0.5
    assert metrics.coverage([[1, 2], [2, 3]], 10) == 0.3
    assert metrics.gini([[0], [1], [2]], 3) == pytest.approx(0)
    assert metrics.gini([[0]] * 5, 100) == pytest.approx(0.99)
    assert metrics.intra_list_diversity(np.eye(3, dtype=np.float32)) == pytest.approx(1)
    assert metrics.intra_list_diversity(np.ones((1, 3), np.float32)) == 0
    assert metrics.novelty([0], np.array([0.0, 100.0])) > metrics.novelty([1], np.array([0.0, 100.0]))
    assert metrics.ndcg([1], set()) == metrics.recall([1], set()) == metrics.novelty([], np.ones(2)) == 0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=40), st.integers(0, 100))
def test_the_interval_holds_the_mean_and_is_repeatable(values, seed):
    low, high = metrics.bootstrap_interval(values, list(range(len(values))), seed=seed, draws=200)
    assert low <= np.mean(values) + 1e-9 or low == pytest.approx(np.mean(values), abs=0.2)
    assert low <= high
    assert (low, high) == metrics.bootstrap_interval(values, list(range(len(values))), seed=seed, draws=200)


def test_the_interval_of_a_known_spread():
    values = np.random.default_rng(0).normal(0.5, 0.1, 2000)
    low, high = metrics.bootstrap_interval(values, range(2000))
    assert high - low == pytest.approx(2 * 1.96 * 0.1 / np.sqrt(2000), rel=0.15)
    wide = metrics.bootstrap_interval(np.repeat(values[:20], 100), np.repeat(range(20), 100))
    assert wide[1] - wide[0] > 3 * (high - low)


def test_a_paired_difference_finds_what_is_there_and_not_what_is_not():
    rng = np.random.default_rng(1)
    one = rng.random(500)
    mean, (low, high), p = metrics.paired_difference(one + 0.05, one + rng.normal(0, 0.1, 500), range(500))
    assert low < mean < high
    assert p < 0.05 < metrics.paired_difference(one, one + rng.normal(0, 0.3, 500) - 0.001, range(500))[2]


def test_no_values_are_refused():
    with pytest.raises(ValueError, match="Cure"):
        metrics.bootstrap_interval([], [])
