"""Places that are close: distances, where somebody is, and a made-up world of people who go from one place to the next."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from occasion.learning import pipeline
from occasion.learning import scored as reading
from occasion.learning.closeness import closeness, points, whereabouts, which
from occasion.learning.dataset import Dataset, build_requests

QUICK = ("sequence", "text")


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["price", "latitude", "longitude"], (1, 2)),
        (["ctx_lng", "ctx_lat"], (1, 0)),
        (["纬度", "经度"], (0, 1)),
        (["latitude", "price"], None),
        ([], None),
    ],
)
def test_columns_of_positions_are_told_by_their_names(names, found):
    assert which(names) == found


def test_distances_are_those_on_a_globe():
    # Berlin to Potsdam, to Paris, to Sydney, and a place that is nowhere; great circles, km.
    places = np.array([[52.52, 13.405], [52.3906, 13.0645], [48.8566, 2.3522], [-33.8688, 151.2093], [91.0, 0.0]], np.float32)
    at = points(places)
    km = np.expm1(-closeness(at, at[:1])[0, :4].astype(float))
    assert km == pytest.approx([0, 27.2, 877.5, 16_090], rel=0.01, abs=0.01)
    assert closeness(at, at[:1])[0, 4] == np.float32(reading.UNSAID)
    near = points(np.array([[0.0, 0.0], [0.001, 0.0]]))
    assert np.expm1(-closeness(near, near[:1])[0, 1]) == pytest.approx(0.1112, rel=0.01)


def walks(people: int, steps: int, places: int = 600, towns: int = 12) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Places in towns and people who go from each to one of the few that are closest, or to another town."""
    rng = np.random.default_rng(0)
    towns_at = np.stack([rng.uniform(45, 55, towns), rng.uniform(0, 20, towns)], 1)
    at = towns_at[rng.integers(0, towns, places)] + rng.normal(0, 0.02, (places, 2))
    far = np.hypot(*(at[:, None] - at[None]).transpose(2, 0, 1))
    close = np.argsort(far, axis=1)[:, 1:6]
    rows = []
    for person in range(people):
        here = int(rng.integers(places))
        for step in range(steps):
            rows.append({"user_id": f"u{person}", "item_id": f"p{here}", "time": 1.7e9 + 1e5 * step + person})
            here = int(rng.integers(places)) if rng.random() < 0.2 else int(rng.choice(close[here]))
    items = pl.DataFrame({"item_id": [f"p{k}" for k in range(places)], "lat": at[:, 0], "lon": at[:, 1]})
    return items, pl.DataFrame(rows)


def found(items: pl.DataFrame, events: pl.DataFrame, *without: str) -> float:
    """Return how often the last place of a person is among ten, for a model that has not seen it."""
    newest = events["time"].max() - 1e5 / 2
    data = Dataset.from_frames(items, events.filter(pl.col("time") < newest), exclude_seen=False)
    asked = events.filter(pl.col("time") >= newest).with_row_index("query_id").with_columns(pl.col("query_id").cast(str))
    model = pipeline.fit(data, budget=20, without=(*QUICK, *without))
    assert ("places" in model.report["parts"]) is ("places" not in without)
    answers, _ = model.predict(build_requests(data.events, data.queries(asked)), 10)
    wanted = [data.items.ids.index(i) for i in asked["item_id"]]
    return float(np.mean([w in a for w, a in zip(wanted, answers.tolist(), strict=True)]))


def test_what_is_close_to_the_last_place_comes_first_where_people_walk():
    items, events = walks(150, 8)
    assert found(items, events) > found(items, events, "places") + 0.2


def test_the_moments_own_position_counts_before_the_last_places(monkeypatch, tmp_path):
    items, events = walks(40, 6)
    rng = np.random.default_rng(1)
    here = items.rename({"lat": "ctx_latitude", "lon": "ctx_longitude"})
    events = events.join(here, on="item_id", how="left", maintain_order="left")
    data = Dataset.from_frames(items, events, exclude_seen=False)
    model = pipeline.fit(data, budget=5, without=(*QUICK, "ease"))
    model.save(tmp_path)
    model = pipeline.Model.load(tmp_path)
    goal = items.row(int(rng.integers(len(items))), named=True)
    asked = pl.DataFrame({
        "query_id": ["a", "b"], "user_id": ["u0", "u1"], "time": [1.71e9, 1.71e9],
        "ctx_latitude": [goal["lat"], None], "ctx_longitude": [goal["lon"], None],
    })  # fmt: skip
    requests = build_requests(data.events, data.queries(asked))
    at = whereabouts(requests, model.bases.points, model.bases.told)
    last = data.items.ids.index(events.filter(pl.col("user_id") == "u1").sort("time")["item_id"][-1])
    assert np.allclose(at[0], points(np.array([[goal["lat"], goal["lon"]]]))[0], atol=1e-6)
    assert np.array_equal(at[1], model.bases.points[last])
    assert data.items.ids.index(goal["item_id"]) in model.bases.candidates(requests, 40).items[0]
    monkeypatch.setattr(reading, "LARGE", 0)
    alone = model.bases.candidates(requests.part(0, 1), 40)
    assert data.items.ids.index(goal["item_id"]) in alone.items[0]


def test_nothing_is_close_to_who_has_been_nowhere():
    items, events = walks(20, 4)
    data = Dataset.from_frames(items, events, exclude_seen=False)
    model = pipeline.fit(data, budget=5, without=QUICK)
    asked = pl.DataFrame({"query_id": ["a", "b"], "user_id": ["nobody", "u0"], "time": [1.71e9, 1.71e9]})
    requests = build_requests(data.events, data.queries(asked))
    close = model.bases.candidates(requests, 20).features[..., model.bases.names.index("close")]
    assert (close[0] == np.float32(reading.UNSAID)).all()
    assert (close[1] > -20).all()
    assert (model.predict(requests, 10)[0] >= 0).all()
