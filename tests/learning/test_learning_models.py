"""Sequence model, ranker, rating model and the whole of a fit on worlds whose truth is known."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from learning_worlds import catalogue, habits, last_out, walkers

from occasion.errors import ModelError
from occasion.learning import pipeline, ranker, rated, storage
from occasion.learning.dataset import Dataset, build_requests
from occasion.learning.ranker import Ranker, ndcg
from occasion.learning.rated import RatedModel, pair_order
from occasion.learning.sequence import SequenceModel, has_torch
from occasion.learning.signals import CLOCK

needs_torch = pytest.mark.skipif(not has_torch(), reason="the sequence model is trained with torch (extra tune)")
QUICK = ("sequence",)


def hits(model: pipeline.Model, data: Dataset, asked: pl.DataFrame, k: int = 5) -> float:
    queries = data.queries(asked)
    found, _ = model.predict(build_requests(data.events, queries), k)
    return float(np.mean([q in row for q, row in zip(queries.item, found, strict=True)]))


@pytest.fixture(scope="module")
def walked() -> tuple[Dataset, pl.DataFrame, pipeline.Model]:
    train, asked = last_out(walkers(200))
    data = Dataset.from_frames(catalogue(), train, exclude_seen=True)
    return data, asked, pipeline.fit(data, without=QUICK)


def test_a_fit_beats_chance_by_far(walked):
    data, asked, model = walked
    assert hits(model, data, asked, 1) > 0.4


def test_what_was_seen_does_not_return(walked):
    data, asked, model = walked
    requests = build_requests(data.events, data.queries(asked))
    found, _ = model.predict(requests, 60)
    for b in range(len(requests)):
        assert not set(found[b].tolist()) & set(requests.part(b, b + 1).item.tolist())
        real = found[b][found[b] >= 0]
        assert len(set(real.tolist())) == len(real)


def test_the_same_seed_gives_the_same_answers(walked):
    data, asked, model = walked
    again = pipeline.fit(data, without=QUICK)
    requests = build_requests(data.events, data.queries(asked))
    assert np.array_equal(again.predict(requests, 10)[0], model.predict(requests, 10)[0])


def test_one_request_is_answered_as_in_a_batch(walked):
    data, asked, model = walked
    requests = build_requests(data.events, data.queries(asked))
    batch, scores = model.predict(requests, 10)
    for b in (0, 7):
        one = requests.part(b, b + 1)
        found, own = model.recommend(one.item.tolist(), times=one.when.tolist(), at=float(one.time[0]), k=10)
        assert found.tolist() == batch[b].tolist()
        assert own == pytest.approx(scores[b], abs=1e-5)


def test_nobody_gets_something(walked):
    _, _, model = walked
    found, scores = model.recommend([], k=5)
    assert len(found) == 5
    assert np.isfinite(scores).all()


def test_the_future_changes_nothing(walked):
    data, asked, model = walked
    cut = data.queries(asked)
    cut.time[:] = 4
    before = build_requests(data.events, cut)
    events = data.events.take(np.arange(len(data.events)))
    events.item[events.time >= 4] = np.random.default_rng(1).permutation(events.item[events.time >= 4])
    after = build_requests(events, cut)
    assert np.array_equal(model.predict(before, 10)[0], model.predict(after, 10)[0])


def test_a_folder_keeps_the_model(walked, tmp_path):
    data, asked, model = walked
    model.save(tmp_path / "m")
    requests = build_requests(data.events, data.queries(asked)).part(0, 20)
    read = pipeline.Model.load(tmp_path / "m")
    assert np.array_equal(read.predict(requests, 10)[0], model.predict(requests, 10)[0])
    assert not list((tmp_path / "m").glob("*.pkl"))


@pytest.mark.parametrize("harm", ["a0.npy", "model.json", "class"])
def test_a_damaged_folder_is_one_clear_error(walked, tmp_path, harm):
    walked[2].save(tmp_path / "m")
    if harm == "class":
        manifest = json.loads((tmp_path / "m/model.json").read_text())
        manifest["model"]["class"] = "Popen"
        (tmp_path / "m/model.json").write_text(json.dumps(manifest))
    else:
        (tmp_path / "m" / harm).write_bytes(b"PK broken")
    with pytest.raises(ModelError, match="Cure"):
        storage.load(tmp_path / "m")


def test_context_decides_where_it_should():
    events = habits()
    data = Dataset.from_frames(catalogue(20), events, exclude_seen=False)
    model = pipeline.fit(data, without=QUICK)
    asked = pl.DataFrame({"query_id": ["a"], "user_id": ["u3"], "ctx_part": ["morning"], "ctx_place": ["place 1"]})
    for part in ("morning", "evening"):
        mine = events.filter((pl.col("user_id") == "u3") & (pl.col("ctx_part") == part))
        favourite = mine["item_id"].value_counts().sort("count")["item_id"][-1]
        queries = data.queries(asked.with_columns(ctx_part=pl.lit(part)))
        found, _ = model.predict(build_requests(data.events, queries), 1)
        assert data.items.ids[found[0, 0]] == favourite
    assert "context" in model.report["parts"]


@pytest.mark.parametrize("part", ["ease", "neighbours", "transitions", "text", "popularity", "attributes"])
def test_every_part_can_be_left_out(part):
    data = Dataset.from_frames(catalogue(), walkers(60, 5), exclude_seen=True)
    assert part not in pipeline.fit(data, without=(*QUICK, part)).report["parts"]


ODD = {
    "one event": pl.DataFrame({"user_id": ["a"], "item_id": ["i0"], "time": [5]}),
    "one moment": pl.DataFrame({"user_id": ["a", "b", "c"] * 5, "item_id": [f"i{k}" for k in range(15)], "time": [1.6e9] * 15}),
    "one item": pl.DataFrame({"user_id": [f"u{k}" for k in range(30)], "item_id": ["i3"] * 30, "time": list(range(30))}),
    "one user": pl.DataFrame({"user_id": ["a"] * 50, "item_id": [f"i{k}" for k in range(50)], "time": list(range(50))}),
    "no times": pl.DataFrame({"user_id": ["a", "a", "b"], "item_id": ["i0", "i1", "i1"]}),
    "numbers as ids": pl.DataFrame({"user_id": [1, 1, 2], "item_id": ["i0", "i1", "i1"], "time": [1, 2, 3]}),
}


@pytest.mark.parametrize("events", ODD.values(), ids=ODD.keys())
def test_odd_data_gives_a_model_that_answers(events):
    model = pipeline.fit(Dataset.from_frames(catalogue(), events), without=QUICK)
    found, _ = model.recommend([0], at=10.0, times=[1.0], k=3)
    assert len(found) == 3


def test_new_items_can_win_where_the_newest_events_say_so():
    old, new = catalogue(), catalogue(80).tail(20)
    events = walkers(300, 5).with_columns(batch=pl.lit(0))
    rng = np.random.default_rng(0)
    last = events.filter(pl.col("time") == 4).with_columns(time=pl.lit(9, pl.Int64), batch=pl.lit(1))
    group = last["item_id"].str.slice(1).cast(int).to_numpy() % 4
    last = last.with_columns(item_id=pl.Series([f"i{60 + 4 * rng.integers(5) + g}" for g in group]))
    learn, asked = last.filter(rng.random(len(last)) < 2), last.with_columns(query_id="q" + pl.col("user_id"))
    data = Dataset.from_frames(
        pl.concat([old, new]), pl.concat([events, learn.filter(pl.col("user_id") < "u2")]), exclude_seen=True
    )
    model = pipeline.fit(data, without=QUICK)
    assert model.bases.novel > 0.5
    assert hits(model, data, asked.filter(pl.col("user_id") >= "u2"), 5) > 0.5


@needs_torch
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("moments", [False, True])
def test_the_served_sequence_model_is_the_trained_one(moments):
    import torch

    from occasion.learning import network
    from occasion.learning.lessons import GAPS, Lessons

    torch.manual_seed(0)
    text = np.random.default_rng(0).normal(size=(30, 12)).astype(np.float32)
    net = network.Network(30, torch.from_numpy(text), torch.ones(30), 16, 10, 2, 0.1, GAPS + 3 if moments else 0)
    for parameter in (p for block in net.blocks for norm in (block.norm1, block.norm2) for p in norm.parameters()):
        torch.nn.init.normal_(parameter, 1.0, 0.5)
    if moments:
        torch.nn.init.normal_(net.moments[1:])
    items, times = [3, 8, 1, 22, 8, 9], np.cumsum([1e9, 5, 0, 4000, 90000, 2]).tolist()
    log = pl.DataFrame(
        {"user_id": ["a"] * 6, "item_id": [f"i{k}" for k in items], "time": times, "ctx_place": ["x", "y", "x", None, "z", "z"]}
    )
    data = Dataset.from_frames(catalogue(30), log)
    asked = pl.DataFrame({"query_id": ["q"], "user_id": ["a"], "time": [times[-1] + 60], "ctx_place": ["y"]})
    requests = build_requests(data.events, data.queries(asked))
    offset = np.array([GAPS], np.int64)
    served = network.exported(net, 10, True, offset)
    # What is asked about is, while training, an event like the others: its item is not read.
    whole = data.with_events(asked.drop("query_id").with_columns(item_id=pl.lit("i0"))).events
    lessons = Lessons.of(whole, 10, baskets=False, clock=True, offset=offset)
    batch = {n: torch.from_numpy(x) for n, x in vars(lessons.batch([0])).items()}
    with torch.no_grad():
        vectors = net.vectors()
        state = net(vectors, batch["items"], batch["real"], batch["asked"], batch["moments"])[-1]
        expected = torch.nn.functional.normalize(vectors, dim=-1) @ state * net.scale.exp()
    assert np.abs(served.score(requests)[0] - expected.numpy()).max() < 1e-3
    for length in range(7):
        some = requests.newest(np.array([length]))
        assert served.nearest(some).query == pytest.approx(served.hidden(some)[0], abs=1e-5)


@needs_torch
@pytest.mark.filterwarnings("ignore")
def test_the_sequence_model_learns_and_knows_new_items_by_text():
    train, asked = last_out(walkers(200, 8))
    data = Dataset.from_frames(catalogue(), train)
    text = np.repeat(np.eye(4, dtype=np.float32)[None], 15, 0).reshape(60, 4)
    hidden = data.events.take(data.events.item != 40)
    model, epochs = SequenceModel.fit(hidden, 60, text, epochs=12, dim=32)
    assert epochs == 12
    queries = data.queries(asked)
    scores = model.score(build_requests(hidden, queries))
    assert np.mean([(row > row[i]).sum() < 3 for row, i in zip(scores, queries.item, strict=True)]) > 0.5
    group = build_requests(hidden, queries)
    ours = np.array([group.item[p - 1] % 4 == 0 for p in group.ptr[1:]])
    assert scores[ours, 40].mean() > scores[~ours, 40].mean()


@needs_torch
@pytest.mark.filterwarnings("ignore")
def test_what_serves_is_trained_as_long_as_what_the_ranker_learnt_from(monkeypatch):
    """In small logs three folds and the refitting train a sequence model each: the ranker trusts it by what the folds' were worth."""
    trained = []
    real = SequenceModel.fit.__func__

    def noted(cls, events, *args, **more):
        model, epochs = real(cls, events, *args, **(more | {"dim": 16, "layers": 1}))
        trained.append((more.get("epochs"), more.get("held") is not None, epochs))
        return model, epochs

    monkeypatch.setattr(SequenceModel, "fit", classmethod(noted))
    train, _ = last_out(walkers(120, 8))
    data = Dataset.from_frames(catalogue(), train, exclude_seen=True)
    pipeline.fit(data, without=("ease", "neighbours", "text"), budget=120)
    assert len(trained) == 4
    (asked, held, best), *others = trained
    assert asked is None
    assert held
    assert best >= 1
    assert [(epochs, held) for epochs, held, _ in others] == [(best, False)] * 3


