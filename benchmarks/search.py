"""Measure how fast, how large and how right the search for near items is.

Builds an index over clustered synthetic unit vectors (texts of a catalogue lie in clusters; evenly random vectors would be a
test of nothing) or over vectors from a file, and prints building rate, memory, recall@10 against exact search, and
milliseconds at the median and the 99th percentile. Measure on one thread, with these two set:

    export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
    python benchmarks/search.py --items 100000
    nice -n 15 python benchmarks/search.py --items 1000000 --save /tmp/index
    python benchmarks/search.py --open /tmp/index --items 1000000
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from occasion.indexes import make_index, open_index
from occasion.indexes.exact import ExactIndex
from occasion.indexes.hnsw import HnswIndex

CHUNK = 10_000
ITEMS_A_CLUSTER = 50


def unit(rows: np.ndarray) -> np.ndarray:
    """Return rows (n, dim) at length 1."""
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def noisy(rng: np.random.Generator, rows: np.ndarray, spread: float) -> np.ndarray:
    """Return unit rows with noise of length `spread` added."""
    return unit(rows + spread * rng.standard_normal(rows.shape, np.float32) / np.sqrt(rows.shape[1], dtype=np.float32))


def chunks(args: argparse.Namespace) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield keys and vectors, always the same for the same arguments."""
    if args.vectors:
        vectors = np.load(args.vectors, mmap_mode="r")
        for start in range(0, min(args.items, len(vectors)), CHUNK):
            some = np.array(vectors[start : min(start + CHUNK, args.items)], np.float32)
            yield np.arange(start, start + len(some), dtype=np.int32), some
        return
    centres = unit(np.random.default_rng(0).standard_normal((max(args.items // ITEMS_A_CLUSTER, 1), args.dim), np.float32))
    rng = np.random.default_rng(1)
    for start in range(0, args.items, CHUNK):
        n = min(CHUNK, args.items - start)
        yield np.arange(start, start + n, dtype=np.int32), noisy(rng, centres[rng.integers(0, len(centres), n)], args.spread)


def queries(args: argparse.Namespace) -> np.ndarray:
    """Return queries (n, dim) that lie about as far from the items as a sentence does: cosines of .4 to .7 with the best."""
    rng = np.random.default_rng(2)
    _, first = next(chunks(args))
    return noisy(rng, first[rng.integers(0, len(first), args.queries)], 1.2)


def truth(args: argparse.Namespace, asked: np.ndarray, k: int = 10) -> list[set[int]]:
    """Return the keys of the k truly nearest items of each query, by a pass over all vectors."""
    keys, scores = np.zeros((len(asked), 0), np.int64), np.zeros((len(asked), 0), np.float32)
    for some, vectors in chunks(args):
        keys = np.concatenate([keys, np.broadcast_to(some, (len(asked), len(some)))], axis=1)
        scores = np.concatenate([scores, asked @ vectors.T], axis=1)
        best = np.argpartition(-scores, k, axis=1)[:, :k] if scores.shape[1] > k else np.arange(scores.shape[1])[None]
        keys, scores = np.take_along_axis(keys, best, axis=1), np.take_along_axis(scores, best, axis=1)
    return [set(row.tolist()) for row in keys]


def memory(field: str = "VmRSS") -> float:
    """Return the memory of this process in MB (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1000
    return float("nan")


def timed(run: Callable[[np.ndarray], object], asked: np.ndarray) -> dict[str, float]:
    """Return milliseconds of one call: median and 99th percentile, by the wall clock and of the processor.

    On a machine that others use too, the processor's time is the one to go by.
    """
    for query in asked[:20]:
        run(query)
    took = []
    for query in asked:
        wall, own = time.perf_counter(), time.thread_time()
        run(query)
        took.append((1e3 * (time.perf_counter() - wall), 1e3 * (time.thread_time() - own)))
    (p50, cpu50), (p99, cpu99) = np.percentile(took, 50, axis=0), np.percentile(took, 99, axis=0)
    return {
        name: round(float(v), 2) for name, v in zip(("p50", "p99", "cpu p50", "cpu p99"), (p50, p99, cpu50, cpu99), strict=True)
    }


def built(args: argparse.Namespace, report: dict[str, Any]) -> ExactIndex | HnswIndex:
    """Return the index, opened or built, and note what that took."""
    before, start = memory(), time.perf_counter()
    if args.open:
        index = open_index(args.open, args.dim)
        report["open seconds"] = round(time.perf_counter() - start, 1)
    else:
        index = make_index(args.dim, args.items, exact_limit=args.items if args.exact else 0)
        if args.precision:
            kind = ExactIndex if args.exact else HnswIndex
            index = kind(args.dim, precision=args.precision)
        spent = 0.0
        for keys, vectors in chunks(args):
            start = time.process_time()
            index.add(keys, vectors)
            spent += time.process_time() - start
        report["items a CPU second"] = round(len(index) / spent)
    report["index MB"] = round(memory() - before)
    return index


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--spread", type=float, default=0.6, help="length of the noise around a cluster's centre")
    parser.add_argument("--vectors", type=Path, help=".npy of unit vectors (n, dim) instead of synthetic ones")
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--exact", action="store_true")
    parser.add_argument("--precision", choices=["float32", "int8"])
    parser.add_argument("--save", type=Path)
    parser.add_argument("--open", type=Path)
    args = parser.parse_args()
    report: dict[str, Any] = {"items": args.items, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "not set")}
    index = built(args, report)
    report |= {"items": len(index), "kind": type(index).__name__}
    asked = queries(args)
    found = truth(args, asked)
    report["recall@10"] = round(
        float(np.mean([len(set(index.search(q, 10).keys.tolist()) & t) / 10 for q, t in zip(asked, found, strict=True)])), 4
    )
    rng = np.random.default_rng(3)
    some = rng.integers(0, len(index), 2000).astype(np.int32)
    report["ms"] = {
        "search 10": timed(lambda q: index.search(q, 10), asked),
        "search 200": timed(lambda q: index.search(q, 200), asked),
        "score 2000": timed(lambda q: index.score(q, some), asked),
        "vectors 500": timed(lambda _: index.vectors(some[:500]), asked),
    }
    for share in (0.999, 0.5, 0.1, 0.01):
        allowed = rng.random(len(index)) < share
        report["ms"][f"search 200 of {share:.1%} allowed"] = timed(lambda q, a=allowed: index.search(q, 200, a), asked[:100])
    report |= {"process MB": round(memory()), "peak MB": round(memory("VmHWM"))}
    if args.save and isinstance(index, HnswIndex):
        start = time.perf_counter()
        index.save(args.save)
        report["save seconds"] = round(time.perf_counter() - start, 1)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
