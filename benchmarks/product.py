"""Answer one frozen task through the product: import its files as a user would, learn or not, then ask for each of its queries.

Usage: python benchmarks/product.py TASK_DIR --predictions FILE [--part valid|test] [--fit SECONDS] [--limit N] [--home FOLDER]

Without --fit nothing is trained. With it a version is learnt from the store (`occasion fit`, the gate asked, the version put
into service whatever it says) and answers; `benchmarks/quality.py` measures the same method without store, gate and service.

The folder's shape and the rules are those of the task maker: for valid the log to count is train, for test train and valid;
a person's own earlier events of the part are seen as history but never counted; events at the query's own time are not seen.
Seconds and peak memory are printed; the last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import numpy as np
import polars as pl

from occasion.data import Context
from occasion.evaluation.heldout import HeldOutStore
from occasion.importing import import_files
from occasion.protocols import Store
from occasion.recommender import Recommender
from occasion.rules import Rules
from occasion.settings import Settings, load_settings
from occasion.stores import open_store
from occasion.training import fit
from occasion.versions import Versions

LENGTH = 100
"""Items of a list."""


def filled(store: Store, task: Path, about: dict[str, Any], part: str, home: Path) -> int:
    """Import what may be learnt from; return the greatest sequence number."""
    import_files(store, task / "items.parquet", kind="items")
    for name in ("train", "valid") if part == "test" else ("train",):
        events = pl.read_parquet(task / f"{name}.parquet").drop("query_id", strict=False)
        if about["kind"] == "topn":
            # Where only liked things are listed, one rating or two are left, and they are no scale of liking.
            events = events.drop("rating", strict=False)
        events.write_parquet(home / f"{name}.parquet")
        summary = import_files(store, home / f"{name}.parquet", kind="events")
        print(f"{name}: {summary.rows} rows, {summary.new} new, {summary.rejected.total()} rejected", file=sys.stderr)
    return store.cursor()[1]


def add_own(store: Store, task: Path, about: dict[str, Any], part: str, home: Path) -> None:
    """Import the part's own events: history of later queries."""
    own = pl.read_parquet(task / f"{part}.parquet").filter(pl.col("time").is_not_null())
    if len(own) and about["kind"] == "topn":
        ids = own.with_row_index("n").select(event_id="query_id" + pl.lit("/") + pl.col("n").cast(pl.String))
        own = own.drop("query_id", "rating", strict=False).with_columns(ids)
        own.write_parquet(home / "own.parquet")
        import_files(store, home / "own.parquet", kind="events", mapping={"id": "event_id"})


def learnt(settings: Settings, store: Store, options: argparse.Namespace) -> str:
    """Learn a version and put it into service; return what the gate said."""
    manifest = fit(
        store, settings=settings, budget=options.fit, seed=options.seed, progress=lambda text: print(text, file=sys.stderr)
    )
    Versions(store, settings.home).promote(manifest.id)
    return "; ".join(manifest.gate["reasons"])


def recommender_of(settings: Settings, store: Store, counted: int, learned: bool) -> Recommender:
    """Return a recommender that counts events up to `counted` and sees the others as history only."""
    later = np.arange(counted + 1, store.cursor()[1] + 1)
    view = cast(Store, HeldOutStore(store, later, np.zeros(0, np.int64)))
    return Recommender(settings, store=view, until=math.inf, learned=learned)


def queries(task: Path, part: str, limit: int) -> Iterator[tuple[dict[str, Any], Context]]:
    """Yield each query's first row and its context."""
    rows = pl.read_parquet(task / f"{part}.parquet").unique("query_id", keep="first", maintain_order=True)
    if limit and limit < len(rows):
        rows = rows.sample(limit, seed=0)
    names = [c for c in rows.columns if c.startswith("ctx_")]
    for row in rows.iter_rows(named=True):
        at = None if row["time"] is None else float(row["time"])
        signals = {name.removeprefix("ctx_"): row[name] for name in names if row[name] is not None}
        yield row, Context(user=row["user_id"], at=at, signals=signals)


