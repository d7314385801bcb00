"""Figures of pace: idle time and the session say when a request comes, and nothing about later events."""

from __future__ import annotations

import numpy as np
import polars as pl

from occasion.learning.dataset import Dataset, build_requests
from occasion.learning.figures import figures
from occasion.learning.histories import Histories
from occasion.learning.pipeline import fit
from occasion.learning.popularity import Popularity

START = 1_700_000_000


def log(n: int = 600) -> pl.DataFrame:
    """Thirty people, one event every ten minutes, forty items."""
    rng = np.random.default_rng(0)
    return pl.DataFrame({
        "user_id": [f"u{k % 30}" for k in range(n)], "item_id": [f"i{v}" for v in rng.integers(0, 40, n)],
        "time": [START + 600 * (k // 30) for k in range(n)],
    })  # fmt: skip


def test_idle_seconds_and_events_of_the_last_hour() -> None:
    data = Dataset.from_frames(pl.DataFrame({"item_id": [f"i{v}" for v in range(40)]}), log(), exclude_seen=False)
    asked = pl.DataFrame(
        {"query_id": ["a", "b", "c"], "user_id": ["u0", "u0", "new"], "time": [START + 11_500, START + 99_999, START]}
    )
    requests = build_requests(data.events, data.queries(asked))
    model = fit(data, budget=900, without=("sequence",))
    found, names = figures(model.bases, Histories(requests, 40), np.zeros((3, 1), np.int32))
    idle, session = found[:, 0, names.index("idle")], found[:, 0, names.index("session")]
    np.testing.assert_allclose(np.expm1(idle[:2]), [100, 99_999 - 11_400], rtol=1e-3)
    np.testing.assert_allclose(np.expm1(session[:2]), [6, 0], atol=1e-3)
    assert np.isnan([idle[2], session[2]]).all()


def test_depth_tells_first_items_from_later_ones() -> None:
    frame = pl.DataFrame({"user_id": ["a", "a", "b", "b"], "item_id": ["x", "y", "x", "y"], "time": [1, 2, 1, 2]})
    data = Dataset.from_frames(pl.DataFrame({"item_id": ["x", "y", "z"]}), frame)
    depth = Popularity.fit(data.events, 3, "position").column("depth")
    np.testing.assert_allclose(depth, [0, np.log(2), np.nan], rtol=1e-6)
