"""From a data set to a model: split in time, learn sources, learn the ranker on what came after, refit the sources.

What is learnt is found out from the data: whether there are times, whether people repeat, whether there are signals and
texts. No setting depends on the name of a data set.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.errors import ModelError
from occasion.training import storage
from occasion.training.dataset import Events, Queries, Requests, Signals, build_requests
from occasion.training.features import Bases, Candidates
from occasion.training.ranker import Ranker, ndcg_each
from occasion.training.sequence import SequenceModel, has_torch
from occasion.training.text import TextVectors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from occasion.training.dataset import Dataset

    Floats = NDArray[np.float32]

__all__ = ["Fold", "Model", "fit", "refit", "split"]

FOLDS = 6
"""Folds of moments where there are no times."""
QUERIES = 10_000
"""Held-out queries at most."""
SLICES, STEPS, ENOUGH = 8, 3, 6000
"""With a clock, labels are the last 1/SLICES of the events, and up to STEPS slices where there are not ENOUGH labels."""
WORK = 8e7
"""Held-out queries times items at most."""
POOL = 16_000
"""Items that sources score; of larger catalogues those with the most recent events."""
MOST_HIDDEN = 0.3
"""Share of the items that are hidden at most, so that the ranker sees what items without events are worth."""
WIDTH = 150
"""Candidates of a request."""


@dataclass(kw_only=True)
class Fold:
    """Rows of the events: `base` to learn sources from, `labels` to be predicted from them; `newest` if those are one import."""

    base: NDArray[np.bool_]
    labels: NDArray[np.bool_]
    newest: bool = False


def split(data: Dataset, rng: np.random.Generator) -> list[Fold]:
    """Cut events into what sources learn from and what comes after.

    With clock times, the last eighth of the events comes after (in small logs, also the eighth before it, after what was before
    that). With positions, the newest import does where
    there is one of a fair size, else each person's last event. Without times, whole moments (person and signals) are
    drawn into folds.
    """
    events = data.events
    if data.times == "none":
        moment = moments(events, timed=False)
        fold = rng.integers(0, FOLDS, int(moment.max(initial=-1)) + 1)[moment]
        return [Fold(base=fold != f, labels=fold == f) for f in range(FOLDS)]
    if data.times == "unix":
        cuts = [*np.nanquantile(events.time, [1 - (k + 1) / SLICES for k in range(STEPS)]), 0.0]
        late = [events.time >= cut for cut in cuts]
        folds = [Fold(base=~late[0], labels=late[0])]
        for k in range(1, STEPS):
            if sum(f.labels.sum() for f in folds) < ENOUGH:
                folds.append(Fold(base=~late[k], labels=late[k] & ~late[k - 1]))
        return folds
    newest = events.batch == events.batch.max(initial=0)
    if events.batch.max(initial=0) > 0 and 300 <= newest.sum() <= 0.5 * len(events):
        return [Fold(base=~newest, labels=newest, newest=True)]
    last = np.append(events.user[1:] != events.user[:-1], True)
    second = np.append(True, events.user[1:] != events.user[:-1])
    return [Fold(base=~(last & ~second), labels=last & ~second)]


def moments(events: Events, *, timed: bool) -> NDArray[np.int64]:
    """Return a number for each event (n,) that tells moments apart: person and time, or person and signals."""
    rest = events.time[:, None] if timed else events.signals
    keys = np.concatenate([events.user[:, None].astype(float), rest.astype(float)], 1)
    return np.unique(np.ascontiguousarray(keys), axis=0, return_inverse=True)[1].ravel()


def held_out(
    data: Dataset, fold: Fold, most: int, rng: np.random.Generator
) -> tuple[Requests, list[NDArray[np.int32]], NDArray[np.int32]]:
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
    kept: NDArray[np.int64]
    n_items: int
    width: int = WIDTH
    signals: Signals | None = None
    report: dict[str, Any] = field(default_factory=dict)

    def predict(self, requests: Requests, k: int = 100) -> tuple[NDArray[np.int32], Floats]:
        """Return the best items (B, k), -1 where there are fewer, and their scores."""
        place = np.full(self.n_items, -1, np.int32)
        place[self.kept] = np.arange(len(self.kept))
        requests = requests.rename(place)
        back = np.append(self.kept, -1).astype(np.int32)
        out_items, out_scores = [], []
        for start in range(0, len(requests), 500):
            found = self.bases.candidates(requests.part(start, min(start + 500, len(requests))), max(self.width, k))
            scores = self.ranker.score(found.features)
            scores = np.where(found.fused < 0, -np.inf, scores)
            order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
            best = np.take_along_axis(scores, order, 1)
            out_items.append(back[np.where(np.isfinite(best), np.take_along_axis(found.items, order, 1), -1)])
            out_scores.append(best)
        if not out_items:
            return np.zeros((0, k), np.int32), np.zeros((0, k), np.float32)
        return np.concatenate(out_items), np.concatenate(out_scores)

    def recommend(
        self, items: list[int], *, times: list[float] | None = None, signals: list[int] | None = None,
        numbers: list[float] | None = None, past: list[list[int]] | None = None, at: float = float("nan"), k: int = 10,
    ) -> tuple[NDArray[np.int32], Floats]:  # fmt: skip
        """Answer one request.

        Parameters
        ----------
        items : list of int, (h,)
            Keys of the history, oldest first.
        times : list of float, (h,), optional
            Their times on the scale the model learnt from.
        signals, numbers : lists, (s,) and (r,), optional
            Codes and raw numbers of the moment, as :meth:`Signals.code` gives them.
        past : list of lists, (h, s), optional
            Codes of the history's moments.
        at : float
            Time of the request.
        k : int
            Items wanted.

        Returns
        -------
        (items, scores)
            Both (<= k,), best first.
        """
        n, s = len(items), len(self.bases.signal_names) if signals is None else len(signals)
        request = Requests(
            time=np.array([at]), ptr=np.array([0, n]), item=np.array(items, np.int32), value=np.ones(n, np.float32),
            signals=np.full((1, s), -1, np.int32) if signals is None else np.array([signals], np.int32),
            numbers=np.full((1, self.bases.n_numbers), np.nan, np.float32) if numbers is None else np.array([numbers], np.float32),
            when=np.full(n, np.nan) if times is None else np.array(times, float),
            past=np.full((n, s), -1, np.int32) if past is None else np.array(past, np.int32).reshape(n, s),
        )  # fmt: skip
        found, scores = self.predict(request, k)
        real = found[0] >= 0
        return found[0][real], scores[0][real]

    def save(self, folder: Path) -> None:
        """Write the model into a folder of arrays, trees as text and a JSON manifest."""
        storage.save(self, folder)

    @classmethod
    def load(cls, folder: Path) -> Model:
        """Read a model that :meth:`save` wrote."""
        model = storage.load(folder)
        if not isinstance(model, cls):
            raise ModelError(f"{folder} holds a {type(model).__name__}, not a ranking model")
        return model


def fit(
    data: Dataset, *, seed: int = 0, budget: float = 240.0, threads: int = 1, without: tuple[str, ...] = (),
    cache: Path | None = None, progress: Callable[[str], None] | None = None, vectors: Floats | None = None,
) -> Model:  # fmt: skip
    """Learn a model within about `budget` seconds; `vectors` (items, d) are the texts' sentence vectors where there are some."""
    begun, rng = time.monotonic(), np.random.default_rng(seed)
    note = progress or (lambda _: None)
    left = lambda: budget - (time.monotonic() - begun)  # noqa: E731
    n_items, kept = len(data.items), data.frequent(POOL)
    if len(kept) < n_items:
        data = data.restrict(kept)
    ready = None if vectors is None else vectors[kept]
    text = None if "text" in without else TextVectors.fit(data.items.texts, cache, threads, ready)
    note(f"text {time.monotonic() - begun:.0f} s")
    folds = split(data, rng)
    learn = _Learner(data=data, text=text, seed=seed, threads=threads, without=set(without), left=left, note=note)
    most = int(min(QUERIES, max(WORK / max(len(data.items), 1), 500)))
    trials = [learn.trial(f, most // len(folds[:4]), rng) for f in folds[:4]]
    ranker = _rank(trials, seed, threads)
    note(f"ranker {ranker.report}, {time.monotonic() - begun:.0f} s")
    trial = trials[0]
    refit = data.times == "none" or learn.worth_refitting(trial, ranker)
    bases = learn.refit(trial) if refit else trial.bases
    note(f"{'refitted on everything' if refit else 'left as they are'}, {time.monotonic() - begun:.0f} s")
    report = {
        "parts": bases.parts, "ranker": ranker.report, "features": trial.bases.names, "refitted": refit, "epochs": trial.epochs,
        "without": list(without),
    }  # fmt: skip
    return Model(bases=bases, ranker=ranker, kept=kept, n_items=n_items, signals=data.signals, report=report)


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
    begun, note, without = time.monotonic(), progress or (lambda _: None), tuple(model.report.get("without", ()))
    left = lambda: budget - (time.monotonic() - begun)  # noqa: E731
    n_items, kept = len(data.items), data.frequent(POOL)
    if len(kept) < n_items:
        data = data.restrict(kept)
    ready = None if vectors is None else vectors[kept]
    text = None if "text" in without else TextVectors.fit(data.items.texts, cache, threads, ready)
    learn = _Learner(data=data, text=text, seed=seed, threads=threads, without=set(without), left=left, note=note)
    epochs = max(int(model.report.get("epochs", 1)), 1)
    sequence, _ = (None, 0) if model.bases.sequence is None else learn.sequence(data.events, max(left() * 0.8, 5), epochs=epochs)
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


def _rank(trials: list[Trial], seed: int, threads: int) -> Ranker:
    """Learn the ranker from the trials that have requests; without any, the fused order decides (feature 0)."""
    trials = [t for t in trials if len(t.labels)]
    if not trials:
        return Ranker([], 0, {"queries": 0, "why": "no event can be held out"})
    features, labels, users, answers = (
        np.concatenate(c) for c in zip(*((t.found.features, t.labels, t.users, t.answers) for t in trials), strict=True)
    )
    return Ranker.fit(features, labels, users, answers, trials[0].bases.names, seed=seed, threads=threads)


@dataclass(kw_only=True)
class Trial:
    """Sources learnt on a fold's base, and what they found for its held-out requests."""

    fold: Fold
    bases: Bases
    requests: Requests
    found: Candidates
    labels: NDArray[np.bool_]
    answers: NDArray[np.int64]
    users: NDArray[np.int32]
    epochs: int


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

    def sequence(self, events: Events, seconds: float, **more: Any) -> tuple[SequenceModel | None, int]:
        """Train the sequence model, where it can be and is wanted."""
        if "sequence" in self.without or self.data.times == "none" or not has_torch():
            return None, 0
        joint = self.text.joint if self.text is not None else None
        return SequenceModel.fit(
            events, len(self.data.items), joint, seed=self.seed, threads=self.threads, seconds=seconds, **more, **SEQUENCE
        )

    def bases(self, events: Events, sequence: SequenceModel | None, novel: float) -> Bases:
        """Learn the other sources."""
        bases = Bases.fit(self.data, events, text=self.text, sequence=sequence, without=self.without)
        bases.novel = novel
        return bases

    def trial(self, fold: Fold, most: int, rng: np.random.Generator) -> Trial:
        """Learn from a fold's base and look up candidates for its labels."""
        hidden = self.hidden(fold, rng)
        if hidden.any():
            fold = Fold(base=fold.base & ~hidden[self.data.events.item], labels=fold.labels)
        base = self.data.events.take(fold.base)
        requests, answers, users = held_out(self.data, fold, most, rng)
        if hidden.any():
            requests = requests.rename(np.where(hidden, -1, np.arange(len(hidden))).astype(np.int32))
        single = np.flatnonzero([len(a) == 1 for a in answers])[:1500]
        held = (requests.select(single), np.array([answers[i][0] for i in single])) if len(single) > 50 else None
        sequence, epochs = self.sequence(base, self.left() * 0.3, held=held)
        known = np.bincount(base.item, minlength=len(self.data.items)) > 0
        every = np.concatenate(answers) if answers else np.zeros(0, np.int32)
        bases = self.bases(base, sequence, min(1.0, 2 * float(np.mean(~known[every])) if len(every) else 0.0))
        if hidden.any():
            # Where nothing is hidden, what has no events stays a candidate.
            bases.absent = np.bincount(self.data.events.item, minlength=len(hidden)) == 0
        found = bases.candidates(requests, WIDTH)
        labels = np.array([np.isin(i, a) for i, a in zip(found.items, answers, strict=True)], bool).reshape(found.items.shape)
        share = labels.any(1).mean() if len(labels) else 0.0
        self.note(
            f"{len(requests)} held-out requests, {share:.3f} with an answer among the candidates, "
            f"{epochs} epochs, new items {bases.novel / 2:.3f}, {self.left():.0f} s left"
        )
        return Trial(
            fold=fold, bases=bases, requests=requests, found=found, labels=labels, users=users, epochs=epochs,
            answers=np.array([len(a) for a in answers], np.int64),
        )  # fmt: skip

    def hidden(self, fold: Fold, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Return which items (items,) are to be taken for new while the ranker learns.

        Without a clock the log does not show when an item came into the catalogue, and no answer in it is an item without
        events. An item that has none is then taken for one like the others whose time is yet to come: as large a share of
        the items with events is hidden, and those without stand aside.
        """
        count = np.bincount(self.data.events.item, minlength=len(self.data.items))
        share = float(np.mean(count == 0))
        if self.data.times != "position" or self.text is None or share < 0.002 or fold.newest:
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
            or not ranker.boosters
            or trial.bases.absent is not None
            or ranker.held is None
            or sum(trial.bases.seconds.values()) > 0.1 * self.left()
        ):
            return True
        rows = np.flatnonzero(np.isin(trial.users, ranker.held))
        other = trial.fold.base | (trial.fold.labels & ~np.isin(self.data.events.user, ranker.held))
        newer = self.bases(self.data.events.take(other), trial.bases.sequence, trial.bases.novel)
        wanted = [set(trial.found.items[r][trial.labels[r]].tolist()) for r in rows]
        found = newer.candidates(trial.requests.select(rows), WIDTH)
        labels = np.array([[i in w for i in row] for row, w in zip(found.items, wanted, strict=True)], bool)
        first = Ranker(ranker.boosters[:1], ranker.column, {})
        after = ndcg_each(first.score(found.features), labels, trial.answers[rows])
        before = ndcg_each(first.score(trial.found.features[rows]), trial.labels[rows], trial.answers[rows])
        change = after - before
        self.note(f"refitting changes ndcg@10 from {before.mean():.4f} to {after.mean():.4f}")
        return bool(change.mean() > -2 * change.std() / np.sqrt(max(len(change), 1)))

    def refit(self, trial: Trial) -> Bases:
        """Learn the sources from everything, the sequence model for as many epochs as were best."""
        sequence, _ = self.sequence(self.data.events, max(self.left() * 0.7, 5), epochs=max(trial.epochs, 1))
        return self.bases(self.data.events, sequence, trial.bases.novel)


SEQUENCE: dict[str, Any] = {"layers": 2, "dim": 96}