@given(seed=st.integers(0, 99), rows=st.integers(1, 5), width=st.integers(1, 12), count=st.integers(1, 12))
def test_all_answers_are_among_the_candidates_that_are_drawn(seed, rows, width, count):
    labels = np.random.default_rng(seed).random((rows, width)) < 0.2
    kept = ranker._sampled(labels, count, seed)
    assert kept.shape == (rows, min(count, width))
    assert (np.diff(kept, axis=1) > 0).all()
    found = np.take_along_axis(labels, kept, 1).sum(1)
    assert (found == np.minimum(labels.sum(1), count)).all()


def test_ndcg_counts_answers_that_are_no_candidates():
    labels = np.array([[True, False, False]])
    assert ndcg(np.array([[3.0, 2, 1]]), labels, np.array([2])) == pytest.approx(1 / (1 + 1 / np.log2(3)))


def test_few_events_leave_the_choice_to_one_feature():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(9, 5, 3)).astype(np.float32)
    labels = np.zeros((9, 5), bool)
    labels[np.arange(9), features[..., 1].argmax(1)] = True
    ranker = Ranker.fit(features, labels, np.arange(9), np.ones(9, int), ["a", "b", "c"])
    assert ranker.column == 1
    assert ranker.linear is None
    assert not ranker.boosters
    assert np.array_equal(np.argsort(ranker.score(features)), np.argsort(features[..., 1]))


