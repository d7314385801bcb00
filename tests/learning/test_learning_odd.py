"""Data that is odd: sizes, times, values and texts that a log may hold, and what a fit makes of them."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from learning_worlds import catalogue, habits, walkers

from occasion.learning import itemitem, pipeline
from occasion.learning.borrowed import Borrowed
from occasion.learning.dataset import Dataset, build_requests
from occasion.learning.fusion import fuse
from occasion.learning.itemitem import Neighbours
from occasion.learning.ranker import Ranker
from occasion.learning.sequence import SequenceModel, has_torch

QUICK = ("sequence",)
SCHEMA = {"user_id": pl.String, "item_id": pl.String, "time": pl.Float64}


def fitted(events: pl.DataFrame, items: pl.DataFrame | None = None, **more) -> tuple[Dataset, pipeline.Model]:
    data = Dataset.from_frames(catalogue() if items is None else items, events)
    return data, pipeline.fit(data, without=QUICK, **more)


def test_no_event_at_all():
    data, model = fitted(pl.DataFrame(schema=SCHEMA))
    found, _ = model.recommend([0], k=5)
    assert len(found) == 5
    assert data.times == "none"


def test_only_noes_are_no_wishes():
    events = walkers(30, 4).with_columns(rating=pl.lit(0.0))
    _, no = fitted(events)
    _, nothing = fitted(pl.DataFrame(schema=SCHEMA))
    assert no.recommend([0], k=60)[0].tolist() == nothing.recommend([0], k=60)[0].tolist()


def test_a_disliked_item_is_not_what_people_want():
    events = walkers(60, 5).with_columns(rating=pl.when(pl.col("item_id") == "i7").then(-1.0).otherwise(float("nan")))
    data, model = fitted(events)
    assert (data.liked().events.item == 7).sum() == 0
    assert len(data.liked().events) == len(events) - (events["item_id"] == "i7").sum()
    assert model.bases.popularity.column("people")[7] == 0


def test_one_user_with_very_many_events():
    rng = np.random.default_rng(0)
    many = pl.DataFrame(
        {"user_id": ["x"] * 100_000, "item_id": [f"i{k}" for k in rng.integers(0, 60, 100_000)], "time": range(100_000)}
    )
    data, model = fitted(pl.concat([walkers(40, 5), many.with_columns(pl.col("time").cast(pl.Int64))]))
    query = data.queries(pl.DataFrame({"query_id": ["q"], "user_id": ["x"], "time": [10**6]}))
    requests = build_requests(data.events, query)
    assert len(requests.item) == 1000
    assert (model.predict(requests, 5)[0] >= 0).all()


def test_an_item_with_half_of_all_events_does_not_win_always():
    events = walkers(80, 6)
    half = events.with_columns(item_id=pl.lit("i59"), time=pl.col("time") + 0.5)
    _, model = fitted(pl.concat([events.cast({"time": pl.Float64}), half]).sort("user_id", "time"))
    found, _ = model.recommend([0, 4, 8], k=5)
    assert (found % 4 == 0).sum() >= 2


@pytest.mark.parametrize("moment", [0.0, 1.6e9])
def test_all_events_at_one_moment(moment):
    _, model = fitted(walkers(40, 5).with_columns(time=pl.lit(moment)))
    assert len(model.recommend([1], times=[moment], at=moment + 1, k=5)[0]) == 5


def test_constant_missing_and_unseen_signals():
    events = habits(15, 10).with_columns(ctx_same=pl.lit("a"), ctx_none=pl.lit(None, pl.String), ctx_nan=pl.lit(float("nan")))
    data = Dataset.from_frames(catalogue(20), events)
    assert data.signals.names == ["ctx_part", "ctx_place"]
    model = pipeline.fit(data, without=QUICK)
    asked = pl.DataFrame({"query_id": ["q"], "user_id": ["u1"], "ctx_part": ["noon"], "ctx_place": [None], "ctx_more": [3]})
    requests = build_requests(data.events, data.queries(asked))
    assert requests.signals.tolist() == [[-1, -1]]
    found, scores = model.predict(requests, 5)
    assert (found >= 0).all()
    assert np.isfinite(scores).all()


def test_no_texts_at_all():
    _, model = fitted(walkers(60, 5), pl.DataFrame({"item_id": [f"i{k}" for k in range(60)]}))
    assert "text" not in model.report["parts"]
    assert (model.recommend([0], k=3)[0] % 4 == 0).sum() >= 2


def test_a_large_catalogue_with_few_events_costs_little():
    """Items times items would be 40 GB."""
    items = pl.DataFrame({"item_id": [f"i{k}" for k in range(100_000)]})
    events = walkers(20, 5)
    data = Dataset.from_frames(items, events)
    tracemalloc.start()
    model = pipeline.fit(data, without=QUICK)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 600e6
    assert len(model.recommend([0], k=10)[0]) == 10


@pytest.mark.parametrize("back", [True, False])
def test_more_items_are_scored_where_nobody_comes_back(monkeypatch, back):
    for name, value in (("POOL", 10), ("LARGEST", 30)):
        monkeypatch.setattr(pipeline, name, value)
    data = Dataset.from_frames(catalogue(), walkers(30), exclude_seen=not back)
    assert len(pipeline.fit(data, without=QUICK).kept) == (10 if back else 30)


def test_many_people_are_never_a_dense_matrix(monkeypatch):
    monkeypatch.setattr(itemitem, "SPARSE", 1e9)
    monkeypatch.setattr(itemitem, "DENSE", 10.0)
    monkeypatch.setattr(itemitem, "_strongest_dense", None)
    data = Dataset.from_frames(catalogue(), walkers(20, 5))
    assert Neighbours.fit(data.events, len(data.users), 60).matrix.nnz > 0


@settings(
    max_examples=8,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from("abc"), st.integers(0, 11), st.one_of(st.none(), st.floats(0, 2e9)), st.sampled_from([None, "x", "y"])
        ),
        min_size=1,
        max_size=60,
    )
)
def test_whatever_the_log_holds_there_is_an_answer(rows):
    events = pl.DataFrame(
        [(u, f"i{i}", t, c) for u, i, t, c in rows],
        schema={"user_id": pl.String, "item_id": pl.String, "time": pl.Float64, "ctx_a": pl.String}, orient="row",
    )  # fmt: skip
    data = Dataset.from_frames(catalogue(12), events)
    model = pipeline.fit(data, without=QUICK)
    asked = pl.DataFrame({"query_id": ["q", "r"], "user_id": ["a", "nobody"], "time": [3e9, None], "ctx_a": ["x", "z"]})
    requests = build_requests(data.events, data.queries(asked))
    found, scores = model.predict(requests, 12)
    for b in range(2):
        real = found[b][found[b] >= 0]
        seen = set(requests.part(b, b + 1).item.tolist()) if data.exclude_seen else set()
        assert len(real) == len(set(real.tolist())) == 12 - len(seen)
        assert not seen & set(real.tolist())
        assert (np.diff(scores[b][found[b] >= 0]) <= 0).all()


def test_the_budget_is_kept_about():
    data = Dataset.from_frames(catalogue(), walkers(200, 6))
    begun = time.process_time()
    pipeline.fit(data, without=QUICK, budget=0.5)
    assert time.process_time() - begun < 75


@pytest.mark.skipif(not has_torch(), reason="the sequence model is trained with torch (extra tune)")
@pytest.mark.filterwarnings("ignore")
def test_the_sequence_model_is_the_same_for_a_seed():
    data = Dataset.from_frames(catalogue(), walkers(60, 6))
    one, two, other = (SequenceModel.fit(data.events, 60, None, epochs=2, dim=16, seed=s)[0] for s in (3, 3, 4))
    assert all(np.array_equal(one.arrays[n], two.arrays[n]) for n in one.arrays)
    assert not np.array_equal(one.arrays["items"], other.arrays["items"])


def test_trees_in_one_model_say_the_same():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(400, 30, 6)).astype(np.float32)
    features[rng.random(features.shape) < 0.1] = np.nan
    good = np.nan_to_num(features[..., 0]) + 2 * np.nan_to_num(features[..., 1]) * np.nan_to_num(features[..., 2])
    labels = good == good.max(1, keepdims=True)
    several = Ranker.fit(features, labels, np.arange(400), np.ones(400, np.int64), list("abcdef"))
    one = several.served()
    assert len(several.boosters) > 1
    assert len(one.boosters) == 1
    assert one.lines is several.lines
    assert np.abs(several.score(features) - one.score(features)).max() < 1e-5


def test_rare_items_borrow_from_their_like():
    joint = np.repeat(np.eye(3, dtype=np.float32), 4, 0)
    count = np.array([9, 9, 9, 0] * 3)
    borrowed = Borrowed.fit(joint, count, k=3)
    scores = np.arange(12, dtype=np.float32)[None]
    got = borrowed.score(scores)[0]
    assert borrowed.rare.tolist() == [3, 7, 11]
    assert got[[3, 7, 11]].tolist() == pytest.approx([1, 5, 9], abs=0.2)
    assert (np.delete(got, [3, 7, 11]) < -1e8).all()


def test_nobody_borrows_from_nobody():
    assert (Borrowed.fit(np.eye(3, dtype=np.float32), np.zeros(3, int)).score(np.ones((2, 3), np.float32)) < -1e8).all()


def test_fusing_leaves_out_what_is_barred():
    values = [(np.array([[3.0, 2, 1, 0]], np.float32), 1.0), (np.broadcast_to(np.array([0.0, 0, 0, 5], np.float32), (1, 4)), 1.0)]
    fused = fuse(values, (np.array([0]), np.array([0])), np.array([False, False, False, True]), np.zeros(4, np.float32))
    assert fused[0, [0, 3]].tolist() == [-1, -1]
    assert fused[0, 1] > fused[0, 2] > 0


@pytest.mark.parametrize("seed", [1, 2])
def test_a_handful_of_questions_does_not_keep_sources_from_the_newest_events(seed):
    # Twelve people are held out, by whose word alone the sources would have stayed as they were.
    data = Dataset.from_frames(catalogue(1000), walkers(60, 5, n=1000, seed=seed))
    assert pipeline.fit(data, without=QUICK).report["refitted"]
