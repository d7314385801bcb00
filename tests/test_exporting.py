"""An export gives everything back: importing it into an empty store makes the same store."""

import json
import sys
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occasion.data import Context, Event, Item, Slate, SlateEntry, User
from occasion.errors import DataError
from occasion.exporting import EXPORT_FORMATS, export
from occasion.importing import import_files
from occasion.people import PURPOSES, Consent
from occasion.stores import open_store

sys.path.insert(0, str(Path(__file__).parent / "stores"))
from store_contract import SETTINGS, events, ids, items, slates, times, users

sys.path.pop(0)

NUMBERS = count()


def everything(store):
    return (
        {stored.id: repr(stored.item) for stored in store.items() if stored.item is not None},
        {user.id: repr(user) for user in store.users()},
        list(map(repr, store.read_events())),
        list(map(repr, store.slates())),
        sorted(map(repr, store.all_consents())),
        store.counts(),
    )


def new_store(folder):
    return open_store(f"sqlite:///{folder / f'{next(NUMBERS)}.db'}")


@pytest.fixture
def full(tmp_path):
    store = new_store(tmp_path)
    store.put_items(
        [
            Item(
                id="a/1",
                text={"title": 'A "quoted", title', "description": "two\nlines\r\nand more"},
                attributes={"size": "7", "weight": 7, "sale": True, "tags": ("x|y", "z, w"), "none": ()},
                categories=("Kitchen", "Pots > Pans"),
                price=0.1 + 0.2,
                available_from=1.5,
                available_until=2.5e9,
                media={"image": "a.jpg"},
            ),
            Item(id="gone"),
        ]
    )
    store.delete_items(["gone"])
    store.put_users([User(id="u", attributes={"age": "007", "vip": False}), User(id="nothing known")])
    store.append(
        [
            Event(
                item="a/1",
                user="u",
                type="ma,king",
                value=-0.1,
                at=1.7e9 + 0.25,
                text="at home",
                signals={"n": 1, "x": 1.0, "t": "1"},
            ),
            Event(item="never described", session="s", id="given", slate="sl\rate\r"),
            Event(item="a/1", user="u", session="s", type="buy", signals={"b": True}),
        ]
    )
    entry = SlateEntry(item="a/1", score=0.5, propensity=0.25, parts={"moment": 0.5}, because=("x",), reason='because, "so"')
    store.put_slate(
        Slate(
            id="sl\rate\r",
            context=Context(user="u", at=3.0, recent=("a/1",)),
            entries=(entry,),
            sentence="[in brackets]",
            notes=("one", "two"),
            version="v1",
            policy="epsilon",
            scenario="home",
        )
    )
    store.put_consents(
        [
            Consent(user="u", purpose="train", granted=False, at=1.7e9),
            Consent(session="s", purpose="analyse", granted=True, at=1.7e9),
            Consent(user="u", purpose="train", granted=True, at=1.7e9 + 0.5),
        ]
    )
    yield store
    store.close()


@pytest.mark.parametrize("format", EXPORT_FORMATS)
def test_an_import_of_the_export_is_the_same_store(tmp_path, full, format):
    seen = []
    summary = export(full, tmp_path / "out", format, progress=lambda done, total: seen.append((done, total)))
    assert dict(summary.rows) == {"consents": 3, "items": 1, "users": 2, "events": 3, "slates": 1}
    assert seen[-1] == (10, 10)
    other = new_store(tmp_path)
    result = import_files(other, [str(f) for f in summary.files])
    assert not result.rejected
    assert result.new == 10
    assert everything(other) == everything(full)
    assert import_files(other, [str(tmp_path / "out" / "*")]).new == 0
    other.close()


@pytest.mark.parametrize("format", EXPORT_FORMATS)
@settings(**{**SETTINGS, "max_examples": 15})
@given(
    st.lists(items, max_size=4),
    st.lists(users, max_size=4),
    st.lists(events(), max_size=6),
    st.lists(slates, max_size=3),
)
def test_any_store_survives_the_journey(tmp_path, format, given_items, given_users, given_events, given_slates):
    store, other = new_store(tmp_path), new_store(tmp_path)
    store.put_items(given_items)
    store.put_users(given_users)
    store.append(given_events)
    for slate in given_slates:
        store.put_slate(slate)
    folder = tmp_path / f"out{next(NUMBERS)}"
    summary = export(store, folder, format)
    if summary.files:
        result = import_files(other, [str(f) for f in summary.files])
        assert not result.examples
    assert everything(other) == everything(store)
    store.close()
    other.close()


