"""Catalogues whose items live for a day: news, posts, short films."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from occasion.learning import histories as reading
from occasion.learning import pipeline
from occasion.learning.dataset import Dataset, build_requests
from occasion.learning.items import read_items
from occasion.learning.popularity import Popularity, windows

DAY, START = 86400.0, 1.7e9 // 86400 * 86400


def world(days: int, people: int = 12, pieces: int = 16) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Pieces, half of which are read, on the day on which they come out; the last day's are in the catalogue, and nobody has read them."""
    rng = np.random.default_rng(0)
    items = [
        {"item_id": f"{day}-{k}", "published": START + day * DAY + k * 600.0, "title": f"piece {rng.integers(1e6)}"}
        for day in range(days)
        for k in range(pieces)
    ]
    events = [
        {"user_id": f"u{u}", "item_id": f"{day}-{k}", "time": START + (day + 0.3) * DAY + 97 * u + 7 * n}
        for day in range(days - 1)
        for u in range(people)
        for n, k in enumerate(rng.choice(pieces // 2, 2, replace=False))
    ]
    return pl.DataFrame(items), pl.DataFrame(events)


def test_new_pieces_come_first_where_people_read_what_is_new(monkeypatch):
    days = 40
    items, events = world(days)
    data = Dataset.from_frames(items, events)
    assert list(data.items.dated) == ["published"]
    assert data.fresh == "published"
    model = pipeline.fit(data, budget=5, without=("sequence", "text"))
    now = START + (days - 0.7) * DAY
    asked = pl.DataFrame({"query_id": ["q0", "q1"], "user_id": ["u0", "u1"], "time": [now, now]})
    requests = build_requests(data.events, data.queries(asked))
    found, _ = model.predict(requests, 10)
    fresh = np.mean([data.items.ids[i].startswith(f"{days - 1}-") for row in found for i in row])
    assert fresh > 0.7
    candidates = model.bases.candidates(requests, 20)
    ages = candidates.features[..., model.bases.names.index("item_published")]
    published = data.items.numbers[candidates.items, 0]
    assert np.allclose(ages, now / DAY - published, atol=0.01)
    # Alone over a large catalogue, by the short way, the same are put forward, but for one of equal ones at the end.
    monkeypatch.setattr(reading, "LARGE", 0)
    alone = model.bases.candidates(requests.part(0, 1), 20)
    assert len(np.intersect1d(alone.items[0], candidates.items[0])) >= 19


@pytest.mark.parametrize("unit", [1, 1000])
def test_seconds_and_milliseconds_are_points_in_time(unit):
    frame = pl.DataFrame({
        "item_id": [str(k) for k in range(30)],
        "made": [int((START + k * DAY) * unit) for k in range(30)],
        "shown": [dt.date(2024, 1, 1) + dt.timedelta(k) for k in range(30)],
        "sold": [1000 * k for k in range(30)],
        "price": [2.5 * k for k in range(30)],
    })  # fmt: skip
    items = read_items(frame, [])
    assert set(items.dated) == {"made", "shown"}
    made = items.numbers[:, items.number_names.index("made")]
    assert made[0] == pytest.approx(START / DAY)
    assert np.allclose(np.diff(made), 1)


def test_of_a_large_catalogue_the_newest_are_kept_and_what_has_no_day_is_not_among_them():
    items, events = world(40, people=40)
    undated = pl.DataFrame({"item_id": [f"old-{k}" for k in range(2000)], "title": ["old"] * 2000})
    # The last 750 of them were chosen once, long ago.
    long_ago = [{"user_id": "u0", "item_id": f"old-{k}", "time": START - k} for k in range(1250, 2000)]
    data = Dataset.from_frames(pl.concat([items, undated], how="diagonal"), pl.concat([pl.DataFrame(long_ago), events]))
    assert data.fresh == "published"
    assert {f"{day}-{k}" for day in (39, 38, 37) for k in range(16)} <= {data.items.ids[k] for k in data.frequent(100)}
    # 640 pieces have a day; of 1,400 places the others are for what people chose.
    assert {f"old-{k}" for k in range(1250, 2000)} <= {data.items.ids[k] for k in data.frequent(1400)}


def test_short_windows_are_told_apart_where_a_day_has_many_events():
    rng = np.random.default_rng(0)
    dense = windows(START + rng.random(20_000) * 10 * DAY)
    assert dense == (1.0, 3.0)
    assert windows(START + rng.random(60_000) * 10 * DAY) == (0.25, 1.0, 3.0)
    assert windows(START + rng.random(2_000) * 100 * DAY) == (3.0, 14.0, 60.0)
    assert windows(np.zeros(0)) == ()
    assert windows(np.array([START, np.nan])) == (3.0, 14.0, 60.0)


def test_all_parts_of_a_log_have_the_same_windows():
    items, events = world(14)
    data = Dataset.from_frames(items, events)
    few = data.only(events.head(50))
    names = [Popularity.fit(d.events, len(data.items), d.times, d.windows).names for d in (data, few, data.liked())]
    assert "share_3d" in names[0]
    assert names[0] == names[1] == names[2]
