"""The linear order of candidates, and how it goes together with trees."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from occasion.learning import storage
from occasion.learning.linear import linear_weights, standardised
from occasion.learning.ranker import FEW, FEWEST, LEAST, Ranker, ndcg

FLOATS = st.floats(-1e6, 1e6, width=32) | st.just(float("nan")) | st.just(-1e9)


def requests(n: int, seed: int = 0, width: int = 20, noise: float = 1.0):
    """Requests whose answer is what two of five features say together; the first of the others is the fused order."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, width, 5)).astype(np.float32)
    wish = features[..., 1] + features[..., 2] + 0.3 * features[..., 0] + noise * rng.gumbel(size=(n, width))
    labels = np.arange(width) == wish.argmax(1)[:, None]
    return features, labels, np.arange(n), np.ones(n, np.int64)


@given(arrays(np.float32, (2, 6, 3), elements=FLOATS), st.floats(0.5, 64, width=32), st.integers(-100, 100))
@settings(max_examples=50, deadline=None)
def test_standardised_features_have_no_unit(features, factor, shift):
    z = standardised(features)
    assert np.isfinite(z).all()
    assert np.abs(z).max() <= 5
    assert (z[~np.isfinite(features)] == 0).all()
    known = np.isfinite(features) & (features > -1e8)
    spread = np.where(known, features, np.nan)
    if known.all() and (np.nanstd(spread, axis=1) > 1).all() and np.abs(spread).max() < 1e4:
        moved = standardised(features * np.float32(factor) + np.float32(shift))
        assert np.allclose(moved, z, atol=0.02)


def test_few_requests_are_enough_for_weights():
    features, labels, _, _ = requests(60)
    weights = linear_weights(features, labels)
    other, right, _, answers = requests(400, seed=1)
    learnt = ndcg(standardised(other) @ weights, right, answers)
    best = ndcg(other[..., 1] + other[..., 2] + 0.3 * other[..., 0], right, answers)
    assert learnt > 0.9 * best > 1.5 * ndcg(other[..., 0], right, answers)
    assert weights[1] > 5 * abs(weights[3])


def test_without_evidence_it_is_the_fused_order():
    features, labels, _, _ = requests(60)
    weights = linear_weights(features, labels, penalty=1e9)
    assert weights[0] > 1000 * np.abs(weights[1:]).max()
    assert (standardised(features) @ weights).std(1).mean() == pytest.approx(1, abs=0.01)


def test_together_they_are_no_worse_than_the_trees_on_few_requests():
    features, labels, groups, answers = requests(150)
    names = ["fused", "a", "b", "c", "d"]
    ranker = Ranker.fit(features, labels, groups, answers, names)
    assert ranker.boosters
    assert ranker.linear is not None
    trees = Ranker(ranker.boosters, 0, {}, spread=ranker.spread)
    other, right, _, many = requests(600, seed=2)
    assert ndcg(ranker.score(other), right, many) > ndcg(trees.score(other), right, many)


def test_one_model_of_trees_and_weights_says_the_same(tmp_path):
    features, labels, groups, answers = requests(FEW + 20)
    ranker = Ranker.fit(features, labels, groups, answers, ["fused", "a", "b", "c", "d"])
    storage.save(ranker.served(), tmp_path)
    again = storage.load(tmp_path)
    assert np.allclose(again.score(features), ranker.score(features), atol=1e-3)


def test_a_ranker_of_a_release_before_counts_its_linear_order_in_full(tmp_path):
    features, labels, groups, answers = requests(FEW + 20)
    ranker = Ranker.fit(features, labels, groups, answers, ["fused", "a", "b", "c", "d"])
    storage.save(ranker.served(), tmp_path)
    book = json.loads((tmp_path / "model.json").read_text())
    fields = book["model"]["fields"]
    book["model"]["fields"] = [field for field in fields if field[0] != "usual"]
    assert len(book["model"]["fields"]) < len(fields)
    (tmp_path / "model.json").write_text(json.dumps(book))
    again = storage.load(tmp_path)
    assert np.allclose(again.score(features), ranker.score(features), atol=1e-3)


@pytest.mark.parametrize("seed", [0, 1])
def test_no_run_ends_after_the_first_few_trees(seed):
    features, _, groups, answers = requests(150, seed=seed)
    labels = np.arange(20) == np.random.default_rng(seed).integers(20, size=(150, 1))  # of noise the first tree may be the best
    ranker = Ranker.fit(features, labels, groups, answers, ["fused", "a", "b", "c", "d"])
    assert min(ranker.report["rounds"]) >= LEAST


@pytest.mark.parametrize("n", [FEWEST - 1, FEW - 1])
def test_too_few_for_trees(n):
    features, labels, groups, answers = requests(n, noise=0.1)
    ranker = Ranker.fit(features, labels, groups, answers, ["fused", "a", "b", "c", "d"])
    assert not ranker.boosters
    assert (ranker.linear is not None) == (n >= FEWEST)


@pytest.mark.parametrize("people", [1, 3])
def test_very_few_people(people):
    features, labels, groups, answers = requests(200)
    ranker = Ranker.fit(features, labels, groups % people, answers, ["fused", "a", "b", "c", "d"])
    assert ranker.report["ndcg"] > 0.3
    assert ranker.held is None


def lengthy(n: int, length: int, seed: int):
    """Requests of people with a history of about this length, which the last feature tells."""
    features, labels, groups, answers = requests(n, seed=seed)
    told = np.random.default_rng(seed).integers(length, 2 * length, n)
    features = np.concatenate([features, np.broadcast_to(told[:, None, None], (n, features.shape[1], 1))], -1)
    return features.astype(np.float32), labels, groups, answers


def test_weights_learnt_from_long_histories_count_less_for_short_ones():
    """What long histories say must not be turned round for people with a short one, of whom a few requests tell the opposite."""
    many, few = lengthy(300, 200, 0), lengthy(150, 1, 1)
    few[0][..., 1:3] *= -1
    features, labels, groups, answers = (np.concatenate(both) for both in zip(many, few, strict=True))
    groups[300:] += 300
    names = ["fused", "a", "b", "c", "d", "history"]
    whole = np.arange(450) < 300
    ranker = Ranker.fit(features, labels, groups, answers, names, whole=whole)
    assert ranker.usual is not None
    assert ranker.usual[0] == 5
    assert 200 <= ranker.usual[1] <= 250
    trust = ranker.trust(features)
    assert (trust[whole] > 0.8).all()
    assert (trust[~whole] < 0.02).all()
    other, right, _, many_right = lengthy(300, 1, 2)
    other[..., 1:3] *= -1
    everywhere = Ranker(ranker.boosters, 0, {}, spread=ranker.spread, lines=ranker.lines)
    assert ndcg(ranker.score(other), right, many_right) > ndcg(everywhere.score(other), right, many_right)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=20), st.floats(11, 500))
def test_trust_grows_with_the_history(lengths, least):
    features = np.array(lengths, np.float32)[:, None, None]
    trust = Ranker([], 0, {}, usual=(0, least)).trust(features)
    assert ((trust >= 0) & (trust <= 1)).all()
    order = np.argsort(lengths)
    assert (np.diff(trust[order]) >= 0).all()
    assert (trust[np.array(lengths) >= least] == 1).all()
    assert (Ranker([], 0, {}).trust(features) == 1).all()


def test_short_histories_are_nothing_special_where_most_are_short():
    features, labels, groups, answers = lengthy(100, 3, 0)
    ranker = Ranker.fit(features, labels, groups, answers, ["fused", "a", "b", "c", "d", "history"])
    assert ranker.usual is None
