"""Erasure: nothing of a person is left in any file of a home, others keep everything, and a signed receipt says so."""

import json
import random
import subprocess
import sys
import threading
import time

import pytest

from occasion import Context, Event, Item, Recommender, User
from occasion.errors import DataError, ModelError, NotFoundError
from occasion.importing import import_files
from occasion.people import Consent
from occasion.privacy.erasure import erase, receipts, retire
from occasion.privacy.guarded import open_guarded
from occasion.privacy.keyring import HomeKey
from occasion.privacy.receipts import public_key_of, verify
from occasion.privacy.rejected import expire_rejects, forget_rejects, list_rejects
from occasion.privacy.traces import Traces
from occasion.settings import load_settings
from occasion.versions import Versions
from waiting import until

NOW = 1_790_000_000.0
WHO, WORD = "ann-of-elm-street", "xylophonophobia"


def files_with(home, *words):
    """Return the files of a home whose bytes hold any of some words in UTF-8 or UTF-16."""
    wanted = [code for word in words for code in (word.encode(), word.encode("utf-16-le"))]
    return sorted(str(p.relative_to(home)) for p in home.rglob("*") if p.is_file() and any(w in p.read_bytes() for w in wanted))


def live_through(shop, home):
    """Let a person leave traces everywhere, among other people."""
    store = shop.store
    store.put_items([Item(id=f"i{n}", text={"title": f"thing number {n}"}) for n in range(20)])
    store.put_users([User(id=WHO, attributes={"hobby": f"{WORD}-described"}), User(id="bob")])
    shop.feedback([Event(user=f"u{n % 40}", item=f"i{n % 20}", type="view", at=NOW + n, id=f"o{n}") for n in range(1200)])
    mine = {"item": "i3", "type": "purchase", "text": f"a gift against {WORD}", "signals": {"mood": f"{WORD}-signal"}}
    shop.feedback([Event(user=WHO, session=f"session-{WORD}", at=NOW + n, id=f"{WORD}-{n}", **mine) for n in range(5)])
    shop.feedback(Event(session=f"session-{WORD}", item="i4", at=NOW, id=f"{WORD}-before"))
    answer = shop.recommend(Context(user=WHO, text=f"I fear {WORD}", signals={"mood": f"{WORD}-asked"}, at=NOW + 9), k=3)
    shop.recommend(Context(session=f"session-{WORD}", text=f"still {WORD}", at=NOW + 9), k=3)
    store.put_consents([Consent(user=WHO, purpose="analyse", granted=False, at=NOW)])
    shop.rebuild()  # counts go to the disk
    rows = [
        {"user": WHO, "item": "i1", "at": f"{WORD} o'clock"},
        {"user": "bob", "item": "i1", "at": "never"},
        {"user": "", "item": "i1", "at": f"nobody's {WORD}"},
        {"user": "cyd", "item": "i1", "at": "1790000000"},
    ]
    (home.parent / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + f'{{"user": "{WHO}", broken {WORD}\n')
    import_files(store, home.parent / "log.jsonl", kind="events", mapping={"at": "at"}, rejects=home / "rejects.jsonl")
    return answer


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.mark.parametrize("pseudonymous", [False, True])
def test_nothing_is_left_in_any_file(home, pseudonymous):
    settings = load_settings(home=home, pseudonymous=pseudonymous)
    with Recommender(settings) as shop:
        answer = live_through(shop, home)
        assert files_with(home, WORD), "the test finds what is there"
        assert bool(files_with(home, WHO)) is not pseudonymous
        others = shop.store.counts()["events"] - 6
        done = erase(shop.store, settings, user=WHO)
        assert (done.removed.events, done.removed.slates, done.removed.described) == (6, 2, True)
        assert done.clean
        assert files_with(home, WHO, WORD) == []
        assert shop.store.counts()["events"] == others
        assert shop.store.get_slate(answer.id) is None
        listed = [json.loads(line) for line in (home / "rejects.jsonl").read_text().splitlines()]
        bob = shop.store.pseudonym("bob")
        # A torn line names nobody: it goes where the id can be read in it, else what was found in it goes.
        assert sorted(row["who"] for row in listed) == (["", "", bob] if pseudonymous else ["", bob])
        assert [row["value"] for row in listed if row["who"] == bob] == ["" if pseudonymous else "never"]
        assert all(row["line"] and row["reason"] for row in listed), "what was wrong, and where, is still told"
        # Whoever comes back is somebody new; answers go on.
        assert len(shop.recommend(Context(user=WHO), k=3).entries) == 3
    assert erase_again(settings) is None


