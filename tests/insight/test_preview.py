"""Preview: what a draft would do is what it then does."""

from __future__ import annotations

from pathlib import Path

import pytest

from occasion import Context, Item, Recommender, Settings
from occasion.insight.preview import compare, recent_requests, summary
from occasion.people import Consent
from occasion.privacy.permitted import newest_analysed
from occasion.scenarios import Scenario, parse_scenario

NOW = 1_790_000_000.0


@pytest.fixture
def shop(tmp_path: Path):
    with Recommender(Settings(home=tmp_path)) as made:
        made.store.put_items(Item(id=f"i{n}", text={"title": f"Tea number {n}"}, price=float(n)) for n in range(12))
        for n in range(6):
            made.recommend(Context(user=f"u{n}", at=NOW + n, text="a cup of tea"), 4, scenario="")
        yield made


def previewed(shop: Recommender, name: str, draft: Scenario | None):
    found, notes = recent_requests(shop.store.newest_slates(100), name, bool(draft and draft.always), 50)
    return summary([compare(shop, slate, name, draft) for slate in found], {}, notes)


def test_a_draft_that_changes_nothing_changes_nothing(shop: Recommender) -> None:
    result = previewed(shop, "home", Scenario())
    assert (result.requests, result.changed, result.entered, result.left) == (6, 0, (), ())
    assert "No recent request named the scenario home" in result.notes[0]


def test_the_preview_says_what_happens_once_it_is_saved(shop: Recommender) -> None:
    draft = parse_scenario(
        {"always": True, "rules": {"exclude": ["i3"], "filter": "price > 8", "pins": {"i11": 1}}, "active_from": NOW + 1e6}
    )
    result = previewed(shop, "home", draft)
    assert (result.requests, result.changed, result.shorter, result.empty) == (6, 6, 6, 0)
    assert result.notes == ()
    assert {m.item for m in result.entered} <= {"i9", "i10", "i11"}
    assert all(example.after[0] == "i11" for example in result.examples)
    assert shop.scenarios.all() == {}
    assert shop.store.counts()["slates"] == 6
    shop.scenarios.put("home", parse_scenario({**draft.document(), "active_from": NOW}))
    for example in result.examples:
        slate = shop.store.get_slate(example.slate)
        assert shop.recommend(slate.context, 4, slate_id=slate.id, keep=False).items == example.after
    gone = previewed(shop, "home", None)
    assert gone.requests == 6


def test_a_draft_that_only_explores_changes_lists(shop: Recommender) -> None:
    result = previewed(shop, "home", Scenario(always=True, explore=1.0))
    assert result.requests == 6
    assert result.changed > 0
    assert set(result.titles) == {item for one in result.examples for item in (*one.before, *one.after)}
    shop.scenarios.put("home", Scenario(always=True, explore=1.0))
    assert previewed(shop, "home", Scenario(always=True, explore=1.0)).changed == 0


def test_a_scenario_that_requests_name_is_tried_on_those(shop: Recommender) -> None:
    shop.scenarios.put("tea", Scenario(k=2, signals={"place": "home"}))
    for n in range(3):
        shop.recommend(Context(user=f"v{n}", at=NOW + 10 + n), scenario="tea")
    result = previewed(shop, "tea", Scenario(k=3, signals={"place": "work"}))
    assert (result.requests, result.longer) == (3, 3)
    removed = previewed(shop, "tea", None)
    assert removed.requests == 3


def test_answers_to_those_who_refuse_are_not_looked_at(shop: Recommender) -> None:
    shop.store.put_consents([Consent(purpose="analyse", granted=False, at=NOW, user="u1")])
    found = newest_analysed(shop.store, shop.settings.granted_by_default, 100)
    assert {slate.context.user for slate in found} == {f"u{n}" for n in range(6)} - {"u1"}
