"""People in a SQLite store: the contract, bytes that leave the files, erasing while others write, and kill -9."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from itertools import count

import pytest
from people_contract import PeopleContract, bytes_of, fill, slate
from store_contract import event

from occasion.data import User
from occasion.errors import StoreError
from occasion.people import AuditEntry
from occasion.stores import open_store
from occasion.stores.sqlite_file import APPLICATION_ID, migrations
from occasion.stores.sqlite_upkeep import _emptied, copy_in


@pytest.fixture
def urls(tmp_path):
    numbers = count()
    return lambda: f"sqlite:///{tmp_path / f'{next(numbers)}.db'}"


class TestSqlitePeople(PeopleContract):
    pass


def test_the_bytes_leave_the_files(tmp_path):
    folder = tmp_path / "home"
    store = open_store(f"sqlite:///{folder / 'o.db'}")
    rng = random.Random(1)
    words = "quetzalcoatl remembers the lighthouse"
    for batch in range(40):
        store.append(
            [
                event(
                    batch * 100 + n,
                    user="ann-of-the-secret" if rng.random() < 0.3 else f"other-{rng.randrange(50)}",
                    session=f"session-of-ann-{n % 3}" if n % 7 == 0 else None,
                    text=f"{words} {batch} {n}" if n % 2 else "",
                )
                if n % 7 or rng.random() < 0.5
                else event(batch * 100 + n, user=None, session="session-of-ann-1", text=f"{words} as a visitor")
                for n in range(100)
            ]
        )
        store.put_users([User(id="ann-of-the-secret", attributes={"city": f"Atlantis {batch}"})])
    marks = [b"ann-of-the-secret", b"Atlantis"]
    assert all(mark in bytes_of(folder) for mark in marks)
    keep = {e.text for e in store.read_events() if e.user and e.user.startswith("other")}
    store.erase("ann-of-the-secret")
    gone = {e.encode() for e in (f"{words} {b} {n}" for b in range(40) for n in range(100)) if e not in keep}
    assert store.purge() is True
    left = bytes_of(folder)
    assert [mark for mark in marks if mark in left] == []
    assert [text for text in gone if text + b'"' in left or text + b"{" in left] == []
    assert f"{words} as a visitor".encode() not in left
    for other in range(50):
        store.erase(f"other-{other}")
    for session in range(3):
        store.erase(None, f"session-of-ann-{session}")
    store.purge()
    assert words.encode() not in bytes_of(folder)
    assert b"session-of-ann" not in bytes_of(folder)
    store.close()
    assert words.encode() not in bytes_of(folder)


def test_a_reader_in_the_way_of_a_purge_is_told_of_and_the_next_try_succeeds(tmp_path, monkeypatch):
    monkeypatch.setattr("occasion.stores.sqlite_upkeep.PURGE_SECONDS", 0.3)
    store = open_store(f"sqlite:///{tmp_path / 'o.db'}")
    fill(store)
    reader = sqlite3.connect(tmp_path / "o.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM event").fetchone()
    store.erase("ann")
    assert store.purge(compact=False) is False
    assert store.append([event(99)]) == 1, "writers go on"
    reader.execute("ROLLBACK")
    reader.close()
    assert store.purge(compact=False) is True
    assert b"a secret wish" not in bytes_of(tmp_path)
    store.close()


def test_the_audit_log_only_grows(tmp_path):
    store = open_store(f"sqlite:///{tmp_path / 'o.db'}")
    store.add_audit(AuditEntry(at=1.0, actor="a", act="b"))
    connection = sqlite3.connect(tmp_path / "o.db")
    for sql in ("DELETE FROM audit", "UPDATE audit SET actor = 'nobody'"):
        with pytest.raises(sqlite3.IntegrityError, match="only grows"):
            connection.execute(sql)
    connection.close()
    store.close()


def old_store(path, slates: int = 0) -> None:
    """A file as the first schema made it."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(migrations()[1])
    connection.execute("PRAGMA user_version = 1")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    body = '{"context":{"user":"ann","at":5.0},"entries":[]}'
    connection.executemany("INSERT INTO slate (id, body) VALUES (?, ?)", [(f"s{n}", body) for n in range(slates)])
    connection.close()


def test_answers_of_an_older_schema_find_their_people(tmp_path):
    old_store(tmp_path / "o.db", 3)
    store = open_store(f"sqlite:///{tmp_path / 'o.db'}")
    assert len(store.person("ann").slates) == 3
    assert store.expire_slates(6.0) == 3
    store.close()


OPEN = """
import sys, time
from occasion.stores import open_store
while time.time() < float(sys.argv[2]): pass
print(len(open_store(sys.argv[1]).person("ann").slates))
"""


def test_two_processes_meet_at_an_old_schema(tmp_path):
    old_store(tmp_path / "o.db", 3000)
    start = time.time() + 1.0
    command = [sys.executable, "-c", OPEN, f"sqlite:///{tmp_path / 'o.db'}", str(start)]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for child in children:
        out, err = child.communicate(timeout=300)
        assert (out.strip(), child.returncode) == ("3000", 0), err