def erase_again(settings):
    with Recommender(settings) as shop:
        shop.store.erase(WHO)
        shop.store.purge()
        return erase(shop.store, settings, user=WHO)


def test_while_others_read_and_write_nothing_of_theirs_is_lost(home):
    settings = load_settings(home=home)
    with Recommender(settings) as shop:
        live_through(shop, home)
        other, stop, written = open_guarded(settings), threading.Event(), []

        def write():
            while not stop.is_set():
                written.append(other.append([Event(user="w", item="i1", at=NOW, id=f"w{len(written)}")]))

        thread = threading.Thread(target=write)
        thread.start()
        until(lambda: len(written) > 3)
        done = erase(shop.store, settings, user=WHO)
        stop.set()
        thread.join()
        other.close()
        assert done.clean or shop.store.purge()
        assert len(written) > 3
        assert len({e.id for e in shop.store.read_events() if e.user == "w"}) == len(written)
        assert files_with(home, WHO, WORD) == []


def test_a_person_of_rejected_rows_alone_gets_a_receipt(home):
    settings = load_settings(home=home)
    list_rejects(home / "rejects.jsonl", [{"file": "f", "line": 1, "column": "at", "value": "x", "reason": "r", "who": WHO}])
    store = open_guarded(settings)
    done = erase(store, settings, user=WHO)
    assert (done.rejects, done.removed.events) == (1, 0)
    assert len(receipts(store, home)) == 1
    assert erase(store, settings, user=WHO) is None
    assert len(receipts(store, home)) == 1
    with pytest.raises(DataError, match="exactly one"):
        erase(store, settings, user="a", session="b")
    store.close()


ERASE = """
import sys
from pathlib import Path
from occasion.privacy.erasure import erase
from occasion.privacy.guarded import open_guarded
from occasion.settings import load_settings

settings = load_settings(home=Path(sys.argv[1]))
print("ready", flush=True)
erase(open_guarded(settings), settings, user=sys.argv[2])
"""


