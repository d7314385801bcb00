"""The SQLite store: the contract, and what is a file's own."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from itertools import count
from pathlib import Path

import pytest
from store_contract import StoreContract, event

from occasion.data import Context, Event, Item, Slate
from occasion.errors import StoreError
from occasion.stores import open_store, sqlite_file
from occasion.stores.sqlite_file import APPLICATION_ID, SqliteFile, migrations

SCHEMA = Path(__file__).with_name("sqlite_schema.sql")


@pytest.fixture
def urls(tmp_path):
    numbers = count()
    return lambda: f"sqlite:///{tmp_path / f'{next(numbers)}.db'}"


class TestSqliteStore(StoreContract):
    pass


def run(code: str, *arguments: object, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False, **options
    )


# -- the address --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "url", ["", "occasion.db", "mongodb://x", "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:occasion.db"]
)
def test_an_address_that_names_no_store_says_what_does(url):
    with pytest.raises(StoreError, match="sqlite:///"):
        open_store(url)


def test_relative_paths_and_missing_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    open_store("sqlite:///new folder/深/o%20.db").close()
    assert (tmp_path / "new folder" / "深" / "o%20.db").is_file()


# -- schema -------------------------------------------------------------------------------------------------------------
def schema_of(path: Path) -> str:
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type DESC, name").fetchall()
    connection.close()
    return "\n".join(f"{sql};" for (sql,) in rows) + "\n"


def test_the_schema_is_what_its_migrations_make(tmp_path):
    open_store(f"sqlite:///{tmp_path / 'o.db'}").close()
    assert schema_of(tmp_path / "o.db") == SCHEMA.read_text("utf-8")


def test_migrations_are_numbered_without_gaps():
    assert list(migrations()) == list(range(1, len(migrations()) + 1))


@pytest.mark.parametrize("reached", range(len(migrations())))
def test_an_older_store_is_brought_up(tmp_path, reached):
    path = tmp_path / "o.db"
    connection = sqlite3.connect(path)
    for number in range(1, reached + 1):
        connection.executescript(migrations()[number])
        connection.execute(f"PRAGMA user_version = {number}")
    if reached:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.close()
    open_store(f"sqlite:///{path}").close()
    assert schema_of(path) == SCHEMA.read_text("utf-8")


def test_wal_and_full_synchronous(tmp_path):
    file = SqliteFile(tmp_path / "o.db")
    assert file.read("PRAGMA journal_mode") == [("wal",)]
    with file.writing() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    with file.writing(flushed=False) as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (1,)
    file.close()


def test_after_many_answers_the_log_is_moved_into_the_file_aside(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite_file, "UNFLUSHED", 5)
    path = tmp_path / "o.db"
    with contextlib.closing(open_store(f"sqlite:///{path}")) as store:
        for n in range(4):
            store.put_slate(Slate(id=f"s{n}", context=Context(), entries=(), sentence="x" * 100_000))
        before = path.stat().st_size
        assert store._file._moving is None
        store.put_slate(Slate(id="s4", context=Context(), entries=()))
        store._file._moving.join()
        assert path.stat().st_size > before + 400_000
        store.put_slate(Slate(id="s5", context=Context(), entries=()))
        assert [slate.id for slate in store.slates()] == [f"s{n}" for n in range(6)]


def test_slates_and_events_keep_one_order_in_the_log(tmp_path):
    """Whatever beginning of the log a power cut leaves, an event in it has the slates that were written before it."""
    open_store(f"sqlite:///{tmp_path / 'o.db'}").close()
    store = open_store(f"sqlite:///{tmp_path / 'o.db'}")
    for n in range(8):
        store.put_slate(Slate(id=f"s{n}", context=Context(), entries=()))
        store.append([Event(user="u", item="i", id=f"e{n}", slate=f"s{n}")])
    log = (tmp_path / "o.db-wal").read_bytes()
    whole = (tmp_path / "o.db").read_bytes()
    seen = set()
    for size in range(32, len(log) + 1, 4096 + 24):
        cut = tmp_path / f"cut-{size}"
        cut.mkdir()
        (cut / "o.db").write_bytes(whole)
        (cut / "o.db-wal").write_bytes(log[:size])
        left = open_store(f"sqlite:///{cut / 'o.db'}")
        slates = {s.id for s in left.slates()}
        named = {e.slate for e in left.read_events()}
        assert named <= slates
        seen.add((len(named), len(slates)))
        left.close()
    store.close()
    assert {(0, 1), (1, 1), (7, 8), (8, 8)} <= seen


OPEN = """
import sys, time
from occasion.stores import open_store
while time.time() < float(sys.argv[2]): pass
store = open_store(sys.argv[1])
from occasion.data import Event
print(store.append([Event(item="i", user="u", id=sys.argv[3])]))
"""


def test_many_processes_may_create_the_store_at_once(tmp_path):
    url, start = f"sqlite:///{tmp_path / 'o.db'}", time.time() + 1.5
    children = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, url, str(start), f"e{n}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for n in range(4)
    ]
    for child in children:
        out, err = child.communicate(timeout=300)
        assert (out.strip(), child.returncode) == ("1", 0), err
    store = open_store(url)
    assert store.counts()["events"] == 4
    store.close()


def test_states_are_put_all_or_none(tmp_path):
    with contextlib.closing(open_store(f"sqlite:///{tmp_path / 'o.db'}")) as store:
        store.put_states({"version": "1", "log": "[1]"})
        with pytest.raises(UnicodeEncodeError):
            store.put_states({"version": "2", "log": "\ud800"})
        assert (store.get_state("version"), store.get_state("log")) == ("1", "[1]")


# -- files that are no good ---------------------------------------------------------------------------------------------
def refused(path: Path, word: str) -> None:
    before = path.read_bytes()
    with pytest.raises(StoreError, match=word) as caught:
        open_store(f"sqlite:///{path}")
    assert "Cure" in str(caught.value)
    assert path.read_bytes() == before
    assert sorted(p.name for p in path.parent.iterdir() if p.name.startswith(path.name)) == [path.name]


def test_a_file_that_is_no_database(tmp_path):
    path = tmp_path / "o.db"
    path.write_text("user,item\n1,2\n" * 100)
    refused(path, "not a database")


def test_a_database_of_another_program(tmp_path):
    path = tmp_path / "o.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE photos (x)")
    connection.close()
    refused(path, "another program")


def test_a_newer_schema(tmp_path):
    path = tmp_path / "o.db"
    open_store(f"sqlite:///{path}").close()
    (tmp_path / "o.db.lock").unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 999")
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    refused(path, "schema 999.*upgrade")


def test_a_path_that_is_a_folder_or_lies_under_a_file(tmp_path):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path, tmp_path / "file" / "o.db"):
        with pytest.raises(StoreError, match="Cure"):
            open_store(f"sqlite:///{path}")


def filled(path: Path, number: int = 3000) -> None:
    store = open_store(f"sqlite:///{path}")
    store.append([event(n, item=f"item number {n}") for n in range(number)])
    store.put_items([Item(id=f"i{n}", text={"title": "long title " * 20}) for n in range(number // 10)])
    store.close()


def use(path: Path) -> None:
    store = open_store(f"sqlite:///{path}")
    try:
        list(store.items())
        list(store.read_events())
        store.append([event(n) for n in range(10**6, 10**6 + 1000)])
    finally:
        store.close()


@pytest.mark.parametrize("damage", ["cut", "zeros", "noise"])
def test_a_damaged_file_says_so(tmp_path, damage):
    path = tmp_path / "o.db"
    filled(path)
    size = path.stat().st_size
    with path.open("r+b") as file:
        if damage == "cut":
            file.truncate(size // 2)
        else:
            file.seek(4096)
            file.write((b"\x00" if damage == "zeros" else b"\xa7") * (size - 4096))
    with pytest.raises(StoreError, match=r"damaged.*Cure"):
        use(path)


def test_a_file_deleted_while_in_use_is_noticed_by_a_new_thread(tmp_path):
    store = open_store(f"sqlite:///{tmp_path / 'o.db'}")
    store.append([event(1)])
    (tmp_path / "o.db").unlink()
    caught = []

    def read():
        try:
            store.counts()
        except StoreError as error:
            caught.append(str(error))

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    store.close()
    assert "gone" in caught[0]


# -- no room, no right --------------------------------------------------------------------------------------------------
FILL = """
import resource, sys
from occasion.data import Event
from occasion.errors import StoreError
from occasion.stores import open_store
store = open_store(sys.argv[1])
limit = int(sys.argv[2])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
done = 0
try:
    for number in range(100_000):
        store.append([Event(item=f"{number} {n}" * 5, user="u", id=f"{number} {n}") for n in range(50)])
        done = number + 1
