"""Metrics: their bounds, their known values, and agreement with a plain second computation."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occasion import metrics

rankings = st.permutations(list(range(15)))
truths = st.sets(st.integers(0, 19), min_size=1, max_size=15)


@given(rankings, truths, st.integers(1, 15))
def test_bounds_and_relations(ranked, truth, k):
    values = [f(ranked, truth, k) for f in (metrics.ndcg, metrics.recall, metrics.hit)]
    assert all(0 <= v <= 1 for v in values)
    assert values[1] <= values[2]
    assert (values[0] > 0) == (values[2] == 1)


@given(rankings, truths)
def test_moving_a_right_answer_up_never_lowers_a_metric(ranked, truth):
    place = next((n for n, key in enumerate(ranked) if n and key in truth and ranked[n - 1] not in truth), None)
    if place is None:
        return
    better = list(ranked)
    better[place - 1], better[place] = better[place], better[place - 1]
    assert metrics.ndcg(better, truth) >= metrics.ndcg(ranked, truth)
    assert metrics.reciprocal_rank(better, truth) >= metrics.reciprocal_rank(ranked, truth)


def test_known_values():
    assert metrics.ndcg([1, 2, 3], {1, 2, 3}) == 1
    assert metrics.ndcg([9, 1], {1}) == pytest.approx(1 / np.log2(3))
    assert metrics.ndcg(list(range(10)), set(range(100))) == 1
    assert metrics.reciprocal_rank([5, 6, 7], {7}) == pytest.approx(1 / 3)
    assert metrics.recall([1, 2], {2, 3, 4, 5}, 2) == 0.5
    assert metrics.coverage([[1, 2], [2, 3]], 10) == 0.3
    assert metrics.gini([[0], [1], [2]], 3) == pytest.approx(0)
    assert metrics.gini([[0]] * 5, 100) == pytest.approx(0.99)
    assert metrics.intra_list_diversity(np.eye(3, dtype=np.float32)) == pytest.approx(1)
    assert metrics.intra_list_diversity(np.ones((1, 3), np.float32)) == 0
    assert metrics.novelty([0], np.array([0.0, 100.0])) > metrics.novelty([1], np.array([0.0, 100.0]))
    assert metrics.ndcg([1], set()) == metrics.recall([1], set()) == metrics.novelty([], np.ones(2)) == 0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=40), st.integers(0, 100))
def test_the_interval_holds_the_mean_and_is_repeatable(values, seed):
    low, high = metrics.bootstrap_interval(values, list(range(len(values))), seed=seed, draws=200)
    assert low <= np.mean(values) + 1e-9 or low == pytest.approx(np.mean(values), abs=0.2)
    assert low <= high
    assert (low, high) == metrics.bootstrap_interval(values, list(range(len(values))), seed=seed, draws=200)


def test_the_interval_of_a_known_spread():
    values = np.random.default_rng(0).normal(0.5, 0.1, 2000)
    low, high = metrics.bootstrap_interval(values, range(2000))
    assert high - low == pytest.approx(2 * 1.96 * 0.1 / np.sqrt(2000), rel=0.15)
    wide = metrics.bootstrap_interval(np.repeat(values[:20], 100), np.repeat(range(20), 100))
    assert wide[1] - wide[0] > 3 * (high - low)


def test_a_paired_difference_finds_what_is_there_and_not_what_is_not():
    rng = np.random.default_rng(1)
    one = rng.random(500)
    mean, (low, high), p = metrics.paired_difference(one + 0.05, one + rng.normal(0, 0.1, 500), range(500))
    assert low < mean < high
    assert p < 0.05 < metrics.paired_difference(one, one + rng.normal(0, 0.3, 500) - 0.001, range(500))[2]


def test_no_values_are_refused():
    with pytest.raises(ValueError, match="Cure"):
        metrics.bootstrap_interval([], [])


lists = st.lists(st.lists(st.integers(0, 30), max_size=12, unique=True), min_size=1, max_size=8)


@settings(max_examples=200)
@given(lists, st.data(), st.integers(1, 14))
def test_many_queries_at_once_are_measured_as_each_alone(ranked, data, k):
    truth = [data.draw(st.sets(st.integers(0, 30), max_size=14)) for _ in ranked]
    table = metrics.HitTable.of(ranked, truth)
    for mine, single in (
        (table.ndcg(k), metrics.ndcg),
        (table.hit(k), metrics.hit),
        (table.recall(k), metrics.recall),
    ):
        assert mine == pytest.approx([single(r, t, k) for r, t in zip(ranked, truth, strict=True)])
    assert table.reciprocal_rank() == pytest.approx([metrics.reciprocal_rank(r, t) for r, t in zip(ranked, truth, strict=True)])
    assert table.reciprocal_rank(k) == pytest.approx(
        [metrics.reciprocal_rank(r[:k], t) for r, t in zip(ranked, truth, strict=True)]
    )


def test_tables_of_nothing():
    assert metrics.HitTable.of([], []).ndcg().tolist() == []
    assert metrics.HitTable.of([[], []], [[1], []]).recall().tolist() == [0, 0]
    with pytest.raises(ValueError, match="Cure"):
        metrics.HitTable.of([[1]], [])


@given(st.lists(st.lists(st.integers(0, 19), max_size=10, unique=True), min_size=1, max_size=6), st.integers(20, 60))
def test_gini_is_the_mean_absolute_difference(shown, catalogue):
    counts = np.bincount([key for ranked in shown for key in ranked[:10]], minlength=catalogue)
    if not counts.sum():
        assert metrics.gini(shown, catalogue) == 0
        return
    mean_difference = np.abs(counts[:, None] - counts[None, :]).mean()
    assert metrics.gini(shown, catalogue) == pytest.approx(mean_difference / (2 * counts.mean()))


def test_a_catalogue_cannot_be_smaller_than_what_is_shown():
    with pytest.raises(ValueError, match="Cure"):
        metrics.gini([[1, 2, 3]], 2)


@given(st.permutations(list(range(8))), st.integers(1, 8))
def test_novelty_is_the_mean_of_the_bits_of_each_item(ranked, k):
    count = np.arange(8, dtype=float) ** 2
    bits = [-np.log2((count[key] + 1) / (count.sum() + 8)) for key in ranked[:k]]
    assert metrics.novelty(ranked, count, k) == pytest.approx(np.mean(bits))


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3), st.integers(0, 4)), min_size=1, max_size=14))
def test_gauc_counts_pairs_of_one_group(rows):
    groups, ratings, scores = zip(*rows, strict=True)
    good, owner = metrics.gauc(ratings, scores, groups)
    plain = [
        (float(a[2] > b[2]) + 0.5 * (a[2] == b[2]), a[0]) for a in rows for b in rows if a[0] == b[0] and a[1] > b[1]
    ]  # fmt: skip
    assert sorted(good.tolist()) == sorted(value for value, _ in plain)
    assert sorted(sorted(set(groups))[o] for o in owner.tolist()) == sorted(group for _, group in plain)


def test_the_permutation_test_keeps_its_level_and_finds_what_is_there():
    rng = np.random.default_rng(3)
    users = np.repeat(np.arange(60), 3)
    alike = [metrics.permutation_test(rng.random(180), rng.random(180), users, draws=200, seed=n) for n in range(100)]
    assert np.mean(np.array(alike) < 0.1) < 0.22
    assert 0.3 < np.mean(alike) < 0.7
    one = rng.random(180)
    assert metrics.permutation_test(one + 0.1, one, users, draws=999) == pytest.approx(1 / 1000)
    assert metrics.permutation_test(one, one, users, draws=99) == 1


def test_the_permutation_test_of_few_people_is_exact():
    # 3 people with differences of one sign: 2 of 8 sign patterns are as extreme.
    assert metrics.permutation_test([1, 2, 3], [0, 0, 0], [0, 1, 2], draws=20_000) == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize("users", [[0], [0, 1, 2]])
def test_values_and_users_must_go_together(users):
    for call in (
        lambda: metrics.bootstrap_interval([0.5, 0.5], users),
        lambda: metrics.permutation_test([0.5, 0.5], [0, 0], users),
        lambda: metrics.paired_difference([0.5, 0.5], [0.5], users),
        lambda: metrics.bootstrap_interval([np.nan] * len(users), users),
    ):
        with pytest.raises(ValueError, match="Cure"):
            call()


def test_many_people_are_drawn_in_bounded_memory():
    low, high = metrics.bootstrap_interval(np.full(100_000, 0.5), np.arange(100_000), draws=100)
    assert low == high == 0.5


@pytest.fixture(scope="module")
def scorer():
    """The scorer of the shared benchmark, where there is one."""
    path = Path(os.environ.get("OCCASION_SHARED", Path(__file__).parents[2] / "shared")) / "bench" / "score.py"
    if not path.exists():
        pytest.skip("the shared benchmark is not here")
    spec = importlib.util.spec_from_file_location("benchmark_score", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_benchmarks_scorer_says_the_same(scorer, tmp_path):
    import polars as pl

    rng = np.random.default_rng(5)
    queries, catalogue = 80, 50
    truth = [rng.choice(catalogue, rng.integers(1, 15), replace=False) for _ in range(queries)]
    ranked = [rng.permutation(catalogue)[: rng.integers(10, 30)] for _ in range(queries)]
    users = rng.integers(0, 30, queries)
    rows = [(f"{q:03}", f"{users[q]:03}", str(i)) for q in range(queries) for i in truth[q]]
    pl.DataFrame(rows, schema=["query_id", "user_id", "item_id"], orient="row").write_parquet(tmp_path / "test.parquet")
    pl.DataFrame({"user_id": ["000"], "item_id": ["0"]}).write_parquet(tmp_path / "train.parquet")
    pl.DataFrame({"item_id": [str(i) for i in range(catalogue)]}).write_parquet(tmp_path / "items.parquet")
    predicted = [(f"{q:03}", str(i), place) for q in range(queries) for place, i in enumerate(ranked[q], 1)]
    theirs = scorer.topn(tmp_path, pl.DataFrame(predicted, schema=["query_id", "item_id", "rank"], orient="row"), "test")
    mine = metrics.HitTable.of(ranked, truth)
    assert theirs["ndcg@10"] == pytest.approx(mine.ndcg().mean())
    assert theirs["hit@1"] == pytest.approx(mine.hit(1).mean())
    assert theirs["hit@10"] == pytest.approx(mine.hit().mean())
    assert theirs["recall@10"] == pytest.approx(mine.recall().mean())
    assert theirs["mrr"] == pytest.approx(mine.reciprocal_rank().mean())
    assert theirs["coverage@10"] == pytest.approx(metrics.coverage([r.tolist() for r in ranked], catalogue))
    assert theirs["ndcg@10 interval"] == [round(x, 4) for x in metrics.bootstrap_interval(mine.ndcg(), users)]


def test_the_benchmarks_scorer_says_the_same_of_ratings(scorer, tmp_path):
    import polars as pl

    rng = np.random.default_rng(6)
    n = 200
    frame = pl.DataFrame(
        {
            "query_id": [str(q) for q in range(n)],
            "user_id": [f"{u:02}" for u in rng.integers(0, 12, n)],
            "item_id": [str(i) for i in rng.integers(0, 4, n)],
            "rating": rng.integers(1, 6, n).astype(float),
            "score": rng.integers(0, 5, n) / 4,
        }
    )
    frame.drop("score").write_parquet(tmp_path / "test.parquet")
    theirs = scorer.rated(tmp_path, frame, "test")
    good, _ = metrics.gauc(frame["rating"], frame["score"], frame["user_id"].to_numpy())
    pairs = (frame["user_id"] + "/" + frame["item_id"]).to_numpy()
    assert theirs["gauc"] == pytest.approx(good.mean())
    assert theirs["pairs"] == len(good)
    assert theirs["gauc_item"] == pytest.approx(metrics.gauc(frame["rating"], frame["score"], pairs)[0].mean())
