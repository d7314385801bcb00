"""The doctor finds what is odd, and says nothing of what is not."""

import numpy as np
import pytest

from occasion.data import Event, Item, User
from occasion.doctor import examine
from occasion.stores import open_store

NOW = 1.75e9
DAY = 86_400.0


@pytest.fixture
def store(tmp_path):
    store = open_store(f"sqlite:///{tmp_path / 'o.db'}")
    yield store
    store.close()


def healthy(store, users=60, each=20, items=100):
    """People who do this and that, at human speed, with goods that all have a text."""
    rng = np.random.default_rng(0)
    store.put_items(Item(id=f"i{n}", text={"title": f"thing number {n}"}, categories=(f"shelf {n % 5}",)) for n in range(items))
    store.put_users(User(id=f"u{n}") for n in range(users))
    store.append(
        [
            Event(
                item=f"i{rng.integers(items)}",
                user=f"u{user}",
                type="purchase",
                at=NOW - 100 * DAY + 3 * DAY * k + float(rng.uniform(0, DAY)),
                signals={"weather": ["rain", "sun", "snow"][int(rng.integers(3))]},
            )
            for user in range(users)
            for k in range(each)
        ]
    )


def names(store):
    return {finding.name: finding for finding in examine(store, NOW)}


def test_healthy_data_gives_no_finding(store):
    healthy(store)
    assert names(store) == {}


def test_an_empty_store_is_told_how_to_begin(store):
    found = names(store)
    assert list(found) == ["empty"]
    assert "occasion import" in found["empty"].cure


def test_one_is_not_many(store):
    store.put_items([Item(id="tea", text={"title": "Tea"})])
    store.append([Event(user="ann", item="nowhere", at=NOW + DAY)])
    assert names(store)["undescribed-items"].message.startswith("1 item is named")
    assert names(store)["future-times"].message == "1 event (100.0 %) lies in the future"


def odd(events=(), items=()):
    def make(store):
        healthy(store)
        store.put_items(items)
        store.append(list(events))

    return make


def click(n, **given):
    return Event(**{"item": f"i{n % 100}", "user": f"u{n % 60}", "at": NOW - 50 * DAY + n * 1000.0, "id": f"odd{n}", **given})


CASES = {
    "future-times": (odd([click(n, at=NOW + 2 * DAY) for n in range(3)]), 3, "u0"),
    "no-times": (odd([click(n, at=None) for n in range(4)]), 4, "u0"),
    "early-times": (odd([click(n, at=float(n)) for n in range(5)]), 5, "u0"),
    "impossible-rates": (odd([click(n, user="robot", at=NOW - DAY + n * 0.5) for n in range(100)]), 1, "robot"),
    "duplicate-events": (odd([click(7, id=f"again{n}") for n in range(3)]), 2, "u7"),
    "undescribed-items": (odd([click(n, item="nowhere") for n in range(6)]), 1, "nowhere"),
    "items-without-text": (odd(items=[Item(id="mute", price=1.0), Item(id="blank", text={"title": "  "})]), 2, "mute"),
    "duplicate-items": (odd(items=[Item(id=f"twin{n}", text={"title": "twin"}) for n in range(3)]), 2, "twin0 = twin1 = twin2"),
    "expired-items": (odd(items=[Item(id="old", text={"title": "old"}, available_until=NOW - 1)]), 1, "old"),
    "cold-items": (odd(items=[Item(id=f"new{n}", text={"title": f"new {n}"}) for n in range(50)]), 50, "new0"),
    "skewed-items": (odd([click(n, item="i3", id=f"skew{n}") for n in range(2000)]), 1, "i3"),
    "skewed-users": (odd([click(n, user="u5", at=NOW - 50 * DAY + 1000.0 * n) for n in range(2000)]), 1, "u5"),
    "near-empty-users": (odd([click(n, user=f"once{n}") for n in range(200)]), 200, "once0"),
    "unique-signal": (odd([click(n, signals={"request": f"r{n}"}) for n in range(300)]), 300, "r0"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_odd_is_found_counted_and_shown(store, name):
    make, count, example = CASES[name]
    make(store)
    finding = names(store)[name]
    assert finding.count == count
    assert example in finding.examples
    assert finding.cure
    assert f"{count:,}" in finding.message


def test_sessions_are_people_too(store):
    healthy(store)
    store.append([click(n, user=None, session="visit", at=NOW + DAY + n) for n in range(2)])
    assert names(store)["future-times"].examples == ("session visit",)


def test_a_full_basket_is_no_robot(store):
    healthy(store)
    store.append([click(n, user="u1", at=NOW - DAY) for n in range(300)])
    assert "impossible-rates" not in names(store)


def test_a_flood_at_one_moment_and_a_whole_day_of_clicks_are(store):
    healthy(store)
    store.append([click(n, user="flood", item=f"i{n % 100}", at=NOW - DAY) for n in range(600)])
    store.append([click(n, user="day", id=f"day{n}", at=NOW - 5 * DAY + n * 10.0) for n in range(6000)])
    assert set(names(store)["impossible-rates"].examples) == {"flood", "day"}


def test_one_category_and_constant_signals(store):
    store.put_items(Item(id=f"i{n}", text={"title": f"thing {n}"}, categories=("all", f"part {n % 3}")) for n in range(20))
    store.append(
        [Event(item=f"i{n % 20}", user=f"u{n % 9}", at=NOW - 1e6 + 999.0 * n, signals={"shop": "x", "n": n}) for n in range(150)]
    )
    found = names(store)
    assert found["one-category"].examples == ("all",)
    assert found["constant-signal"].examples == ("shop",)
    assert "unique-signal" not in found, "numbers may all differ"


def test_only_impressions(store):
    store.put_items([Item(id="i", text={"title": "t"})])
    store.append([Event(item="i", user="u", type="impression", at=NOW - 1)])
    assert names(store)["no-liking"].severity == "warning"


def test_the_gravest_comes_first(store):
    odd([click(n, at=NOW + 2 * DAY) for n in range(3)], [Item(id="mute")])(store)
    order = [finding.severity for finding in examine(store, NOW)]
    assert order == sorted(order, key=["error", "warning", "info"].index)
    assert order[0] == "error"
