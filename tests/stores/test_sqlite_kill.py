"""Killed at any moment (kill -9): what was acknowledged is there, each event id at most once."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from occasion.stores import open_store

WRITER = """
import sys
from occasion.data import Context, Event, Item, Slate
from occasion.stores import open_store

store, start = open_store(sys.argv[1]), int(sys.argv[2])
print("open", flush=True)
for number in range(start, start + 100_000):
    size = 1 + number % 40
    # The last few events of the batch before come again, as from a client that never heard the answer.
    again = [Event(item=f"i{n}", user="u", id=f"{number - 1}/{n}") for n in range(min(3, 1 + (number - 1) % 40))]
    new = [Event(item=f"i{n}", user="u", id=f"{number}/{n}", signals={"n": number}) for n in range(size)]
    store.append(again * (number > start) + new)
    print("events", number, flush=True)
    store.put_items([Item(id=f"i{number}")])
    print("item", number, flush=True)
    store.put_slate(Slate(id=f"s{number}", context=Context(), entries=()))
    print("slate", number, flush=True)
    store.put_state("number", str(number))
    print("state", number, flush=True)
"""


def killed(url: str, start: int, lines: int, seconds: float) -> list[tuple[str, int]]:
    """Let a process write, kill it some time after so many lines, return what it had acknowledged."""
    child = subprocess.Popen([sys.executable, "-c", WRITER, url, str(start)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline().strip() == "open"
    said = [child.stdout.readline() for _ in range(lines)]
    time.sleep(seconds)
    os.kill(child.pid, signal.SIGKILL)
    said += child.stdout.read().splitlines(keepends=True)
    child.stdout.close()
    child.wait(timeout=300)
    return [(line.split()[0], int(line.split()[1])) for line in said if line.endswith("\n")]


def check(url: str, acknowledged: list[tuple[str, int]]) -> int:
    """Check everything acknowledged so far; return the next number to write."""
    store = open_store(url)
    kept = [e.id for e in store.read_events()]
    numbers = {kind: [n for k, n in acknowledged if k == kind] for kind in ("events", "item", "slate", "state")}
    promised = {f"{number}/{n}" for number in numbers["events"] for n in range(1 + number % 40)}
    assert len(kept) == len(set(kept)), "an event id is there twice"
    assert promised <= set(kept), "an acknowledged event is lost"
    assert len(store.get_items([f"i{n}" for n in numbers["item"]])) == len(numbers["item"])
    assert {f"s{n}" for n in numbers["slate"]} <= {slate.id for slate in store.slates()}
    assert int(store.get_state("number") or 0) >= max(numbers["state"], default=0)
    keys = sorted(stored.key for stored in store.items())
    assert keys == list(range(len(keys)))
    columns = [c.seq for c in store.events()]
    assert sum(map(len, columns)) == len(kept)
    store.close()
    return 1 + max((int(i.split("/")[0]) for i in kept), default=0)


def loop(folder: Path, kills: int, seed: int) -> None:
    rng = random.Random(seed)
    url = f"sqlite:///{folder / 'o.db'}"
    acknowledged: list[tuple[str, int]] = []
    number = 1
    for _ in range(kills):
        acknowledged += killed(url, number, rng.randrange(5), rng.uniform(0.0, 0.2))
        number = check(url, acknowledged)
    assert len(acknowledged) > kills, "the writer must have got somewhere"


def test_ten_kills(tmp_path):
    loop(tmp_path, 10, 1)


@pytest.mark.slow
def test_thirty_kills(tmp_path):
    loop(tmp_path, 30, 2)


CREATOR = """
import sys
from occasion.stores import open_store
open_store(sys.argv[1])
print("open", flush=True)
"""


def test_killed_while_the_store_is_made(tmp_path):
    rng = random.Random(3)
    for n in range(8):
        url = f"sqlite:///{tmp_path / f'{n}.db'}"
        child = subprocess.Popen([sys.executable, "-c", CREATOR, url], stdout=subprocess.DEVNULL)
        deadline = time.time() + 120
        while not (tmp_path / f"{n}.db.lock").exists() and child.poll() is None and time.time() < deadline:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.03))
        child.kill()
        child.wait(timeout=300)
        store = open_store(url)
        assert set(store.counts().values()) == {0}
        store.close()