def ratings(seed: int = 0) -> tuple[pl.DataFrame, pl.DataFrame]:
    rng = np.random.default_rng(seed)
    u, i, m = rng.integers(30, size=900), rng.integers(24, size=900), rng.integers(2, size=900)
    taste = rng.normal(size=(30, 4))
    value = 3 + taste[u, i % 4] + np.where(m == (i % 2), 1.0, -1.0) + 0.3 * rng.normal(size=900)
    frame = pl.DataFrame({
        "user_id": [f"u{k}" for k in u], "item_id": [f"i{k}" for k in i], "ctx_mood": [["calm", "wild"][k] for k in m],
        "rating": np.clip(value, 1, 5), "query_id": [f"q{k}" for k in range(900)],
    })  # fmt: skip
    return frame.head(650).drop("query_id"), frame.tail(250)


def test_ratings_need_taste_and_context(tmp_path):
    train, asked = ratings()
    got = {}
    for name, columns in (("all", train.columns), ("no context", [c for c in train.columns if c != "ctx_mood"])):
        data = Dataset.from_frames(catalogue(24), train.select(columns), rated=True)
        model = RatedModel.fit(data, None)
        queries = data.queries(asked)
        got[name] = pair_order(queries.user, asked["rating"].to_numpy(), model.predict(queries))
    assert got["all"] > 0.85
    assert got["all"] > got["no context"] + 0.05
    storage.save(model, tmp_path)
    assert np.allclose(storage.load(tmp_path).predict(queries), model.predict(queries), atol=1e-6)