# -- while others write ---------------------------------------------------------------------------------------------------
WRITER = """
import sys, time
from occasion.data import Event
from occasion.stores import open_store
store = open_store(sys.argv[1])
print("open", flush=True)
for number in range(100_000):
    store.append([Event(item="i", user=user, id=f"{sys.argv[2]} {user} {number}", text=f"words of {user} {number % 9}") for user in "ab"])
    print(number, flush=True)
    time.sleep(0.002)  # who never pauses starves the others
"""


def test_erasing_while_another_process_writes(tmp_path):
    url = f"sqlite:///{tmp_path / 'o.db'}"
    child = subprocess.Popen([sys.executable, "-c", WRITER, url, "w"], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline().strip() == "open"
    assert child.stdout.readline().strip() == "0"
    store = open_store(url)
    erased = 0
    for _ in range(15):
        time.sleep(0.05)
        removed = store.erase("a")
        erased += removed.events if removed else 0
        assert store.purge(compact=False) is True
    child.kill()
    out, _ = child.communicate()
    acknowledged = int(["0\n", *(line for line in out.splitlines(keepends=True) if line.endswith("\n"))][-1])
    kept = [e.id for e in store.read_events()]
    mine, others = [i for i in kept if " a " in i], [i for i in kept if " b " in i]
    assert len(others) >= acknowledged + 1
    assert len(mine) + erased == len(others), "each event of a was either erased or is there"
    assert store.counts()["events"] == sum(len(c.seq) for c in store.events()) == len(kept), "none is without its person"
    contexts = {c.key: c.text for c in store.contexts()}
    assert all(contexts[k] for c in store.events() for k in c.context.tolist()), "no words in use were emptied"
    store.close()


def test_the_last_write_of_a_purge_waits_for_other_writers(tmp_path):
    with closing(open_store(f"sqlite:///{tmp_path / 'o.db'}")) as store, closing(store._file.connect()) as connection:
        before = connection.execute("PRAGMA busy_timeout").fetchone()
        assert _emptied(connection)
        assert connection.execute("PRAGMA busy_timeout").fetchone() == before


ERASER = """
import sys
from occasion.stores import open_store
store = open_store(sys.argv[1])
print("open", flush=True)
store.erase("ann", seal=lambda removed: "receipt")
store.purge()
"""


def test_killed_while_erasing(tmp_path):
    """Either all of the person is there and no receipt, or nothing and a receipt; what is left to purge is known."""
    seconds, outcomes = 0.03, []
    for n in range(12):
        url = f"sqlite:///{tmp_path / f'{n}.db'}"
        store = open_store(url)
        store.append(
            [event(k, user="ann", text=f"secret {k}", session="v") for k in range(3000)] + [event(k) for k in range(3000, 4000)]
        )
        store.put_slate(slate(1, user="ann"))
        store.close()
        child = subprocess.Popen([sys.executable, "-c", ERASER, url], stdout=subprocess.PIPE)
        child.stdout.readline()
        time.sleep(seconds)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
        store = open_store(url)
        ann = store.person("ann")
        outcomes.append(ann is None)
        # Around the moment at which it is done, however long that takes here.
        seconds *= 0.6 if ann is None else 1.8
        if ann is None:
            assert (store.counts()["events"], store.erasures()) == (1000, ["receipt"])
            assert store.purge() is True
            assert b"secret 1" not in bytes_of_store(tmp_path, n)
        else:
            assert (len(ann.events), len(ann.slates), store.erasures()) == (3000, 1, [])
        store.close()
    assert set(outcomes) == {True, False}, "both were seen, so the kills fell at the right time"


def bytes_of_store(folder, n) -> bytes:
    return b"".join(p.read_bytes() for p in folder.iterdir() if p.name.startswith(f"{n}.db"))


# -- copies -----------------------------------------------------------------------------------------------------------------
def test_a_copy_taken_while_another_process_writes(tmp_path):
    url = f"sqlite:///{tmp_path / 'o.db'}"
    child = subprocess.Popen([sys.executable, "-c", WRITER, url, "w"], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline().strip() == "open"
    store = open_store(url)
    before = []
    for n in range(5):
        time.sleep(0.05)
        before.append(store.counts()["events"])
        store.copy_to(tmp_path / f"copy{n}")
    child.kill()
    child.communicate()
    store.close()
    for n in range(5):
        copy_in(tmp_path / f"copy{n}", tmp_path / f"restored{n}.db")
        copied = open_store(f"sqlite:///{tmp_path / f'restored{n}.db'}")
        assert copied.counts()["events"] >= before[n]
        assert copied.counts()["events"] % 2 == 0, "a transaction is copied whole"
        copied.close()


def test_a_copy_is_not_put_over_a_store_in_use(tmp_path):
    store, other = (open_store(f"sqlite:///{tmp_path / name}") for name in ("o.db", "p.db"))
    fill(store)
    other.append([event(1)])
    store.copy_to(tmp_path / "copy")
    with pytest.raises(StoreError, match=r"in use.*Cure"):
        copy_in(tmp_path / "copy", tmp_path / "p.db")
    assert other.counts()["events"] == 1
    other.close()
    copy_in(tmp_path / "copy", tmp_path / "p.db")
    other = open_store(f"sqlite:///{tmp_path / 'p.db'}")
    assert list(other.read_events()) == list(store.read_events())
    assert other.append([event(50)]) == 1
    store.close()
    other.close()
