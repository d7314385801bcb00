"""Learn once, then ask the same questions with ever longer histories: what a model is worth to people it hardly knows.

Usage: python benchmarks/short_histories.py demo|TASK_DIR [--seed N] [--budget SECONDS] [--limit N] [--cache FOLDER] [--json FILE]

A task is a folder as `quality.py` reads it, its validation part is asked for; ``demo`` is the demo's groceries, learnt from the first
nine tenths of the time, asked about the baskets of the last. Each question is asked with none of its person's events, with the newest
one, two, three, ... and with all of them. A line is mean ndcg@10, and the paired step from the length before with its standard error.
Seconds of the budget are those of the processor.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import quality
from occasion.demo.dataset import tables
from occasion.learning import pipeline
from occasion.learning.dataset import Dataset, build_requests
from occasion.learning.ranker import ndcg_each

LENGTHS = (0, 1, 2, 3, 10, 30, 100)
K = 10


def demo() -> tuple[dict[str, Any], pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return the same of the demo as `quality.read` of a task."""
    files = tables()
    events = pl.read_parquet(files["events"]).rename({"at": "time"}).drop("type").sort("time", maintain_order=True)
    cut = events["time"].quantile(0.9)
    moment = pl.concat_str("user_id", pl.col("time").cast(pl.String), separator=" ")
    late = events.filter(pl.col("time") >= cut).with_columns(query_id=moment)
    return {"exclude_seen": False}, pl.read_parquet(files["items"]), events.filter(pl.col("time") < cut), late


def worth(task: str, seed: int, budget: float, limit: int, cache: Path | None) -> dict[str, np.ndarray]:
    """Return ndcg@10 of each question, by how many events were seen."""
    about, items, events, asked = demo() if task == "demo" else quality.read(Path(task), "valid")
    data = Dataset.from_frames(items, events, exclude_seen=about.get("exclude_seen"), rated=False)
    model = pipeline.fit(data, seed=seed, budget=budget, threads=1, cache=cache)
    dated = asked.drop_nulls("time") if "time" in asked.columns else asked.clear()
    full = data.with_events(dated) if data.times != "none" else data
    ids = asked["query_id"].unique(maintain_order=True)
    some = ids[np.sort(np.random.default_rng(0).permutation(len(ids))[:limit])]
    asked = asked.filter(pl.col("query_id").is_in(some.implode()))
    queries = full.queries(asked.unique("query_id", keep="first", maintain_order=True))
    requests = build_requests(full.events, queries)
    number = {item: n for n, item in enumerate(data.items.ids)}
    wanted = {str(query): set(of["item_id"].to_list()) for (query,), of in asked.group_by("query_id")}
    right = [[number.get(item, -1) for item in wanted[query]] for query in queries.ids]
    answers = np.array([len(some) for some in right])
    place = np.broadcast_to(-np.arange(K, dtype=np.float32), (len(requests), K))
    found = {}
    for length in (*LENGTHS, np.inf):
        best, _ = model.predict(requests.newest(np.full(len(requests), length)), K)
        hit = np.array([np.isin(row, some) & (row >= 0) for row, some in zip(best, right, strict=True)])
        found["all" if length == np.inf else str(length)] = ndcg_each(place, hit, answers)
    return found


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", help="folder of a task, or demo")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--budget", type=float, default=100.0, help="seconds of a processor for learning, about")
    parser.add_argument("--limit", type=int, default=1500, help="questions, at most")
    parser.add_argument("--cache", type=Path, help="folder that keeps text vectors between runs")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    time.monotonic = time.process_time
    found = worth(options.task, options.seed, options.budget, options.limit, options.cache)
    before = None
    for length, each in found.items():
        step = "" if before is None else f", step {np.mean(each - before):+.4f} +- {np.std(each - before) / np.sqrt(len(each)):.4f}"
        print(f"{length:>4} events: {each.mean():.4f} of {len(each)} questions{step}")
        before = each
    if options.json:
        options.json.write_text(json.dumps({length: round(float(each.mean()), 4) for length, each in found.items()}, indent=1))


if __name__ == "__main__":
    main()
