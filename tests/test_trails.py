"""What people did last is what the log says, however often events are counted again."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from occasion import trails
from occasion.data import Event
from occasion.protocols import EventColumns, Store
from occasion.stores import open_store
from occasion.trails import Trails


def batch(store: Store, after: int, size: int) -> EventColumns:
    return next(store.events(after=after, batch=size))


def logged(store: Store, people: list[int]) -> None:
    store.append([Event(id=f"e{n}", user=f"u{who}", item=f"i{n % 7}", type="click") for n, who in enumerate(people)])


def followed(store: Store, end: int, size: int) -> Trails:
    """Return trails that have followed the log up to an event, batch by batch."""
    held = Trails(store)
    for after in range(0, end, size):
        columns = batch(store, after, size)
        held.before(columns)
        held.follow(columns)
    return held


@given(
    people=st.lists(st.integers(0, 7), min_size=1, max_size=60),
    steps=st.lists(st.tuples(st.integers(1, 9), st.none() | st.integers(0, 12)), max_size=25),
)
def test_trails_are_those_of_the_log_also_where_events_are_counted_again(people, steps):
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{Path(folder) / 'log.db'}")
        logged(store, people)
        narrow = {"LONG": 3, "PEOPLE": 5, "NOTED": 15}
        before = {name: getattr(trails, name) for name in narrow}
        for name, value in narrow.items():
            setattr(trails, name, value)
        try:
            held, cursor = Trails(store), 0
            for size, back in steps:
                if back is not None:
                    cursor = max(0, cursor - back)
                    held.go_back(cursor)
                if cursor < len(people):
                    columns = batch(store, cursor, size)
                    first = int(columns.seq[0])
                    found = held.before(columns)
                    assert set(found) == set(columns.user.tolist())
                    for user, items in found.items():
                        whole = store.trails([user], first, 1000)[user]
                        assert len(items) >= min(len(whole), 3)
                        assert list(items) == whole[len(whole) - len(items) :]
                    held.follow(columns)
                    assert len(held) <= 5
                    cursor = int(columns.seq[-1])
        finally:
            for name, value in before.items():
                setattr(trails, name, value)
            store.close()


def test_who_did_nothing_since_stays_at_hand(tmp_path):
    store = open_store(f"sqlite:///{tmp_path / 'log.db'}")
    logged(store, [*range(100), 3, 5, 3])
    held = followed(store, 103, 50)
    held.go_back(100)
    assert len(held) == 98
    held.go_back(40)
    assert len(held) == 0, "of one batch only all are known"
    store.close()


def test_where_it_is_not_noted_who_did_something_since_all_are_forgotten(tmp_path, monkeypatch):
    monkeypatch.setattr(trails, "NOTED", 10)
    store = open_store(f"sqlite:///{tmp_path / 'log.db'}")
    logged(store, list(range(40)))
    held = followed(store, 40, 5)
    held.go_back(35)
    assert len(held) == 35
    held.go_back(29)
    assert len(held) == 0
    store.close()
