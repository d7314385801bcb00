"""What every store must do. A test module makes a fixture ``urls`` (gives new addresses) and inherits `StoreContract`."""

import math
import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from occasion.data import Context, Event, Item, Slate, SlateEntry, User
from occasion.errors import DataError, StoreError
from occasion.protocols import Coded, EventBatch, Store
from occasion.stores import open_store

# One contract runs in several classes, so examples are not kept: those of one class say nothing about another.
SETTINGS = {
    "deadline": None,
    "database": None,
    "max_examples": 25,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
}

ids = st.one_of(
    st.sampled_from(
        ["a/b", "a//b?c=d#e", "🎉", "编号 七", "o'brien", '"quoted"', "NULL", "x\x00y", "%_", "0", "00", "é", "é", "f" * 32]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(lambda t: t.strip()),
)
texts = st.text(max_size=20)
numbers = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.one_of(texts, st.integers(), numbers, st.booleans())
names = st.text(min_size=1, max_size=8).filter(lambda t: t.strip())
times = st.floats(min_value=-2.2e9, max_value=1.6e10)

items = st.builds(
    Item,
    id=ids,
    text=st.dictionaries(names, texts, max_size=3),
    attributes=st.dictionaries(names, st.one_of(scalars, st.lists(texts, max_size=3).map(tuple)), max_size=3),
    categories=st.lists(texts, max_size=3).map(tuple),
    price=st.none() | st.floats(min_value=0, allow_nan=False, allow_infinity=False),
    available_from=st.none() | st.floats(min_value=0, max_value=1e9),
    available_until=st.none() | st.floats(min_value=2e9, max_value=3e9),
    media=st.dictionaries(names, texts, max_size=2),
)
users = st.builds(User, id=ids, attributes=st.dictionaries(names, scalars, max_size=3))


@st.composite
def events(draw):
    user, session = draw(st.sampled_from([(True, False), (False, True), (True, True)]))
    return Event(
        item=draw(ids),
        user=draw(ids) if user else None,
        session=draw(ids) if session else None,
        type=draw(st.sampled_from(["click", "view", "purchase", "下单", "ma/king"])),
        value=draw(st.none() | numbers),
        at=draw(st.none() | times),
        text=draw(texts),
        signals=draw(st.dictionaries(names, scalars, max_size=3)),
        slate=draw(st.none() | ids),
        id=draw(st.just("") | ids),
    )


slates = st.builds(
    Slate,
    id=ids,
    context=st.builds(
        Context,
        user=st.none() | ids,
        session=st.none() | ids,
        at=st.none() | times,
        text=texts,
        signals=st.dictionaries(names, scalars, max_size=3),
        time_zone=st.none() | names,
        country=st.none() | names,
        locale=st.sampled_from(["en", "zh"]),
        recent=st.lists(ids, max_size=2).map(tuple),
    ),
    entries=st.lists(
        st.builds(
            SlateEntry,
            item=ids,
            score=numbers,
            propensity=st.floats(min_value=0.01, max_value=1),
            parts=st.dictionaries(st.sampled_from(["moment", "history"]), numbers),
            because=st.lists(ids, max_size=2).map(tuple),
            reason=st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
        ),
        max_size=3,
    ).map(tuple),
    sentence=texts,
    notes=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), max_size=2).map(tuple),
    version=st.sampled_from(["", "v1"]),
    policy=st.sampled_from(["", "diverse"]),
    scenario=st.sampled_from(["", "home"]),
)


def event(number: int, **given) -> Event:
    return Event(**{"item": f"i{number % 7}", "user": f"u{number % 5}", "at": 1.7e9 + number, "id": f"e{number}", **given})


def column(values) -> Coded:
    known = [v for v in dict.fromkeys(values) if v is not None]
    return Coded(known, np.array([-1 if v is None else known.index(v) for v in values], np.int32))


def as_batch(chosen: list[Event]) -> EventBatch:
    return EventBatch(
        id=[e.id for e in chosen],
        user=column([e.user for e in chosen]),
        session=column([e.session for e in chosen]),
        item=column([e.item for e in chosen]),
        type=column([e.type for e in chosen]),
        slate=column([e.slate for e in chosen]),
        # Pairs with equal content may be listed twice; the store must see that they are one.
        context=Coded(
            [(e.text, dict(e.signals)) for e in chosen],
            np.array([n if e.text or e.signals else -1 for n, e in enumerate(chosen)], np.int32),
        ),
        value=np.array([math.nan if e.value is None else e.value for e in chosen], float),
        at=np.array([math.nan if e.at is None else e.at for e in chosen], float),
    )


