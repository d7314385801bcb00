"""Frames as they come: ids of other types, nothing where something should be, lists, figures and dates as text."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from learning_worlds import catalogue, walkers

from occasion.learning import pipeline
from occasion.learning.dataset import Dataset, build_requests
from occasion.learning.items import read_items
from occasion.learning.rated import RatedModel
from occasion.learning.text import TextVectors

DAY = dt.datetime(2021, 3, 4, 5, 6, 7)


def test_ids_are_the_same_as_numbers_floats_and_texts():
    items = pl.DataFrame({"item_id": [7, 8]})
    events = pl.DataFrame({"user_id": [1, 2], "item_id": [7.0, 8.0]})
    data = Dataset.from_frames(items, events)
    assert data.items.ids == ["7", "8"]
    assert data.users == ["1", "2"]
    asked = data.queries(pl.DataFrame({"query_id": [1], "user_id": ["2"], "item_id": ["8"]}))
    assert (asked.user.tolist(), asked.item.tolist()) == ([1], [1])


def test_the_first_row_of_an_item_counts():
    items = read_items(pl.DataFrame({"item_id": ["a", "b", "a", None], "title": ["one thing", "two", "three", "four"]}), [])
    assert items.ids == ["a", "b"]
    assert items.texts == ["one thing", "two"]


def test_events_and_requests_of_nobody():
    events = walkers(30, 5).with_columns(
        user_id=pl.when(pl.int_range(pl.len()) % 7 == 0).then(None).otherwise(pl.col("user_id")),
        item_id=pl.when(pl.int_range(pl.len()) % 11 == 0).then(None).otherwise(pl.col("item_id")),
    )
    data = Dataset.from_frames(catalogue(), events)
    assert len(data.events) == len(events.drop_nulls())
    full = data.with_events(events)
    assert len(full.events) == 2 * len(data.events)
    queries = full.queries(
        pl.DataFrame({"query_id": ["q"], "user_id": [None], "time": [9]}, schema_overrides={"user_id": pl.String})
    )
    assert len(build_requests(full.events, queries).item) == 0


@pytest.mark.parametrize(
    "form",
    [
        pl.lit(DAY),
        pl.lit(DAY.isoformat()),
        pl.lit(DAY.isoformat(" ") + ".250+00:00"),
        pl.lit(DAY.isoformat() + "Z"),
        pl.lit(str(int(DAY.replace(tzinfo=dt.UTC).timestamp()))),
        pl.lit(int(DAY.replace(tzinfo=dt.UTC).timestamp()) * 1000),
        pl.lit(int(DAY.replace(tzinfo=dt.UTC).timestamp()) * 1_000_000),
        pl.lit(int(DAY.replace(tzinfo=dt.UTC).timestamp()) * 1_000_000_000),
    ],
)
def test_times_in_any_form(form):
    data = Dataset.from_frames(catalogue(), walkers(3, 2).with_columns(time=form))
    assert data.times == "unix"
    assert np.allclose(data.events.time, DAY.replace(tzinfo=dt.UTC).timestamp())


def test_days_as_texts_are_times_too():
    data = Dataset.from_frames(catalogue(), walkers(3, 2).with_columns(time=pl.lit("2021-03-04")))
    assert np.allclose(data.events.time, dt.datetime(2021, 3, 4, tzinfo=dt.UTC).timestamp())


def test_lists_figures_and_dates_of_items():
    n = 12
    frame = pl.DataFrame(
        {
            "item_id": [f"i{k}" for k in range(n)],
            "genres": [["calm", "old"] if k % 2 else ["loud"] for k in range(n)],
            "codes": [[k % 3, 9] for k in range(n)],
            "vector": [[0.5, 1.0]] * n,
            "score": [f"{k / 2}" if k else "" for k in range(n)],
            "made": [f"20{k:02d}-01-01 (somewhere)" for k in range(n)],
            "shown": [dt.date(2020, 1, 1 + k) for k in range(n)],
            "number": [float("inf") if k == 1 else float(k) for k in range(n)],
            "note": ["7" if k else "seven pieces" for k in range(n)],
            "shop_id": [str(k % 4) for k in range(n)],
        }
    )
    items = read_items(frame, [])
    assert set(items.number_names) == {"score", "made", "shown", "number"}
    assert {"genres", "codes", "shop_id"} <= set(items.attributes)
    assert items.attributes["genres"].shape == (n, 3)
    assert "calm|old" in items.texts[1]
    column = items.numbers[:, items.number_names.index("made")]
    assert column[1] - column[0] == 366  # days, 2000 was a leap year
    assert np.isnan(items.numbers[1, items.number_names.index("number")])
    assert np.isnan(items.numbers[0, items.number_names.index("score")])


def test_signals_of_other_types_in_requests():
    events = walkers(20, 6).with_columns(ctx_size=pl.int_range(pl.len()) % 3, ctx_heat=pl.int_range(pl.len()) * 0.5)
    data = Dataset.from_frames(catalogue(), events)
    asked = pl.DataFrame({"query_id": ["a", "b", "c"], "user_id": ["u1"] * 3, "ctx_size": [2.0, None, float("nan")]})
    asked = asked.with_columns(ctx_heat=pl.Series([float("inf"), float("nan"), 1.0]))
    queries = data.queries(asked)
    place = data.signals.names.index("ctx_size")
    assert queries.signals[:, place].tolist() == [2, -1, -1]
    assert np.isnan(queries.numbers[:2]).all()
    assert queries.numbers[2, 0] == 1.0


def test_an_infinite_number_is_no_edge():
    events = walkers(20, 6).with_columns(
        ctx_heat=pl.when(pl.int_range(pl.len()) % 2 == 0).then(float("inf")).otherwise(pl.int_range(pl.len()))
    )
    data = Dataset.from_frames(catalogue(), events)
    assert np.isfinite(data.signals.edges["ctx_heat"]).all()


@pytest.mark.parametrize("length", [1, 2])
def test_people_with_an_event_or_two(length):
    events = walkers(150, length, start=1.6e9)
    data = Dataset.from_frames(catalogue(), events)
    model = pipeline.fit(data, budget=10)
    found, _ = model.recommend([1], times=[1.7e9], at=1.7e9, k=10)
    assert len(set(found.tolist())) == 10


def test_one_person():
    data = Dataset.from_frames(catalogue(), walkers(1, 400))
    model = pipeline.fit(data, budget=10, without=("sequence",))
    assert len(model.recommend([1], k=10)[0]) == 10


def test_no_rating_at_all():
    events = walkers(5, 4).with_columns(rating=pl.lit(None, dtype=pl.Float64))
    data = Dataset.from_frames(catalogue(), events, rated=True)
    asked = data.queries(events.with_columns(query_id=pl.col("user_id")))
    assert np.isfinite(RatedModel.fit(data, None).predict(asked)).all()


@pytest.mark.parametrize(
    ("items", "events", "hides"),
    [
        (130, walkers(150, 8), False),  # Nobody wants most of them.
        (1000, walkers(60, 4, n=1000), False),  # Few are known yet, and most events are an item's first.
        (90, walkers(150, 8), True),
    ],
)
def test_what_most_of_a_catalogue_is_is_not_taken_for_new(items, events, hides):
    data = Dataset.from_frames(catalogue(items), events)
    learner = pipeline._Learner(
        data=data,
        text=TextVectors.fit(data.items.texts),
        seed=0,
        threads=1,
        without=set(),
        left=lambda: 1.0,
        note=lambda _: None,
        share=1.0,
    )
    rng = np.random.default_rng(0)
    assert learner.hidden(pipeline.split(data, rng)[0], rng).any() == hides


def test_without_times_and_signals_people_keep_a_past():
    data = Dataset.from_frames(catalogue(), walkers(60, 8).drop("time"))
    for fold in pipeline.split(data, np.random.default_rng(0)):
        both = set(data.events.user[fold.base]) & set(data.events.user[fold.labels])
        assert len(both) > 0.9 * len(set(data.events.user[fold.labels]))
