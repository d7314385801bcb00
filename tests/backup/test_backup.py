"""Backup and restore: what comes back is what was there, nothing is overwritten unasked, erasures hold beyond a restore."""

import io
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tarfile
import time
from contextlib import closing

import pytest

from occasion.backup import back_up, restore
from occasion.backup.archive import read_contents, state_of
from occasion.data import Context, Event, Item, Slate, User
from occasion.errors import DataError, OccasionError, StoreError
from occasion.people import Consent
from occasion.privacy.erasure import erase, receipts
from occasion.privacy.guarded import open_guarded
from occasion.privacy.receipts import verify
from occasion.settings import load_settings
from occasion.snapshot import FOLDERS
from occasion.stores import open_store
from occasion.versions import Versions
from waiting import until

NOW = 1_790_000_000.0


def fill(settings, events=200):
    with closing(open_guarded(settings)) as store:
        store.put_items([Item(id=f"i{n}", text={"title": f"thing {n}"}) for n in range(20)])
        store.put_users([User(id="ann", attributes={"city": "Ulm"})])
        store.append([Event(user=f"u{n % 7}", item=f"i{n % 20}", at=NOW + n, id=f"e{n}", text=f"words {n}") for n in range(events)])
        store.append([Event(user="ann", item="i1", at=NOW, id="ann-1", text="xylophonophobia")])
        store.put_slate(Slate(id="s1", context=Context(user="ann", text="xylophonophobia", at=NOW), entries=()))
        store.put_consents([Consent(user="bob", purpose="train", granted=True, at=NOW)])
        made = Versions(store, settings.home).put(write, data={"seq": 1})
        Versions(store, settings.home).promote(made.id)
    return made.id


def write(folder):
    folder.mkdir(parents=True)
    (folder / "weights").write_text("1")


def everything(settings):
    with closing(open_store(settings.resolved_store_url)) as store:
        rows = [list(part) for part in (store.read_events(), store.slates(), store.users(), store.items())]
        return rows, state_of(store), store.get_state("version"), store.consents("bob")


@pytest.fixture
def shop(tmp_path):
    settings = load_settings(home=tmp_path / "home")
    version = fill(settings)
    fill(settings.model_copy(update={"home": settings.home / "tenants" / "acme"}), events=50)
    return settings, version


@pytest.mark.parametrize("name", ["b.tar", "b.tar.gz"])
def test_a_home_comes_back_as_it_was(shop, tmp_path, name):
    settings, version = shop
    (settings.home / "encoders" / "mine").mkdir(parents=True)
    (settings.home / "encoders" / "mine" / "model.bin").write_bytes(b"\0\1")
    before = everything(settings)
    done = back_up(settings, tmp_path / name)
    assert done.path.stat().st_mode & 0o077 == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([name, "home"]), "nothing else is left"
    assert "home/home.key" in done.contents.files
    elsewhere = load_settings(home=tmp_path / "elsewhere")
    checked = restore(elsewhere, tmp_path / name, check_only=True)
    assert checked.contents.stores["home"]["counts"]["events"] == 201
    assert list(elsewhere.home.iterdir()) == []
    put = restore(elsewhere, tmp_path / name)
    assert put.aside == ()
    assert everything(elsewhere) == before
    assert Versions(open_store(elsewhere.resolved_store_url), elsewhere.home).model_folder(version).is_dir()
    assert (elsewhere.home / "encoders" / "mine" / "model.bin").read_bytes() == b"\0\1"
    acme = elsewhere.home / "tenants" / "acme" / "occasion.db"
    with closing(open_store(f"sqlite:///{acme}")) as store:
        assert store.counts()["events"] == 51
    with closing(sqlite3.connect(acme)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert not list(elsewhere.home.glob("*restoring*"))
    with closing(open_guarded(elsewhere)) as store:
        assert [a.act for a in store.audit()] == ["restore"]
        assert store.append([Event(user="new", item="i1")]) == 1


def test_nothing_is_overwritten_unasked_and_what_was_there_is_kept(shop, tmp_path):
    settings, _ = shop
    back_up(settings, tmp_path / "b.tar")
    with pytest.raises(DataError, match="exists"):
        back_up(settings, tmp_path / "b.tar")
    with closing(open_guarded(settings)) as store:
        store.append([Event(user="late", item="i1", id="late")])
        Versions(store, settings.home).put(write)
    late = everything(settings)
    with pytest.raises(DataError, match="--force"):
        restore(settings, tmp_path / "b.tar")
    assert everything(settings) == late
    with closing(open_store(settings.resolved_store_url)) as held:
        held.counts()
        done = subprocess_restore(settings.home, tmp_path / "b.tar")
        assert (done.returncode, "in use" in done.stderr) == (StoreError.exit_code, True)
    assert everything(settings) == late
    put = restore(settings, tmp_path / "b.tar", force=True)
    assert everything(settings)[1]["counts"]["events"] == 201
    (kept,) = [name for name in put.aside if name.startswith("occasion.db")]
    with closing(open_store(f"sqlite:///{settings.home / kept}")) as store:
        assert "late" in [e.id for e in store.read_events()]
    assert len(Versions(open_store(settings.resolved_store_url), settings.home).all()) == 1
    back_up(settings, tmp_path / "b.tar", force=True)


def test_no_snapshot_of_what_was_there_stays(shop, tmp_path):
    settings, _ = shop
    back_up(settings, tmp_path / "b.tar")
    folders = [home / "derived" / name for home in (settings.home, settings.home / "tenants" / "acme") for name in FOLDERS]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "0123456789ab-arrays.npys").write_bytes(b"words of items")
    restore(settings, tmp_path / "b.tar", force=True)
    assert not any(folder.exists() for folder in folders)


