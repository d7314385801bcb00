"""Sources against their definitions."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from learning_worlds import catalogue, habits, walkers

from occasion.learning import repeats
from occasion.learning.contextual import Lift, kernel_weights, signal_weights
from occasion.learning.dataset import Dataset, Requests, build_requests
from occasion.learning.features import Bases
from occasion.learning.histories import Histories
from occasion.learning.itemitem import Ease, Neighbours, Transitions, _few_users, _many_users, interactions
from occasion.learning.popularity import Popularity
from occasion.learning.repeats import NAMES, own_figures
from occasion.learning.text import TextVectors, tfidf, tokens


def request(items: list[int], *, times: list[float] | None = None, at: float = np.nan, past=None, signals=None) -> Requests:
    n, s = len(items), 0 if signals is None else len(signals)
    return Requests(
        time=np.array([at]), signals=np.array([signals or []], np.int32).reshape(1, s), numbers=np.zeros((1, 0), np.float32),
        ptr=np.array([0, n]), item=np.array(items, np.int32), when=np.array(times if times else [np.nan] * n, float),
        value=np.ones(n, np.float32), past=np.array(past if past else [], np.int32).reshape(n, s),
    )  # fmt: skip


@pytest.fixture(scope="module")
def data() -> Dataset:
    return Dataset.from_frames(catalogue(), walkers())


def test_no_account_alone_makes_an_item_popular(data):
    """A thousand events of one person with one item weigh less than those of all others with theirs."""
    shill = pl.DataFrame({"user_id": ["shill"] * 1000, "item_id": ["i59"] * 1000, "time": range(1000)})
    pushed = Dataset.from_frames(catalogue(), pl.concat([walkers(), shill]))
    bases = Bases.fit(pushed, pushed.events, text=None, sequence=None, without=set())
    plain = Bases.fit(data, data.events, text=None, sequence=None, without=set())
    before, after = (b.popularity.column("share")[59] for b in (plain, bases))
    assert after < 1.2 * before


def test_weights_fall_with_every_step():
    histories = Histories(request([4, 2, 7]), 9)
    rows = np.asarray(histories.rows(histories.decayed(0.5)).todense())[0]
    assert rows[[7, 2, 4]] == pytest.approx(np.array([1, 0.5, 0.25]) / 1.75)
    assert np.asarray(histories.rows(histories.decayed(0.5, last=1)).todense())[0, 7] == 1


def test_scoring_leaves_the_request_as_it_was():
    asked = request([5, 3, 5, 1])
    histories = Histories(asked, 9)
    histories.rows(histories.decayed(0.5))
    assert asked.item.tolist() == [5, 3, 5, 1]


def test_ease_is_its_closed_form(data):
    ease = Ease.fit(data.events, len(data.users), 60, penalty=7.0)
    x = np.asarray(interactions(data.events, len(data.users), 60).todense(), float)
    p = np.linalg.inv(x.T @ x + 7 * np.eye(60))
    expected = np.eye(60) - p / np.diag(p)[None]
    np.fill_diagonal(expected, 0)
    assert np.abs(ease.weights - expected).max() < 1e-4


def test_both_ways_to_ease_agree(data):
    x = interactions(data.events, len(data.users), 60)
    assert np.abs(_few_users(x, 5.0) - _many_users(x, 5.0)).max() < 1e-4


def test_ease_over_some_items_scores_the_others_zero(data):
    ease = Ease.fit(data.events, len(data.users), 60, limit=20)
    histories = Histories(request(ease.kept[:3].tolist()), 60)
    scores = ease.score_rows(histories.rows(histories.decayed(1.0)))
    assert scores.shape == (1, 60)
    assert not scores[0, np.setdiff1d(np.arange(60), ease.kept)].any()


def test_neighbours_are_of_the_same_group(data):
    near = Neighbours.fit(data.events, len(data.users), 60)
    histories = Histories(request([8]), 60)
    best = np.argsort(-near.score_rows(histories.rows(histories.decayed(1.0)))[0])[:5]
    assert (best % 4 == 0).all()
    assert near.matrix.diagonal().sum() == 0


def test_dense_and_sparse_neighbours_agree(data, monkeypatch):
    from occasion.learning import itemitem

    sparse_way = Neighbours.fit(data.events, len(data.users), 60).matrix.todense()
    monkeypatch.setattr(itemitem, "SPARSE", 1e9)
    assert np.allclose(Neighbours.fit(data.events, len(data.users), 60).matrix.todense(), sparse_way, atol=1e-5)


def test_what_follows_is_learnt_in_its_direction(data):
    matrix = np.asarray(Transitions.fit(data.events, 60).matrix.todense())
    assert np.mean(matrix.argmax(1) == (np.arange(60) + 4) % 60) > 0.8


def test_popularity_counts_within_windows():
    events = walkers(start=1.6e9, length=10)
    data = Dataset.from_frames(catalogue(), events)
    popular = Popularity.fit(data.events, 60, "unix")
    assert {"share", "share_3d", "age_first", "age_last"} <= set(popular.names)
    recent = data.events.time > data.events.time.max() - 3 * 86400
    never = np.setdiff1d(np.arange(60), data.events.item[recent])
    assert (popular.column("share_3d")[never] == 0).all()
    assert np.array_equal(np.argsort(popular.column("share")), np.argsort(np.bincount(data.events.item, minlength=60)))


def test_lift_is_the_smoothed_log_ratio():
    data = Dataset.from_frames(catalogue(20), habits())
    lift = Lift.fit(data.events, 20, data.signals.sizes, smooth=5.0)
    part = data.signals.names.index("ctx_part")
    code = data.signals.values["ctx_part"].index("morning")
    asked = request([], signals=[code if j == part else -1 for j in range(2)])
    got = lift.score(asked)
    mine = data.events.signals[:, part] == code
    share = (np.bincount(data.events.item, minlength=20) + 0.5) / (len(data.events) + 10)
    n = np.bincount(data.events.item[mine], minlength=20)
    assert np.allclose(got[part][0], np.log((n + 5 * share) / (mine.sum() + 5) / share), atol=1e-4)
    assert not got[1 - part].any()


def test_past_moments_alike_weigh_more():
    asked = request([1, 2], signals=[0, 3], past=[[0, 3], [0, 1]])
    assert asked.agreement.tolist() == [[True, True], [True, False]]
    histories = Histories(asked, 4)
    rows = histories.dense(kernel_weights(asked, 1.0))[0]
    assert rows[1] / rows[2] == pytest.approx(np.e, rel=1e-5)
    assert histories.dense(signal_weights(asked)[1])[0].tolist() == [0, 1, 0, 0]


def test_own_figures_count_days_and_gaps():
    day = 86400.0
    asked = request([5, 5, 5, 2], times=[0, 10 * day, 20 * day, 25 * day], at=26 * day)
    got = dict(zip(NAMES, own_figures(asked, np.array([[5, 2, 9]], np.int32), 10, "unix")[0].T, strict=True))
    assert got["own_count"].tolist() == [3, 1, 0]
    assert got["own_since"][:2].tolist() == [6, 1]
    assert got["own_gap"][0] == pytest.approx(10)
    assert got["own_due"][0] == pytest.approx(0.6)
    assert got["own_recent_rank"][:2].tolist() == [1, 0]
    assert np.isnan(got["own_since"][2])


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6)), max_size=12), st.sampled_from(["unix", "position", "none"]))
def test_own_figures_of_one_are_those_of_a_batch(past, times):
    past.sort(key=lambda pair: pair[1])
    asked = request([item for item, _ in past], times=[day * 86400.0 for _, day in past], at=7 * 86400.0)
    candidates = np.array([[4, 0, 2, 5, 1, 3, 9]], np.int32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeats, "FEW", -1)
        expected = own_figures(asked, candidates, 10, times)
    np.testing.assert_allclose(own_figures(asked, candidates, 10, times), expected, rtol=1e-6)


def test_own_figures_of_nobody():
    assert own_figures(request([]), np.array([[1, 2]], np.int32), 10, "unix").shape == (1, 2, len(NAMES))


def test_chinese_becomes_pairs_of_signs():
    assert tokens("红色围巾 Size-XL") == ["红色", "色围", "围巾", "size", "xl"]


def test_rows_of_tfidf_have_length_one():
    matrix = tfidf(catalogue()["title"].to_list())
    assert np.allclose(np.sqrt(matrix.multiply(matrix).sum(1)), 1, atol=1e-5)


def test_texts_find_their_like(data, tmp_path):
    vectors = TextVectors.fit(data.items.texts, tmp_path)
    scores = vectors.score(Histories(request([0, 4]), 60))
    for name, value in scores.items():
        assert (np.argsort(-value[0])[:8] % 4 == 0).all(), name
    again = TextVectors.fit(data.items.texts, tmp_path)
    assert np.array_equal(again.joint, vectors.joint)


def test_no_texts_no_vectors():
    assert TextVectors.fit([""] * 20) is None


def test_histories_of_all_users(data):
    requests = build_requests(
        data.events, data.queries(__import__("polars").DataFrame({"query_id": data.users, "user_id": data.users}))
    )
    assert len(requests.item) == len(data.events)
