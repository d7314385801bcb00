"""How fast and how big is an import: rows, seconds, CPU seconds, peak memory, and how fast the store is read afterwards.

Run: ``POLARS_MAX_THREADS=1 python benchmarks/importing.py FILES... [--store PATH] [--keep]``
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("POLARS_MAX_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from occasion.data import Event
from occasion.doctor import examine
from occasion.importing import import_files
from occasion.protocols import Store
from occasion.stores import open_store


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Return wall and CPU seconds of some work."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def peak_mb() -> float:
    """Return the greatest memory of the process so far; Linux counts in KiB, macOS in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def milliseconds(work: Callable[[], object], times: int) -> str:
    """Return median and 99th percentile of some work."""
    taken = [seconds(work)[0] * 1000 for _ in range(times)]
    return f"p50 {statistics.median(taken):.3f} ms, p99 {np.quantile(taken, 0.99):.3f} ms"


def read(store: Store) -> None:
    """Time what a recommender reads from the store."""
    total = store.counts()["events"]
    wall, cpu = seconds(lambda: sum(len(columns.seq) for columns in store.events()))
    print(f"events(): {total:,} in {wall:.2f} s ({cpu:.2f} s CPU)")
    counts = np.bincount(np.concatenate([columns.user for columns in store.events()]))
    key = int(np.argmin(np.abs(counts - 600)))
    print(f"history() of a user with {counts[key]} events: {milliseconds(lambda: store.history(key, limit=600), 300)}")
    print(f"cursor(): {milliseconds(store.cursor, 2000)}")
    wall, cpu = seconds(lambda: examine(store, time.time()))
    print(f"doctor: {wall:.1f} s ({cpu:.1f} s CPU)")


def write(store: Store) -> None:
    """Time what feedback writes."""
    events = [Event(item=f"i{n % 5000}", user=f"u{n % 2000}", type="view", at=1.7e9 + n) for n in range(20_300)]
    single = iter(events)
    print(f"append() of one event: {milliseconds(lambda: store.append([next(single)]), 300)}")
    rest = list(single)
    wall, _ = seconds(lambda: [store.append(rest[n : n + 1000]) for n in range(0, len(rest), 1000)])
    print(f"append() of 1,000 events at once: {len(rest) / wall:,.0f} events/s")


def main() -> None:
    """Import files into a new store and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--store", type=Path, help="where the store is made; default: a temporary folder")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = given.store or Path(folder) / "occasion.db"
        store = open_store(f"sqlite:///{path}")
        before = peak_mb()
        wall, cpu = seconds(lambda: print(import_files(store, given.files).sentence()))
        print(f"import: {wall:.1f} s, {cpu:.1f} s CPU, load {os.getloadavg()[0]:.1f}")
        print(f"memory: {peak_mb():.0f} MB at most, {before:.0f} MB before")
        print(f"file: {path.stat().st_size / 1e6:.0f} MB")
        wall, cpu = seconds(lambda: print(import_files(store, given.files).sentence()))
        print(f"import again: {wall:.1f} s, {cpu:.1f} s CPU")
        read(store)
        write(store)
        store.close()


if __name__ == "__main__":
    main()
