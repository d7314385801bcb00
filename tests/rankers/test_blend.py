"""The blend: parts that add up, and weights that move smoothly from the language model to behaviour."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occasion.data import Context
from occasion.errors import DataError
from occasion.protocols import Moment
from occasion.rankers import make_ranker
from occasion.statistics import Statistics

GROUPS = {
    "semantic": "moment",
    "words": "moment",
    "moment": "moment",
    "taste": "history",
    "lookalike": "history",
    "looks": "looks",
    "again": "history",
    "together": "others",
    "popular": "popularity",
    "explore": "exploration",
}


def world(count, events=1000, repeats=100):
    s = Statistics()
    s.count = np.asarray(count, np.float64)
    s.events, s.repeats = events, repeats
    return s


def moment(evidence, text="rain"):
    return Moment(
        context=Context(text=text),
        at=0.0,
        signals={},
        sentence=text,
        user=0,
        history=None,
        weights=np.ones(evidence, np.float32),
        context_vector=None,
        taste_vector=None,
        allowed=None,
        rng=np.random.default_rng(0),
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 200), st.integers(1, 12), st.integers(0, 10**6), st.integers(0, 2**32 - 1))
def test_parts_are_finite_and_bounded_whatever_the_scores(evidence, n, events, seed):
    rng = np.random.default_rng(seed)
    scores = {name: (rng.normal(size=n) * 10.0 ** rng.integers(-6, 6)).astype(np.float32) for name in GROUPS}
    ranker = make_ranker("blend", statistics=world(rng.integers(0, 50, n), events), groups=GROUPS)
    parts = ranker.rank(moment(evidence), np.arange(n, dtype=np.int32), scores)
    total = np.sum(list(parts.values()), axis=0)
    assert set(parts) == set(GROUPS.values())
    assert np.isfinite(total).all()
    assert np.all(np.abs(total) <= 1 + 1e-4)


def weights(evidence, count, text="rain"):
    ranker = make_ranker("blend", statistics=world([count]), groups=GROUPS)
    return {name: float(np.max(w)) for name, w in ranker.weights(moment(evidence, text), np.zeros(1, np.int32)).items()}


def test_behaviour_gains_on_the_language_model_with_every_event():
    shares = []
    for n in range(100):
        w = weights(n, n)
        shares.append((w["together"] + w["again"]) / sum(w.values()))
    steps = np.diff(shares)
    assert np.all(steps > 0)
    assert shares[0] == 0
    assert steps.max() < 0.1, "a cliff between cold and warm"


def test_without_words_the_language_model_yields_to_the_history():
    assert weights(0, 0, "")["semantic"] > weights(50, 0, "")["semantic"]
    assert weights(50, 0, "")["words"] == 0


def test_again_counts_only_where_people_come_back():
    ranker = make_ranker("blend", statistics=world([5], repeats=0), groups=GROUPS)
    assert ranker.weights(moment(50), np.zeros(1, np.int32))["again"] == 0


def test_no_candidates_and_unknown_rankers():
    ranker = make_ranker("blend", statistics=Statistics(), groups=GROUPS)
    assert all(len(p) == 0 for p in ranker.rank(moment(1), np.zeros(0, np.int32), {}).values())
    with pytest.raises(DataError, match="Cure"):
        make_ranker("oracle")


def test_a_blend_of_a_few_sources_answers_moments_in_words():
    few = {name: GROUPS[name] for name in ("semantic", "words", "taste")}
    ranker = make_ranker("blend", statistics=world([3, 0]), groups=few)
    scores = {name: np.array([1.0, 0.5], np.float32) for name in few}
    parts = ranker.rank(moment(4), np.arange(2, dtype=np.int32), scores)
    assert set(parts) == {"moment", "history"}
    assert parts["moment"][0] > parts["moment"][1] > 0
