"""Each oddity put into a real store is found, and a clean store has none of them."""

import numpy as np
import pytest

from occasion.data import Event, Item
from occasion.doctor import examine
from occasion.stores import open_store

NOW = 1_790_000_000.0


@pytest.fixture
def store(tmp_path):
    made = open_store(f"sqlite:///{tmp_path / 'a.db'}")
    yield made
    made.close()


def clean(store):
    store.put_items([Item(id=f"i{n}", text={"title": f"thing number {n}"}) for n in range(20)])
    rng = np.random.default_rng(0)
    store.append(
        [Event(user=f"u{n % 10}", item=f"i{rng.integers(20) if n >= 20 else n}", at=NOW - 10**6 + 700 * n) for n in range(400)]
    )


def names(store):
    return {f.name: f for f in examine(store, NOW)}


def test_a_clean_store_has_nothing_odd(store):
    clean(store)
    assert not names(store)


@pytest.mark.parametrize(
    ("name", "add"),
    [
        ("items-without-text", lambda s: s.put_items([Item(id="bare")]) or s.append([Event(user="u1", item="bare", at=NOW - 5)])),
        ("items-with-one-text", lambda s: s.put_items([Item(id="i0", text={"title": "Thing number 1"})])),
        ("items-not-described", lambda s: s.append([Event(user="u1", item="ghost", at=NOW - 5)])),
        ("future-times", lambda s: s.append([Event(user="u1", item="i1", at=NOW + 86400)])),
        ("no-times", lambda s: s.append([Event(user="u1", item="i1")])),
        ("positions", lambda s: s.append([Event(user="u1", item="i1", at=7.0)])),
        (
            "impossible-rates",
            lambda s: s.append([Event(user="robot", item=f"i{n % 20}", at=NOW - 100 + n / 10) for n in range(150)]),
        ),
        ("cold-items", lambda s: s.put_items([Item(id="new", text={"title": "brand new"})])),
        ("duplicates", lambda s: s.append([Event(id=f"e{n}", user="u1", item="i1", at=NOW - 9) for n in range(2)])),
        ("constant-signals", lambda s: s.append([Event(user="u1", item="i1", at=NOW - 9, signals={"shop": "main"})])),
        ("ratings-without-value", lambda s: s.append([Event(user="u1", item="i1", at=NOW - 9, type="rating")])),
        ("one-event-people", lambda s: s.append([Event(user=f"once{n}", item="i1", at=NOW - 9999 + n * 70) for n in range(50)])),
        (
            "skew-items",
            lambda s: s.append(
                [Event(user=f"u{n % 10}", item="i1" if n % 3 else f"x{n}", at=NOW - 9e5 + n * 70) for n in range(2000)]
            ),
        ),
    ],
)
def test_each_oddity_is_found_with_a_cure(store, name, add):
    clean(store)
    add(store)
    found = names(store)
    assert name in found
    assert found[name].cure
    assert found[name].count >= 1


def test_an_empty_store_and_a_catalogue_alone(store):
    assert set(names(store)) == {"no-items"}
    store.put_items([Item(id="a", text={"title": "b"})])
    assert set(names(store)) == {"no-events"}