def test_more_ratings_than_are_solved_exactly(monkeypatch):
    monkeypatch.setattr(rated, "EXACT", 300)
    train, asked = ratings()
    data = Dataset.from_frames(catalogue(24), train, rated=True)
    model = RatedModel.fit(data, None)
    queries = data.queries(asked)
    assert pair_order(queries.user, asked["rating"].to_numpy(), model.predict(queries)) > 0.75


def test_ratings_that_are_missing_or_of_strangers():
    train, asked = ratings()
    train = train.with_columns(rating=pl.when(pl.int_range(pl.len()) % 5 == 0).then(float("nan")).otherwise(pl.col("rating")))
    data = Dataset.from_frames(catalogue(24), train, rated=True)
    stranger = asked.head(3).with_columns(user_id=pl.lit("x"), item_id=pl.Series(["i1", "unknown", "i2"]), ctx_mood=pl.lit("odd"))
    assert np.isfinite(RatedModel.fit(data, None).predict(data.queries(stranger))).all()


def test_what_many_have_rated_is_liked_by_others(monkeypatch):
    """People mostly rate what is good, and each item too seldom for its mean to tell: how often it was rated does."""
    rng = np.random.default_rng(1)
    worth = rng.normal(size=600)
    i = rng.choice(600, 1000, p=np.exp(worth) / np.exp(worth).sum())
    u = rng.integers(20, size=1000)
    value = 3 + 0.4 * worth[i] + rng.normal(size=1000)
    frame = pl.DataFrame({"user_id": [f"u{k}" for k in u], "item_id": [f"i{k}" for k in i], "rating": value})
    asked = pl.DataFrame({
        "query_id": [f"q{k}" for k in range(600)], "user_id": ["u1"] * 600, "item_id": [f"i{k}" for k in range(600)]
    })  # fmt: skip
    data = Dataset.from_frames(catalogue(600), frame, rated=True)
    queries = data.queries(asked)
    model = RatedModel.fit(data, None)
    monkeypatch.setattr(rated, "_often", lambda codes, count: np.zeros((count, 1), np.float32))
    unaware = RatedModel.fit(data, None)
    order = [pair_order(queries.user, worth[queries.item], m.predict(queries)) for m in (model, unaware)]
    assert order[0] > order[1] + 0.02


