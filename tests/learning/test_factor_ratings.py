"""Factors recover what made the ratings; what is missing or unknown gets the mean of its kind."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occasion.learning.factors import FactorRater


def world(seed: int = 0, noise: float = 0.3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of 80 people and 60 items, their ratings, and the ratings without noise."""
    rng = np.random.default_rng(seed)
    u, i = rng.normal(0, 0.7, (80, 3)), rng.normal(0, 0.7, (60, 3))
    codes = np.stack([rng.integers(0, 80, 4000), rng.integers(0, 60, 4000), rng.integers(-1, 4, 4000)], 1)
    truth = 3 + (u[codes[:, 0]] * i[codes[:, 1]]).sum(1) + 0.5 * codes[:, 2]
    return codes, truth + rng.normal(0, noise, 4000), truth


def test_factors_explain_unseen_rows_that_biases_cannot() -> None:
    codes, ratings, truth = world()
    rater = FactorRater(sizes=[80, 60, 4]).fit(codes[:3000], ratings[:3000])
    off = rater.predict(codes[3000:]) - truth[3000:]
    plain = FactorRater(sizes=[80, 60, 4], rank=0).fit(codes[:3000], ratings[:3000])
    assert off.std() < 0.35
    assert off.std() < 0.6 * (plain.predict(codes[3000:]) - truth[3000:]).std()


def test_same_seed_same_ratings_and_other_seed_nearly_so() -> None:
    codes, ratings, _ = world()
    first, same, other = (FactorRater(sizes=[80, 60, 4]).fit(codes, ratings, seed).predict(codes) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert np.abs(first - other).mean() < 0.1


@pytest.mark.parametrize("stranger", [(-1, 0, 0), (0, -1, 0), (-1, -1, -1), (999, 999, 999)])
def test_strangers_are_rated_within_the_scale(stranger: tuple[int, ...]) -> None:
    codes, ratings, _ = world()
    said = FactorRater(sizes=[80, 60, 4]).fit(codes, ratings).predict(np.array([stranger]))
    assert ratings.min() < said[0] < ratings.max()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(-1, 2), st.integers(-1, 2), st.sampled_from([1.0, 3.0, 5.0])), min_size=1, max_size=12))
def test_any_few_rows_give_finite_ratings(rows: list[tuple[int, int, float]]) -> None:
    codes, ratings = np.array([r[:2] for r in rows]), np.array([r[2] for r in rows])
    assert np.isfinite(FactorRater(sizes=[3, 3], rank=2).fit(codes, ratings).predict(codes)).all()
