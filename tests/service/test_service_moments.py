"""Signals met in the data, a person's taste, and the search for people."""

from __future__ import annotations

import time

from occasion.data import Event, Item
from occasion.settings import Settings
from occasion.stores import open_store

EVENING, NOON = 1_790_017_200.0, 1_789_992_000.0
"""2026-09-21, 19:00 and 12:00 UTC."""


def known(http):
    """Tell the shop of somebody who takes snacks in the evening with friends, and of others who do not."""
    store = open_store(Settings(home=http.app.state.service.settings.home).resolved_store_url)
    store.put_items(
        [Item(id=f"s{n}", text={"title": f"Snack {n}"}, categories=("food", "snacks"), price=2.0 + n) for n in range(4)]
    )
    store.put_items([Item(id=f"m{n}", text={"title": f"Meal {n}"}, categories=("food", "meals"), price=9.0) for n in range(4)])
    mine = [(f"s{n % 4}", "ann", EVENING, "friends") for n in range(12)]
    others = [(f"m{n % 4}", f"other{n}", NOON, "alone") for n in range(36)]
    events = [
        Event(item=item, user=user, type="purchase", at=at + 86_400.0 * (n // 4), signals={"company": company}, id=f"e{n}")
        for n, (item, user, at, company) in enumerate(mine + others)
    ]
    store.append(events)
    store.close()


def test_a_taste_names_what_a_person_does_more_than_others(serve):
    http = serve()
    known(http)
    taste = http.get("/v1/people/taste", params={"user": "ann"}).json()
    assert (taste["allowed"], taste["events"], taste["kinds"]) == (True, 12, {"purchase": 12})
    chosen = {habit["value"]: habit for habit in taste["chosen"]}
    assert chosen["snacks"]["share"] == 1.0
    assert chosen["snacks"]["lift"] > 2
    assert "food" not in chosen or chosen["food"]["lift"] < chosen["snacks"]["lift"]
    moments = {(habit["name"], habit["value"]) for habit in taste["moments"]}
    assert ("company", "friends") in moments
    assert ("part_of_day", "evening") in moments
    assert {one["item"] for one in taste["favourites"]} == {"s0", "s1", "s2", "s3"}
    assert taste["prices"] == [2.75, 3.5, 4.25]


def test_who_refuses_to_be_analysed_has_no_taste(serve):
    http = serve()
    known(http)
    http.put("/v1/people/consent", json={"user": "ann", "purpose": "analyse", "granted": False, "at": time.time()})
    taste = http.get("/v1/people/taste", params={"user": "ann"}).json()
    assert (taste["allowed"], taste["events"], taste["chosen"]) == (False, 0, [])
    assert http.get("/v1/people/taste", params={"user": "nobody at all"}).status_code == 404
    assert http.get("/v1/people/taste").status_code == 422


def test_the_events_of_who_refuses_to_be_analysed_are_for_their_own_access(serve):
    http = serve()
    known(http)
    told = http.get("/v1/events", params={"user": "ann"}).json()
    assert (told["analysed"], len(told["events"])) == (True, 12)
    http.put("/v1/people/consent", json={"user": "ann", "purpose": "analyse", "granted": False, "at": time.time()})
    keys = http.app.state.service.keys
    for role, number in (("read", 0), ("write", 0), ("admin", 12)):
        headers = {"authorization": f"Bearer {keys.create(role)[1]}"}
        told = http.get("/v1/events", params={"user": "ann"}, headers=headers).json()
        assert (told["analysed"], len(told["events"])) == (False, number), role
        assert http.get("/v1/events", params={"user": "other1"}, headers=headers).json()["analysed"]


def test_signals_are_those_of_the_data(serve):
    http = serve()
    known(http)
    told = http.get("/v1/signals").json()
    found = {signal["name"]: {value["value"]: value["evidence"] for value in signal["values"]} for signal in told["signals"]}
    assert set(found["company"]) == {"friends", "alone"}
    assert found["company"]["alone"] > found["company"]["friends"] > 0
    assert {"categories", "price", "title"} <= set(told["fields"])


def test_people_are_found_by_a_part_of_their_id(serve):
    http = serve()
    known(http)
    assert http.get("/v1/users/search", params={"text": "ann"}).json() == {"users": ["ann"]}
    found = http.get("/v1/users/search", params={"text": "ther1", "limit": 3}).json()["users"]
    assert found == ["other1", "other10", "other11"]
    assert len(http.get("/v1/users/search").json()["users"]) == 20


def test_events_tell_the_context_they_happened_in(serve):
    http = serve()
    known(http)
    event = http.get("/v1/events", params={"user": "ann", "limit": 1}).json()["events"][0]
    assert event["signals"] == {"company": "friends"}
