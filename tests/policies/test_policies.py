"""Every policy: a choice without repeats, in range, with true probabilities."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occasion.errors import DataError
from occasion.policies import POLICIES, make_policy

score_lists = st.lists(st.floats(-5, 5, width=32), min_size=0, max_size=30).map(lambda v: np.array(v, np.float32))


@pytest.mark.parametrize("name", sorted(POLICIES))
@settings(max_examples=50, deadline=None)
@given(scores=score_lists, k=st.integers(1, 12), seed=st.integers(0, 2**32 - 1))
def test_contract(name, scores, k, seed):
    def choose():
        return make_policy(name).choose(scores, k, rng=np.random.default_rng(seed))

    chosen, propensity = choose()
    assert len(chosen) == len(propensity) == min(k, len(scores))
    assert len(set(chosen.tolist())) == len(chosen)
    assert np.all((propensity > 0) & (propensity <= 1))
    again, same = choose()
    np.testing.assert_array_equal(chosen, again)
    np.testing.assert_array_equal(propensity, same)


def test_no_diversity_is_best_first_with_ties_in_order():
    chosen, _ = make_policy("diverse", diversity=0.0).choose(np.array([1, 3, 3, 2], np.float32), 4, rng=np.random.default_rng(0))
    assert chosen.tolist() == [1, 2, 3, 0]


def test_full_diversity_takes_the_best_then_the_least_alike():
    vectors = np.array([[1, 0], [0.99, 0.14], [0, 1]], np.float32)
    scores = np.array([1.0, 0.9, 0.1], np.float32)

    def similarity(one, others):
        return vectors[others] @ vectors[one]

    rng = np.random.default_rng(0)
    chosen, _ = make_policy("diverse", diversity=1.0).choose(scores, 2, rng=rng, similarity=similarity)
    assert chosen.tolist() == [0, 2]
    plain, _ = make_policy("diverse", diversity=0.0).choose(scores, 2, rng=rng, similarity=similarity)
    assert plain.tolist() == [0, 1]


def test_twins_stand_behind_all_others_unless_diversity_is_off():
    vectors = np.array([[1, 0], [1, 0], [0, 1], [-1, 0]], np.float32)
    scores = np.array([1.0, 0.99, 0.1, 0.0], np.float32)

    def order(level):
        policy = make_policy("diverse", diversity=level)
        chosen, _ = policy.choose(scores, 4, rng=np.random.default_rng(0), similarity=lambda o, s: vectors[s] @ vectors[o])
        return chosen.tolist()

    assert order(0.05)[-1] == 1
    assert order(0.0) == [0, 1, 2, 3]


def test_more_diversity_makes_lists_less_alike_on_average():
    def alike(level, seed):
        rng = np.random.default_rng(seed)
        vectors = rng.normal(size=(60, 8))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        policy = make_policy("diverse", diversity=level)
        chosen, _ = policy.choose(rng.random(60).astype(np.float32), 8, rng=rng, similarity=lambda o, s: vectors[s] @ vectors[o])
        return np.triu(vectors[chosen] @ vectors[chosen].T, 1).max()

    none, half, full = (np.mean([alike(level, seed) for seed in range(20)]) for level in (0.0, 0.5, 1.0))
    assert full < half < none


def test_epsilon_chooses_as_often_as_it_says():
    scores = np.array([3, 2, 1], np.float32)
    policy = make_policy("epsilon", epsilon=0.3)
    first = [tuple(a.tolist()[0] for a in policy.choose(scores, 1, rng=np.random.default_rng(s))) for s in range(6000)]
    for position, said in {p: q for p, q in first}.items():
        share = np.mean([p == position for p, _ in first])
        assert abs(share - said) < 4 * np.sqrt(said * (1 - said) / 6000)


@pytest.mark.parametrize(("name", "settings_"), [("diverse", {"diversity": 1.5}), ("epsilon", {"epsilon": -0.1}), ("nothing", {})])
def test_bad_levels_are_refused(name, settings_):
    with pytest.raises(DataError, match="Cure"):
        make_policy(name, **settings_)
