"""Learn one frozen task and write predictions for one of its parts.

Usage: python benchmarks/quality.py TASK_DIR --predictions FILE [--part valid|test] [--seed N] [--budget SECONDS] [--without PART]
The folder's shape and the rules are those of the task maker; the settings come from the data alone.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl

from occasion.learning import pipeline
from occasion.learning.dataset import Dataset, build_requests
from occasion.learning.rated import RatedModel
from occasion.learning.text import TextVectors


def read(task: Path, part: str) -> tuple[dict, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return the description, the items, the events to learn from, and the queries of `part`."""
    about = json.loads((task / "task.json").read_text())
    train = pl.read_parquet(task / "train.parquet").with_columns(batch=pl.lit(0))
    if part == "test":
        valid = pl.read_parquet(task / "valid.parquet").with_columns(batch=pl.lit(1))
        train = pl.concat([train, valid.select([c for c in train.columns if c in valid.columns])], how="diagonal_relaxed")
    return about, pl.read_parquet(task / "items.parquet"), train, pl.read_parquet(task / f"{part}.parquet")


def topn(data: Dataset, asked: pl.DataFrame, options: argparse.Namespace) -> pl.DataFrame:
    """Fit, and return query_id, item_id, rank."""
    model = pipeline.fit(
        data, seed=options.seed, budget=options.budget, threads=options.threads, without=tuple(options.without),
        cache=options.cache, progress=lambda text: print(text, file=sys.stderr, flush=True),
    )  # fmt: skip
    print("parts:", ", ".join(model.report["parts"]))
    if options.model:
        model.save(options.model)
    # Where a query has no time, nothing tells what came before it: its answers are nobody's history.
    dated = asked.drop_nulls("time") if "time" in asked.columns else asked.clear()
    full = data.with_events(dated) if data.times != "none" else data
    queries = full.queries(asked.unique("query_id", keep="first", maintain_order=True))
    items, _ = model.predict(build_requests(full.events, queries), 100)
    ids = np.array([*data.items.ids, ""])
    rows, ranks = np.nonzero(items >= 0)
    return pl.DataFrame(
        {"query_id": np.array(queries.ids)[rows], "item_id": ids[items[rows, ranks]], "rank": (ranks + 1).astype(np.int32)}
    )


def ratings(data: Dataset, asked: pl.DataFrame, options: argparse.Namespace) -> pl.DataFrame:
    """Fit, and return query_id, score."""
    text = None if "text" in options.without else TextVectors.fit(data.items.texts, options.cache, options.threads)
    model = RatedModel.fit(data, text, seed=options.seed, threads=options.threads, without=tuple(options.without))
    print("parts: kernel rater, trees, factors;", model.report)
    queries = data.queries(asked)
    return pl.DataFrame({"query_id": queries.ids, "score": model.predict(queries)})


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", type=Path)
    parser.add_argument("--part", default="valid", choices=["valid", "test"])
    parser.add_argument("--predictions", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--budget", type=float, default=200.0, help="seconds for learning, about")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--without", nargs="*", default=[])
    parser.add_argument("--model", type=Path, help="folder to write the model to")
    parser.add_argument("--cache", type=Path, help="folder that keeps text vectors between runs")
    options = parser.parse_args()
    begun = time.monotonic()
    about, items, events, asked = read(options.task, options.part)
    is_rated = about["kind"] == "rated"
    if is_rated and "context" in options.without:
        events, asked = (f.select(c for c in f.columns if not c.startswith("ctx_")) for f in (events, asked))
    data = Dataset.from_frames(items, events, exclude_seen=about.get("exclude_seen"), rated=is_rated)
    frame = ratings(data, asked, options) if is_rated else topn(data, asked, options)
    frame.write_parquet(options.predictions)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{time.monotonic() - begun:.1f} s, {time.process_time():.1f} s of a processor, {peak:.2f} GB at most")


if __name__ == "__main__":
    main()