choices = st.builds(
    lambda who, session, **given: Consent(user=None if session else who, session=who if session else None, **given),
    who=st.sampled_from(["a", "b"]) | ids,
    session=st.booleans(),
    purpose=st.sampled_from(PURPOSES),
    granted=st.booleans(),
    at=st.sampled_from([1.0, 2.0, 3.0]) | times,
)


def in_force(store):
    return {(c.user, c.session, c.purpose): c.granted for c in store.all_consents()}


@pytest.mark.parametrize("format", EXPORT_FORMATS)
@settings(**{**SETTINGS, "max_examples": 25})
@given(st.lists(choices, max_size=12), st.booleans())
def test_choices_survive_the_journey(tmp_path, format, made, in_order):
    store, other = new_store(tmp_path), new_store(tmp_path)
    store.put_consents(sorted(made, key=lambda choice: choice.at) if in_order else made)
    folder = tmp_path / f"out{next(NUMBERS)}"
    files = [str(file) for file in export(store, folder, format).files]
    if files:
        assert not import_files(other, files).rejections
        before = sorted(map(repr, store.all_consents()))
        for again in (other, store):
            assert import_files(again, files).new == 0
        assert sorted(map(repr, store.all_consents())) == before
    assert in_force(other) == in_force(store)
    if in_order:
        assert sorted(map(repr, other.all_consents())) == sorted(map(repr, store.all_consents()))
    store.close()
    other.close()


def test_an_old_export_takes_no_choice_back(tmp_path):
    store = new_store(tmp_path)
    store.put_consents([Consent(user="u", purpose="train", granted=True, at=1.7e9)])
    export(store, tmp_path / "out")
    store.put_consents([Consent(user="u", purpose="train", granted=False, at=1.8e9)])
    assert import_files(store, str(tmp_path / "out" / "*")).new == 0
    assert [c.granted for c in store.consents("u")] == [True, False]
    store.close()


def test_json_lines_hold_plain_values(tmp_path, full):
    export(full, tmp_path / "out")
    first = json.loads((tmp_path / "out" / "events.jsonl").read_text("utf-8").splitlines()[0])
    assert first["signals"] == {"n": 1, "x": 1.0, "t": "1"}
    assert "slate" not in first


def test_parquet_comes_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr("occasion.exporting.PART", 40)
    store, other = new_store(tmp_path), new_store(tmp_path)
    store.append([Event(item=str(n), user="u", id=str(n)) for n in range(100)])
    summary = export(store, tmp_path / "out", "parquet")
    assert [f.name for f in summary.files] == ["events-0001.parquet", "events-0002.parquet", "events-0003.parquet"]
    import_files(other, str(tmp_path / "out" / "events-*.parquet"))
    assert everything(other) == everything(store)
    store.close()
    other.close()


def test_what_is_in_the_way_is_not_replaced_unasked(tmp_path, full):
    export(full, tmp_path / "out")
    before = (tmp_path / "out" / "items.jsonl").read_bytes()
    full.put_items([Item(id="more")])
    with pytest.raises(DataError, match="there already"):
        export(full, tmp_path / "out")
    assert (tmp_path / "out" / "items.jsonl").read_bytes() == before
    export(full, tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "items.jsonl").read_bytes() != before
    kinds = ("consents", "events", "items", "slates", "users")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [f"{kind}.jsonl" for kind in kinds]


def test_an_empty_store_gives_no_files(tmp_path):
    store = new_store(tmp_path)
    assert export(store, tmp_path / "out").files == ()
    assert list((tmp_path / "out").iterdir()) == []
    store.close()


def test_wrong_asks(tmp_path, full):
    with pytest.raises(DataError, match="jsonl, csv, parquet"):
        export(full, tmp_path / "out", "xml")
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="cannot write"):
        export(full, tmp_path / "file" / "out")
