"""Intervals of rates: never sure of nothing or of everything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from occasion.metrics import bootstrap_interval, rate_interval


@given(st.integers(1, 500))
def test_nothing_and_everything_mirror_each_other_and_narrow_with_people(n: int) -> None:
    users = list(range(n))
    low, high = rate_interval([0.0] * n, users)
    assert low == 0.0 < high < 1.0
    assert rate_interval([1.0] * n, users) == pytest.approx((1 - high, 1.0))
    assert rate_interval([0.0] * (n + 1), [*users, n])[1] < high


def test_seven_answers_of_one_person_say_as_much_as_one() -> None:
    assert rate_interval([0.0] * 7, ["a"] * 7) == rate_interval([0.0], ["a"])


def test_wilson_of_ten() -> None:
    # z² / (n + z²) with z = 1.96
    assert rate_interval([0.0] * 10, list(range(10)))[1] == pytest.approx(0.2775, abs=1e-4)


def test_mixed_rates_are_bootstrapped() -> None:
    values, users = [0.0, 1.0, 1.0, 0.0], list(range(4))
    assert rate_interval(values, users) == bootstrap_interval(values, users)
