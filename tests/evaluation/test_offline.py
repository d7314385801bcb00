"""The whole evaluation on real stores: no look into the future, figures that can be checked by hand, nothing harmed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from shop import HOUR, START, HashedWords, shop_events, shop_items

from occasion import metrics
from occasion.data import Context, Event, Item
from occasion.errors import DataError
from occasion.evaluation import Report, evaluate
from occasion.evaluation.offline import held_out_recommender
from occasion.evaluation.queries import Answers, ask
from occasion.evaluation.split import Split, split_log
from occasion.evaluation.systems import OCCASION, Systems
from occasion.keyed import joined
from occasion.protocols import EventColumns, Store
from occasion.recommender import Recommender
from occasion.settings import Settings, load_settings

MakeShop = Callable[..., Store]


def log(store: Store) -> EventColumns:
    return joined(list(store.events()))


def asked(store: Store, settings: Settings, **options: float) -> tuple[Split, Answers]:
    columns = log(store)
    split = split_log(columns, **options)
    recommender = held_out_recommender(settings, store, split, encoder=HashedWords())
    return split, ask(Systems(recommender), store, split, split.moments, columns, k=5, now=START)


def report_on(store: Store, settings: Settings, **options: object) -> Report:
    return evaluate(settings, store=store, encoder=HashedWords(), now=START, **{"draws": 100} | options)


def altered(events: Sequence[Event], change: Callable[[Event], bool]) -> list[Event]:
    """Give other items, types and signals to some of the events."""
    return [replace(e, item="i/39", type="purchase", signals={"weather": "snow"}) if change(e) else e for e in events]


# -- no look into the future --------------------------------------------------------------------------------------------
def test_altering_what_comes_after_the_cut_changes_no_first_answer(open_shop: MakeShop, settings: Settings) -> None:
    events = shop_events()
    split, answers = asked(open_shop(events), settings)
    cut = split.cut
    assert cut is not None
    first = Counter(split.moments.user.tolist())
    # The first query of each person after the cut sees nothing but the past: whatever follows may change at will.
    firsts = [n for n, u in enumerate(split.moments.user) if u not in split.moments.user[:n]]
    assert len(firsts) == len(first) > 5
    late = [e for e in events if e.at is not None and e.at >= cut]
    changed = [replace(e, item=f"i/{39 - int(e.item[2:])}") for e in late]
    other_split, other = asked(open_shop([e for e in events if e not in late] + changed), settings)
    assert other_split.cut == cut
    for name, lists in answers.lists.items():
        for n in firsts:
            assert lists[n].tolist() == other.lists[name][n].tolist(), name
    differ = [n for n in range(len(answers.users)) if answers.lists[OCCASION][n].tolist() != other.lists[OCCASION][n].tolist()]
    assert differ, "later queries see the changed history of their own person, else the test proves nothing"


@pytest.mark.parametrize("which", [0, 3, 10, 30])
def test_altering_what_comes_after_a_request_or_of_others_changes_no_answer(
    open_shop: MakeShop, settings: Settings, which: int
) -> None:
    events = shop_events()
    split, answers = asked(open_shop(events), settings)
    user, at = f"u {split.moments.user[which]}", float(split.moments.at[which])
    keys = {f"u {n}": n for n in range(12)}

    def unseen(event: Event) -> bool:
        assert event.at is not None
        mine = keys[event.user or ""] == int(user[2:])
        return event.at >= (at if mine else split.cut) and not (mine and event.at == at)

    _, other = asked(open_shop(altered(events, unseen)), settings, until=split.cut)
    for name, lists in answers.lists.items():
        assert lists[which].tolist() == other.lists[name][which].tolist(), name


def test_without_times_altering_what_is_held_out_changes_no_answer(open_shop: MakeShop, settings: Settings) -> None:
    events = shop_events(timed=False)
    split, answers = asked(open_shop(events), settings)
    assert split.mode == "order"
    held = set(split.held_out.tolist())
    changed = [replace(e, item=f"i/{39 - int(e.item[2:])}") if n + 1 in held else e for n, e in enumerate(events)]
    _, other = asked(open_shop(changed), settings)
    for name, lists in answers.lists.items():
        assert [keys.tolist() for keys in lists] == [keys.tolist() for keys in other.lists[name]], name
    assert [a.tolist() for a in answers.relevant] != [a.tolist() for a in other.relevant]


def test_counts_kept_from_the_whole_log_are_not_used_and_stay_as_they_were(open_shop: MakeShop, settings: Settings) -> None:
    events = shop_events(people=15, visits=80)
    store = open_shop(events)
    fresh = report_on(store, settings, max_queries=40)
    served = load_settings(home=settings.home.with_name("served"))
    with Recommender(served, store=store, encoder=HashedWords()) as serving:
        serving.refresh()
    kept = served.home / "derived" / "statistics.npys"
    before = kept.read_bytes()
    assert report_on(store, served, max_queries=40).to_dict()["systems"] == fresh.to_dict()["systems"]
    assert kept.read_bytes() == before
    for home in (served, settings):
        with Recommender(home, store=store, encoder=HashedWords()) as serving:
            serving.refresh()
            assert serving.live.statistics.events == len(events)


# -- figures that can be checked by hand ----------------------------------------------------------------------------------
def test_the_recommender_is_measured_as_it_answers(open_shop: MakeShop, settings: Settings) -> None:
    events = shop_events()
    store = open_shop(events)
    split, _ = asked(store, settings)
    values = []
    with Recommender(settings, store=store, encoder=HashedWords(), until=split.cut) as by_hand:
        for event in events:
            if event.at is not None and split.cut is not None and event.at >= split.cut:
                context = Context(user=event.user, at=event.at, signals=event.signals)
                seq = 1 + events.index(event)
                slate = by_hand.recommend(context, 10, slate_id=f"evaluation:{seq}", keep=False)
                values.append(metrics.ndcg([int(i[2:]) for i in slate.items], {int(event.item[2:])}))
    report = report_on(store, settings)
    assert report.protocol["queries"] == len(values) == len(split.moments)
    assert report.systems[OCCASION]["ndcg"].mean == pytest.approx(np.mean(values))


def test_baselines_rank_as_their_names_say(open_shop: MakeShop, settings: Settings) -> None:
    events = shop_events()
    store = open_shop(events)
    split, answers = asked(store, settings)
    counts = Counter(e.item for e in events if e.at is not None and split.cut is not None and e.at < split.cut)
    keys = {f"i/{n}": store.item_key(f"i/{n}") for n in range(40)}
    for n in range(len(answers.users)):
        shown = answers.lists["popular"][n].tolist()
        weights = [counts[i] for k in shown for i in keys if keys[i] == k]
        assert weights == sorted(weights, reverse=True)
        assert len(shown) == 5
    best = {keys[i] for i, c in counts.items() if c > sorted(counts.values())[-5]}
    assert best <= set(answers.lists["popular"][0].tolist())


def test_a_habit_that_depends_on_the_weather_is_found(open_shop: MakeShop, settings: Settings) -> None:
    report = report_on(open_shop(shop_events(visits=60)), settings, slices=("weather", "history"))
    assert report.systems[OCCASION]["ndcg"].mean > 1.5 * report.systems["popular"]["ndcg"].mean
    assert report.differences["popular"]["ndcg"].low > 0
    assert set(report.slices["weather"]) == {"rain", "sunny"}
    whole = report.protocol["queries"]
    assert sum(g.queries for g in report.slices["weather"].values()) == whole
    assert sum(g.queries for g in report.strata.values()) == whole
    mean = sum(g.queries * g.ndcg[OCCASION].mean for g in report.slices["weather"].values()) / whole
    assert mean == pytest.approx(report.systems[OCCASION]["ndcg"].mean)


def test_numbers_are_sliced_at_their_quartiles(open_shop: MakeShop, settings: Settings) -> None:
    groups = report_on(open_shop(shop_events(visits=120)), settings, slices=("temperature",)).slices["temperature"]
    assert len(groups) == 4
    sizes = [g.queries for g in groups.values()]
    assert max(sizes) - min(sizes) <= 1
    assert next(iter(groups)).startswith("below")


def test_strata_tell_cold_items_and_new_users_apart(open_shop: MakeShop, settings: Settings) -> None:
    events = shop_events()
    late = START + 1000 * HOUR
    events += [Event(user="u 1", item="i/40", at=late), Event(user="nobody before", item="i/1", at=late)]
    events += [Event(session="a visitor", item="i/2", at=late)]
    report = report_on(open_shop(events, shop_items(41)), settings, until=late - HOUR)
    assert {name: g.queries for name, g in report.strata.items()} == {"cold item": 1, "new user": 2}
    assert report.protocol["users"] == 3


def test_events_of_one_moment_are_one_query_with_several_answers(open_shop: MakeShop, settings: Settings) -> None:
    late = START + 1000 * HOUR
    basket = [Event(user="u 1", item=f"i/{n}", at=late + n) for n in range(4)]
    report = report_on(open_shop([*shop_events(), *basket]), settings, until=late)
    assert report.protocol["queries"] == 1
    assert report.protocol["answers"] == 4


def test_the_sample_is_drawn_by_the_seed(open_shop: MakeShop, settings: Settings) -> None:
    store = open_shop(shop_events())
    one, two, other = (report_on(store, settings, max_queries=10, seed=seed) for seed in (1, 1, 2))
    assert one == two
    assert one.systems != other.systems
    assert one.protocol["queries"] == 10
    assert any("drawn at random" in note for note in one.notes)


@pytest.mark.parametrize(
    ("option", "value"),
    [("k", 3), ("share", 0.3), ("window", 0.0), ("diversity", 0.9), ("baselines", ("popular",)), ("until", START + 100 * HOUR)],
)
def test_every_option_matters(open_shop: MakeShop, settings: Settings, option: str, value: object) -> None:
    pairs = [e for e in shop_events() for e in (e, replace(e, id=f"{e.id}+", item="i/5", at=(e.at or 0) + 30))]
    store = open_shop(pairs)
    assert report_on(store, settings, max_queries=25, **{option: value}) != report_on(store, settings, max_queries=25)


# -- bad input ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"k": 0}, "k is 0"),
        ({"k": 2.5}, "k is 2.5"),
        ({"max_queries": 0}, "max_queries"),
        ({"seed": -1}, "seed"),
        ({"draws": 10}, "draws"),
        ({"baselines": ("best",)}, "no baseline 'best'"),
        ({"share": 2.0}, "share"),
        ({"until": float("nan")}, "not a time"),
    ],
)
def test_options_out_of_range_are_said(open_shop: MakeShop, settings: Settings, options: dict[str, object], said: str) -> None:
    with pytest.raises(DataError, match=said):
        report_on(open_shop(shop_events(people=3)), settings, **options)


def test_a_store_without_events_or_items_says_so(open_shop: MakeShop, settings: Settings) -> None:
    with pytest.raises(DataError, match="no events"):
        report_on(open_shop([]), settings)
    with pytest.raises(DataError, match="import the items first"):
        report_on(open_shop(shop_events(), items=[]), settings)


def test_answers_the_catalogue_does_not_describe_are_left_out_and_counted(open_shop: MakeShop, settings: Settings) -> None:
    report = report_on(open_shop(shop_events(), items=shop_items(20)), settings)
    assert any("left out" in note for note in report.notes)
    assert report.protocol["queries"] < 36


def test_a_slice_that_no_query_has_is_said(open_shop: MakeShop, settings: Settings) -> None:
    report = report_on(open_shop(shop_events()), settings, max_queries=5, slices=("mood",))
    assert not report.slices
    assert any("mood" in note and "weather" in note for note in report.notes)


def test_one_event_of_one_user_cannot_be_measured(open_shop: MakeShop, settings: Settings) -> None:
    with pytest.raises(DataError, match="Cure"):
        report_on(open_shop([Event(user="u", item="i/1", at=START)]), settings)


def test_a_report_is_plain_json(open_shop: MakeShop, settings: Settings) -> None:
    report = report_on(open_shop(shop_events(), [*shop_items(), Item(id="new", text={"title": "new"})]), settings)
    plain = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert plain["protocol"]["k"] == 10
    assert set(plain["systems"]) == {OCCASION, "popular", "popular-now", "co-occurrence", "text-only"}
    assert plain["protocol"]["items"] == 41
