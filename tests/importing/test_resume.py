"""Stopped in the middle, an import goes on; killed in the middle, nothing is lost and nothing is there twice."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from occasion.errors import StoreError
from occasion.importing import import_files
from occasion.stores import open_store

ROWS = 120_000
WIDE = "x" * 250  # so that few rows make several blocks


class Stop(Exception):
    pass


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """A log of several chunks, with rows to reject in each."""
    path = tmp_path_factory.mktemp("log") / "events.csv"
    with path.open("w") as file:
        file.write("user,item,time,notes\n")
        file.writelines(f"{f'u{n % 997}' if n % 1000 else ''},i{n % 7919},{1_600_000_000 + n},{WIDE}\n" for n in range(ROWS))
    return path


def stop_after(chunks):
    told = []

    def progress(done, total):
        told.append(done)
        if len(told) == chunks:
            raise Stop

    return progress


def states(store):
    return [name for name, _ in store._file.read("SELECT name, value FROM state") if name.startswith("import ")]


def test_a_stopped_import_goes_on_where_it_was(tmp_path, log):
    store = open_store(f"sqlite:///{tmp_path / 'o.db'}")
    other = tmp_path / "items.csv"
    other.write_text("id,title\n" + "".join(f"i{n},thing {n}\n" for n in range(100)))
    with pytest.raises(Stop):
        import_files(store, [str(other), str(log)], progress=stop_after(4))
    before = store.counts()["events"]
    assert 0 < before < ROWS
    assert states(store)
    summary = import_files(store, [str(other), str(log)])
    assert summary.resumed >= before
    assert summary.rows == ROWS + 100
    assert summary.new == ROWS - ROWS // 1000 + 100
    assert summary.rejections == ROWS // 1000
    assert summary.unchanged == 0
    assert store.counts()["events"] == ROWS - ROWS // 1000
    assert states(store) == []
    assert "stopped before" in summary.sentence()
    store.close()


def test_what_was_warned_of_before_a_stop_is_counted(tmp_path):
    path = tmp_path / "events.csv"
    rows = "".join(f"u{n % 997},i{n % 7919},{1_600_000_000 + n},{n % 48},{WIDE}\n" for n in range(ROWS))
    path.write_text("user,item,time,ctx_hour,notes\n" + rows)
    store = open_store(f"sqlite:///{tmp_path / 'o.db'}")
    with pytest.raises(Stop):
        import_files(store, str(path), progress=stop_after(2))
    summary = import_files(store, str(path))
    assert 0 < summary.resumed < summary.rows == ROWS
    assert summary.warned == ROWS // 2
    store.close()


def test_another_file_or_another_understanding_begins_anew(tmp_path, log):
    store = open_store(f"sqlite:///{tmp_path / 'o.db'}")
    with pytest.raises(Stop):
        import_files(store, str(log), progress=stop_after(1))
    short = tmp_path / "events.csv"
    short.write_bytes(log.read_bytes()[:200_000].rsplit(b"\n", 1)[0])
    assert import_files(store, str(short)).resumed == 0
    assert import_files(store, str(short), event_type="purchase").resumed == 0
    store.close()


IMPORT = """
import sys
from occasion.importing import import_files
from occasion.stores import open_store
print("begin", flush=True)
summary = import_files(open_store(sys.argv[1]), sys.argv[2], rejects=sys.argv[3])
print(summary.rows, summary.new, summary.unchanged, summary.rejections, summary.resumed)
"""


def killed_until_done(folder, log, kills, seed):
    rng = random.Random(seed)
    url, rejects = f"sqlite:///{folder / 'o.db'}", folder / "rejects.jsonl"
    command = [sys.executable, "-c", IMPORT, url, str(log), str(rejects)]
    for _ in range(kills):
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert child.stdout.readline() == "begin\n"
        time.sleep(rng.uniform(0.2, 2.0))
        os.kill(child.pid, signal.SIGKILL)
        child.stdout.close()
        child.wait(timeout=300)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows, new, unchanged, rejected, resumed = map(int, done.stdout.split()[1:])
    assert rows == ROWS
    assert rejected == ROWS // 1000
    assert new + unchanged == ROWS - rejected
    store = open_store(url)
    assert store.counts()["events"] == ROWS - rejected
    total = sum(int(columns.at.sum() - 1.6e9 * len(columns.at)) for columns in store.events())
    assert total == sum(n for n in range(ROWS) if n % 1000)
    assert states(store) == []
    store.close()
    listed = [json.loads(line)["line"] for line in rejects.read_text("utf-8").splitlines()]
    assert len(set(listed)) == rejected
    return resumed


@pytest.mark.slow
def test_killed_in_the_middle(tmp_path, log):
    killed_until_done(tmp_path, log, 6, 5)


def test_killed_once(tmp_path, log):
    killed_until_done(tmp_path, log, 1, 4)


def test_no_room_for_the_store_loses_nothing(tmp_path, log, monkeypatch):
    store = open_store(f"sqlite:///{tmp_path / 'o.db'}")
    with store._file.writing() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 1000}")
    with pytest.raises(StoreError, match=r"full.*Cure"):
        import_files(store, str(log))
    store.close()
    store = open_store(f"sqlite:///{tmp_path / 'o.db'}")
    assert import_files(store, str(log)).rows == ROWS
    assert store.counts()["events"] == ROWS - ROWS // 1000
    store.close()