def test_figures_of_a_moment_are_no_fields_of_the_factors():
    """Cut into ranges, each would be one more field, whose products with all others say nothing but have to be learnt."""
    train, asked = ratings()
    rng = np.random.default_rng(2)
    noise = [pl.Series(f"ctx_figure{k}", rng.normal(size=900)) for k in range(8)]
    data = Dataset.from_frames(catalogue(24), train.with_columns(s.head(650) for s in noise), rated=True)
    model = RatedModel.fit(data, None)
    queries = data.queries(asked.with_columns(s.tail(250) for s in noise))
    rows = model.rows(queries)
    assert len(data.signals.names) == 9
    assert [data.signals.names[j] for j in data.signals.plain] == ["ctx_mood"]
    assert rows.signals.shape == (250, 1)
    assert rows.numbers.shape == (250, 8)
    assert model.factors.sizes == [30, 24, 2]
    assert pair_order(queries.user, asked["rating"].to_numpy(), model.factors.predict(rows.codes)) > 0.8
    assert pair_order(queries.user, asked["rating"].to_numpy(), model.predict(queries)) > 0.8


def test_the_hour_of_a_rating_is_not_read():
    """It tells when somebody sat down to rate: it marks what was rated in one sitting, and nothing of the next one."""
    train, asked = ratings()
    clock = 1_700_000_000 + 3600 * np.arange(900)
    data = Dataset.from_frames(catalogue(24), train.with_columns(time=pl.Series(clock[:650])), rated=True)
    model = RatedModel.fit(data, None)
    assert data.signals.names == ["ctx_mood", *CLOCK]
    assert model.factors.sizes == [30, 24, 2]
    early, late = (data.queries(asked.with_columns(time=pl.Series(clock[650:] + hours * 3600))) for hours in (0, 7))
    assert (early.signals != late.signals).any()
    np.testing.assert_array_equal(model.predict(early), model.predict(late))


def test_ratings_learnt_by_a_release_before_are_still_read(tmp_path):
    train, asked = ratings()
    data = Dataset.from_frames(catalogue(24), train, rated=True)
    model = RatedModel.fit(data, None)
    queries = data.queries(asked)
    # It knew nothing of how often people rate, its trees read a column less; and it read all signals by their codes.
    del model.users
    del model.read
    model.boosters = []
    storage.save(model, tmp_path)
    older = storage.load(tmp_path)
    rows = older.rows(queries)
    assert older.columns(rows, np.zeros(250), np.zeros(250)).shape[1] == 2 + rows.signals.shape[1] + older.items.shape[1]
    assert np.isfinite(older.predict(queries)).all()


def test_shares_of_a_blend_are_no_luck():
    rng = np.random.default_rng(0)
    user, value = np.repeat(np.arange(40), 20), rng.normal(size=800)
    same = value + rng.normal(size=800)
    shares, _ = rated._blend(user, value, np.stack([same, same, same]))
    assert np.allclose(shares, 1 / 3, atol=1e-9)
    shares, report = rated._blend(user, value, np.stack([rng.normal(size=800), same, rng.normal(size=800)]))
    assert shares[1] > 0.9
    assert sum(shares) == pytest.approx(1)
    assert report["blend"] > report["kernel"] + 0.1


def test_the_ranker_sees_what_items_without_events_are_worth():
    """A third of the items has no event: as many of the others are hidden, so that items new to the sources are answers, too."""
    events = walkers(300, 6)
    cold = [f"i{k}" for k in range(60) if k // 4 % 3 == 2]
    data = Dataset.from_frames(catalogue(), events.filter(~pl.col("item_id").is_in(cold)), exclude_seen=True)
    text = pipeline.TextVectors.fit(data.items.texts)
    learner = pipeline._Learner(
        data=data, text=text, seed=0, threads=1, without=set(QUICK), left=lambda: 60.0, note=lambda _: None, share=5.0
    )  # fmt: skip
    rng = np.random.default_rng(0)
    trial = learner.trial(pipeline.split(data, rng)[0], 200, rng)
    known = trial.bases.popularity.column("people") > 0
    assert (trial.labels & ~known[trial.found.items]).any()
    never = np.bincount(data.events.item, minlength=60) == 0
    assert (trial.found.fused[never[trial.found.items]] < 0).all(), "what has no events stands aside meanwhile"