def test_killed_in_the_middle_the_next_erasure_does_the_rest(home):
    settings, rng = load_settings(home=home), random.Random(2)
    with Recommender(settings) as shop:
        live_through(shop, home)
    for _ in range(10):
        process = subprocess.Popen([sys.executable, "-c", ERASE, str(home), WHO], stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "ready\n"
        time.sleep(rng.random() * 0.12)
        process.kill()
        process.communicate()
        store = open_guarded(settings)
        # Gone with a receipt, or there and without one.
        assert (store.person(WHO) is None) == bool(store.erasures())
        store.close()
    store = open_guarded(settings)
    erase(store, settings, user=WHO)
    assert store.purge()
    assert files_with(home, WHO, WORD) == []
    assert len(receipts(store, home)) == 1
    assert all(verify(text, home=home, user=WHO)["valid"] for text in store.erasures())
    store.close()


def test_counts_that_a_killed_erasure_left_are_gone_when_anybody_looks(home):
    settings = load_settings(home=home)
    with Recommender(settings) as shop:
        live_through(shop, home)
        kept = (home / "derived" / "statistics.npys").read_bytes()
        assert WORD.encode() in kept
        erase(shop.store, settings, user=WHO)
        (home / "derived" / "statistics.npys").write_bytes(kept)
        shop.store.expire_events("view", NOW + 10_000)  # too few are left to write counts for
    with Recommender(settings) as shop:
        shop.refresh()
    assert files_with(home, WHO, WORD) == []


def test_studies_that_name_the_person_are_forgotten_and_numbers_are_no_names(home):
    settings = load_settings(home=home)
    contents = {"named": {"report": {"slices": {WHO: [1]}}}, "seven": {"n": 7, "note": "7 days"}, "numbers": {"n": 7}}
    for name, content in contents.items():
        (home / "studies" / name).mkdir(parents=True)
        (home / "studies" / name / "report.json").write_text(json.dumps(content))
    store = open_guarded(settings)
    store.append([Event(user=who, item="i", id=who) for who in (WHO, "7")])
    assert erase(store, settings, user=WHO).elsewhere == 1
    assert sorted(p.name for p in (home / "studies").iterdir()) == ["numbers", "seven"]
    assert erase(store, settings, user="7").elsewhere == 1
    assert [p.name for p in (home / "studies").iterdir()] == ["numbers"]
    store.close()


# -- the receipt --------------------------------------------------------------------------------------------------------------
@pytest.fixture
def erased(home):
    settings = load_settings(home=home)
    store = open_guarded(settings)
    store.append([Event(user=WHO, item="i", id="1", text=WORD), Event(user="bob", item="i", id="2")])
    done = erase(store, settings, user=WHO, actor="key-1")
    yield store, settings, done
    store.close()


def test_a_receipt_says_what_was_done_and_names_nobody(erased, home):
    store, _, done = erased
    assert WHO not in done.receipt
    assert WORD not in done.receipt
    document = json.loads(done.receipt)
    assert (document["removed"]["events"], document["removed"]["slates"]) == (1, 0)
    assert abs(document["at"] - time.time()) < 60
    assert [r["id"] for r in receipts(store, home)] == [document["id"]]
    (act,) = store.audit()
    assert (act.actor, act.act, act.target, act.detail) == ("key-1", "person.erase", document["subject"], document["id"])


def test_a_receipt_holds_at_home_and_elsewhere_and_for_this_person_alone(erased, home, tmp_path):
    _, _, done = erased
    assert verify(done.receipt, home=home) == {"valid": True, "signature": True, "of_this_home": True}
    assert verify(done.receipt, home=home, user=WHO)["valid"]
    assert not verify(done.receipt, home=home, user="bob")["valid"]
    assert not verify(done.receipt, home=home, session=WHO)["valid"]
    public = public_key_of(HomeKey(home))
    assert verify(done.receipt, public_key=public)["valid"]
    other = tmp_path / "other"
    HomeKey(other)
    assert verify(done.receipt, home=other) == {"valid": False, "signature": True, "of_this_home": False}
    for home_of in (None, tmp_path / "nothing"):
        with pytest.raises(DataError, match="no key"):
            verify(done.receipt, home=home_of)


@pytest.mark.parametrize("change", ["at", "subject", "id", "removed", "holding", "log", "extra", "signature", "public_key"])
def test_a_receipt_that_was_changed_does_not_hold(erased, home, change):
    document = json.loads(erased[2].receipt)
    old = document.get(change)
    document[change] = "0" * len(old) if isinstance(old, str) else {} if isinstance(old, dict) else 1
    assert verify(json.dumps(document), home=home)["signature"] is False
    assert verify(json.dumps(json.loads(erased[2].receipt), indent=7), home=home)["valid"], "how it is laid out does not matter"


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"kind": "occasion erasure receipt", "format": 9}'])
def test_what_is_no_receipt_is_refused(erased, home, text):
    with pytest.raises(DataError):
        verify(text, home=home)


# -- what keeps traces --------------------------------------------------------------------------------------------------------
def version(store, home, **data):
    def write(folder):
        folder.mkdir(parents=True)
        (folder / "weights").write_text("1")

    return Versions(store, home).put(write, data=data).id


