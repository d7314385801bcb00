"""Foretell ratings that were held out at random, beside what others make of the same rows.

Usage: python benchmarks/ratings.py DATA TASKS [--later] [--only NAME ...] [--cuts N] [--first N] [--json FILE]

DATA holds a folder for each data set (items.parquet, interactions.parquet with user_id, item_id, rating, ctx_...), TASKS the frozen
tasks, of whose ratings only those are cut that may be learnt from. A cut is a fifth of the rows, drawn anew for each; the other four
are learnt from. With --later, of the logs with times, a cut is the last fifth of each person's rows, of four people in five, drawn
anew for each. Each line tells the share of pairs of one person's held-out rows that are put in order (gauc): ours, its three
parts alone, a shrunken mean of the item, and, where they are installed (`pip install catboost myfm`), CatBoost with people, items,
signals and attributes as categories (mean of three seeds) and a Bayesian factorisation machine of rank 16 (300 sweeps) over people,
items and signals. The last lines are means over the cuts, with the paired difference to the best of the others.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from occasion.learning.dataset import Dataset
from occasion.learning.rated import RatedModel, pair_order
from occasion.learning.text import TextVectors

Frames = tuple[pl.DataFrame, pl.DataFrame]


def rows(events: pl.DataFrame) -> pl.DataFrame:
    """Return the rated rows with the columns that count."""
    events = events.rename({"timestamp": "time"}) if "timestamp" in events.columns else events
    names = [c for c in events.columns if c in ("user_id", "item_id", "rating", "time") or c.startswith("ctx_")]
    return events.filter(pl.col("rating").is_not_null()).select(names)


def task(tasks: Path, name: str) -> Frames:
    """Return items and ratings of a frozen task, its test part left out."""
    parts = [pl.read_parquet(tasks / name / f"{part}.parquet") for part in ("train", "valid")]
    return pl.read_parquet(tasks / name / "items.parquet"), rows(pl.concat(parts, how="diagonal_relaxed"))


def log(data: Path, name: str, people: int | None = None) -> Frames:
    """Return items and ratings of a data set, or of some of its people."""
    items, events = (pl.read_parquet(data / name / f"{part}.parquet") for part in ("items", "interactions"))
    if people is not None:
        users = np.random.default_rng(5).permutation(np.sort(events["user_id"].unique().to_numpy()))
        events = events.filter(pl.col("user_id").is_in(users[:people].tolist()))
    return items, rows(events)


SETS: dict[str, Callable[[Path, Path], Frames]] = {
    "songs in the car": lambda _, tasks: task(tasks, "incar_rated"),
    "films in company": lambda _, tasks: task(tasks, "depaul_rated"),
    "songs of a day": lambda _, tasks: task(tasks, "situnes_rated"),
    "places": lambda data, _: log(data, "sts_tourism"),
    "Chinese films": lambda data, _: log(data, "douban_reviews_zh"),
    "films, 60 people": lambda data, _: log(data, "movielens_100k", 60),
}


LATER = ("songs of a day", "Chinese films", "films, 60 people")
"""Those with times."""


def at_random(events: pl.DataFrame, cut: int) -> Frames:
    """Return what is learnt from and what is asked: a fifth of the rows, without their times."""
    events = events.drop("time", strict=False)
    order, fifth = np.random.default_rng(100 + cut).permutation(len(events)), len(events) // 5
    return events[order[fifth:]], events[order[:fifth]]


def later(events: pl.DataFrame, cut: int) -> Frames:
    """Return what is learnt from and what is asked: the last fifth of each person's rows."""
    people = np.random.default_rng(100 + cut).permutation(np.sort(events["user_id"].unique().to_numpy()))
    events = events.filter(pl.col("user_id").is_in(people[: len(people) * 4 // 5].tolist())).sort("time", maintain_order=True)
    is_late = (pl.col("time").rank("ordinal") > 0.8 * pl.len()).over("user_id")
    return events.filter(~is_late), events.filter(is_late)


def ours(items: pl.DataFrame, train: pl.DataFrame, asked: pl.DataFrame, seed: int) -> dict[str, Any]:
    """Return what our model and its parts say of the asked rows, each (n,)."""
    data = Dataset.from_frames(items, train, rated=True)
    model = RatedModel.fit(data, TextVectors.fit(data.items.texts, None, 1), seed=seed)
    queries = data.queries(asked.with_row_index("query_id").with_columns(pl.col("query_id").cast(pl.String)))
    place = np.array(queries.ids).astype(int)
    at = model.rows(queries)
    said = {"ours": model.predict(queries), "kernel": model.rater.predict(at)}
    if model.factors is not None:
        said["factors"] = model.factors.predict(at.codes)
        x = model.columns(at, said["kernel"], said["factors"])
        said["trees"] = np.mean([b.predict(x, num_threads=1) for b in model.boosters], axis=0)
    return {name: value[np.argsort(place)] for name, value in said.items()}


def item_mean(train: pl.DataFrame, asked: pl.DataFrame) -> Any:
    """Return the mean rating of each asked row's item, three ratings of the mean of all added."""
    every = train["rating"].mean()
    means = train.group_by("item_id").agg(mean=(pl.col("rating").sum() + 3 * every) / (pl.len() + 3))
    return asked.join(means, on="item_id", how="left", maintain_order="left")["mean"].fill_null(every).to_numpy()


def catboost(items: pl.DataFrame, train: pl.DataFrame, asked: pl.DataFrame) -> Any:
    """Return the mean of three CatBoost models over everything but long texts."""
    from catboost import CatBoostRegressor, Pool

    known = items.select(c for c in items.columns if c not in ("title", "description", "poster_url"))
    both = [frame.join(known, on="item_id", how="left", maintain_order="left").drop("rating") for frame in (train, asked)]
    names = [c for c, kind in both[0].schema.items() if not kind.is_numeric()]
    tables = [
        frame.with_columns(
            pl.col(names).cast(pl.String).fill_null("?"), pl.exclude(names).cast(pl.Float64).fill_null(float("nan"))
        ).to_numpy()
        for frame in both
    ]
    where = [both[0].columns.index(c) for c in names]
    said = np.zeros(len(asked))
    for seed in range(3):
        model = CatBoostRegressor(
            iterations=500, learning_rate=0.06, depth=6, l2_leaf_reg=5, random_seed=seed, thread_count=1, verbose=0,
            allow_writing_files=False,
        )  # fmt: skip
        model.fit(Pool(tables[0], train["rating"].to_numpy(), cat_features=where))
        said += model.predict(Pool(tables[1], cat_features=where)) / 3
    return said


def factorisation(train: pl.DataFrame, asked: pl.DataFrame, seed: int) -> Any:
    """Return what a Bayesian factorisation machine over people, items and signals says."""
    import myfm

    names = [c for c, kind in train.schema.items() if c != "rating" and not kind.is_numeric()]
    blocks: list[tuple[Any, Any]] = []
    for name in names:
        codes = {value: code for code, value in enumerate(train[name].drop_nulls().unique(maintain_order=True).to_list())}
        block = []
        for frame in (train, asked):
            code = np.array([codes.get(value, -1) for value in frame[name].to_list()])
            at = np.flatnonzero(code >= 0)
            block.append(sparse.csr_matrix((np.ones(len(at)), (at, code[at])), shape=(len(frame), len(codes))))
        blocks.append((block[0], block[1]))
    known, wanted = (sparse.hstack([block[part] for block in blocks]).tocsr() for part in (0, 1))
    groups = np.repeat(np.arange(len(blocks)), [block[0].shape[1] for block in blocks])
    model = myfm.MyFMRegressor(rank=16, random_seed=seed)
    with contextlib.redirect_stderr(io.StringIO()):
        model.fit(known, train["rating"].to_numpy(), n_iter=300, grouping=groups)
    return model.predict(wanted)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("tasks", type=Path)
    parser.add_argument("--later", action="store_true", help="cut by time")
    parser.add_argument("--only", action="append", choices=list(SETS))
    parser.add_argument("--cuts", type=int, default=4)
    parser.add_argument("--first", type=int, default=0, help="number of the first cut")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    kept: dict[str, list[dict[str, float]]] = {}
    for name in options.only or (LATER if options.later else SETS):
        items, events = SETS[name](options.data, options.tasks)
        for cut in range(options.first, options.first + options.cuts):
            begun = time.process_time()
            train, asked = later(events, cut) if options.later else at_random(events, cut)
            said = ours(items, train, asked, cut)
            spent = time.process_time() - begun
            train, asked = (frame.drop("time", strict=False) for frame in (train, asked))
            said["item mean"] = item_mean(train, asked)
            if find_spec("catboost"):
                said["CatBoost"] = catboost(items, train, asked)
            if find_spec("myfm"):
                said["myFM"] = factorisation(train, asked, cut)
            user, value = asked["user_id"].to_numpy(), asked["rating"].to_numpy()
            worth = {who: pair_order(user, value, scores) for who, scores in said.items()}
            kept.setdefault(name, []).append(worth)
            print(
                f"{name}, {len(train)} rows, cut {cut}:", *(f"{w} {v:.4f}" for w, v in worth.items()), f"{spent:.0f} s", flush=True
            )
    for name, cuts in kept.items():
        each = {who: np.array([cut[who] for cut in cuts]) for who in cuts[0]}
        others = [who for who in each if who in ("item mean", "CatBoost", "myFM")]
        best = max(others, key=lambda who: each[who].mean())
        less = each["ours"] - each[best]
        means = ", ".join(f"{who} {value.mean():.4f}" for who, value in each.items())
        error = less.std(ddof=1) / np.sqrt(len(less)) if len(less) > 1 else float("nan")
        print(f"{name}, {len(cuts)} cuts: {means}; less {best} {less.mean():+.4f} +- {error:.4f}")
    if options.json:
        options.json.write_text(json.dumps(kept, indent=1))


if __name__ == "__main__":
    main()
