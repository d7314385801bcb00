"""What the sequence model learns from: runs of a log, moments as a whole, batches, and items drawn in place of all."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from occasion.learning.dataset import Dataset, build_requests
from occasion.learning.lessons import GAPS, Lessons, moment_codes
from occasion.learning.sequence import SequenceModel, has_torch

needs_torch = pytest.mark.skipif(not has_torch(), reason="the sequence model is trained with torch (extra tune)")
NOTHING = np.zeros(0, np.int64)


def dataset(log: list[tuple[str, int, float]], n_items: int = 50, **more: object) -> Dataset:
    items = pl.DataFrame({"item_id": [f"i{k:02}" for k in range(n_items)]})
    users, chosen, times = zip(*log, strict=True)
    return Dataset.from_frames(
        items, pl.DataFrame({"user_id": users, "item_id": [f"i{k:02}" for k in chosen], "time": times, **more}), exclude_seen=False
    )


logs = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(0, 49), st.integers(0, 12).map(lambda d: 1.6e9 + 86400.0 * d)),
    min_size=1,
    max_size=120,
)


@given(logs, st.integers(2, 8), st.integers(1, 40))
def test_each_event_but_the_first_moment_is_foretold_once_and_from_what_was_before_it(log, length, states):
    data = dataset(log)
    events = data.events
    lessons = Lessons.of(events, length, baskets=events.baskets, clock=True, offset=NOTHING)
    numbers = [i for batch in lessons.batches(states, np.random.default_rng(0)) for i in batch]
    assert sorted(numbers) == list(range(len(lessons.runs)))
    foretold = []
    for number, run in enumerate(lessons.runs):
        batch = lessons.batch([number])
        assert batch.asked.sum() == lessons.asked[number] == len(np.unique(batch.state))
        assert np.bincount(batch.state, batch.share) == pytest.approx(1)
        assert (batch.items[batch.real] == events.item[run][:-1]).all()
        places = run.start + np.flatnonzero(batch.asked[0])
        for place, wanted in zip(places, np.split(batch.wanted, np.flatnonzero(np.diff(batch.state)) + 1), strict=True):
            rows = np.arange(place + 1, place + 1 + len(wanted))
            assert (events.item[rows] == wanted).all()
            assert (events.user[rows] == events.user[place]).all()
            if events.baskets:
                assert (events.time[rows] == events.time[rows[0]]).all()
                assert events.time[place] < events.time[rows[0]]
            foretold += rows.tolist()
    starts = np.append(True, events.user[1:] != events.user[:-1])
    first = np.maximum.accumulate(np.where(starts, np.arange(len(events)), 0))
    later = events.time != events.time[first] if events.baskets else ~starts
    assert sorted(foretold) == np.flatnonzero(later).tolist()


@given(st.lists(st.one_of(st.floats(0, 1e12), st.just(np.nan)), min_size=1), st.integers(1, 9))
def test_longer_gaps_have_greater_codes(gaps, size):
    gap = np.sort(np.array(gaps))
    signals = np.arange(-1, len(gap) - 1).astype(np.int32)[:, None] % (size + 1) - 1
    codes = moment_codes(gap, signals, np.array([GAPS]))
    assert (np.diff(codes[np.isfinite(gap), 0]) >= 0).all()
    assert ((codes[:, 0] == 0) == np.isnan(gap)).all()
    assert codes[:, 0].max() < GAPS
    assert ((codes[:, 1] == 0) == (signals[:, 0] < 0)).all()
    assert not moment_codes(None, signals, NOTHING).any()


def by_the_day(seed: int, people: int = 150) -> list[tuple[str, int, float]]:
    """People who take one of 0..9 within a minute and one of 10..19 a day later, whatever they had before."""
    rng = np.random.default_rng(seed)
    log = []
    for p in range(people):
        at = 1.6e9 + 1e5 * rng.random()
        for _ in range(10):
            soon = rng.random() < 0.5
            at += 30 if soon else 86400
            log.append((f"u{p}", int(rng.integers(10)) + (0 if soon else 10), at))
    return log


@needs_torch
@pytest.mark.filterwarnings("ignore")
def test_it_matters_how_long_ago_the_newest_event_was():
    log = by_the_day(0)
    data = dataset(log)
    model, _ = SequenceModel.fit(data.events, 50, None, clock=True, epochs=20, dim=32)
    newest = {user: at for user, _, at in log}
    asked = pl.DataFrame({"query_id": list(newest), "user_id": list(newest), "time": list(newest.values())})
    soon = model.score(build_requests(data.events, data.queries(asked.with_columns(pl.col("time") + 30))))
    later = model.score(build_requests(data.events, data.queries(asked.with_columns(pl.col("time") + 86400))))
    assert (soon[:, :10].mean(1) > soon[:, 10:20].mean(1)).mean() > 0.95
    assert (later[:, :10].mean(1) < later[:, 10:20].mean(1)).mean() > 0.95
    unaware, _ = SequenceModel.fit(data.events, 50, None, epochs=2, dim=32)
    assert "moments" not in unaware.arrays


@needs_torch
@pytest.mark.filterwarnings("ignore")
def test_it_matters_what_is_said_of_the_moment():
    rng = np.random.default_rng(0)
    place = rng.integers(2, size=1500)
    log = [(f"u{k // 10}", int(rng.integers(10) + 10 * p), 1.6e9 + 3600 * k) for k, p in enumerate(place)]
    data = dataset(log, ctx_place=np.where(place == 1, "sea", "city"))
    model, _ = SequenceModel.fit(data.events, 50, None, clock=True, sizes=tuple(data.signals.sizes), epochs=20, dim=32)
    people = [f"u{k}" for k in range(150)]
    asked = pl.DataFrame({"query_id": people, "user_id": people, "time": [1.7e9] * 150})
    for name, low in (("city", 0), ("sea", 10)):
        queries = data.queries(asked.with_columns(ctx_place=pl.lit(name)))
        scores = model.score(build_requests(data.events, queries))
        assert (scores[:, low : low + 10].mean(1) > scores[:, 10 - low : 20 - low].mean(1)).mean() > 0.9


@needs_torch
@pytest.mark.filterwarnings("ignore")
def test_a_loss_over_drawn_items_is_about_that_over_all():
    import torch

    from occasion.learning import sampled

    rng = np.random.default_rng(0)
    item = np.minimum(rng.zipf(1.3, 20_000) - 1, 1999).astype(np.int32)
    vectors = torch.from_numpy(0.4 * rng.normal(size=(2000, 8)).astype(np.float32))
    states = torch.from_numpy(rng.normal(size=(16, 8)).astype(np.float32))
    share = torch.ones(16)

    def loss(sampler: sampled.Sampler, wanted: torch.Tensor) -> float:
        told = sampler.told(wanted[:, None], wanted)
        rows = vectors if told.keys is None else vectors[told.keys]
        assert (rows[told.items[:, 0]] == vectors[wanted]).all()
        return float(told.loss(states @ rows[told.classes].T, torch.arange(16), share))

    full, some = sampled.Sampler(item, 2000, 16, rng), sampled.Sampler(item, 2000, 16, rng, sample=300)
    asked = [torch.from_numpy(rng.choice(item, 16).astype(np.int64)) for _ in range(150)]
    drawn, every = [loss(some, wanted) for wanted in asked], [loss(full, wanted) for wanted in asked]
    assert np.mean(drawn) == pytest.approx(np.mean(every), abs=0.1)
