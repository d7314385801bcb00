"""Learn samples of a few people of a log, as a shop has them in its first weeks, and compare with the single sources.

Usage: python benchmarks/young_shops.py DATA [--only NAME ...] [--budget SECONDS] [--cache FOLDER] [--list]

DATA is as for `cuts.py`. The last event but one of each person is asked for, the whole catalogue is ranked. One sample holds too few
questions to tell anything, so those of several samples are pooled: a row is ndcg@10 over all of them, that of the source which alone
is best *on these very questions*, and the paired difference.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

import cuts


def sample(data: Path, name: str, share: float, number: int, least: float = 0.0) -> cuts.Cut:
    """Some of the people of a log, of whose times the order alone is told; with `least`, what they rated so well."""
    items, events = cuts.sets(data, name)
    if least:
        events = events.filter(pl.col("rating") >= least)
    events = events.sort("user_id", "time", maintain_order=True).with_columns(time=pl.int_range(pl.len()).over("user_id"))
    users = np.sort(events["user_id"].unique().to_numpy())
    some = np.random.default_rng(100 + number).permutation(users)[: max(round(share * len(users)), 1)]
    return cuts.last(items, events.filter(pl.col("user_id").is_in(some.tolist())))


SHOPS: dict[str, tuple[int, Callable[..., cuts.Cut]]] = {
    "scientific, 83 people": (6, partial(sample, name="amazon_scientific", share=0.01)),
    "scientific, 599 people": (2, partial(sample, name="amazon_scientific", share=0.072)),
    "industrial, 99 people": (6, partial(sample, name="amazon_industrial", share=0.03)),
    "industrial, 328 people": (3, partial(sample, name="amazon_industrial", share=0.1)),
    "industrial, 986 people": (1, partial(sample, name="amazon_industrial", share=0.3)),
    "liked films, 47 people": (4, partial(sample, name="movielens_100k", share=0.05, least=4)),
}
"""Name to how many samples, and how one is drawn."""


def main() -> None:
    """Run from the command line."""
    given = cuts.arguments(__doc__, 60.0).parse_args()
    names = cuts.picked(SHOPS, given)
    print("| people | samples | events of one | questions | ours | best single source | less it |\n" + "|---" * 7 + "|")
    for name in names:
        samples, draw = SHOPS[name]
        ours: list[float] = []
        alone: dict[str, list[np.ndarray]] = {}
        events = 0
        for number in range(samples):
            try:
                cut = draw(given.data, number=number)
            except FileNotFoundError as error:
                print(f"{name}: left out, as {error.filename or error} is not there", file=sys.stderr)
                break
            options = argparse.Namespace(budget=given.budget, cache=given.cache, seed=number, limit=10_000, verbose=False)
            found, by_source = cuts.learn(cut, options)
            ours += found["each"]
            events += len(cut.train)
            for source, each in by_source.items():
                alone.setdefault(source, []).append(each)
        if not ours:
            continue
        mine = np.array(ours)
        pooled = {source: np.concatenate(some) for source, some in alone.items() if len(some) == samples}
        best = max(pooled, key=lambda source: float(pooled[source].mean()))
        less = mine - pooled[best]
        print(
            f"| {name} | {samples} | {events // samples:,} | {len(mine):,} | {mine.mean():.4f} +- {mine.std() / np.sqrt(len(mine)):.4f} "
            f"| {best} {pooled[best].mean():.4f} | {less.mean():+.4f} +- {less.std() / np.sqrt(len(less)):.4f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