def lists(recommender: Recommender, asked: Iterator[tuple[dict[str, Any], Context]], options: Any, seen: bool) -> pl.DataFrame:
    """Return query_id, item_id, rank."""
    out: dict[str, list[Any]] = {"query_id": [], "item_id": [], "rank": []}
    rules = Rules(exclude_seen=seen)
    for row, context in asked:
        query = row["query_id"]
        slate = recommender.recommend(context, LENGTH, rules=rules, diversity=options.diversity, slate_id=query, keep=False)
        out["query_id"] += [query] * len(slate.items)
        out["item_id"] += slate.items
        out["rank"] += range(1, len(slate.items) + 1)
    return pl.DataFrame(out, schema={"query_id": pl.String, "item_id": pl.String, "rank": pl.Int32})


def scores(recommender: Recommender, asked: Iterator[tuple[dict[str, Any], Context]], items: list[str]) -> pl.DataFrame:
    """Return query_id, score: what would be rated; where nothing foretells it, the score among the whole catalogue."""
    rates = recommender.learned is not None and recommender.learned.ratings is not None

    def score(context: Context, item: str) -> float:
        found = recommender.rate(context, [item]) if rates else recommender.score(context, items)
        return found.get(item, 0.0)

    found = [(row["query_id"], score(context, row["item_id"])) for row, context in asked]
    return pl.DataFrame(found, schema={"query_id": pl.String, "score": pl.Float64}, orient="row")


def run(options: argparse.Namespace, home: Path) -> dict[str, Any]:
    """Import, ask, write; return figures."""
    about = json.loads((options.task / "task.json").read_text())
    settings = load_settings(home=home, candidates=options.candidates)
    seconds, begun = {}, time.monotonic()
    store = open_store(settings.resolved_store_url)
    counted = filled(store, options.task, about, options.part, home)
    seconds["import"], begun = time.monotonic() - begun, time.monotonic()
    said = ""
    if options.fit:
        said = learnt(settings, store, options)
        seconds["fit"], begun = time.monotonic() - begun, time.monotonic()
    add_own(store, options.task, about, options.part, home)
    recommender = recommender_of(settings, store, counted, learned=options.fit > 0)
    recommender.refresh()
    seconds["encode and count"], begun = time.monotonic() - begun, time.monotonic()
    asked = queries(options.task, options.part, options.limit)
    if about["kind"] == "topn":
        found = lists(recommender, asked, options, about["exclude_seen"])
    else:
        found = scores(recommender, asked, pl.read_parquet(options.task / "items.parquet")["item_id"].to_list())
    seconds["answer"] = time.monotonic() - begun
    store.close()
    found.write_parquet(options.predictions)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    n = found["query_id"].n_unique()
    return {
        "task": about["name"],
        "part": options.part,
        "queries": n,
        "seconds": {k: round(v, 1) for k, v in seconds.items()},
        "peak MB": round(peak),
        "version": recommender.version,
        "gate": said,
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", type=Path)
    parser.add_argument("--part", default="valid", choices=["valid", "test"])
    parser.add_argument("--predictions", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=0, help="ask a sample of the queries only")
    parser.add_argument("--fit", type=float, default=0.0, metavar="SECONDS", help="learn for about so long; 0: nothing is trained")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--diversity", type=float, help="default: the settings'")
    parser.add_argument("--candidates", type=int, help="default: the settings'")
    parser.add_argument("--home", type=Path, help="keep the store here; default: a temporary folder")
    options = parser.parse_args()
    home = options.home or Path(tempfile.mkdtemp(prefix="occasion-product-"))
    home.mkdir(parents=True, exist_ok=True)
    try:
        print(json.dumps(run(options, home)))
    finally:
        if options.home is None:
            shutil.rmtree(home)


if __name__ == "__main__":
    main()