def test_versions_that_may_have_learnt_from_a_person_are_named_until_they_are_retired(home):
    settings = load_settings(home=home)
    store = open_guarded(settings)
    store.append([Event(user="bob", item="i", id=f"b{n}") for n in range(5)])
    early = version(store, home, seq=5, withdrawals=store.cursor()[2])
    store.append([Event(user=WHO, item="i", id=f"a{n}") for n in range(5)])
    trained = version(store, home, seq=10, withdrawals=store.cursor()[2])
    unknown = version(store, home, events=10)
    before = store.cursor()[2]
    tuned = home / "encoders" / "mine"
    for folder, manifest in (
        (tuned, {"kind": "tuned", "base": "minilm", "data": {"seq": 9, "withdrawals": before}}),
        (home / "encoders" / "student", {"kind": "student", "base": "torch:" + str(tuned / "torch")}),
        (home / "encoders" / "other", {"kind": "student", "base": "minilm"}),
        (home / "encoders" / "older", {"kind": "tuned", "data": {"seq": 3, "withdrawals": before}}),
    ):
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text(json.dumps(manifest))
    done = erase(store, settings, user=WHO)
    assert done.held == Traces(versions=tuple(sorted((trained, unknown))), encoders=("mine", "student"))
    assert early not in done.receipt
    # A fit that read the log before the erasure, and ended after it, has seen the person; one that began after it has not.
    late = version(store, home, seq=10, withdrawals=before)
    fresh = version(store, home, seq=10, withdrawals=store.cursor()[2])
    store.append([Event(user=WHO, item="i", id="again")])
    assert fresh not in erase(store, settings, user=WHO).held.versions
    assert late not in done.held.versions
    still = receipts(store, home)[0]["still_holding"]
    assert still == [*sorted((trained, unknown)), "mine", "student"]
    Versions(store, home).promote(trained)
    with pytest.raises(ModelError, match="in service"):
        retire(store, settings, trained)
    Versions(store, home).promote(fresh)
    retire(store, settings, trained)
    with pytest.raises(NotFoundError):
        retire(store, settings, trained)
    assert receipts(store, home)[0]["still_holding"] == [unknown, "mine", "student"]
    assert [a.act for a in store.audit()] == ["person.erase", "person.erase", "version.retire"]
    store.close()


# -- lists of rejected rows -----------------------------------------------------------------------------------------------------
def test_lists_lose_a_person_in_place_while_others_add_to_them(home):
    home.mkdir()
    path = home / "rejects.jsonl"
    row = {"file": "f.csv", "line": 1, "column": "at", "value": "later", "reason": "no time"}
    adder = f"""
import sys
sys.path[:0] = {sys.path!r}
from pathlib import Path
from occasion.privacy.rejected import list_rejects
for n in range(300):
    list_rejects(Path({str(path)!r}), [{{**{row!r}, "who": who, "line": n}} for who in ("ann", "bob")])
"""
    process = subprocess.Popen([sys.executable, "-c", adder])
    gone = 0
    while process.poll() is None:
        gone += forget_rejects(home, {"ann"})
    gone += forget_rejects(home, {"ann"})
    assert process.returncode == 0
    left = [json.loads(line) for line in path.read_text().splitlines()]
    assert [r["line"] for r in left] == list(range(300))
    assert {r["who"] for r in left} == {"bob"}
    assert gone == 300


def test_rows_of_a_catalogue_go_where_they_name_the_person_and_ids_are_whole_words(home):
    row = {"file": "f.csv", "line": 1, "column": "title", "reason": "too long"}
    values = ["a present by ann", "annual report", "ANN"]
    list_rejects(home / "rejects.jsonl", [{**row, "value": value, "who": None} for value in values])
    assert forget_rejects(home, {"ann"}) == 1
    assert [json.loads(line)["value"] for line in (home / "rejects.jsonl").read_text().splitlines()] == values[1:]


def test_rejected_rows_expire_by_the_time_they_were_listed(home):
    job = home / "uploads" / "a" / "rejects.jsonl"
    row = {"file": "f.csv", "line": 1, "column": "at", "value": "x", "reason": "r", "who": "bob"}
    list_rejects(job, [row])
    with job.open("a") as file:
        file.write(json.dumps(row | {"at": time.time() - 100, "line": 2}) + "\n" + json.dumps(row | {"line": 3}) + "\n{torn")
    assert expire_rejects(home, time.time() - 50) == 2, "the old one, and what a crash left of one"
    assert [json.loads(line)["line"] for line in job.read_text().splitlines()] == [1, 3]
    assert expire_rejects(home, time.time() + 50) == 2
    assert job.read_bytes() == b""
