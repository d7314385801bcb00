"""Tune a language model on a frozen task's training part and ask its validation part by text alone: untuned, tuned, student.

Usage: python benchmarks/tuning.py TASK_DIR [--home FOLDER] [--part valid] [--options JSON] [--own-tokens]

Retrieval is the same for all: the mean of the newest ten items' centred vectors (.7 ** steps) against every item, ties counted half.
The untuned model reads the same number of tokens, and is also asked with all of its own (256 for minilm). Seconds are of the
processor, not of the clock. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))
os.environ["TQDM_DISABLE"] = "1"

import numpy as np
import polars as pl

from occasion.encoders import load_encoder
from occasion.importing import import_files
from occasion.protocols import Store
from occasion.settings import load_settings
from occasion.stores import open_store
from occasion.tuning import DistillOptions, TuneOptions, distill, tune
from occasion.tuning.lessons import texts_of
from occasion.tuning.networks import encode, load_network
from occasion.tuning.questions import Questions, Results, compare, judge


def filled(task: Path, home: Path) -> Store:
    """Return a store of the items and the training part."""
    store = open_store(f"sqlite:///{home / 'occasion.db'}")
    import_files(store, task / "items.parquet", kind="items")
    import_files(store, task / "train.parquet", kind="events")
    return store


def questions(task: Path, part: str, store: Store) -> Questions:
    """Return the part's queries with one answer each; histories are of the training part."""
    train = pl.read_parquet(task / "train.parquet").sort("user_id", "time", maintain_order=True)
    past: dict[str, list[int]] = {}
    place = {entry.id: entry.key for entry in store.items()}
    for user, item in zip(train["user_id"], train["item_id"], strict=True):
        past.setdefault(user, []).append(place[item])
    rows = pl.read_parquet(task / f"{part}.parquet").filter(pl.col("user_id").is_in(list(past)))
    number = {user: n for n, user in enumerate(past)}
    warm = np.zeros(len(place), bool)
    warm[[place[i] for i in train["item_id"].unique()]] = True
    return Questions(
        user=np.array([number[u] for u in rows["user_id"]], np.int32),
        history=tuple(np.array(past[u], np.int32) for u in rows["user_id"]),
        sentence=("",) * len(rows),
        answers=tuple(np.array([place[i]], np.int32) for i in rows["item_id"]),
        cold=~warm,
        candidates=np.arange(len(place), dtype=np.int32),
        repeats=not json.loads((task / "task.json").read_text())["exclude_seen"],
    )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", type=Path)
    parser.add_argument("--part", default="valid", choices=["valid", "test"])
    parser.add_argument("--home", type=Path, help="keep the store and the models here")
    parser.add_argument("--options", type=json.loads, default={}, help="options of tuning as JSON")
    parser.add_argument("--own-tokens", action="store_true", help="also ask the untuned model with all of its tokens")
    given = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    home = given.home or Path(tempfile.mkdtemp(prefix="occasion-tuning-"))
    home.mkdir(parents=True, exist_ok=True)
    settings, options = load_settings(home=home), TuneOptions(**given.options)
    store = filled(given.task, home)
    asked, texts = questions(given.task, given.part, store), texts_of(store)
    out: dict[str, Any] = {"task": given.task.name, "part": given.part, "options": given.options}

    def answered(vectors: np.ndarray) -> Results:
        return judge(asked, vectors, np.zeros((len(asked), vectors.shape[1]), np.float32))

    begun = time.process_time()
    report = tune(store, options, settings=settings)
    out["processor seconds of tuning"] = round(time.process_time() - begun)
    out["mixture"], out["own figures"], out["notes"] = report.mixture, report.figures, report.notes
    model, _ = load_network(options.base, home, max_tokens=options.max_tokens, device="cpu")
    untuned = answered(encode(model, texts))
    tuned = answered(load_encoder(report.spec, settings=settings).encode(texts))
    out["untuned to tuned"] = compare(untuned, tuned)
    if given.own_tokens:
        model, _ = load_network(options.base, home, max_tokens=512, device="cpu")
        out["untuned with all tokens to tuned"] = compare(answered(encode(model, texts)), tuned)
    begun = time.process_time()
    student = distill(store, DistillOptions(teacher=options.name, max_tokens=options.max_tokens), settings=settings)
    out["processor seconds of distilling"] = round(time.process_time() - begun)
    out["student"] = {n: student.manifest[n] for n in ("fidelity", "speed", "dim", "bytes")}
    out["tuned to student"] = compare(tuned, answered(load_encoder(student.spec, settings=settings).encode(texts)))
    store.close()
    print(json.dumps(out, default=str))


if __name__ == "__main__":
    main()
