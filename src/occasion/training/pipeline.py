"""From a data set to a model: split in time, learn the sources, learn the ranker on what came after, refit the sources on everything.

What is learnt is found out from the data: whether there are times, whether people repeat, whether there are signals and
texts. No setting depends on the name of a data set.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.training.dataset import Events, Queries, build_requests
from occasion.training.features import Bases
from occasion.training.ranker import Ranker
from occasion.training.sequence import SequenceModel, has_torch
from occasion.training.text import TextVectors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from occasion.training.dataset import Dataset, Requests

    Floats = NDArray[np.float32]

__all__ = ["Fold", "Model", "fit", "split"]

FOLDS = 6
"""Folds of moments where there are no times."""
QUERIES = 10_000
"""Held-out queries at most."""
WIDTH = 150
"""Candidates of a request."""


@dataclass(kw_only=True)
class Fold:
    """Rows of the events: `base` to learn sources from, `labels` to be predicted from them."""

    base: NDArray[np.bool_]
    labels: NDArray[np.bool_]


def split(data: Dataset, rng: np.random.Generator) -> list[Fold]:
    """Cut events into what sources learn from and what comes after.

    With clock times, the last eighth of the time line's events comes after. With positions, the newest import does where
    there is one of a fair size, else each person's last event. Without times, whole moments (person and signals) are
    drawn into folds.
    """
    events = data.events
    if data.times == "none":
        moment = moments(events, timed=False)
        fold = rng.integers(0, FOLDS, int(moment.max(initial=-1)) + 1)[moment]
        return [Fold(base=fold != f, labels=fold == f) for f in range(FOLDS)]
    if data.times == "unix":
        cut = np.nanquantile(events.time, 7 / 8)
        late = events.time >= cut
        return [Fold(base=~late, labels=late)]
    newest = events.batch == events.batch.max(initial=0)
    if events.batch.max(initial=0) > 0 and 300 <= newest.sum() <= 0.5 * len(events):
        return [Fold(base=~newest, labels=newest)]
    last = np.append(events.user[1:] != events.user[:-1], True)
    second = np.append(True, events.user[1:] != events.user[:-1])
    return [Fold(base=~(last & ~second), labels=last & ~second)]


def moments(events: Events, *, timed: bool) -> NDArray[np.int64]:
    """Return a number for each event (n,) that tells moments apart: person and time, or person and signals."""
    rest = events.time[:, None] if timed else events.signals
    keys = np.concatenate([events.user[:, None].astype(float), rest.astype(float)], 1)
    return np.unique(np.ascontiguousarray(keys), axis=0, return_inverse=True)[1].ravel()


def held_out(data: Dataset, fold: Fold, most: int, rng: np.random.Generator) -> tuple[Requests, list[NDArray[np.int32]], NDArray[np.int32]]:
    """Return at most `most` requests of a fold, their answers, and their users."""
    events = data.events.take(fold.labels)
    group = moments(events, timed=data.times != "none")
    order = np.argsort(group, kind="stable")
    first = np.flatnonzero(np.diff(group[order], prepend=-1))
    answers = np.split(events.item[order], first[1:])
    row = order[first]
    pick = np.sort(rng.choice(len(row), min(most, len(row)), replace=False))
    row, answers = row[pick], [np.unique(answers[i]) for i in pick]
    queries = Queries(
        ids=[str(i) for i in row], user=events.user[row], time=events.time[row], item=np.full(len(row), -1, np.int32),
        signals=events.signals[row], numbers=events.numbers[row],
    )  # fmt: skip
    past = data.events if data.times != "none" else data.events.take(fold.base)
    return build_requests(past, queries), answers, events.user[row]


@dataclass(kw_only=True)
class Model:
    """Sources and ranker, ready to answer."""

    bases: Bases
    ranker: Ranker
    width: int = WIDTH
    report: dict[str, Any] = field(default_factory=dict)

    def predict(self, requests: Requests, k: int = 100) -> tuple[NDArray[np.int32], Floats]:
        """Return the best items (B, k), -1 where there are fewer, and their scores."""
        out_items, out_scores = [], []
        for start in range(0, len(requests), 500):
            found = self.bases.candidates(requests.part(start, min(start + 500, len(requests))), max(self.width, k))
            scores = self.ranker.score(found.features)
            scores = np.where(found.fused < 0, -np.inf, scores)
            order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
            best = np.take_along_axis(scores, order, 1)
            out_items.append(np.where(np.isfinite(best), np.take_along_axis(found.items, order, 1), -1))
            out_scores.append(best)
        if not out_items:
            return np.zeros((0, k), np.int32), np.zeros((0, k), np.float32)
        return np.concatenate(out_items), np.concatenate(out_scores)


def fit(
    data: Dataset, *, seed: int = 0, budget: float = 240.0, threads: int = 1, without: tuple[str, ...] = (),
    cache: Path | None = None, progress: Callable[[str], None] | None = None,
) -> Model:  # fmt: skip
    """Learn a model within about `budget` seconds."""
    begun, rng = time.monotonic(), np.random.default_rng(seed)
    note = progress or (lambda _: None)
    left = lambda: budget - (time.monotonic() - begun)  # noqa: E731
    text = None if "text" in without else TextVectors.fit(data.items.texts, cache, threads)
    note(f"text {time.monotonic() - begun:.0f} s")
    folds = split(data, rng)
    use_sequence = "sequence" not in without and data.times != "none" and has_torch()
    joint = text.joint if text is not None else None
    features, labels, users, counts, names = [], [], [], [], []
    epochs = 0
    for fold in folds[: 1 if data.times != "none" else 4]:
        base = data.events.take(fold.base)
        requests, answers, who = held_out(data, fold, QUERIES // (1 if data.times != "none" else 4), rng)
        sequence = None
        if use_sequence:
            single = np.flatnonzero([len(a) == 1 for a in answers])[:1500]
            held = (requests.select(single), np.array([answers[i][0] for i in single])) if len(single) > 50 else None
            sequence, epochs = SequenceModel.fit(base, len(data.items), joint, held=held, seed=seed, seconds=left() * 0.3, threads=threads, **SEQUENCE)
            note(f"sequence model, {epochs} epochs, {time.monotonic() - begun:.0f} s")
        bases = Bases.fit(data, base, text=text, sequence=sequence, without=set(without))
        found = bases.candidates(requests, WIDTH)
        names = bases.names
        label = np.stack([np.isin(i, a) for i, a in zip(found.items, answers, strict=True)]) if len(answers) else np.zeros(found.items.shape, bool)
        features.append(found.features)
        labels.append(label)
        users.append(who)
        counts.append([len(a) for a in answers])
        note(f"features of {len(requests)} held-out requests, {time.monotonic() - begun:.0f} s; recall {label.any(1).mean():.3f}")
    x, y = np.concatenate(features), np.concatenate(labels)
    ranker = Ranker.fit(x, y, np.concatenate(users), np.concatenate(counts), names, seed=seed, threads=threads)
    note(f"ranker {ranker.report}, {time.monotonic() - begun:.0f} s")
    del features, labels, x, y
    sequence = None
    if use_sequence:
        sequence, _ = SequenceModel.fit(data.events, len(data.items), joint, epochs=max(epochs, 1), seed=seed, seconds=max(left() * 0.7, 5), threads=threads, **SEQUENCE)
    bases = Bases.fit(data, data.events, text=text, sequence=sequence, without=set(without))
    note(f"refitted, {time.monotonic() - begun:.0f} s")
    return Model(bases=bases, ranker=ranker, report={"parts": bases.parts, "ranker": ranker.report, "features": names})


SEQUENCE: dict[str, Any] = {"layers": 2, "dim": 96}
