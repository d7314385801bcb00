"""Small worlds whose truth is known."""

from __future__ import annotations

import numpy as np
import polars as pl

WORDS = ["anchor bolt steel", "silk scarf red", "garden hose brass", "novel mystery night"]


def catalogue(n: int = 60, groups: int = 4) -> pl.DataFrame:
    """Items 0..n-1; item i is of group i % groups and its text says so."""
    return pl.DataFrame(
        {
            "item_id": [f"i{k}" for k in range(n)],
            "title": [f"{WORDS[k % groups % len(WORDS)]} model {k // 8}" for k in range(n)],
            "kind": [f"kind {k % groups}" for k in range(n)],
            "price": [float(k % 7) for k in range(n)],
        }
    )


def walkers(
    users: int = 120, length: int = 8, n: int = 60, groups: int = 4, start: float | None = None, seed: int = 0
) -> pl.DataFrame:
    """People who stay within one group and mostly step to the group's next item."""
    rng = np.random.default_rng(seed)
    rows = []
    for u in range(users):
        item = int(rng.integers(n))
        for k in range(length):
            rows.append((f"u{u}", f"i{item}", k if start is None else start + 3600.0 * (u + 40 * k)))
            step = 1 if rng.random() < 0.7 else int(rng.integers(1, n // groups))
            item = (item + groups * step) % n
    return pl.DataFrame(rows, schema=["user_id", "item_id", "time"], orient="row")


def habits(users: int = 40, moments: int = 30, n: int = 20, seed: int = 0) -> pl.DataFrame:
    """People with one item for the morning and another for the evening, and no times."""
    rng = np.random.default_rng(seed)
    rows = []
    for u in range(users):
        favourite = {"morning": int(rng.integers(n)), "evening": int(rng.integers(n))}
        for m in range(moments):
            part = "morning" if rng.random() < 0.5 else "evening"
            item = favourite[part] if rng.random() < 0.8 else int(rng.integers(n))
            rows.append((f"u{u}", f"i{item}", part, f"place {m % 3}"))
    return pl.DataFrame(rows, schema=["user_id", "item_id", "ctx_part", "ctx_place"], orient="row")


def last_out(events: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Cut off each user's last event as a query."""
    marked = events.with_columns(back=pl.col("time").rank("ordinal", descending=True).over("user_id"))
    asked = marked.filter(pl.col("back") == 1).drop("back").with_columns(query_id="q" + pl.col("user_id"))
    return marked.filter(pl.col("back") > 1).drop("back"), asked