def once(chosen: list[Event]) -> list[Event]:
    first: dict[str, Event] = {}
    for e in chosen:
        first.setdefault(e.id, e)
    return list(first.values())


class StoreContract:
    @pytest.fixture
    def store(self, urls):
        store = open_store(urls())
        yield store
        store.close()

    def test_is_a_store(self, store):
        assert isinstance(store, Store)

    def test_an_empty_store_answers_everything(self, store):
        assert store.cursor() == (0, 0, 0)
        assert set(store.counts().values()) == {0}
        assert set(store.counts()) == {"items", "users", "events", "contexts", "slates"}
        for stream in (store.items(), store.users(), store.events(), store.read_events(), store.contexts(), store.slates()):
            assert list(stream) == []
        assert store.get_items(["a"]) == {}
        assert store.get_user("a") is None
        assert store.get_slate("a") is None
        assert store.item_key("a") is None
        assert store.user_key("a") is None
        assert store.user_key(None, None) is None
        assert len(store.history(0).seq) == 0
        assert store.append([]) == 0
        assert store.put_items([]) == 0
        assert store.delete_items(["a"]) == 0

    # -- round trips ----------------------------------------------------------------------------------------------------
    @settings(**SETTINGS)
    @given(st.lists(items, max_size=8))
    def test_items_come_back_as_they_were(self, urls, given_items):
        store = open_store(urls())
        last = {item.id: item for item in given_items}
        assert store.put_items(given_items) == len(last)
        assert store.get_items(list(last)) == last
        assert {stored.id: stored.item for stored in store.items()} == last
        for item in last.values():
            kept = store.get_items([item.id])[item.id]
            assert list(kept.text) == list(item.text), "the reading order of text fields is kept"
            assert repr(kept) == repr(item), "1, 1.0 and True stay what they are"
        store.close()

    @settings(**SETTINGS)
    @given(st.lists(users, max_size=8))
    def test_users_come_back_as_they_were(self, urls, given_users):
        store = open_store(urls())
        last = {user.id: user for user in given_users}
        assert store.put_users(given_users) == len(last)
        assert store.put_users(given_users[::-1][: len(last)]) <= len(last)
        store.put_users(last.values())
        assert {user.id: user for user in store.users()} == last
        assert all(store.get_user(i) == user for i, user in last.items())
        assert set(store.find_users("", 100)) == set(last)
        for name in last:
            found = store.find_users(name[1:3], 100)
            assert set(found) == {i for i in last if name[1:3] in i}
            starts = [i.startswith(name[1:3]) for i in found]
            assert starts == sorted(starts, reverse=True)
            assert store.find_users(name[1:3], 1) == found[:1]
        store.close()

    @settings(**SETTINGS)
    @given(st.lists(events(), max_size=12), st.integers(1, 4))
    def test_events_come_back_as_they_were_each_id_once(self, urls, given_events, size):
        store = open_store(urls())
        parts = [given_events[n : n + size] for n in range(0, len(given_events), size)]
        assert sum(map(store.append, parts)) == len(once(given_events))
        assert sum(map(store.append, parts)) == 0
        assert list(store.read_events()) == list(store.read_events(batch=size)) == once(given_events)
        assert store.counts()["events"] == len(once(given_events))
        store.close()

    @settings(**SETTINGS)
    @given(st.lists(events(), min_size=1, max_size=12))
    def test_columns_do_as_events_do(self, urls, given_events):
        store, other = open_store(urls()), open_store(urls())
        assert store.append_columns(as_batch(given_events)) == other.append(given_events)
        assert list(store.read_events()) == list(other.read_events())
        assert store.counts() == other.counts()
        store.close()
        other.close()

    @settings(**SETTINGS)
    @given(st.lists(slates, max_size=5))
    def test_slates_come_back_as_they_were_the_first_of_an_id(self, urls, given_slates):
        store = open_store(urls())
        first = {slate.id: slate for slate in reversed(given_slates)}
        for slate in given_slates * 2:
            store.put_slate(slate)
        kept = list(store.slates())
        assert {slate.id: slate for slate in kept} == first
        assert [slate.id for slate in kept] == list(dict.fromkeys(slate.id for slate in given_slates))
        assert all(store.get_slate(i) == slate for i, slate in first.items())
        assert store.newest_slates(2) == kept[::-1][:2]
        for since in sorted({s.context.at for s in kept if s.context.at is not None}):
            late = [s.id for s in kept if s.context.at is not None and s.context.at >= since]
            assert [s.id for s in store.slates(since)] == late
        store.close()

    @settings(**SETTINGS)
    @given(st.dictionaries(names.filter(str.isascii), st.none() | st.text(st.characters(exclude_categories=["Cs"])), max_size=4))
    def test_state_is_kept_and_removed(self, urls, states):
        store = open_store(urls())
        for name, value in states.items():
            store.put_state(name, "before")
            store.put_state(name, value)
        assert {name: store.get_state(name) for name in states} == states
        store.close()

    @settings(**SETTINGS)
    @given(st.dictionaries(st.sampled_from("abcd"), st.none() | st.text("xyz", max_size=3)))
    def test_several_states_are_put_at_once(self, urls, states):
        store = open_store(urls())
        store.put_states({"a": "before", "b": "before"})
        store.put_states(states)
        assert {name: store.get_state(name) for name in "abcd"} == {"a": "before", "b": "before", "c": None, "d": None} | states
        store.close()

    def test_all_is_there_after_opening_again(self, urls):
        url = urls()
        store = open_store(url)
        store.put_items([Item(id="a", text={"title": "A"})])
        store.put_users([User(id="u", attributes={"age": 7})])
        store.append([event(1), event(2, user=None, session="s")])
        store.put_slate(Slate(id="x", context=Context(), entries=()))
        store.put_state("name", "value")
        before = (store.cursor(), store.counts(), list(store.items()), list(store.read_events()), store.user_key("u"))
        store.close()
        again = open_store(url)
        after = (again.cursor(), again.counts(), list(again.items()), list(again.read_events()), again.user_key("u"))
        assert after == before
        assert again.get_state("name") == "value"
        assert again.get_slate("x") is not None
        again.close()

    # -- keys and revisions ---------------------------------------------------------------------------------------------
    def test_keys_are_0_1_2_and_never_change(self, store):
        store.append([event(n) for n in range(20)])
        store.put_items([Item(id="i3"), Item(id="new")])
        store.delete_items(["i3"])
        store.put_items([Item(id="newer")])
        keys = {stored.id: stored.key for stored in store.items()}
        assert sorted(keys.values()) == list(range(9))
        assert all(store.item_key(i) == key for i, key in keys.items())
        store.put_items([Item(id="i3", price=2.0)])
        assert store.item_key("i3") == keys["i3"]
        assert sorted(store.user_key(f"u{n}") for n in range(5)) == list(range(5))

    def test_a_user_and_a_session_of_one_name_are_two_people(self, store):
        store.append([event(1, user="x"), event(2, user=None, session="x"), event(3, user="x", session="x")])
        user, visitor = store.user_key("x"), store.user_key(None, "x")
        assert user != visitor
        assert store.user_key("x", "y") == user
        assert store.history(user).seq.tolist() == [1, 3]
        assert store.history(visitor).seq.tolist() == [2]

    def test_revisions_tell_what_is_new_changed_deleted_or_first_named(self, store):
        def since(revision):
            return [(stored.id, stored.item is not None) for stored in store.items(after=revision)]

        assert store.put_items([Item(id="a"), Item(id="b")]) == 2
        first = store.cursor()[0]
        assert store.put_items([Item(id="a"), Item(id="b")]) == 0
        assert store.cursor()[0] == first, "writing the same again is no news"
        assert store.put_items([Item(id="a", price=1.0), Item(id="b")]) == 1
        assert since(first) == [("a", True)]
        second = store.cursor()[0]
        assert store.delete_items(["b", "b", "nothing"]) == 1
        assert store.delete_items(["b"]) == 0
        assert since(second) == [("b", False)]
        third = store.cursor()[0]
        store.append([event(1, item="c"), event(2, item="a"), event(3, item="c")])
        assert since(third) == [("c", False)]
        fourth = store.cursor()[0]
        store.append([event(1, item="never")])
        assert since(fourth) == [], "an event that was there already names nothing new"
        revisions = [stored.revision for stored in store.items()]
        assert revisions == sorted(set(revisions))
        assert revisions[-1] == store.cursor()[0]

    def test_the_cursor_moves_with_events(self, store):
        store.append([event(1)])
        _, seq, _ = store.cursor()
        store.append([event(1)])
        assert store.cursor()[1] == seq
        store.append([event(2)])
        assert store.cursor()[1] > seq
        assert [c.seq.tolist() for c in store.events(after=seq)] == [[store.cursor()[1]]]

    def test_a_glance_is_the_cursor_with_texts_in_the_order_asked_for(self, store):
        store.append([event(1)])
        store.put_states({"one": "1", "two": "2"})
        assert store.glance(()) == (store.cursor(), ())
        assert store.glance(("two", "none", "one")) == (store.cursor(), ("2", None, "1"))
        store.put_state("two", None)
        store.append([event(2)])
        assert store.glance(("two", "one")) == (store.cursor(), (None, "1"))

    # -- reading events -------------------------------------------------------------------------------------------------
    def test_columns_say_what_the_events_said(self, store):
        given_events = [
            event(0, value=2.5, type="purchase", signals={"weather": "rain"}),
            event(1, at=None, type="view", text="at home"),
            event(2, user=None, session="s", signals={"weather": "rain"}),
        ]
        store.append(given_events)
        (columns,) = store.events()
        contexts = {c.key: c for c in store.contexts()}
        item_ids = {stored.key: stored.id for stored in store.items()}
        assert columns.seq.dtype == np.int64
        assert columns.type.dtype == np.int16
        assert columns.at.dtype == np.float64
        assert columns.value.dtype == np.float32
        assert {columns.user.dtype, columns.item.dtype, columns.context.dtype} == {np.dtype(np.int32)}
        assert [columns.types[t] for t in columns.type] == ["purchase", "view", "click"]
        assert [item_ids[k] for k in columns.item.tolist()] == ["i0", "i1", "i2"]
        assert columns.user.tolist() == [store.user_key("u0"), store.user_key("u1"), store.user_key(None, "s")]
        np.testing.assert_array_equal(columns.value, np.array([2.5, np.nan, np.nan], np.float32))
        np.testing.assert_array_equal(columns.at, [1.7e9, np.nan, 1.7e9 + 2])
        assert columns.context[0] == columns.context[2]
        assert dict(contexts[columns.context[0]].signals) == {"weather": "rain"}
        assert contexts[columns.context[1]].text == "at home"

    def test_no_context_is_minus_one(self, store):
        store.append([event(1)])
        assert next(store.events()).context.tolist() == [-1]
        assert list(store.contexts()) == []

    @pytest.mark.parametrize("batch", [1, 3, 10, 100])
    def test_batches_hold_every_event_once_in_order(self, store, batch):
        store.append([event(n) for n in range(10)])
        seqs = [c.seq.tolist() for c in store.events(batch=batch)]
        together = [seq for part in seqs for seq in part]
        assert together == sorted(set(together))
        assert sum(map(len, seqs)) == 10
        assert max(map(len, seqs)) <= batch

    def test_writing_while_reading_harms_neither(self, store):
        store.append([event(n) for n in range(6)])
        seen = 0
        for number, columns in enumerate(store.events(batch=2)):
            seen += len(columns.seq)
            if number < 3:
                store.append([event(100 + number)])
                assert store.counts()["events"] == 7 + number
        assert seen == 9

    @settings(**SETTINGS)
    @given(
        st.lists(st.tuples(st.sampled_from("uv"), st.none() | st.integers(0, 9)), max_size=30),
        st.none() | st.integers(0, 10),
        st.integers(1, 12),
    )
    def test_history_is_the_newest_before_in_order(self, urls, given_events, before, limit):
        store = open_store(urls())
        store.append([event(n, user=user, at=at) for n, (user, at) in enumerate(given_events)])
        rows = [
            (-math.inf if at is None else at, n + 1)
            for n, (user, at) in enumerate(given_events)
            if user == "u" and (at is None or before is None or at < before)
        ]
        key = store.user_key("u")
        history = store.history(-5 if key is None else key, before=before, limit=limit)
        assert history.seq.tolist() == [seq for _, seq in sorted(rows)][-limit:]
        assert np.isnan(history.at).tolist() == [at == -math.inf for at, _ in sorted(rows)][-limit:]
        store.close()

    @settings(**SETTINGS)
    @given(
        st.lists(st.tuples(st.sampled_from("uvw"), st.none() | st.integers(0, 9)), max_size=30),
        st.integers(0, 32),
        st.integers(1, 12),
    )
    def test_trails_are_the_items_of_histories_before_an_event(self, urls, given_events, before, limit):
        store = open_store(urls())
        store.append([event(n, user=user, at=at, item=f"i{n % 5}") for n, (user, at) in enumerate(given_events)])
        keys = [key for user in "uvw" if (key := store.user_key(user)) is not None]
        trails = store.trails(keys, before, limit)
        assert list(trails) == keys
        for key in keys:
            history = store.history(key, limit=100)
            assert trails[key] == history.item[history.seq < before].tolist()[-limit:]
        store.close()

    # -- what is refused ------------------------------------------------------------------------------------------------
    def test_half_a_character_in_an_id_is_refused_and_nothing_is_written(self, store):
        half = "a\ud800"
        for write in (
            lambda: store.put_items([Item(id="fine"), Item(id=half)]),
            lambda: store.put_users([User(id=half)]),
            lambda: store.append([event(1), event(2, item=half)]),
            lambda: store.append([event(1), event(2, user=half)]),
            lambda: store.append([event(1), event(2, id=half)]),
            lambda: store.append([event(1), event(2, slate=half)]),
            lambda: store.put_slate(Slate(id=half, context=Context(), entries=())),
        ):
            with pytest.raises(DataError, match="half a character"):
                write()
        assert store.cursor() == (0, 0, 0)
        assert set(store.counts().values()) == {0}

    def test_half_a_character_is_never_found(self, store):
        half = "a\ud800"
        assert store.item_key(half) is None
        assert store.user_key(half) is None
        assert store.get_user(half) is None
        assert store.get_slate(half) is None
        assert store.get_items([half]) == {}
        assert store.delete_items([half]) == 0

    def test_a_number_too_long_to_be_written_is_refused(self, store):
        with pytest.raises(DataError, match="cannot be stored"):
            store.put_items([Item(id="a", attributes={"x": 10**5000})])
        assert store.counts()["items"] == 0

    @pytest.mark.parametrize("wrong", [{"id": "a"}, [{"id": "a"}], Item(id="a"), [None], "a", 7])
    def test_what_is_no_value_is_refused_and_nothing_is_written(self, store, wrong):
        for write in (store.put_items, store.put_users, store.append):
            with pytest.raises(DataError, match=r"wanted, found .*Cure"):
                write(wrong)
        assert not any(store.counts().values())

    def test_a_closed_store_says_so(self, urls):
        store = open_store(urls())
        store.append([event(1)])
        store.close()
        store.close()
        with pytest.raises(StoreError, match="closed"):
            store.counts()
        with pytest.raises(StoreError, match="closed"):
            store.append([event(2)])

    # -- many at once ---------------------------------------------------------------------------------------------------
    def test_many_threads_read_and_write(self, store):
        failures = []

        def work(thread):
            try:
                for n in range(15):
                    # Every second event is written by two threads: one of them is the first.
                    store.append([event(100 * (thread // 2) + n, user=f"u{n}"), event(1000 * (thread + 1) + n, user=f"u{n}")])
                    assert len(store.history(store.user_key(f"u{n}")).seq) >= 2
                    store.put_items([Item(id=f"i{n}", price=float(thread))])
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert store.counts()["events"] == 6 * 15 + 3 * 15
        seqs = np.concatenate([c.seq for c in store.events(batch=7)])
        assert len(set(seqs.tolist())) == len(seqs)

    def test_what_one_opened_store_writes_another_one_sees(self, urls):
        url = urls()
        one, two = open_store(url), open_store(url)
        for n in range(10):
            writer, reader = (one, two) if n % 2 else (two, one)
            writer.append([event(n, item=f"new{n}", user=f"new{n // 2}", signals={"n": n // 3})])
            assert reader.cursor()[1] == n + 1
            assert reader.item_key(f"new{n}") == n
        assert sorted(c.key for c in one.contexts()) == [0, 1, 2, 3]
        assert [replace(e, id="x") for e in one.read_events()] == [replace(e, id="x") for e in two.read_events()]
        one.close()
        two.close()