def subprocess_restore(home, path, *more):
    command = [sys.executable, "-m", "occasion", "restore", str(path), "--force", "--home", str(home), *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


# -- damage ---------------------------------------------------------------------------------------------------------------------
def test_a_damaged_backup_changes_nothing(shop, tmp_path):
    settings, _ = shop
    path = tmp_path / "b.tar"
    back_up(settings, path)
    before, whole, rng = everything(settings), path.read_bytes(), random.Random(1)
    refused = 0
    for n in range(24):
        place = rng.randrange(len(whole))
        damaged = whole[:place] if n % 2 else whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
        path.write_bytes(damaged)
        try:
            restore(settings, path, check_only=True)
        except OccasionError as error:
            refused += 1
            assert "Cure:" in str(error)
    assert refused >= 18, "bytes between the files do not matter; all others are noticed"
    assert everything(settings) == before


@pytest.mark.parametrize("name", ["../out", "/etc/out", "home/../../out", "home/tenants/x/extra"])
def test_a_backup_writes_nothing_outside_and_nothing_that_is_not_listed(shop, tmp_path, name):
    settings, _ = shop
    back_up(settings, tmp_path / "b.tar")
    with tarfile.open(tmp_path / "b.tar", "a") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = 1
        tar.addfile(entry, io.BytesIO(b"x"))
    with pytest.raises(DataError, match="does not list"):
        restore(load_settings(home=tmp_path / "e"), tmp_path / "b.tar")
    assert not (tmp_path / "out").exists()


def test_a_backup_with_a_store_that_is_not_the_one_it_tells_of_is_refused(shop, tmp_path):
    """Hashes that fit do not help a store whose events are others."""
    settings, _ = shop
    back_up(settings, tmp_path / "b.tar")
    contents = read_contents(tmp_path / "b.tar")
    contents.stores["home"]["counts"]["events"] += 1
    with tarfile.open(tmp_path / "b.tar") as old, tarfile.open(tmp_path / "c.tar", "w") as new:
        for entry in old:
            content = old.extractfile(entry).read()
            if entry.name == "manifest.json":
                content = contents.document()
                entry.size = len(content)
            new.addfile(entry, io.BytesIO(content))
    with pytest.raises(StoreError, match="expected"):
        restore(load_settings(home=tmp_path / "e"), tmp_path / "c.tar")
    assert not (tmp_path / "e" / "occasion.db").exists()


@pytest.mark.parametrize("content", [b"", b"no tar at all", b"\x1f\x8bno gzip"])
def test_what_is_no_backup_is_refused(tmp_path, content):
    (tmp_path / "b").write_bytes(content)
    for path in (tmp_path / "b", tmp_path / "nothing"):
        with pytest.raises(DataError, match="Cure"):
            restore(load_settings(home=tmp_path / "home"), path)


def test_a_home_whose_store_is_damaged_can_be_restored(shop, tmp_path):
    settings, _ = shop
    before = everything(settings)
    back_up(settings, tmp_path / "b.tar")
    database = settings.home / "occasion.db"
    damaged = os.urandom(4096) + database.read_bytes()[4096:]
    database.write_bytes(damaged)
    put = restore(settings, tmp_path / "b.tar", force=True)
    assert everything(settings) == before
    (kept,) = [name for name in put.aside if name.startswith("occasion.db")]
    assert (settings.home / kept).read_bytes() == damaged


def test_where_there_is_no_store_there_is_no_backup(tmp_path):
    with pytest.raises(StoreError, match="no store"):
        back_up(load_settings(home=tmp_path / "home"), tmp_path / "b.tar")
    assert list(tmp_path.iterdir()) == []


# -- people -----------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("pseudonymous", [False, True])
def test_who_was_erased_since_is_erased_again_and_choices_hold_on(tmp_path, pseudonymous):
    settings = load_settings(home=tmp_path / "home", pseudonymous=pseudonymous)
    fill(settings)
    back_up(settings, tmp_path / "b.tar")
    with closing(open_guarded(settings)) as store:
        old = erase(store, settings, user="ann").receipt
        store.put_consents([Consent(user="u1", purpose="personalise", granted=False, at=1.0)])
        store.put_consents([Consent(user="bob", purpose="train", granted=False, at=NOW + 1)])
    put = restore(settings, tmp_path / "b.tar", force=True)
    assert (put.erased_again, put.choices) == (1, 2)
    with closing(open_guarded(settings)) as store:
        assert store.person("ann") is None
        assert store.counts()["events"] == 200
        assert [c.granted for c in store.consents("bob")] == [True, False]
        assert [c.granted for c in store.consents("u1")] == [False]
        kept = receipts(store, settings.home)
        assert json.loads(old)["id"] in [r["id"] for r in kept]
        assert all(
            verify(json.dumps({k: v for k, v in r.items() if k != "still_holding"}), home=settings.home)["valid"] for r in kept
        )
        new = next(r for r in kept if r["id"] != json.loads(old)["id"])
        assert new["still_holding"]
        assert any(name.startswith("occasion.db.before-restore-") for name in new["holding"]["copies"])
    found = [p for p in settings.home.rglob("*") if p.is_file() and b"xylophonophobia" in p.read_bytes()]
    assert found == [], "the old state was put aside after the erasure: it has nothing of the person either"


def test_receipts_from_elsewhere_do_where_the_home_is_lost(shop, tmp_path):
    settings, _ = shop
    back_up(settings, tmp_path / "b.tar")
    with closing(open_guarded(settings)) as store:
        erase(store, settings, user="ann")
        kept = receipts(store, settings.home)
    lost = load_settings(home=tmp_path / "new")
    forged = [{**kept[0], "id": "forged", "at": 1.0}]
    put = restore(lost, tmp_path / "b.tar", receipts=[*kept, *forged])
    assert (put.erased_again, put.strange) == (1, 1)
    with closing(open_store(f"sqlite:///{lost.home / 'tenants' / 'acme' / 'occasion.db'}")) as other:
        assert other.erasures() == [], "the receipt is of another tenant"
        assert other.person("ann") is not None
    with closing(open_store(lost.resolved_store_url)) as store:
        assert store.person("ann") is None
        assert store.counts()["events"] == 200
        assert kept[0]["id"] in [json.loads(text)["id"] for text in store.erasures()]
        assert "forged" not in str(store.erasures())
    (tmp_path / "receipts.json").write_text(json.dumps({"receipts": kept}))
    done = subprocess_restore(tmp_path / "third", tmp_path / "b.tar", "--receipts", str(tmp_path / "receipts.json"))
    assert "erased again: 1" in done.stdout
    (tmp_path / "receipts.json").write_text("[]")
    assert (
        subprocess_restore(tmp_path / "fourth", tmp_path / "b.tar", "--receipts", str(tmp_path / "receipts.json")).returncode == 2
    )
    assert not (tmp_path / "fourth").exists()


def test_the_key_goes_along_unless_it_is_left_out(tmp_path):
    settings = load_settings(home=tmp_path / "home", pseudonymous=True)
    fill(settings)
    with closing(open_guarded(settings)) as store:
        before = store.pseudonym("ann")
    back_up(settings, tmp_path / "b.tar")
    back_up(settings, tmp_path / "without.tar", with_key=False)
    assert "home/home.key" not in read_contents(tmp_path / "without.tar").files
    new = load_settings(home=tmp_path / "new", pseudonymous=True)
    restore(new, tmp_path / "b.tar")
    assert (new.home / "home.key").stat().st_mode & 0o077 == 0
    with closing(open_guarded(new)) as store:
        assert store.pseudonym("ann") == before
        assert store.person("ann") is not None
    told = restore(load_settings(home=tmp_path / "clear"), tmp_path / "b.tar", check_only=True).differences
    assert told["pseudonymous"] == (True, False)


# -- under load, and killed ---------------------------------------------------------------------------------------------------------
WRITER = """
import sys
from occasion.data import Event
from occasion.stores import open_store

store = open_store(sys.argv[1])
print("open", flush=True)
for n in range(1_000_000):
    store.append([Event(user=f"w{n % 5}", item=f"i{n % 20}", id=f"w{n}-{m}") for m in range(20)])
    print(n, flush=True)
"""


def test_a_backup_under_writes_holds_what_was_acknowledged_before_and_whole_batches(shop, tmp_path):
    settings, _ = shop
    writer = subprocess.Popen([sys.executable, "-c", WRITER, settings.resolved_store_url], stdout=subprocess.PIPE, text=True)
    try:
        assert writer.stdout.readline().strip() == "open"
        for n in range(3):
            acknowledged = int(writer.stdout.readline())
            while time.monotonic() % 0.1 > 0.02:
                acknowledged = int(writer.stdout.readline())
            back_up(settings, tmp_path / f"{n}.tar")
            elsewhere = load_settings(home=tmp_path / f"e{n}")
            restore(elsewhere, tmp_path / f"{n}.tar")
            with closing(open_store(elsewhere.resolved_store_url)) as store:
                ids = [e.id for e in store.read_events() if e.id.startswith("w")]
            assert len(ids) % 20 == 0, "half a transaction"
            assert len(ids) >= 20 * (acknowledged + 1)
            assert writer.poll() is None, "the writer was not held up for long enough to fail"
    finally:
        writer.kill()
        writer.communicate()


def test_a_backup_that_was_killed_leaves_no_file_and_the_next_one_succeeds(shop, tmp_path):
    settings, _ = shop
    command = [sys.executable, "-m", "occasion", "backup", str(tmp_path / "b.tar"), "--force", "--home", str(settings.home)]
    rng = random.Random(3)
    before = None
    for _ in range(8):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.2 + rng.random() * 0.6)
        process.kill()
        process.wait()
        if (tmp_path / "b.tar").exists():
            restore(settings, tmp_path / "b.tar", check_only=True)
            before = True
    back_up(settings, tmp_path / "b.tar", force=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.tar", "home"], f"a half made one is swept up; whole before: {before}"
    restore(settings, tmp_path / "b.tar", check_only=True)


def test_a_restore_that_was_killed_is_finished_by_the_next_one_and_nothing_opens_in_between(tmp_path):
    settings = load_settings(home=tmp_path / "home")
    fill(settings, events=3000)
    back_up(settings, tmp_path / "b.tar")
    backed = everything(settings)
    with closing(open_guarded(settings)) as store:
        erase(store, settings, user="ann")
        store.append([Event(user="late", item="i1", id=f"late{n}") for n in range(3000)])
    late = everything(settings)
    rng, seen, begun = random.Random(5), set(), time.monotonic()
    assert subprocess_restore(settings.home, tmp_path / "b.tar").returncode == 0
    whole = time.monotonic() - begun
    for n in range(12):
        command = [sys.executable, "-m", "occasion", "restore", str(tmp_path / "b.tar"), "--force", "--home", str(settings.home)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if n % 3:
            time.sleep(whole * (0.3 + 0.7 * rng.random()))
        else:
            until(lambda ended=process.poll: ended() is not None or (settings.home / "restoring.json").exists())
        process.send_signal(signal.SIGKILL)
        process.wait()
        if (settings.home / "restoring.json").exists():
            seen.add("between")
            with pytest.raises(StoreError, match="interrupted"):
                open_guarded(settings)
        else:
            seen.add("outside")
            open_guarded(settings).close()
        if n % 4 == 3:
            assert subprocess_restore(settings.home, tmp_path / "b.tar").returncode == 0
    assert subprocess_restore(settings.home, tmp_path / "b.tar").returncode == 0
    assert "between" in seen
    with closing(open_guarded(settings)) as store:
        assert store.person("ann") is None, "the receipt was carried over by whatever restore was killed"
        assert store.counts()["events"] == 3000
        assert store.consents("bob") == backed[3]
    assert late != backed


def test_a_service_is_backed_up_while_it_runs_and_not_restored_over(shop, tmp_path):
    settings, _ = shop
    env = {k: v for k, v in os.environ.items() if not k.startswith("OCCASION_")}
    log = tmp_path / "log"
    command = [sys.executable, "-m", "occasion", "serve", "--port", "0", "--home", str(settings.home)]
    with log.open("w") as file:
        service = subprocess.Popen(command, stdout=file, stderr=file, env=env)
    try:
        until(lambda: '"ready"' in log.read_text())
        assert (
            subprocess.run(
                [sys.executable, "-m", "occasion", "backup", str(tmp_path / "b.tar"), "--home", str(settings.home)], check=False
            ).returncode
            == 0
        )
        refused = subprocess_restore(settings.home, tmp_path / "b.tar")
        assert (refused.returncode, "in use" in refused.stderr) == (StoreError.exit_code, True)
        assert not (settings.home / "restoring.json").exists()
    finally:
        service.terminate()
        assert service.wait(120) == 0
    assert subprocess_restore(settings.home, tmp_path / "b.tar").returncode == 0
