"""Off-policy estimates in a small world whose truth is worked out by summing over every possible list."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occasion.metrics import LoggedPlaces, effective_sample_size, off_policy_estimates, place_weights
from occasion.policies import make_policy

SEEN = np.array([1.0, 0.6, 0.4])
"""How likely each place is looked at."""


class World:
    """4 situations, 6 items, 3 places: the chance of a click is that the place is seen times what the item is worth there."""

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.worth = rng.uniform(0.02, 0.5, (4, 6))
        self.old = rng.normal(0, 0.5, (4, 6)).astype(np.float32)
        self.new = (np.log(self.worth) / 2).astype(np.float32)
        self.logging = make_policy("plackett-luce", temperature=1.2)

    def truth(self, policy):
        total = 0.0
        for x in range(4):
            for order in map(np.array, permutations(range(6), 3)):
                total += np.prod(policy.probabilities(self.new[x], order)) * (SEEN * self.worth[x, order]).sum() / 4
        return total

    def log(self, n, policy, seed, model=1.0):
        """`model` is by how much the direct model is wrong: 1 is right."""
        rng = np.random.default_rng(seed)
        users = rng.integers(0, n // 3, n)
        reward, said, target, predicted = (np.zeros((n, 3)) for _ in range(4))
        expected = np.zeros(n)
        for i, x in enumerate(rng.integers(0, 4, n)):
            chosen, said[i] = self.logging.choose(self.old[x], 3, rng=rng)
            reward[i] = rng.random(3) < SEEN * self.worth[x, chosen]
            target[i] = policy.probabilities(self.new[x], chosen)
            predicted[i] = model * SEEN * self.worth[x, chosen]
            shown, _ = policy.choose(self.new[x], 3, rng=rng)
            expected[i] = model * (SEEN * self.worth[x, shown]).sum()
        return LoggedPlaces(users=users, reward=reward, logging=said, target=target, predicted=predicted, expected=expected)


@pytest.fixture(scope="module")
def world():
    return World()


TARGETS = [("plackett-luce", {"temperature": 1.0}), ("epsilon", {"epsilon": 0.7}), ("thompson", {"spread": 0.9})]


@pytest.mark.parametrize(("name", "options"), TARGETS)
def test_over_many_logs_estimates_are_right_on_average_and_intervals_hold_what_they_promise(world, name, options):
    policy, runs = make_policy(name, **options), 24 if name == "thompson" else 60
    truth = world.truth(policy)
    means, inside, sizes = {}, {}, []
    for seed in range(runs):
        data = world.log(300, policy, seed, model=0.5)
        sizes.append(effective_sample_size(place_weights(data.logging, data.target))[-1])
        for key, e in off_policy_estimates(data, draws=200).items():
            means.setdefault(key, []).append(e.mean)
            inside.setdefault(key, []).append(e.low <= truth <= e.high)
    assert np.mean(sizes) > 60
    for key in ("ips", "snips", "dr"):
        error = np.std(means[key]) / np.sqrt(runs)
        assert abs(np.mean(means[key]) - truth) < 4 * error + 0.01 * (key == "snips"), key
        # 95 % promised; small effective samples keep a little less, and a few dozen runs tell no closer.
        assert np.mean(inside[key]) >= 0.85, key
    assert np.mean(inside["dm"]) < 0.1, "the model alone is wrong, so that dr is not right by the model's grace"
    assert np.mean(inside["logged"]) < 0.9, "the target must differ from the log, else the test proves nothing"


def test_a_right_model_makes_dr_narrower_than_ips(world):
    policy = make_policy("plackett-luce", temperature=0.7)
    found = off_policy_estimates(world.log(1500, policy, 0), draws=300)
    assert found["dr"].high - found["dr"].low < 0.98 * (found["ips"].high - found["ips"].low)


def test_the_logging_policy_itself_is_estimated_as_logged(world):
    rng = np.random.default_rng(0)
    said = rng.uniform(0.1, 1, (50, 3))
    reward = rng.random((50, 3))
    found = off_policy_estimates(LoggedPlaces(users=np.arange(50), reward=reward, logging=said, target=said), draws=100)
    assert set(found) == {"logged", "ips", "snips"}
    for e in found.values():
        assert e.mean == pytest.approx(reward.sum(1).mean())
        assert e.gain == pytest.approx(0)


def test_by_hand():
    data = LoggedPlaces(
        users=np.array([0, 1]),
        reward=np.array([[1.0, 1.0], [0.0, 1.0]]),
        logging=np.array([[0.5, 0.5], [0.5, 1.0]]),
        target=np.array([[1.0, 0.25], [0.25, 1.0]]),
    )
    np.testing.assert_allclose(place_weights(data.logging, data.target), [[2, 1], [0.5, 0.5]])
    np.testing.assert_allclose(place_weights(data.logging, data.target, clip=1.5), [[1.5, 1], [0.5, 0.5]])
    found = off_policy_estimates(data, draws=100)
    assert found["logged"].mean == 1.5
    assert found["ips"].mean == pytest.approx((2 + 1 + 0.5) / 2)
    assert found["snips"].mean == pytest.approx(2 / 2.5 + 1.5 / 1.5)
    np.testing.assert_allclose(effective_sample_size(np.array([[2.0, 1], [0.5, 1]])), [2.5**2 / 4.25, 2])


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.5, 20))
def test_clipping_lowers_ips_and_never_raises_the_effective_size_above_the_slates(seed, clip):
    rng = np.random.default_rng(seed)
    data = LoggedPlaces(
        users=rng.integers(0, 9, 30), reward=rng.random((30, 4)), logging=rng.uniform(0.05, 1, (30, 4)), target=rng.random((30, 4))
    )
    plain, clipped = (off_policy_estimates(data, draws=100, clip=c) for c in (None, clip))
    assert clipped["ips"].mean <= plain["ips"].mean + 1e-12
    sizes = effective_sample_size(place_weights(data.logging, data.target, clip))
    assert np.all((sizes > 0) & (sizes <= 30 + 1e-9))
    for e in plain.values():
        assert e.low <= e.high


def test_what_cannot_be_weighted_is_said():
    one = np.ones((3, 2))
    for logging, target, clip in ((one * 0, one, None), (one, one * 2, None), (one, one[:, :1], None), (one, one, 0.0)):
        with pytest.raises(ValueError, match="Cure"):
            place_weights(logging, target, clip)
    with pytest.raises(ValueError, match="no slates"):
        off_policy_estimates(LoggedPlaces(users=np.zeros(0, int), reward=one[:0], logging=one[:0], target=one[:0]))
