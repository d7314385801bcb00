"""Presets: each can be used as it stands, and says what it says it does."""

import tomllib

import pytest

from occasion import Context, Event, Item, Recommender
from occasion.cli import cli
from occasion.cli.failures import guarded
from occasion.errors import SettingsError
from occasion.presets import PRESETS, load_preset
from occasion.privacy.guarded import open_guarded
from occasion.scenarios import Scenarios, parse_scenario
from occasion.settings import Settings, load_settings


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_sound(name):
    preset = load_preset(name)
    settings = load_settings(**preset.settings)
    for setting, value in preset.settings.items():
        assert getattr(settings, setting) == value != Settings.model_fields[setting].default
    assert preset.about
    assert preset.scenarios
    assert all(parse_scenario(document).about for document in preset.scenarios.values())


def test_unknown_ones_are_named():
    with pytest.raises(SettingsError, match=r"'books'.*news"):
        load_preset("books")


@pytest.mark.parametrize("name", PRESETS)
def test_init_writes_settings_and_scenarios(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert guarded(cli, ["init", "--preset", name, "--home", "shop"]) == 0
    assert name in capsys.readouterr().out
    preset, written = load_preset(name), tomllib.loads((tmp_path / "occasion.toml").read_text("utf-8"))
    assert {k: v for k, v in written.items() if k != "home"} == dict(preset.settings)
    settings = load_settings()
    assert settings.half_life_days == preset.settings["half_life_days"]
    store = open_guarded(settings)
    assert set(Scenarios(store, settings.home).all()) == set(preset.scenarios)
    Scenarios(store, settings.home).put(next(iter(preset.scenarios)), parse_scenario({"k": 3, "about": "mine"}))
    store.close()
    assert guarded(cli, ["init", "--preset", name, "--home", "shop", "--force"]) == 0
    store = open_guarded(settings)
    assert Scenarios(store, settings.home).get(next(iter(preset.scenarios))).about == "mine", "what is there stays"
    store.close()
    assert guarded(cli, ["init", "--preset", "books", "--force"]) == 2


@pytest.mark.parametrize("bad", ["view", "view=", "=2", "view=99", "view=much"])
def test_weights_that_cannot_be(bad):
    with pytest.raises(SettingsError, match="event_weights"):
        load_settings(event_weights=bad)


def shop(tmp_path, **settings):
    return Recommender(load_settings(home=tmp_path, **settings))


ITEMS = [Item(id=f"i{n}", text={"title": f"thing {n}"}) for n in range(6)]


def test_weights_count(tmp_path):
    events = [
        Event(user="a", item="i0", type="share", at=1.79e9),
        *(Event(user=f"b{n}", item="i1", at=1.79e9 + n) for n in range(3)),
    ]
    firsts = []
    for n, weights in enumerate(("", "share=9")):
        with shop(tmp_path / str(n), event_weights=weights) as recommender:
            recommender.store.put_items(ITEMS)
            recommender.store.append(events)
            recommender.refresh()
            firsts.append(int(recommender.live.statistics.count.argmax()))
    assert firsts == [1, 0]


def test_counts_made_with_other_weights_are_not_used(tmp_path):
    events = [Event(user=f"u{n}", item=f"i{n % 6}", type="view", at=1.79e9 + n) for n in range(1500)]
    counts = []
    for weights in ("", "view=0.1", ""):
        with shop(tmp_path, event_weights=weights) as recommender:
            recommender.store.put_items(ITEMS)
            recommender.store.append(events)
            recommender.refresh()
            counts.append(float(recommender.live.statistics.count.sum()))
    assert counts[1] == pytest.approx(counts[0] / 5, rel=0.01)
    assert counts[2] == pytest.approx(counts[0])


def test_a_negative_weight_is_a_dislike(tmp_path):
    with shop(tmp_path, event_weights="bounce=-2") as recommender:
        recommender.store.put_items(ITEMS)
        recommender.feedback(Event(user="a", item="i0", type="bounce", at=1.79e9))
        assert "i0" not in recommender.recommend(Context(user="a", at=1.79e9 + 9), k=6).items


@pytest.mark.parametrize(("repeats", "again"), [("allow", True), ("leave-out", False)])
def test_repeats_as_the_setting_says(tmp_path, repeats, again):
    with shop(tmp_path, repeats=repeats) as recommender:
        recommender.store.put_items(ITEMS)
        recommender.feedback([Event(user="a", item="i0", type="purchase", at=1.79e9 + n) for n in range(2)])
        assert ("i0" in recommender.recommend(Context(user="a", at=1.79e9 + 9), k=6).items) is again
