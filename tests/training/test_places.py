"""Items with positions: a version in service answers with what is close to where the moment says somebody is."""

from __future__ import annotations

import numpy as np

from occasion import Context, Event, Item, Recommender
from occasion.settings import load_settings
from occasion.training import fit

START = 1_790_000_000.0
TOWNS, PLACES = 10, 40


def test_a_version_puts_first_what_is_close_to_where_somebody_is(tmp_path):
    # People go from a place to one of the closest, each person in a town of their own; names say nothing.
    rng = np.random.default_rng(0)
    town = np.repeat(np.arange(TOWNS), PLACES)
    at = np.stack([48.0 + 0.5 * town, 8.0 + 0.7 * (town % 3)], 1) + rng.normal(0, 0.02, (len(town), 2))
    far = np.hypot(*(at[:, None] - at[None]).transpose(2, 0, 1))
    close = np.argsort(far, axis=1)[:, 1:6]
    items = [
        Item(id=f"p{k}", text={"title": f"place {k}"}, attributes={"latitude": float(y), "longitude": float(x)})
        for k, (y, x) in enumerate(at)
    ]
    events = []
    for person in range(150):
        here = int(rng.integers(len(at)))
        for step in range(7):
            events.append(Event(user=f"u{person}", item=f"p{here}", at=START + 90_000.0 * step + person))
            here = int(rng.choice(close[here]))
    settings = load_settings(home=tmp_path)
    with Recommender(settings) as guide:
        guide.store.put_items(items)
        guide.feedback(events)
    manifest = fit(settings=settings, budget=900, queries=80, without=("sequence", "text"))
    assert "places" in manifest.parts
    now = START + 7 * 90_000.0
    with Recommender(settings) as guide:
        shares = []
        for person in range(8):
            there = (int(town[int(events[7 * person].item[1:])]) + 5) % TOWNS
            y, x = at[town == there].mean(0)
            away = Context(user=f"u{person}", at=now, signals={"latitude": float(y), "longitude": float(x)})
            slate = guide.recommend(away, k=10)
            assert slate.version.startswith(manifest.id)
            shares.append(np.mean([town[int(item[1:])] == there for item in slate.items]))
            home = guide.recommend(Context(user=f"u{person}", at=now), k=10)
            assert np.mean([town[int(item[1:])] == there for item in home.items]) < 0.3
        assert np.mean(shares) > 0.5
        close = [entry for entry in slate.entries if entry.reason.startswith("Close by.")]
        assert len(close) > 5
        assert all(max(entry.parts, key=lambda group: entry.parts[group]) == "nearby" for entry in close)
        lost = guide.recommend(away.revised(signals={"latitude": 131.2, "longitude": "east"}), k=3)
    assert lost.notes == ("Not usable, and passed over: latitude 131.2 (-90 to 90), longitude 'east' (-180 to 180).",)
