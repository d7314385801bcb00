"""Who did what with an item: every event counts once, whatever comes, goes or is refused meanwhile."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occasion import Event, Settings
from occasion.insight.uptake import Uptake
from occasion.people import Consent
from occasion.privacy.guarded import open_guarded

T0 = 1_790_000_000.0
EVERYBODY = ("personalise", "train", "analyse")


def event(n: int, item: str = "soup", **more) -> Event:
    return Event(**{"user": f"u{n % 5}", "item": item, "type": "click", "at": T0 + n, "id": f"e{n}", **more})


class Watched:
    """A store that tells of reads of its log, and does something before each."""

    def __init__(self, store, before=lambda: None) -> None:
        self.store, self.before, self.read = store, before, []

    def __getattr__(self, name):
        return getattr(self.store, name)

    def events(self, after: int = 0):
        self.read.append(after)
        self.before()
        return self.store.events(after)


@pytest.fixture
def store(tmp_path: Path):
    made = open_guarded(Settings(home=tmp_path))
    yield made
    made.close()


def test_events_that_come_while_the_log_is_read_count_once(store) -> None:
    numbers = iter(range(100, 200))
    watched = Watched(store, before=lambda: store.append([event(next(numbers))]))
    store.append([event(n) for n in range(10)])
    uptake = Uptake(watched, EVERYBODY)
    key = store.item_key("soup")
    for _ in range(4):
        taken = uptake.of(key)
    assert taken.events["click"] == len(uptake) == store.counts()["events"] == 11


def test_threads_that_read_at_once_count_once(store) -> None:
    store.append([event(n) for n in range(500)])
    uptake = Uptake(store, EVERYBODY)
    threads = [threading.Thread(target=uptake.refresh) for _ in range(4)]
    for thread in threads:
        thread.start()
    store.append([event(n) for n in range(500, 600)])
    for thread in threads:
        thread.join()
    assert uptake.of(store.item_key("soup")).events == {"click": 600}


def test_a_choice_reads_nothing_anew_and_a_removal_does(store) -> None:
    watched = Watched(store)
    store.append([event(n) for n in range(20)])
    uptake = Uptake(watched, EVERYBODY)
    key = store.item_key("soup")
    uptake.of(key)
    store.put_consents([Consent(purpose="analyse", granted=False, at=T0, user="u1")])
    assert uptake.of(key).events == {"click": 16}
    store.put_consents([Consent(purpose="analyse", granted=True, at=T0, user="u1")])
    assert uptake.of(key).events == {"click": 20}
    assert watched.read == [0]
    store.erase("u2")
    assert uptake.of(key).people == 4
    assert watched.read == [0, 0]


def test_who_left_is_not_held_any_more(store) -> None:
    store.append([event(n) for n in range(20)])
    uptake = Uptake(store, EVERYBODY)
    uptake.forget()
    assert len(uptake) == 0, "nothing is read for those who never looked"
    uptake.refresh()
    store.erase("u4")
    uptake.forget()
    assert len(uptake) == 16


def test_where_the_last_events_are_removed_later_choices_read_nothing_anew(store) -> None:
    watched = Watched(store)
    store.append([*(event(n) for n in range(20)), event(20, type="view")])
    uptake = Uptake(watched, EVERYBODY)
    store.expire_events("view", T0 + 1000)
    key = store.item_key("soup")
    uptake.of(key)
    reads = len(watched.read)
    store.put_consents([Consent(purpose="analyse", granted=False, at=T0, user="u1")])
    assert uptake.of(key).people == 4
    assert len(watched.read) == reads


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 4), st.integers(0, 4)),
        st.tuples(st.just("choose"), st.booleans(), st.integers(0, 4)),
        st.tuples(st.just("erase"), st.just(0), st.integers(0, 4)),
        st.tuples(st.just("expire"), st.integers(0, 40), st.just(0)),
        st.tuples(st.just("look"), st.just(0), st.just(0)),
    ),
    max_size=12,
)


@settings(derandomize=True, max_examples=25, deadline=None)
@given(acts=ACTS)
def test_uptake_is_what_a_walk_over_the_log_finds(acts, tmp_path_factory) -> None:
    store = open_guarded(Settings(home=tmp_path_factory.mktemp("home")))
    try:
        uptake, n = Uptake(store, EVERYBODY), 0
        for act, value, who in [*acts, ("append", 1, 0)]:
            if act == "append":
                store.append([event(n + k, item="ab"[k % 2], user=f"u{who}") for k in range(value)])
                n += value
            elif act == "choose":
                store.put_consents([Consent(purpose="analyse", granted=value, at=T0 + n, user=f"u{who}")])
            elif act == "erase":
                store.erase(f"u{who}")
            elif act == "expire":
                store.expire_events("click", T0 + value)
            else:
                uptake.refresh()
        refusing = {f"u{k}" for k in range(5) if (found := store.consents(f"u{k}")) and not found[-1].granted}
        for item in "ab":
            mine = [one for one in store.read_events() if one.item == item and one.user not in refusing]
            key = store.item_key(item)
            taken = uptake.of(10_000 if key is None else key)
            assert taken.events == Counter(one.type for one in mine)
            assert taken.people == len({one.user for one in mine})
            assert taken.last_at == max((one.at for one in mine), default=None)
    finally:
        store.close()


def test_who_did_something_last_is_named_without_a_walk_over_the_log(store) -> None:
    store.append([event(n) for n in range(500)])
    read: list[tuple[int, int]] = []

    class Told(Watched):
        def read_events(self, after: int = 0, batch: int = 10_000):
            read.append((after, batch))
            return self.store.read_events(after, batch)

    assert set(Uptake(Told(store), EVERYBODY).of(store.item_key("soup")).sample) == {f"u{n}" for n in range(5)}
    assert {batch for _, batch in read} == {1}
