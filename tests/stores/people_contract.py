"""What every store promises about people: choices, all that is theirs, its removal, retention, audit, copies."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_contract import SETTINGS, event

from occasion.data import Context, Event, Item, Slate, SlateEntry, User
from occasion.errors import DataError, StoreError
from occasion.people import PURPOSES, AuditEntry, Consent
from occasion.stores import open_store


def consent(user="u0", purpose="train", granted=False, at=1.7e9, **given) -> Consent:
    return Consent(**{"user": user, "purpose": purpose, "granted": granted, "at": at, **given})


def slate(number: int, user=None, session=None, text="", at=1.7e9) -> Slate:
    return Slate(
        id=f"s{number}",
        context=Context(user=user, session=session, text=text, at=at),
        entries=(SlateEntry(item="i1", score=1.0),),
        sentence=text,
    )


def fill(store) -> None:
    """ann came as the visitor v1 first; bob and she share the session both; carl has nothing to do with them."""
    store.put_items([Item(id="i1", text={"title": "one"})])
    store.put_users([User(id="ann", attributes={"city": "Ulm"}), User(id="carl")])
    store.append(
        [
            event(1, user=None, session="v1", text="a secret wish", item="i1"),
            event(2, user="ann", session="v1", text="shared words", item="i2"),
            event(3, user="ann", session="both", text="only ann says so"),
            event(4, user="bob", session="both", text="shared words"),
            event(5, user=None, session="both", text="who knows"),
            event(6, user="carl", signals={"weather": "rain"}),
            event(7, user=None, session="v9"),
        ]
    )
    for made in (
        slate(1, user="ann", session="v1", text="tell nobody"),
        slate(2, session="v1"),
        slate(3, user="bob", session="both"),
        slate(4, session="both"),
        slate(5, user="carl"),
        slate(6, user="ann", session="only seen"),
    ):
        store.put_slate(made)
    store.put_consents([consent("ann", "analyse"), consent("bob", "train", True)])


class PeopleContract:
    @pytest.fixture
    def store(self, urls):
        store = open_store(urls())
        yield store
        store.close()

    # -- consent ----------------------------------------------------------------------------------------------------------
    def test_choices_are_kept_and_the_newest_is_in_force(self, store):
        assert store.consents("u0") == []
        assert store.put_consents([consent(), consent(purpose="analyse", granted=True)]) == 2
        assert store.put_consents([consent(at=1.8e9)]) == 0, "the same again is no change"
        assert store.put_consents([consent(granted=True, at=1.8e9)]) == 1
        history = [(c.purpose, c.granted, c.at) for c in store.consents("u0")]
        assert history == [("train", False, 1.7e9), ("analyse", True, 1.7e9), ("train", True, 1.8e9)]
        assert store.refusing("train") == set()

    def test_the_choices_of_everybody(self, store):
        assert list(store.all_consents()) == []
        made = [
            consent("u0"),
            consent(user=None, session="v1", granted=True),
            consent("u0", "analyse"),
            consent("u0", granted=True, at=1.6e9),
        ]
        store.put_consents(made)
        assert sorted(map(repr, store.all_consents())) == sorted(map(repr, made))
        assert [c for c in store.all_consents() if c.user] == store.consents("u0")

    def test_the_choices_of_many_come_in_parts(self, store, monkeypatch):
        monkeypatch.setattr("occasion.stores.sqlite_people.PEOPLE", 2)
        made = [consent(f"u{n}", purpose) for n in range(5) for purpose in ("train", "analyse")]
        store.put_consents(made)
        assert list(store.all_consents()) == made

    def test_who_refuses(self, store):
        store.append([event(n) for n in range(5)])
        keys = [store.user_key(f"u{n}") for n in range(5)]
        store.put_consents([consent("u1"), consent("u2", granted=True), consent("u1", "personalise", True)])
        assert store.refusing("train") == {keys[1]}
        assert store.granting("train") == {keys[2]}
        assert store.refusing("personalise") == set()
        assert store.granting("personalise") == {keys[1]}

    def test_a_visitor_that_became_a_user_shares_the_choice(self, store):
        store.append([event(1, user=None, session="v"), event(2, user="u0", session="v"), event(3, user=None, session="w")])
        user, visitor, other = store.user_key("u0"), store.user_key(None, "v"), store.user_key(None, "w")
        store.put_consents([consent()])
        assert store.refusing("train") == {user, visitor}
        store.put_consents([consent(granted=True)])
        assert store.refusing("train") == set()
        assert store.granting("train") == {user, visitor}
        store.put_consents([consent(None, session="v")])
        assert store.refusing("train") == {visitor}
        assert store.granting("train") == {user}
        assert other not in store.refusing("train") | store.granting("train")

    def test_who_is_not_known_yet_may_choose(self, store):
        store.put_consents([consent("nobody yet"), consent(None, session="nor here")])
        assert store.refusing("train") == {store.user_key("nobody yet"), store.user_key(None, "nor here")}
        store.append([event(1, user="nobody yet")])
        assert store.history(store.user_key("nobody yet")).seq.tolist() == [1]

    def test_choices_move_the_cursor(self, store):
        before = store.cursor()
        store.put_consents([consent()])
        after = store.cursor()
        assert (after[:2], after[2] > before[2]) == (before[:2], True)
        store.put_consents([consent()])
        assert store.cursor() == after

    def test_half_a_character_and_an_unknown_purpose_are_refused(self, store):
        with pytest.raises(DataError, match="half a character"):
            store.put_consents([consent("fine"), consent("a\ud800")])
        assert store.user_key("fine") is None
        with pytest.raises(DataError, match="purpose"):
            store.refusing("sell")
        assert store.person("a\ud800") is None
        assert store.erase("a\ud800") is None

    # -- all of a person ----------------------------------------------------------------------------------------------------
    def test_everything_of_a_person(self, store):
        fill(store)
        ann = store.person("ann")
        assert ann.described == User(id="ann", attributes={"city": "Ulm"})
        assert [e.id for e in ann.events] == ["e1", "e2", "e3"]
        assert sorted(s.id for s in ann.slates) == ["s1", "s2", "s6"]
        assert sorted(ann.sessions) == ["both", "only seen", "v1"]
        assert ann.shared == ("both",)
        assert [(c.purpose, c.granted) for c in ann.consents] == [("analyse", False)]
        assert store.person("zoe") is None
        visitor = store.person(None, "v9")
        assert ([e.id for e in visitor.events], visitor.session) == (["e7"], "v9")

    # -- erasure ----------------------------------------------------------------------------------------------------------
    def test_erasure_reaches_everything_and_nobody_else(self, store):
        fill(store)
        before = store.cursor()
        removed = store.erase("ann")
        assert (removed.events, removed.slates, removed.consents, removed.described) == (4, 4, 1, True)
        assert (removed.first_seq, removed.last_seq, removed.contexts, removed.sessions) == (1, 5, 3, 1)
        assert store.person("ann") is None
        assert store.user_key("ann") is None
        assert store.get_user("ann") is None
        assert [e.id for e in store.read_events()] == ["e4", "e6", "e7"]
        assert [s.id for s in store.slates()] == ["s3", "s5"]
        assert sorted(c.text for c in store.contexts()) == ["", "", "", "", "shared words"]
        assert [c.key for c in store.contexts()] == list(range(5)), "keys are counted without gaps"
        assert store.get_items(["i1"]) != {}
        assert store.cursor() == (*before[:2], before[2] + 1)
        assert store.erase("ann") is None

    def test_a_visitor_can_be_erased(self, store):
        fill(store)
        assert store.erase(None, "v9").events == 1
        assert store.person(None, "v9") is None
        assert store.counts()["events"] == 6

    def test_who_is_unknown_is_not_erased(self, store):
        fill(store)
        cursor = store.cursor()
        assert store.erase("zoe") is None
        assert store.erase(None, "zoe") is None
        assert store.cursor() == cursor

    def test_the_receipt_is_stored_with_the_erasure_or_both_are_not(self, store):
        fill(store)
        store.erase("ann", seal=lambda removed: f"gone: {removed.events}")
        assert store.erasures() == ["gone: 4"]

        def fails(removed):
            raise RuntimeError

        with pytest.raises(RuntimeError):
            store.erase("bob", seal=fails)
        assert store.person("bob") is not None
        assert store.erasures() == ["gone: 4"]

    def test_who_comes_again_is_a_new_person(self, urls):
        url = urls()
        store, other = open_store(url), open_store(url)
        # Both writers remember the keys of ann, her session and her words.
        store.append([event(1, user="ann", session="v", text="my words"), event(2, user=None, session="w")])
        other.append([event(3, user="ann", session="v", text="my words"), event(4, user=None, session="w")])
        old = store.user_key("ann")
        store.erase("ann")
        store.erase(None, "w")
        for number, writer in enumerate((other, store), 10):
            mine = event(number, user="ann", session="v", text="my words")
            assert writer.append([mine, event(number + 10, user=None, session="w")]) == 2
            assert mine in list(store.read_events())
        assert store.user_key("ann") not in (None, old)
        assert len(store.history(store.user_key("ann")).seq) == 2
        assert len(store.history(store.user_key(None, "w")).seq) == 2
        store.close()
        other.close()

    @settings(**SETTINGS)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["a", "b", None]), st.sampled_from(["x", "y", None]), st.sampled_from(["", "one", "two"])
            ).filter(lambda row: row[0] or row[1]),
            max_size=12,
        ),
        st.sampled_from(["a", "b"]),
    )
    def test_nothing_of_the_erased_and_all_of_the_others_is_left(self, urls, rows, user):
        store = open_store(urls())
        events = [Event(id=f"e{n}", item="i", user=u, session=s, text=t) for n, (u, s, t) in enumerate(rows)]
        store.append(events)
        sessions = {e.session for e in events if e.user == user and e.session}
        stays = [e for e in events if e.user != user and not (e.user is None and e.session in sessions)]
        removed = store.erase(user)
        assert (0 if removed is None else removed.events) == len(events) - len(stays)
        assert list(store.read_events()) == stays
        assert {c.text for c in store.contexts()} - {""} == {e.text for e in stays} - {""}
        store.append(events)
        assert sorted(e.id for e in store.read_events()) == sorted(e.id for e in events)
        store.close()

    # -- retention --------------------------------------------------------------------------------------------------------
    def test_old_events_of_a_type_go(self, store):
        store.append(
            [
                event(1, type="view", at=100.0, user=None, session="gone", text="old words"),
                event(2, type="view", at=300.0),
                event(3, type="click", at=100.0, user="u9"),
                event(4, type="view", at=None),
            ]
        )
        store.put_consents([consent("chose", "train", False)])
        assert store.expire_events("view", 200.0) == 1
        assert [e.id for e in store.read_events()] == ["e2", "e3", "e4"]
        assert store.user_key(None, "gone") is None
        assert store.user_key("chose") is not None
        assert [c.text for c in store.contexts()] == [""]
        cursor = store.cursor()
        assert store.expire_events("view", 200.0) == 0
        assert store.expire_events("never", 200.0) == 0
        assert store.cursor() == cursor
        assert store.append([event(1, type="view", user=None, session="gone", text="old words")]) == 1

    def test_old_answers_go(self, store):
        for n in range(4):
            store.put_slate(slate(n, user="u", at=100.0 * n))
        assert store.expire_slates(150.0) == 2
        assert [s.id for s in store.slates()] == ["s2", "s3"]

    # -- bytes, audit, copies -----------------------------------------------------------------------------------------------
    def test_purging_where_nothing_was_removed(self, store):
        assert store.purge() is True
        fill(store)
        assert store.purge(compact=True) is True
        store.erase("ann")
        assert store.purge() is True
        assert store.counts()["events"] == 3

    def test_the_audit_log_keeps_acts_in_order(self, store):
        acts = [AuditEntry(at=1.0 + n, actor="root", act="erase", target=f"t{n}", detail="{}") for n in range(3)]
        for act in acts:
            store.add_audit(act)
        kept = list(store.audit())
        assert [(a.at, a.target) for a in kept] == [(a.at, a.target) for a in acts]
        assert [a.target for a in store.audit(after=kept[0].seq)] == ["t1", "t2"]

    def test_a_copy_is_whole_and_stands_alone(self, store, tmp_path):
        fill(store)
        target = tmp_path / "copy"
        store.copy_to(target)
        assert [p.name for p in tmp_path.iterdir() if p.name.startswith("copy")] == ["copy"]
        with pytest.raises(StoreError, match="exists"):
            store.copy_to(target)


def test_every_purpose_can_be_chosen():
    assert {consent(purpose=purpose).purpose for purpose in PURPOSES} == set(PURPOSES)


@pytest.mark.parametrize(
    "fields", [{"purpose": "sell"}, {"granted": 1}, {"user": None}, {"session": "s"}, {"user": ""}, {"at": None}, {"at": 1.7e12}]
)
def test_a_consent_that_says_nothing_is_refused(fields):
    with pytest.raises(DataError):
        consent(**fields)


def bytes_of(folder: Path) -> bytes:
    return b"".join(p.read_bytes() for p in sorted(folder.iterdir()) if p.is_file())