except StoreError as error:
    print(done, error)
"""


def acknowledged_is_kept(url: str, out: str) -> None:
    done, _, message = out.partition(" ")
    assert "Cure" in message
    store = open_store(url)
    kept = [e.id for e in store.read_events()]
    assert len(kept) == len(set(kept))
    assert set(kept) >= {f"{number} {n}" for number in range(int(done)) for n in range(50)}
    assert len(kept) % 50 == 0
    assert store.append([event(1)]) == 1, "with room again, it goes on"
    store.close()


def test_a_file_that_may_not_grow(tmp_path):
    url = f"sqlite:///{tmp_path / 'o.db'}"
    result = run(FILL, url, 600_000)
    assert result.returncode == 0, result.stderr
    acknowledged_is_kept(url, result.stdout)


def test_a_full_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], capture_output=True, check=False).returncode:
        pytest.skip("no right to make a small disk here")
    try:
        result = run(FILL, f"sqlite:///{disk / 'o.db'}", 0)
        assert result.returncode == 0, result.stderr
        assert "disk is full" in result.stdout
        shutil.copytree(disk, tmp_path / "roomy")
        acknowledged_is_kept(f"sqlite:///{tmp_path / 'roomy' / 'o.db'}", result.stdout)
        nothing = run("import sys; from occasion.stores import open_store; open_store(sys.argv[1])", f"sqlite:///{disk / 'p.db'}")
        assert "StoreError" in nothing.stderr
    finally:
        subprocess.run(["umount", disk], check=True)


@contextlib.contextmanager
def read_only(folder: Path):
    """Make a folder read-only: by its permissions, and for root, who may do all, by a read-only mount."""
    if os.getuid():
        folder.chmod(0o555)
        yield
        folder.chmod(0o755)
        return
    if subprocess.run(["mount", "--bind", "-o", "ro", folder, folder], capture_output=True, check=False).returncode:
        pytest.skip("root may write everywhere, and has no right to mount here")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("exists", [False, True])
def test_a_read_only_folder(tmp_path, exists):
    path = tmp_path / "locked" / "o.db"
    path.parent.mkdir()
    if exists:
        filled(path, 50)
    before = path.read_bytes() if exists else None
    with read_only(path.parent), pytest.raises(StoreError, match=r"cannot .*Cure"):
        use(path)
    assert (path.read_bytes() if path.exists() else None) == before
    filled(path, 60)


# -- processes that die, processes that meet ----------------------------------------------------------------------------
def test_two_processes_write_at_once_and_nothing_is_lost_or_doubled(tmp_path):
    code = """
