"""Whether the ranker leaves out questions of another kind than the newest."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from occasion.learning.older import of_one_kind


def questions(deciding: list[int], each: int = 300, width: int = 20, seed: int = 0):
    """Return features, answers and folds: in fold k the greatest value of the feature `deciding[k]` is mostly the answer."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((len(deciding) * each, width, 6)).astype(np.float32)
    fold = np.repeat(np.arange(len(deciding)), each)
    column = np.array(deciding)[fold]
    value = features[np.arange(len(fold))[:, None], np.arange(width)[None], column[:, None]]
    noisy = value + 0.5 * rng.standard_normal(value.shape)
    labels = noisy == noisy.max(1, keepdims=True)
    people = np.tile(np.arange(each), len(deciding))
    return features, labels, people, np.ones(len(fold), np.int64), fold


def test_older_questions_of_another_kind_are_left_out():
    assert of_one_kind(*questions([1, 2, 2])) == 1
    assert of_one_kind(*questions([1, 1, 2])) == 2


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 1000), column=st.integers(0, 5))
def test_questions_of_one_kind_stay_together(seed, column):
    # One in forty is left out by chance where they are as good without.
    found = [of_one_kind(*questions([column] * 3, seed=seed + k), seed=seed) for k in range(3)]
    assert np.median(found) == 3


def test_few_questions_and_few_people_decide_nothing():
    assert of_one_kind(*questions([1, 2], each=20)) == 2
    features, labels, people, answers, fold = questions([1, 2])
    assert of_one_kind(features, labels, people % 3, answers, fold) == 2
    assert of_one_kind(features[:300], labels[:300], people[:300], answers[:300], fold[:300]) == 1
    assert of_one_kind(features[:0], labels[:0], people[:0], answers[:0], fold[:0]) == 1
