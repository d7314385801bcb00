"""Scenarios: what a request becomes under them, their changes, their schedule, and undoing."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from occasion import Context, Event, Item, Recommender, Settings
from occasion.errors import ConflictError, DataError, NotFoundError, RuleError
from occasion.rules import Rules, parse_rules
from occasion.scenarios import Scenario, Scenarios, combined, parse_scenario, resolve
from occasion.stores import open_store

NOW = 1_790_000_000.0
FOODS = ("apple", "bread", "cheese", "dates", "eggs", "figs", "grapes", "honey")


@pytest.fixture
def shop(tmp_path: Path):
    with Recommender(Settings(home=tmp_path)) as made:
        made.store.put_items(
            Item(id=name, text={"title": f"Fresh {name}"}, price=float(n), categories=("fruit" if n % 2 else "other",))
            for n, name in enumerate(FOODS)
        )
        yield made


def ask(shop: Recommender, scenario: str = "", **options):
    return shop.recommend(Context(at=NOW), scenario=scenario, slate_id="seed", keep=False, **options)


def test_what_a_request_leaves_out_is_taken_from_its_scenario(shop: Recommender) -> None:
    shop.scenarios.put("cheap", parse_scenario({"k": 3, "rules": {"filter": "price < 4", "exclude": ["apple"]}}))
    assert set(ask(shop, "cheap").items) == {"bread", "cheese", "dates"}
    assert ask(shop, "cheap").scenario == "cheap"
    assert len(ask(shop, "cheap", k=2).items) == 2
    assert set(ask(shop, "cheap", rules=Rules(filter="price > 5")).items) == {"grapes", "honey"}
    assert set(ask(shop, "cheap", rules=Rules(exclude=("dates",))).items) == {"apple", "bread", "cheese"}
    assert len(ask(shop).items) == 8
    with pytest.raises(NotFoundError, match="Cure: one of cheap"):
        ask(shop, "dear")


def test_the_named_scenario_is_stored_with_the_answer(shop: Recommender) -> None:
    shop.scenarios.put("home", Scenario(k=2, signals={"place": "shop"}))
    slate = shop.recommend(Context(at=NOW, signals={"device": "phone"}), scenario="home")
    assert shop.store.get_slate(slate.id) == slate
    assert shop.store.newest_slates(1) == [slate]
    assert dict(slate.context.signals) == {"place": "shop", "device": "phone"}


def test_what_always_applies_cannot_be_relaxed(shop: Recommender) -> None:
    rules = {"filter": "categories = fruit", "exclude": ["bread"], "caps": {"categories": 2}, "pins": {"honey": 1}}
    shop.scenarios.put("law", parse_scenario({"always": True, "rules": rules}))
    for asked in (Rules(), Rules(filter="price >= 0", strict=False), Rules(exclude_seen=False, caps=())):
        items = ask(shop, rules=asked).items
        assert items[0] == "honey"
        assert len(items) == 2
        assert set(items) < {"dates", "figs", "honey"}
    assert set(ask(shop, rules=Rules(pins={"dates": 1})).items[:1]) == {"dates"}
    assert "bread" not in shop.similar("apple").items
    assert set(shop.similar("apple").items) <= {"dates", "figs", "honey"}
    named = ask(shop, "law", rules=Rules(filter="price > 0"))
    assert set(named.items) < {"dates", "figs", "honey"}


def test_a_scenario_is_in_force_in_its_time_alone(shop: Recommender) -> None:
    shop.scenarios.put("sale", Scenario(k=1, active_from=NOW, active_until=NOW + 10))
    assert len(ask(shop, "sale").items) == 1
    late = shop.recommend(Context(at=NOW + 10), scenario="sale", keep=False)
    assert len(late.items) == 8
    assert "sale is not in force" in late.notes[0]
    shop.scenarios.put("hush", parse_scenario({"always": True, "rules": {"exclude": ["eggs"]}, "active_until": NOW}))
    assert "eggs" in ask(shop).items
    assert "eggs" not in shop.recommend(Context(at=NOW - 1), keep=False).items


def test_a_policy_asked_for_by_name_does_without_the_scenarios_exploration(shop: Recommender) -> None:
    shop.scenarios.put("wild", Scenario(explore=0.5))
    assert ask(shop, "wild").policy == "epsilon"
    assert ask(shop, "wild", policy="greedy").policy == "greedy"


def test_a_policy_is_taken_whole_from_who_says_first_how_to_choose(shop: Recommender) -> None:
    shop.scenarios.put("warm", parse_scenario({"policy": "plackett-luce", "policy_options": {"temperature": 3.0}}))
    shop.scenarios.put("plain", Scenario(diversity=0.0))
    shop.scenarios.put("law", Scenario(always=True, policy="thompson"))
    shop.scenarios.put("law2", Scenario(always=True, explore=0.5))
    assert (ask(shop).policy, ask(shop, "law2").policy) == ("thompson", "epsilon")
    assert ask(shop, "warm") == replace(ask(shop, policy="plackett-luce", policy_options={"temperature": 3.0}), scenario="warm")
    colder = ask(shop, "warm", policy_options={"temperature": 0.01})
    assert colder == replace(ask(shop, policy="plackett-luce", policy_options={"temperature": 0.01}), scenario="warm")
    assert ask(shop, "plain").policy == "epsilon", "levels are taken one by one, as ever"
    assert ask(shop, "warm", diversity=0.5, explore=0.0).policy == "diverse"
    with pytest.raises(DataError, match="name the policy"):
        ask(shop, "plain", policy_options={"scale": 1.0})


@pytest.mark.parametrize(
    "document",
    [
        {"policy": "best"},
        {"policy": ["greedy"]},
        {"policy": "greedy", "policy_options": {"scale": 1}},
        {"policy": "diverse", "policy_options": {"diversity": "much"}},
        {"policy": "epsilon", "policy_options": 0.5},
        {"policy": "thompson", "explore": 0.1},
        {"policy": "diverse", "diversity": 0.1},
        {"policy_options": {"scale": 1.0}},
        {"k": 0},
        {"k": True},
        {"diversity": 2},
        {"diversity": 0.5, "explore": 0.5},
        {"always": 1},
        {"active_from": 5.0, "active_until": 5.0},
        {"rules": {"filter": "price <"}},
        {"rules": {"firm": "price < 3"}},
        {"unknown": 1},
        {"about": "x" * 1001},
        [],
    ],
)
def test_a_document_that_cannot_be_used_is_refused(document) -> None:
    with pytest.raises((DataError, RuleError), match=r"Cure|must|expected"):
        parse_scenario(document)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "k": st.integers(1, 10_000),
            "diversity": st.floats(0, 1),
            "always": st.booleans(),
            "active_from": st.floats(0, 1e9),
            "active_until": st.floats(2e9, 3e9),
            "about": st.text(max_size=20),
            "signals": st.dictionaries(st.sampled_from(["place", "weather"]), st.text(max_size=5), max_size=2),
            "rules": st.fixed_dictionaries(
                {}, optional={"exclude": st.lists(st.text(min_size=1), max_size=2), "strict": st.booleans()}
            ),
        },
    )
)
def test_a_scenario_and_its_document_say_the_same(document) -> None:
    made = parse_scenario(document)
    assert parse_scenario(json.loads(json.dumps(made.document()))) == made


def test_both_sides_of_combined_rules_are_in_force() -> None:
    own = parse_rules({"filter": "price < 5", "caps": {"brand": 3, "kind": 1}, "pins": {"a": 1}, "exclude": ["x"]})
    always = parse_rules({"filter": "price > 1", "caps": {"brand": 2}, "pins": {"b": 1, "c": 2}, "exclude": ["y", "x"]})
    both = combined(own, always)
    assert (both.filter, both.firm) == (own.filter, always.filter)
    assert {cap.field: cap.most for cap in both.caps} == {"brand": 2, "kind": 1}
    assert dict(both.pins) == {"a": 1, "c": 2}
    assert both.exclude == ("x", "y")


@pytest.mark.parametrize(
    ("asked", "always", "both"),
    [
        (False, True, True),
        ("auto", True, True),
        (True, False, True),
        (False, False, False),
        ("auto", False, False),
        (False, "auto", False),
        ("auto", "auto", "auto"),
    ],
)
def test_what_was_had_stays_away_where_either_side_says_so(asked, always, both) -> None:
    assert combined(Rules(exclude_seen=asked), Rules(exclude_seen=always)).exclude_seen == both


def test_no_request_brings_back_what_always_stays_away(shop: Recommender) -> None:
    shop.feedback(Event(user="ann", item="bread", type="purchase", at=NOW - 100))
    moment = Context(user="ann", at=NOW)
    allowed = Rules(exclude_seen=False)
    assert "bread" in shop.recommend(moment, rules=allowed, keep=False).items
    shop.scenarios.put("new", parse_scenario({"always": True, "rules": {"exclude_seen": True}}))
    shop.scenarios.put("again", parse_scenario({"always": True, "rules": {"exclude_seen": False}}))
    for options in ({"rules": allowed}, {"scenario": "again"}, {}):
        assert "bread" not in shop.recommend(moment, keep=False, **options).items


def test_every_change_is_in_the_log_and_can_be_undone(tmp_path: Path) -> None:
    store = open_store(Settings(home=tmp_path).resolved_store_url)
    registry = Scenarios(store, tmp_path)
    registry.put("home", Scenario(k=3), actor="ann")
    registry.put("home", Scenario(k=5), actor="bob")
    registry.remove("home", actor="cy")
    changes = list(registry.changes())
    assert [(c.actor, c.act, c.before, c.after) for c in changes] == [
        ("ann", "scenario.put", None, {"k": 3}),
        ("bob", "scenario.put", {"k": 3}, {"k": 5}),
        ("cy", "scenario.delete", {"k": 5}, None),
    ]
    with pytest.raises(ConflictError, match="changed again"):
        registry.undo(changes[1].seq)
    registry.undo(changes[2].seq)
    assert registry.get("home") == Scenario(k=5)
    registry.undo(changes[1].seq)
    assert registry.get("home") == Scenario(k=3)
    last = list(registry.changes())[-1]
    registry.undo(last.seq)
    assert registry.get("home") == Scenario(k=5)
    registry.undo(changes[0].seq, force=True)
    assert registry.all() == {}
    with pytest.raises(NotFoundError):
        registry.undo(999)
    store.close()


def test_changes_at_once_lose_none(tmp_path: Path) -> None:
    url = Settings(home=tmp_path).resolved_store_url
    open_store(url).close()

    def put(n: int) -> None:
        store = open_store(url)
        Scenarios(store, tmp_path).put(f"s{n}", Scenario(k=n))
        store.close()

    threads = [threading.Thread(target=put, args=(n,)) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store = open_store(url)
    assert {name: s.k for name, s in Scenarios(store, tmp_path).all().items()} == {f"s{n}": n for n in range(1, 9)}
    store.close()


@pytest.mark.parametrize("name", ["", "A", "a b", "-a", "x" * 65, "ä"])
def test_names_are_plain(tmp_path: Path, name: str) -> None:
    store = open_store(Settings(home=tmp_path).resolved_store_url)
    with pytest.raises(DataError):
        Scenarios(store, tmp_path).put(name, Scenario())
    store.close()


def test_reading_costs_little(tmp_path: Path) -> None:
    store = open_store(Settings(home=tmp_path).resolved_store_url)
    registry = Scenarios(store, tmp_path)
    for n in range(20):
        registry.put(f"s{n}", parse_scenario({"always": True, "rules": {"exclude": [f"item-{n}"]}}))
    begun = time.process_time()
    for _ in range(100):
        resolve(registry.all(), "", NOW)
    assert (time.process_time() - begun) / 100 < 0.025
    store.close()