import sys
from occasion.data import Event, Item
from occasion.stores import open_store
store, me = open_store(sys.argv[1]), sys.argv[2]
new = 0
for n in range(60):
    shared = [Event(item=f"i{n}", user=f"u{n % 9}", id=f"both {n}", signals={"n": n})]
    new += store.append(shared + [Event(item=f"{me}{n}", user=f"{me}{n}", id=f"{me} {n} {k}") for k in range(3)])
    store.put_items([Item(id=f"i{n}", text={"title": me})])
print(new)
"""
    url = f"sqlite:///{tmp_path / 'o.db'}"
    children = [subprocess.Popen([sys.executable, "-c", code, url, me], stdout=subprocess.PIPE, text=True) for me in "ab"]
    new = [int(child.communicate(timeout=300)[0]) for child in children]
    store = open_store(url)
    kept = [e.id for e in store.read_events()]
    assert sum(new) == len(kept) == len(set(kept)) == 60 + 2 * 180
    keys = [stored.key for stored in store.items()]
    assert sorted(keys) == list(range(180))
    assert store.counts()["contexts"] == 60
    store.close()


def test_a_waiting_reader_does_not_stop_a_writer(tmp_path):
    url = f"sqlite:///{tmp_path / 'o.db'}"
    store, other = open_store(url), open_store(url)
    store.append([event(n) for n in range(10)])
    stream = store.read_events()
    next(stream)
    assert other.append([event(n) for n in range(10, 20)]) == 10
    assert len(list(stream)) >= 9
    store.close()
    other.close()
