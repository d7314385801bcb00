"""What those who keep a catalogue see: search, items, uptake, the map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from occasion import Event, Item, Recommender, Settings
from occasion.errors import NotFoundError
from occasion.insight.atlas import draw, load, save
from occasion.insight.item import view_item
from occasion.insight.search import find
from occasion.insight.uptake import Uptake
from occasion.people import Consent
from occasion.rules import parse_filter
from occasion.scenarios import Scenario, parse_scenario, steered, steering_of

T0 = 1_790_000_000.0
GOODS = {
    "soup": ("Hot chicken noodle soup", "meals", 4.0),
    "tea": ("Herbal tea for a sore throat", "drinks", 3.0),
    "beer": ("Cold lager beer", "drinks", 9.0),
    "ice": ("Vanilla ice cream", "sweets", 5.0),
    "tent": ("A tent for two in the mountains", "outdoor", 150.0),
}


@pytest.fixture
def shop(tmp_path: Path):
    with Recommender(Settings(home=tmp_path)) as made:
        made.store.put_items(
            Item(
                id=i,
                text={"title": title},
                categories=("all", kind),
                price=price,
                attributes={"brand": "Acme" if price < 5 else "Best"},
            )
            for i, (title, kind, price) in GOODS.items()
        )
        for n in range(40):
            rainy = n % 2 == 0
            event = Event(
                user=f"u{n % 8}", item="soup" if rainy else "ice", type="purchase" if n % 4 else "click", at=T0 + n,
                signals={"weather": "rain" if rainy else "sunny"}, id=f"e{n}",
            )  # fmt: skip
            made.store.append([event])
        yield made


def test_a_search_finds_by_meaning_and_by_words_within_a_filter(shop: Recommender) -> None:
    assert find(shop, "noodle soup").items[0][0] == "soup"
    assert find(shop, "camping in the Alps").items[0][0] == "tent"
    assert [i for i, _ in find(shop, "soup", parse_filter("price > 100")).items] == ["tent"]
    everything = find(shop, k=2)
    assert everything.total == 5
    assert [i for i, _ in everything.items] == ["ice", "soup"]
    assert everything.items[0][1] > everything.items[1][1] > 0
    pages = [find(shop, k=2, offset=n).items for n in (0, 2, 4)]
    assert {i for page in pages for i, _ in page} == set(GOODS)


def test_facets_divide_what_was_found(shop: Recommender) -> None:
    facets = find(shop, wanted=parse_filter("price < 100")).facets
    assert facets["categories"][:2] == [("all", 4), ("drinks", 2)]
    assert dict(facets["brand"]) == {"Acme": 2, "Best": 2}
    assert facets["price"] == [3.0, 9.0]
    assert set(find(shop, facets=["brand"]).facets) == {"brand"}
    shop.store.put_items(Item(id=f"dated{n}", text={"title": f"thing {n}"}, attributes={"day": f"2026-11-{n}"}) for n in range(30))
    assert "day" not in find(shop).facets, "where each value holds next to nothing, a facet divides nothing"
    assert "day" in find(shop, facets=["day"]).facets
    assert find(shop, facets=["nothing"]).facets == {}


def test_an_item_works_in_the_moments_it_was_chosen_in(shop: Recommender) -> None:
    view = view_item(shop, "soup")
    assert view.text == "Hot chicken noodle soup. all > meals"
    weather = {lift.value: lift for lift in view.lifts if lift.signal == "weather"}
    assert weather["rain"].lift > 0.3 > -0.3 > weather["sunny"].lift
    assert weather["sunny"].events == 0 < weather["sunny"].expected
    assert view.lifts[0].lift == max(lift.lift for lift in view.lifts)
    assert "soup" not in view.neighbours.items
    assert {view.rank, view_item(shop, "ice").rank} == {1, 2}
    assert view_item(shop, "tent").rank is None
    assert view_item(shop, "tent").lifts == ()
    with pytest.raises(NotFoundError, match="Cure"):
        view_item(shop, "nothing")


def test_uptake_follows_the_log_and_the_choices_of_people(shop: Recommender) -> None:
    uptake = Uptake(shop.store, shop.settings.granted_by_default)
    key = shop.store.item_key("soup")
    taken = uptake.of(key)
    assert taken.events == {"click": 10, "purchase": 10}
    assert taken.people == 4
    assert set(taken.sample) == {"u0", "u2", "u4", "u6"}
    assert taken.last_at == T0 + 38
    shop.store.append([Event(session="anonymous", item="soup", type="like", at=T0 + 50)])
    assert uptake.of(key).events == {"click": 10, "purchase": 10, "like": 1}
    assert uptake.of(key).people == 5
    shop.store.put_consents([Consent(purpose="analyse", granted=False, at=T0, user="u0")])
    assert uptake.of(key).people == 4
    assert "u0" not in uptake.of(key).sample
    assert uptake.of(10_000).events == {}


def test_what_reads_alike_lies_together_on_the_map() -> None:
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(6, 32))
    group = np.arange(3000) % 6
    vectors = centres[group] + 0.3 * rng.normal(size=(3000, 32))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    told = []
    atlas = draw(np.arange(3000, dtype=np.int32), lambda keys: vectors[keys], progress=lambda d, t: told.append((d, t)))
    assert atlas.places.min() >= 0
    assert atlas.places.max() <= 1
    assert np.isfinite(atlas.places).all()
    assert told[-1][0] == told[-1][1]
    means = np.stack([atlas.places[group == g].mean(0) for g in range(6)])
    nearest = np.argmin(((atlas.places[:, None] - means[None]) ** 2).sum(2), 1)
    assert (nearest == group).mean() > 0.95


@pytest.mark.parametrize("n", [0, 1, 2, 5, 40])
def test_small_catalogues_have_a_map_too(n: int, tmp_path: Path) -> None:
    vectors = np.eye(max(n, 1), 64, dtype=np.float32)
    atlas = draw(np.arange(n, dtype=np.int32), lambda keys: vectors[keys], encoder="e", revision=3)
    assert atlas.places.shape == (n, 2)
    assert np.isfinite(atlas.places).all()
    save(atlas, tmp_path / "atlas.npz")
    again = load(tmp_path / "atlas.npz")
    assert again is not None
    assert (again.encoder, again.revision) == ("e", 3)
    assert np.array_equal(again.places, atlas.places)
    (tmp_path / "atlas.npz").write_bytes(b"PK damaged")
    assert load(tmp_path / "atlas.npz") is None
    assert load(tmp_path / "none.npz") is None


def test_items_of_one_text_and_no_vector_do_no_harm() -> None:
    vectors = np.zeros((50, 8), np.float32)
    vectors[10:, 0] = 1
    atlas = draw(np.arange(50, dtype=np.int32), lambda keys: vectors[keys])
    assert np.isfinite(atlas.places).all()


def test_steering_one_item_leaves_the_others_alone() -> None:
    start = parse_scenario({"rules": {"exclude": ["a"], "pins": {"b": 1}, "filter": "price < 5"}})
    made = steered(start, "x", {"hide": True, "pin": 1, "boost": 2.0}, always=True)
    assert steering_of(made, "x") == {"hide": True, "pin": 1, "boost": 2.0}
    assert dict(made.rules)["exclude"] == ["a", "x"]
    assert dict(made.rules)["pins"] == {"x": 1}
    assert made.always
    back = steered(made, "x", {"hide": False, "pin": None, "boost": None}, always=True)
    assert steering_of(back, "x") == {"hide": False, "pin": None, "boost": None}
    assert dict(back.rules) == {"exclude": ["a"], "filter": "price < 5"}
    assert steered(Scenario(), "x", {"boost": 3.0}, always=False).parsed().boosts[0].factor == 3.0
