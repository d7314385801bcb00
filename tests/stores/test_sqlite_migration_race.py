"""Processes that open one store at the same time: one migrates it, the others wait, nothing is lost."""

import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

from occasion.stores import open_store
from occasion.stores.sqlite_file import APPLICATION_ID, migrations

OPEN = """
import sys, time
from occasion.data import Event
from occasion.stores import open_store

while time.time() < float(sys.argv[2]):
    pass
store = open_store(sys.argv[1])
print(store.append([Event(user="u", item="i", id=f"new-{sys.argv[3]}")]), store.counts()["events"], flush=True)
store.close()
"""


def old_store(path, schema):
    """Make a store as a process of the given schema left it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        for number, script in migrations().items():
            if number <= schema:
                connection.executescript(script)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {schema}")
        body = '{"context":{"user":"ann","at":5.0}}'
        connection.executemany("INSERT INTO slate (id, body) VALUES (?, ?)", [(f"s{n}", body) for n in range(20_000)])


@pytest.mark.parametrize("schema", [0, 1])
def test_several_processes_start_at_once(tmp_path, schema):
    path = tmp_path / "o.db"
    if schema:
        old_store(path, schema)
    url, begin = f"sqlite:///{path}", time.time() + 1.5
    command = [sys.executable, "-c", OPEN, url, str(begin)]
    started = [subprocess.Popen([*command, str(n)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for n in range(4)]
    for process in started:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        assert out.split()[0] == "1"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (max(migrations()),)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        if schema:
            assert connection.execute("SELECT count(*) FROM slate WHERE user = 'ann' AND at = 5.0").fetchone() == (20_000,)
    with closing(open_store(url)) as store:
        assert sorted(e.id for e in store.read_events()) == [f"new-{n}" for n in range(4)]


def test_killed_while_it_migrates_the_next_one_does_it(tmp_path):
    for n in range(0, 6, 2):
        path = tmp_path / f"o{n}.db"
        old_store(path, 1)
        command = [sys.executable, "-c", OPEN, f"sqlite:///{path}", "0", "x"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.15 + 0.05 * n)
        process.kill()
        process.wait()
        with closing(open_store(f"sqlite:///{path}")) as store:
            assert store.counts()["slates"] == 20_000
            assert store.person("ann") is not None
