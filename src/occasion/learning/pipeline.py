"""From a data set to a model: split in time, learn sources, learn the ranker on what came after, refit the sources.

What is learnt is found out from the data: whether there are times, whether people repeat, whether there are signals and
texts. No setting depends on the name of a data set.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.errors import ModelError
from occasion.learning.features import Bases, Candidates
from occasion.learning.folds import Fold, held_out, shortened, split
from occasion.learning.model import WIDTH, Model
from occasion.learning.older import of_one_kind
from occasion.learning.ranker import Ranker, ndcg_each
from occasion.learning.sequence import SequenceModel, has_torch
from occasion.learning.text import TextVectors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from occasion.learning.dataset import Dataset
    from occasion.learning.requests import Events, Requests

    Floats = NDArray[np.float32]

__all__ = ["Fold", "Model", "fit", "refit", "split"]

QUERIES = 10_000
"""Held-out queries at most."""
WORK = 8e7
"""Held-out queries times items at most."""
POOL, LARGEST, ENOUGH = 16_000, 32_000, 0.97
"""Items that sources score, of larger catalogues those with the most recent events.

LARGEST where POOL hold less than ENOUGH of the events and people do not come back to what they had: where they do, the rest is not
worth its time.
"""
MOST_HIDDEN = 0.3
"""Share of the items that are hidden at most, so that the ranker sees what items without events are worth."""
UNUSED = 0.5
"""Share of the items without events above which none is hidden: the log then shows by itself what they are worth."""
SEQUENCE: dict[str, Any] = {"layers": 2, "dim": 96}
LONG, LIGHT = 300_000, {"layers": 1, "dropout": 0.1}
"""Events, from which on time and not the log is what the sequence model is short of, and how it is then lighter."""
HELD, FEW = 1500, 50
"""Held-out requests that tell how many epochs of the sequence model are best: so many at most, and more than FEW. No more than
FEW do not tell whether refitting is wrong."""
SHARE = 0.5
"""Of the seconds left after the texts: for the sequence models of all folds and of the refitting, to each as much."""


def fit(
    data: Dataset, *, seed: int = 0, budget: float = 240.0, threads: int = 1, without: tuple[str, ...] = (),
    cache: Path | None = None, progress: Callable[[str], None] | None = None, vectors: Floats | None = None,
) -> Model:  # fmt: skip
    """Learn a model within about `budget` seconds; `vectors` (items, d) are the texts' sentence vectors where there are some."""
    begun, rng = time.monotonic(), np.random.default_rng(seed)
    note = progress or (lambda _: None)
    left = _countdown(budget)
    n_items, data = len(data.items), data.liked()
    data, kept, text = _pool(data, without, cache, threads, vectors)
    note(f"text {time.monotonic() - begun:.0f} s")
    folds = split(data, rng)
    learn = _Learner(
        data=data, text=text, seed=seed, threads=threads, without=set(without), left=left, note=note,
        share=left() * SHARE / (len(folds) + 1),
    )  # fmt: skip
    most = int(min(QUERIES, max(WORK / max(len(data.items), 1), 500)))
    trial = learn.trial(folds[0], most // len(folds), rng)
    trials = [trial] + [learn.trial(f, most // len(folds), rng, trial.epochs) for f in folds[1:]]
    # What serves has to be learnt after the ranker.
    ranker = _rank(trials, seed, threads, max(left() - 1.1 * trial.seconds, 0.2 * left()))
    note(f"ranker {ranker.report}, {time.monotonic() - begun:.0f} s")
    refit = data.times == "none" or learn.worth_refitting(trial, ranker)
    bases = learn.refit(trial) if refit else trial.bases
    note(f"{'refitted on everything' if refit else 'left as they are'}, {time.monotonic() - begun:.0f} s")
    report = {
        "parts": bases.parts, "ranker": ranker.report, "features": trial.bases.names, "refitted": refit, "epochs": trial.epochs,
        "without": list(without),
    }  # fmt: skip
    return Model(bases=bases, ranker=ranker.served(), kept=kept, n_items=n_items, signals=data.signals, report=report)


def refit(
    model: Model, data: Dataset, *, seed: int = 0, budget: float = 120.0, threads: int = 1, cache: Path | None = None,
    progress: Callable[[str], None] | None = None, vectors: Floats | None = None,
) -> Model:  # fmt: skip
    """Learn a model's sources anew from more events of the same kind; its ranker stays.

    Raises
    ------
    ModelError
        Where the newer sources have other features than the ranker knows.
    """
    note, without = progress or (lambda _: None), tuple(model.report.get("without", ()))
    left = _countdown(budget)
    n_items, data = len(data.items), data.liked()
    data, kept, text = _pool(data, without, cache, threads, vectors)
    learn = _Learner(
        data=data, text=text, seed=seed, threads=threads, without=set(without), left=left, note=note, share=left() * 0.8
    )  # fmt: skip
    epochs = max(int(model.report.get("epochs", 1)), 1)
    sequence, _ = (None, 0) if model.bases.sequence is None else learn.sequence(data.events, learn.share, epochs=epochs)
    bases = learn.bases(data.events, sequence, model.bases.novel)
    if bases.parts != model.bases.parts:
        raise ModelError(f"the newer sources are {bases.parts}, the ranker knows {model.bases.parts}. Cure: fit anew")
    return Model(
        bases=bases,
        ranker=model.ranker,
        kept=kept,
        n_items=n_items,
        width=model.width,
        signals=data.signals,
        report=dict(model.report),
    )


def _pool(
    data: Dataset, without: tuple[str, ...], cache: Path | None, threads: int, vectors: Floats | None
) -> tuple[Dataset, NDArray[np.int64], TextVectors | None]:
    """Return the data of the items that sources score, the keys of these, and the vectors of their texts."""
    kept = data.frequent(POOL, most=LARGEST if data.exclude_seen else 0, share=ENOUGH)
    if len(kept) < len(data.items):
        data = data.restrict(kept)
    ready = None if vectors is None else vectors[kept]
    return data, kept, None if "text" in without else TextVectors.fit(data.items.texts, cache, threads, ready)


def _countdown(seconds: float) -> Callable[[], float]:
    """Return a function that says how many of the seconds are left."""
    end = time.monotonic() + seconds

    def left() -> float:
        return end - time.monotonic()

    return left


def _rank(trials: list[Trial], seed: int, threads: int, seconds: float) -> Ranker:
    """Learn the ranker from the trials that have requests; without any, the fused order decides (feature 0)."""
    trials = [t for t in trials if len(t.labels)]
    if not trials:
        return Ranker([], 0, {"queries": 0, "why": "no event can be held out"})
    begun, count = time.monotonic(), len(trials)
    features, labels, users, answers, whole = (
        np.concatenate(c) for c in zip(*((t.found.features, t.labels, t.users, t.answers, t.whole) for t in trials), strict=True)
    )
    if count > 1 and trials[0].bases.times == "position":
        fold = np.repeat(np.arange(count), [len(t.labels) for t in trials])
        count = of_one_kind(features, labels, users, answers, fold, seed)
        features, labels, users, answers, whole = (part[fold < count] for part in (features, labels, users, answers, whole))
    seconds -= time.monotonic() - begun
    ranker = Ranker.fit(
        features, labels, users, answers, trials[0].bases.names, whole=whole, seed=seed, threads=threads, seconds=seconds
    )
    ranker.report["folds"] = count
    return ranker


@dataclass(kw_only=True)
class Trial:
    """Sources learnt on a fold's base, and what they found for its held-out requests.

    To learn them from everything takes some `seconds`; `whole` are those that are asked with all their person's events.
    """

    fold: Fold
    bases: Bases
    requests: Requests
    found: Candidates
    labels: NDArray[np.bool_]
    answers: NDArray[np.int64]
    users: NDArray[np.int32]
    whole: NDArray[np.bool_]
    epochs: int
    seconds: float


@dataclass(kw_only=True)
class _Learner:
    """What all steps of one fit share."""

    data: Dataset
    text: TextVectors | None
    seed: int
    threads: int
    without: set[str]
    left: Callable[[], float]
    note: Callable[[str], None]
    share: float

    def sequence(self, events: Events, seconds: float, **more: Any) -> tuple[SequenceModel | None, int]:
        """Train the sequence model, where it can be and is wanted."""
        if "sequence" in self.without or self.data.times == "none" or not has_torch():
            return None, 0
        joint = self.text.joint if self.text is not None else None
        sizes = () if "context" in self.without else tuple(self.data.signals.sizes)
        # By all events, not by those it learns from: what serves is to be of the same kind as what the ranker learns from.
        every = self.data.events
        shape = SEQUENCE | (LIGHT if len(every) > LONG else {})
        return SequenceModel.fit(
            events, len(self.data.items), joint, baskets=every.baskets, clock=self.data.times == "unix", sizes=sizes,
            seed=self.seed, threads=self.threads, seconds=seconds, **more, **shape,
        )  # fmt: skip

    def bases(self, events: Events, sequence: SequenceModel | None, novel: float) -> Bases:
        """Learn the other sources."""
        bases = Bases.fit(self.data, events, text=self.text, sequence=sequence, without=self.without)
        bases.novel = novel
        return bases

    def trial(self, fold: Fold, most: int, rng: np.random.Generator, epochs: int | None = None) -> Trial:
        """Learn from a fold's base and look up candidates for its labels; `epochs` None finds out how many are best.

        All folds and what serves are to know as much: the ranker trusts a source by what it was worth while it learnt.
        """
        hidden = self.hidden(fold, rng)
        if hidden.any():
            fold = Fold(base=fold.base & ~hidden[self.data.events.item], labels=fold.labels)
        base = self.data.events.take(fold.base)
        requests, answers, users = held_out(self.data, fold, most, rng)
        if hidden.any():
            requests = requests.rename(np.where(hidden, -1, np.arange(len(hidden))).astype(np.int32))
        some = np.sort(rng.permutation(len(answers))[:HELD])
        held = (requests.select(some), np.array([rng.choice(answers[i]) for i in some])) if len(some) > FEW else None
        begun, ran = time.monotonic(), []
        wanted: dict[str, Any] = {"held": held} if epochs is None else {"epochs": max(epochs, 1)}
        sequence, epochs = self.sequence(base, self.share, progress=lambda epoch, _: ran.append(epoch), **wanted)
        taken = (time.monotonic() - begun) * max(epochs, 1) / max(len(ran), 1)
        begun, known = time.monotonic(), np.bincount(base.item, minlength=len(self.data.items)) > 0
        every = np.concatenate(answers) if answers else np.zeros(0, np.int32)
        bases = self.bases(base, sequence, min(1.0, 2 * float(np.mean(~known[every])) if len(every) else 0.0))
        seconds = (taken + time.monotonic() - begun) * len(self.data.events) / max(len(base.item), 1)
        if hidden.any():
            # Where nothing is hidden, what has no events stays a candidate.
            bases.absent = np.bincount(self.data.events.item, minlength=len(hidden)) == 0
        requests, rows, whole = shortened(requests, rng)
        answers, users = [answers[row] for row in rows], users[rows]
        found = bases.candidates(requests, WIDTH)
        labels = np.array([np.isin(i, a) for i, a in zip(found.items, answers, strict=True)], bool).reshape(found.items.shape)
        share = labels.any(1).mean() if len(labels) else 0.0
        self.note(
            f"{len(requests)} held-out requests, {share:.3f} with an answer among the candidates, "
            f"{epochs} epochs, new items {bases.novel / 2:.3f}, {max(self.left(), 0):.0f} s left"
        )
        return Trial(
            fold=fold, bases=bases, requests=requests, found=found, labels=labels, users=users, epochs=epochs, seconds=seconds,
            whole=whole, answers=np.array([len(a) for a in answers], np.int64),
        )  # fmt: skip

    def hidden(self, fold: Fold, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Return which items (items,) are to be taken for new while the ranker learns.

        Without a clock the log does not show when an item came into the catalogue, and no answer in it is an item without
        events. An item that has none is then taken for one like the others whose time is yet to come: as large a share of
        the items with events is hidden, and those without stand aside. But where most of the catalogue has no events, the log
        shows by itself how often an event is an item's first (as often as items were met once, of all events [Good 1953]) and
        among how many that have none; to let these stand aside would make each that is hidden look worth so much more.
        """
        count = np.bincount(self.data.events.item, minlength=len(self.data.items))
        share = float(np.mean(count == 0))
        if self.data.times != "position" or self.text is None or not 0.002 <= share <= UNUSED or fold.newest:
            return np.zeros(len(count), bool)
        return np.asarray((count > 0) & (rng.random(len(count)) < min(share, MOST_HIDDEN)))

    def worth_refitting(self, trial: Trial, ranker: Ranker) -> bool:
        """Whether sources that also know the newest import serve people whom the ranker has not seen no worse.

        They do not where the newest events are of another kind than the older ones (say, only items that were new then):
        what the ranker has learnt of such items no longer holds once the sources have counted them. With a clock the question
        cannot be put this way: the held-out requests lie before the end of what the newer sources know.
        """
        if (
            self.data.times == "unix"
            or ranker.linear is None
            or trial.bases.absent is not None
            or ranker.held is None
            or sum(trial.bases.seconds.values()) > 0.1 * self.left()
        ):
            return True
        rows = np.flatnonzero(np.isin(trial.users, ranker.held) & trial.whole)
        if len(rows) <= FEW:
            return True
        other = trial.fold.base | (trial.fold.labels & ~np.isin(self.data.events.user, ranker.held))
        newer = self.bases(self.data.events.take(other), trial.bases.sequence, trial.bases.novel)
        wanted = [set(trial.found.items[r][trial.labels[r]].tolist()) for r in rows]
        found = newer.candidates(trial.requests.select(rows), WIDTH)
        labels = np.array([[i in w for i in row] for row, w in zip(found.items, wanted, strict=True)], bool)
        first = ranker.first()
        after = ndcg_each(first.score(found.features), labels, trial.answers[rows])
        before = ndcg_each(first.score(trial.found.features[rows]), trial.labels[rows], trial.answers[rows])
        change = after - before
        self.note(f"refitting changes ndcg@10 from {before.mean():.4f} to {after.mean():.4f}")
        # Refitting where it is wrong costs half of what was learnt, leaving it where it is right a few hundredths.
        return bool(change.mean() >= -change.std() / np.sqrt(len(change)))

    def refit(self, trial: Trial) -> Bases:
        """Learn the sources from everything, the sequence model for as many epochs as were best."""
        sequence, _ = self.sequence(self.data.events, max(self.left() * 0.8, self.share), epochs=max(trial.epochs, 1))
        return self.bases(self.data.events, sequence, trial.bases.novel)
