"""One request asked alone gets what it gets among others; the paths through the trees add up to what the trees say."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from learning_worlds import catalogue, habits, last_out, walkers
from scipy import sparse

from occasion.learning import histories as reading
from occasion.learning import pipeline
from occasion.learning.dataset import Dataset, Requests, build_requests
from occasion.learning.fusion import DEPTH, fuse, fuse_few
from occasion.learning.histories import Histories
from occasion.learning.paths import Paths
from occasion.learning.ranker import Ranker
from occasion.learning.rows import products, scores, sums
from occasion.learning.scored import All, Coarse, Leaders, Nearest, Places, Some
from occasion.learning.sequence import has_torch
from occasion.stepping import finished


@pytest.fixture(scope="module", params=["times", "signals"])
def world(request) -> tuple[pipeline.Model, Requests]:
    if request.param == "times":
        events, asked = last_out(walkers(150, 8, start=1.6e9))
    else:
        events = habits(40, 20)
        asked = events.tail(60).with_columns(query_id=pl.int_range(60).cast(pl.String))
    data = Dataset.from_frames(catalogue(60 if request.param == "times" else 20), events)
    model = pipeline.fit(data, without=("sequence",))
    full = data.with_events(asked) if data.times != "none" else data
    return model, build_requests(full.events, full.queries(asked))


def test_alone_as_among_others(world):
    model, requests = world
    together, scores = model.predict(requests, 10)
    same = []
    for b in range(0, len(requests), 4):
        alone, score = model.predict(requests.part(b, b + 1), 10)
        close = np.abs(np.sort(score[0]) - np.sort(scores[b])).max() < 1e-4 * np.abs(scores[b]).max()
        same.append(close and set(alone[0].tolist()) == set(together[b].tolist()))
        assert alone[0, 0] == together[b, 0]
    # A product of one row is rounded otherwise than one of many, on some processors, and so two items that are alike change places.
    assert np.mean(same) >= 0.8


def test_the_short_way_over_a_large_catalogue_tells_the_same(world, monkeypatch):
    model, requests = world
    usual = model.bases.candidates(requests, model.width)
    names = model.bases.names
    # Places among equals, and sums of them, depend on the order of the candidates; all else is a figure of the item.
    firm = [n for n, name in enumerate(names) if not name.startswith("rank_") and name != "fused"]
    monkeypatch.setattr(reading, "LARGE", 0)
    for b in range(0, len(requests), 3):
        one = model.bases.candidates(requests.part(b, b + 1), model.width)
        assert model.bases.names == names
        here, there = np.argsort(one.items[0]), np.argsort(usual.items[b])
        assert one.items[0][here].tolist() == usual.items[b][there].tolist()
        got, expected = one.features[0][here][:, firm], usual.features[b][there][:, firm]
        assert got == pytest.approx(expected, abs=2e-4, nan_ok=True)
        assert (np.diff(one.fused[0]) <= 0).all()


def test_items_that_may_not_come_are_not_put_forward_on_the_short_way(world, monkeypatch):
    model, requests = world
    monkeypatch.setattr(reading, "LARGE", 0)
    asked = requests.part(0, 1)
    asked.allowed = np.arange(model.bases.n_items) % 3 == 0
    found = model.bases.candidates(asked, model.width)
    assert asked.allowed[found.items[0][found.fused[0] >= 0]].all()
    assert (found.fused[0] >= 0).any()


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(400, 600), st.integers(1, 5), st.booleans())
def test_few_are_fused_as_all(seed, n, sources, barring):
    rng = np.random.default_rng(seed)
    # No two alike, but for zeros: of equal ones either may come first.
    values = [np.where(rng.random(n) < 0.5, (rng.permutation(n) + 1) / n, 0).astype(np.float32) for _ in range(sources)]
    share, trust = rng.random(n).astype(np.float32), [float(t) for t in rng.random(sources)]
    barred = rng.random(n) < 0.3 if barring else None
    seen = np.unique(rng.integers(0, n, 5))
    alike = np.broadcast_to(share, (1, n))
    dense = [(np.array([v]), t) for v, t in zip(values, trust, strict=True)] + [(alike, 1.0)]
    usual = fuse(dense, (np.zeros(len(seen), int), seen), barred, share)[0]
    few = [(All(v, 0.0), t) for v, t in zip(values, trust, strict=True)] + [
        (Leaders(share, np.argsort(-share, kind="stable")), 1.0)
    ]
    count = 150
    items, fused = finished(fuse_few(few, seen, barred, share, count))
    assert len(set(items.tolist())) == count
    assert fused == pytest.approx(usual[items], abs=1e-6)
    assert fused == pytest.approx(np.sort(usual)[::-1][:count], abs=1e-6)


def test_the_nearest_are_found_on_the_shortlist():
    rng = np.random.default_rng(0)
    matrix = (rng.standard_normal((20_000, 400)) * np.linspace(1, 0.1, 400)).astype(np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    coarse, barred, hidden = Coarse.of(matrix), rng.random(20_000) < 0.2, rng.random(20_000) < 0.2
    shares = []
    for query in matrix[:20]:
        items, scores = Nearest(matrix, query, coarse, 2.0, hidden).best(DEPTH, barred)
        exact = np.where(barred | hidden, -np.inf, 2 * (matrix @ query))
        shares.append(np.isin(np.argsort(-exact)[: DEPTH - 1], items).mean())
        assert scores == pytest.approx(exact[items], abs=1e-4)
        assert (np.diff(scores) <= 0).all()
    assert np.mean(shares) > 0.95
    assert not len(Nearest(matrix, np.zeros(400, np.float32), coarse).best(DEPTH, barred)[0])


def test_paths_lead_to_the_leaves():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(400, 30, 6)).astype(np.float32)
    features[rng.random(features.shape) < 0.1] = np.nan
    features[..., 5] = np.round(np.nan_to_num(features[..., 5]))
    good = np.nan_to_num(features[..., 0]) + 2 * np.nan_to_num(features[..., 1]) * features[..., 5]
    labels = good == good.max(1, keepdims=True)
    ranker = Ranker.fit(features, labels, np.arange(400), np.ones(400, np.int64), list("abcdef")).served()
    assert len(ranker.boosters) == 1
    some = features[:20].reshape(-1, 6)
    steps = Paths(ranker.boosters[0]).split(some, np.array([0, 0, 1, 1, 1, 2]), 3)
    score = Ranker(ranker.boosters, 0, {}).score(features[:20]).ravel()
    assert np.abs((steps.sum(1) - steps[0].sum()) - (score - score[0])).max() < 1e-5
    # The third and fourth features say nothing, and hardly move anything.
    assert steps[:, 1].std() < 0.3 * steps[:, 0].std()


def request(histories: list[list[int]]) -> Requests:
    length = [len(h) for h in histories]
    n = sum(length)
    return Requests(
        time=np.full(len(histories), np.nan), signals=np.zeros((len(histories), 0), np.int32),
        numbers=np.zeros((len(histories), 0), np.float32), ptr=np.concatenate([[0], np.cumsum(length)]).astype(np.int64),
        item=np.array([i for h in histories for i in h], np.int32), when=np.full(n, np.nan), value=np.ones(n, np.float32),
        past=np.zeros((n, 0), np.int32),
    )  # fmt: skip


@pytest.mark.skipif(not has_torch(), reason="the sequence model is trained with torch (extra tune)")
@pytest.mark.filterwarnings("ignore")
@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 6), max_size=9), min_size=1, max_size=5),
    st.integers(1, 8), st.integers(1, 3), st.floats(0.05, 1), st.integers(0, 2**16),
)  # fmt: skip
def test_the_sequence_model_s_passes_agree(histories, length, layers, spread, seed):
    """Trained, served to many and served to one: the same states of any histories, with any weights."""
    import torch

    from occasion.learning.network import Network, exported

    torch.manual_seed(seed)
    net = Network(7, None, torch.ones(7), 8, length, layers, 0.1, 0)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, 0.0, spread)
    served = exported(net, length, False, np.zeros(0, np.int64))
    together = served.hidden(request(histories))
    for items, state in zip(histories, together, strict=True):
        alone = served.nearest(request([items])).query
        assert alone == pytest.approx(state, abs=2e-4)
        if not items:
            assert not state.any()
            continue
        # As in a batch of lessons: a place without an item stands behind the last that has one.
        read = torch.tensor([[*items[-length:], 0]])
        real, last = torch.arange(read.shape[1])[None] < read.shape[1] - 1, torch.arange(read.shape[1])[None] == read.shape[1] - 2
        with torch.no_grad():
            trained = net(net.vectors(), read, real, last, torch.zeros((*read.shape, 0), dtype=torch.int64))
        assert trained.numpy()[0] == pytest.approx(state, abs=2e-4)


@given(st.lists(st.lists(st.integers(0, 6), max_size=12), min_size=1, max_size=5), st.floats(0.1, 1), st.integers(1, 12))
def test_weights_of_histories(asked, decay, last):
    histories = Histories(request(asked), 7)
    weights = [histories.decayed(decay), histories.decayed(1.0, last=last)]
    expected = np.zeros((2, len(asked), 7))
    for b, items in enumerate(asked):
        for steps, item in enumerate(reversed(items)):
            expected[0, b, item] += decay**steps
            expected[1, b, item] += steps < last
    expected /= np.maximum(expected.sum(-1, keepdims=True), 1e-9)
    rows = histories.rows(*weights)
    assert np.abs(rows.toarray() - expected.reshape(-1, 7)).max() < 1e-6
    assert (rows.data != 0).all()
    assert np.abs(histories.dense(weights[0]) - expected[0]).max() < 1e-6
    single = Histories(request(asked[:1]), 7)
    shares = single.shares_each(single.decayed(decay), single.decayed(1.0, last=last))
    assert shares == pytest.approx(expected[:, 0][:, single.item], abs=1e-6)


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=8), st.sets(st.integers(0, 7)))
def test_what_is_the_same_for_all_is_fused_in_a_stable_order(values, barred):
    share = np.array(values, np.float32)
    out = np.array([k in barred for k in range(len(values))])
    fused = fuse([(np.broadcast_to(share, (1, len(share))), 1.0)], None, out, np.zeros(len(share), np.float32))[0]
    order = [int(k) for k in np.argsort(-share, kind="stable") if not out[k]]
    assert (fused[out] == -1).all()
    assert np.argsort(-fused, kind="stable")[: len(order)].tolist() == order


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(1, 600), st.floats(0, 1), st.booleans(), st.booleans())
def test_the_best_of_some_are_the_best_of_all(seed, n, barring, ties, tabled):
    rng = np.random.default_rng(seed)
    items = np.sort(rng.permutation(n)[: rng.integers(0, n + 1)]).astype(np.int32)
    values = rng.integers(-3, 4, len(items)) / 3 if ties else rng.standard_normal(len(items))
    table = np.full(n, -1)
    table[items] = np.arange(len(items))
    some = Some(Places(items, table if tabled else None), np.append(values, 0).astype(np.float32))
    everywhere = some.everywhere(n)
    barred = rng.random(n) < barring
    found, scores = some.best(100, barred)
    whole = All(everywhere, 0.0).best(100, barred)
    assert found.tolist() == whole[0].tolist()
    assert scores.tolist() == whole[1].tolist() == everywhere[found].tolist()
    assert not barred[found].any()
    order = np.sort(np.where(barred | (everywhere <= 0), -np.inf, everywhere))[::-1]
    left = order[: max(100, 0)][np.isfinite(order[:100])]
    # None is named that is equal to the last of as many as are wanted.
    assert scores.tolist() == left[left > (left[-1] if len(left) == 100 else -np.inf)].tolist()
    for wanted in (rng.integers(0, n, 20), rng.integers(0, n, 3)):
        assert some.at(wanted).tolist() == everywhere[wanted].tolist() == some.at(wanted).tolist()


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(0, 40), st.integers(0, 3))
def test_rows_taken_by_hand_are_multiplied_as_matrices_are(seed, n, k):
    rng = np.random.default_rng(seed)
    matrix = sparse.random(30, 200, density=0.1, format="csr", dtype=np.float32, rng=rng)
    rows = rng.integers(0, 30, n)
    weights = rng.random((k, n)).astype(np.float32)
    expected = weights @ matrix[rows].toarray()
    assert np.array(sums(matrix, rows, weights)).reshape(k, 200) == pytest.approx(expected, abs=1e-5)
    barred = np.zeros(200, np.bool_)
    for found, each in zip(scores(matrix, rows, weights), expected, strict=True):
        assert set(found.best(300, barred)[0].tolist()) == set(np.flatnonzero(each > 0).tolist())
    vector = rng.random(200).astype(np.float32)
    assert products(matrix, rows, vector) == pytest.approx(matrix[rows] @ vector, abs=1e-5)


def test_rows_of_one_value_each_are_multiplied_as_any():
    rng = np.random.default_rng(0)
    matrix = sparse.csr_matrix((rng.random(30).astype(np.float32), rng.integers(0, 5, 30), np.arange(31)), shape=(30, 5))
    rows, vector = rng.integers(0, 30, 40), rng.random(5).astype(np.float32)
    assert products(matrix, rows, vector) == pytest.approx(matrix[rows] @ vector, abs=1e-6)
    assert sums(matrix, rows, [np.ones(40, np.float32)])[0] == pytest.approx(np.asarray(matrix[rows].sum(0)).ravel(), abs=1e-5)


def test_the_nearest_beside_many_that_may_not_come():
    rng = np.random.default_rng(1)
    matrix = (rng.standard_normal((8000, 300)) * np.linspace(1, 0.1, 300)).astype(np.float32)
    for width in (300, 64):
        rows = np.ascontiguousarray(matrix[:, :width])
        coarse = Coarse.of(rows)
        for share in (0.5, 0.99, 1.0):
            barred = rng.random(8000) < share
            items, scores = Nearest(rows, rows[0], coarse).best(DEPTH, barred)
            exact = np.where(barred, -np.inf, rows @ rows[0])
            first = np.argsort(-exact)[: min(DEPTH, int((~barred).sum()))]
            assert not barred[items].any()
            assert len(items) >= len(first) - 1
            assert np.isin(first, items).mean() > 0.95 if len(first) else not len(items)
            assert scores == pytest.approx(exact[items], rel=1e-4)
