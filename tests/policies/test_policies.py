"""Every policy: a choice without repeats, in range, with true probabilities."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occasion.errors import DataError
from occasion.policies import POLICIES, make_policy
from occasion.policies.ruled import choose_under_rules
from occasion.rules import Cap, Quota, Rules, parse_filter

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


@pytest.mark.parametrize("name", sorted(POLICIES))
@settings(max_examples=50, deadline=None)
@given(scores=score_lists, k=st.integers(1, 12), seed=st.integers(0, 2**32 - 1))
def test_propensities_are_the_probabilities_of_that_order(name, scores, k, seed):
    policy = make_policy(name)
    spread = np.random.default_rng(seed).uniform(0, 0.3, len(scores)).astype(np.float32)
    chosen, propensity = policy.choose(scores, k, rng=np.random.default_rng(seed), spread=spread)
    again = policy.probabilities(scores, chosen, spread=spread)
    np.testing.assert_allclose(again, propensity, rtol=1e-5, atol=1e-12)
    assert policy.certain == (name in ("diverse", "greedy"))
    if policy.certain:
        assert np.all(propensity == 1)


@pytest.mark.parametrize("name", sorted(POLICIES))
@settings(max_examples=25, deadline=None)
@given(scores=st.lists(st.floats(-1, 1, width=32), min_size=2, max_size=8), seed=st.integers(0, 2**32 - 1))
def test_at_each_place_the_probabilities_of_all_that_are_left_sum_to_one(name, scores, seed):
    policy, rng = make_policy(name), np.random.default_rng(seed)
    scores = np.array(scores, np.float32)
    spread = rng.uniform(0.05, 0.3, len(scores)).astype(np.float32)
    before, _ = policy.choose(scores, len(scores) // 2, rng=rng, spread=spread)
    left = np.setdiff1d(np.arange(len(scores)), before)
    orders = [np.append(before, one) for one in left]
    total = sum(policy.probabilities(scores, order, spread=spread)[-1] for order in orders)
    assert total == pytest.approx(1, abs=1e-5)


RANDOM = [
    ("epsilon", {"epsilon": 0.3}),
    ("plackett-luce", {"temperature": 0.7}),
    ("thompson", {"scale": 1.0, "spread": 0.8}),
]


@pytest.mark.parametrize(("name", "settings_"), RANDOM)
def test_whole_lists_come_as_often_as_their_propensities_say(name, settings_):
    scores, n = np.array([1.2, 0.7, 0.4, -0.5], np.float32), 6000
    policy, rng = make_policy(name, **settings_), np.random.default_rng(0)
    found = Counter()
    said = {}
    for _ in range(n):
        chosen, propensity = policy.choose(scores, 2, rng=rng)
        found[tuple(chosen.tolist())] += 1
        said[tuple(chosen.tolist())] = float(np.prod(propensity.astype(float)))
    assert sum(said.values()) == pytest.approx(1, abs=0.01)
    for order, p in said.items():
        assert abs(found[order] / n - p) < 4.5 * np.sqrt(p * (1 - p) / n), (order, p)


def test_thompson_with_unlike_spreads_comes_as_often_as_it_says():
    scores, spread = np.array([0.5, 0.4, 0.0, 0.45], np.float32), np.array([0.02, 0.3, 0.9, 0.0], np.float32)
    policy, rng, n = make_policy("thompson"), np.random.default_rng(1), 8000
    firsts = Counter(int(policy.choose(scores, 1, rng=rng, spread=spread)[0][0]) for _ in range(n))
    for position in range(4):
        p = policy.probabilities(scores, np.array([position]), spread=spread)[0]
        assert abs(firsts[position] / n - p) < 4.5 * np.sqrt(max(p * (1 - p), 1e-4) / n)


def test_plackett_luce_is_a_softmax_over_what_is_left():
    scores = np.array([2.0, 1.0, 0.0, -40.0], np.float32)
    p = make_policy("plackett-luce", temperature=0.5).probabilities(scores, np.array([1, 0, 2]))
    e = np.exp(np.array([4.0, 2.0, 0.0, -80.0]))
    np.testing.assert_allclose(p, [e[1] / e.sum(), e[0] / (e[0] + e[2] + e[3]), e[2] / (e[2] + e[3])], rtol=1e-9)


def test_near_zero_temperature_is_greedy_and_a_great_one_even():
    scores = np.array([0.1, 0.9, 0.5], np.float32)
    cold, _ = make_policy("plackett-luce", temperature=1e-4).choose(scores, 3, rng=np.random.default_rng(0))
    assert cold.tolist() == [1, 2, 0]
    _, even = make_policy("plackett-luce", temperature=1e6).choose(scores, 3, rng=np.random.default_rng(0))
    np.testing.assert_allclose(even, [1 / 3, 1 / 2, 1], rtol=1e-4)


# -- under rules --------------------------------------------------------------------------------------------------------
BRANDS = ["a", "a", "b", "b", "c"]


def under_rules(policy, scores, rules, rng, k=3):
    def ids(some):
        return [f"i{n}" for n in some]

    return choose_under_rules(policy, scores, k, rules, ids, lambda item, _: BRANDS[int(item[1:])], rng=rng)


@pytest.mark.parametrize(("name", "settings_"), RANDOM)
def test_under_caps_and_pins_lists_come_as_often_as_their_propensities_say(name, settings_):
    scores, n = np.array([1.2, 0.7, 0.4, -0.5, 0.0], np.float32), 5000
    policy, rng = make_policy(name, **settings_), np.random.default_rng(2)
    rules = Rules(caps=(Cap("brand", 1),), pins={"i3": 2})
    found, said = Counter(), {}
    for _ in range(n):
        chosen, propensity = under_rules(policy, scores, rules, rng)
        order = tuple(chosen.tolist())
        assert order[1] == 3
        assert propensity[1] == 1
        assert len({BRANDS[c] for c in order}) == 3
        found[order] += 1
        said[order] = float(np.prod(propensity.astype(float)))
    assert sum(said.values()) == pytest.approx(1, abs=1e-4)
    for order, p in said.items():
        assert abs(found[order] / n - p) < 4.5 * np.sqrt(p * (1 - p) / n), (order, p)


@pytest.mark.parametrize(("name", "settings_"), RANDOM)
def test_under_quotas_propensities_are_true_and_the_quota_is_met(name, settings_):
    scores, n = np.array([1.2, 0.7, 0.4, -0.5, 0.0], np.float32), 5000
    policy, rng = make_policy(name, **settings_), np.random.default_rng(5)
    rules = Rules(quotas=(Quota(parse_filter("brand = b"), 2),), pins={"i4": 1})
    found, said = Counter(), {}
    for _ in range(n):
        chosen, propensity = choose_under_rules(
            policy, scores, 3, rules, lambda some: [f"i{m}" for m in some], lambda item, _: None,
            lambda item, _: BRANDS[int(item[1:])] == "b", rng=rng,
        )  # fmt: skip
        order = tuple(chosen.tolist())
        assert set(order) == {2, 3, 4}
        found[order] += 1
        said[order] = float(np.prod(propensity.astype(float)))
    assert sum(said.values()) == pytest.approx(1, abs=1e-4)
    for order, p in said.items():
        assert abs(found[order] / n - p) < 4.5 * np.sqrt(p * (1 - p) / n), (order, p)


def test_certain_policies_under_rules_keep_their_order_and_propensities_of_one():
    scores = np.array([5, 4, 3, 2, 1], np.float32)
    rules = Rules(caps=(Cap("brand", 1),), pins={"i4": 1})
    chosen, propensity = under_rules(make_policy("greedy"), scores, rules, np.random.default_rng(0))
    assert chosen.tolist() == [4, 0, 2]
    assert propensity.tolist() == [1, 1, 1]


BAD = [
    ("diverse", {"diversity": 1.5}),
    ("epsilon", {"epsilon": -0.1}),
    ("epsilon", {"epsilon": float("nan")}),
    ("plackett-luce", {"temperature": 0}),
    ("plackett-luce", {"temperature": float("nan")}),
    ("plackett-luce", {"epsilon": 0.1}),
    ("thompson", {"scale": 0.0}),
    ("thompson", {"spread": float("inf")}),
    ("greedy", {"temperature": 1.0}),
    ("nothing", {}),
]


@pytest.mark.parametrize(("name", "settings_"), BAD)
def test_bad_levels_are_refused(name, settings_):
    with pytest.raises(DataError, match="Cure"):
        make_policy(name, **settings_)
