"""Intervals that may be looked at all the time: they hold at all looks together, where plain ones do not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from occasion.metrics import clustered_mean, sequential_margin


def test_with_one_value_a_person_the_error_is_the_usual_one():
    x = np.random.default_rng(0).normal(3, 2, 200)
    mean = clustered_mean(x.tolist(), list(range(200)))
    assert mean.value == pytest.approx(x.mean())
    assert mean.error == pytest.approx(x.std(ddof=1) / np.sqrt(200))
    assert mean.people == 200


def test_a_person_counted_ten_times_is_no_ten_people():
    x = np.random.default_rng(0).normal(3, 2, 50)
    once = clustered_mean(x.tolist(), list(range(50)))
    often = clustered_mean(np.repeat(x, 10).tolist(), np.repeat(np.arange(50), 10).tolist())
    assert often == pytest.approx(once)


@given(st.integers(2, 5), st.integers(1, 4))
def test_weights_are_repetitions(people, times):
    values = [float(n) for n in range(people)]
    weights = [float(times)] + [1.0] * (people - 1)
    repeated = clustered_mean([values[0]] * times + values[1:], [0] * times + list(range(1, people)))
    assert clustered_mean(values, list(range(people)), weights) == pytest.approx(repeated)


def test_it_is_wider_than_a_plain_interval_and_narrowest_where_it_is_tuned():
    ratios = [sequential_margin(1.0, information) / 1.96 for information in (0.1, 0.5, 1.0, 2.0, 10.0)]
    assert all(1.2 < ratio < 2.5 for ratio in ratios)
    assert np.argmin(ratios) in (1, 2, 3)
    assert sequential_margin(2.0, 1.0) == pytest.approx(2 * sequential_margin(1.0, 1.0))


@pytest.mark.parametrize("bad", [([], [], None), ([1.0], [], None), ([1.0], [1], [0.0]), ([1.0], [1], [1.0, 2.0])])
def test_what_cannot_be_averaged(bad):
    with pytest.raises(ValueError, match="Cure"):
        clustered_mean(*bad)


def test_looking_all_the_time_seldom_misses_the_truth():
    """400 times 1,000 old people and up to 3,000 new ones, looked at 60 times: a plain interval misses at some look far more often."""
    rng = np.random.default_rng(1)
    missed = np.zeros(2)
    for _ in range(400):
        old, new = rng.binomial(1, 0.15, 1000).astype(float), rng.binomial(1, 0.15, 3000).astype(float)
        before = old.std(ddof=1) / np.sqrt(1000)
        wrong = np.zeros(2, bool)
        for n in range(50, 3001, 50):
            error = np.hypot(before, new[:n].std(ddof=1) / np.sqrt(n))
            margins = sequential_margin(error, 2 * (before / error) ** 2), 1.96 * error
            wrong |= abs(new[:n].mean() - old.mean()) > np.array(margins)
        missed += wrong
    assert missed[0] / 400 <= 0.05
    assert missed[1] / 400 > 0.12
