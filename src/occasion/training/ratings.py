"""Ratings: from the explicit ratings of a log to a model of them, judged on the newest, and given a say in the order if that pays.

The model learns from the ratings before the cut and foretells those after it, next to the plainest model there is,
``mean + what the person adds + what the item adds`` with shrinkage (Koren, Bell and Volinsky 2009). Only if its squared error
is no greater it becomes a part of the version, learnt anew from all ratings. How much it moves the order is chosen on one half of
the moments after the cut; the gate asks about the other half.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.evaluation.queries import ask
from occasion.evaluation.split import Moments, Split
from occasion.evaluation.systems import OCCASION, Systems
from occasion.keyed import taken
from occasion.learned import LearnedModel
from occasion.learning.dataset import Dataset
from occasion.learning.rated import RatedModel, pair_order
from occasion.learning.requests import Queries
from occasion.learning.signals import SignalCodes, Signals
from occasion.learning.text import TextVectors
from occasion.liking import rating_range
from occasion.metrics import ndcg
from occasion.protocols import EventColumns, Store
from occasion.ratings import Ratings
from occasion.recommender import Recommender
from occasion.training.log import LearningLog, event_frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]

__all__ = ["LEAST", "learn_ratings", "rating_errors", "rating_weight"]

LEAST = 200
"""Ratings below which none are learnt from."""
JUDGED = 30
"""Ratings after the cut from which on the model is judged."""
ITEMS = 1500
"""Items with the most ratings that the model knows; it holds their likeness to each other."""
MOST = 50_000
"""Ratings that are learnt from, the newest: the time of a fit has an end."""
WEIGHTS = (0.0, 0.3, 1.0)
SHRUNK = 5.0
"""Ratings that count against what a person or an item adds."""


def learn_ratings(
    recommender: Recommender,
    log: LearningLog,
    held_out: NDArray[np.int64] | None = None,
    *,
    seed: int = 0,
    threads: int = 1,
    vectors: Any = None,
    without: tuple[str, ...] = (),
) -> Ratings | None:
    """Learn from a log's ratings, but for those held out (sequence numbers); None where there are too few or all are alike."""
    columns = _ratings(log.columns)
    if held_out is not None:
        columns = taken(columns, ~np.isin(columns.seq, held_out))
    columns = taken(columns, slice(-MOST, None))
    if len(columns.seq) < LEAST or float(np.ptp(columns.value)) == 0:
        return None
    data = _dataset(recommender, log, columns)
    kept = data.frequent(ITEMS)
    data = data.restrict(kept)
    ready = None if vectors is None else vectors[kept]
    text = None if "text" in without else TextVectors.fit(data.items.texts, None, threads, ready)
    model = RatedModel.fit(data, text, seed=seed, threads=threads, without=without)
    return Ratings(
        model=model,
        signals=data.signals,
        users=np.array([int(user) for user in data.users], np.int64),
        kept=kept,
        low=float(columns.value.min()),
        high=float(columns.value.max()),
        shift=log.shift,
        report=dict(model.report),
    )


def _ratings(columns: EventColumns) -> EventColumns:
    """Return the events of known people that are ratings with a value."""
    if "rating" not in columns.types:
        return taken(columns, np.zeros(len(columns.seq), np.bool_))
    is_rating = columns.type == columns.types.index("rating")
    found = taken(columns, is_rating & np.isfinite(columns.value) & (columns.user >= 0))
    scale = rating_range(found)
    # What one account gave far off the scale is the end of the scale, or all errors would be about that one.
    return found if scale is None else replace(found, value=np.clip(found.value, scale[0], scale[1]).astype(np.float32))


def _dataset(recommender: Recommender, log: LearningLog, columns: EventColumns) -> Dataset:
    """Return the ratings as a data set over the log's items, with people and signals of their own."""
    frame = event_frame(columns, recommender, log.shift)
    frame = frame.with_columns(rating=columns.value.astype(np.float64))
    # The hour of a rating tells of the sitting, not of the taste; see `occasion.learning.signals.Signals.plain`.
    signals = Signals.learn(frame, clock=False)
    whole = replace(log.data, users=sorted(set(frame["user_id"].to_list())), signals=signals, exclude_seen=False, rated=True)
    return whole.only(frame)


def rating_errors(ratings: Ratings, recommender: Recommender, log: LearningLog, held_out: NDArray[np.int64]) -> dict[str, Any]:
    """Foretell the held-out ratings; return n, root mean squared and mean absolute error, and the share of pairs in order.

    ``rmse_means`` and ``order_means`` are those of the plainest model. Empty where fewer than `JUDGED` ratings are held out.
    """
    columns = _ratings(log.columns)
    late = np.isin(columns.seq, held_out)
    before, after = taken(columns, ~late), taken(columns, late)
    if len(after.seq) < JUDGED:
        return {}
    mine, plain = _foretold(ratings, recommender, log, after), _plain(before, after)
    plain = np.clip(plain, ratings.low, ratings.high)
    value = after.value.astype(np.float64)
    return {
        "n": len(value),
        "rmse": _rmse(mine, value),
        "rmse_means": _rmse(plain, value),
        "mae": round(float(np.abs(mine - value).mean()), 4),
        "order": round(pair_order(after.user, value, mine), 4),
        "order_means": round(pair_order(after.user, value, plain), 4),
    }


def _rmse(foretold: Doubles, value: Doubles) -> float:
    return round(float(np.sqrt(((foretold - value) ** 2).mean())), 4)


def _foretold(ratings: Ratings, recommender: Recommender, log: LearningLog, columns: EventColumns) -> Doubles:
    """Return what the model says of known events (n,): as for queries, all at once."""
    place = np.full(len(log.data.items), -1, np.int32)
    place[ratings.kept] = np.arange(len(ratings.kept))
    people = {int(key): row for row, key in enumerate(ratings.users)}
    reading = SignalCodes(ratings.signals)
    given, figures = recommender.past_signals(columns), recommender.past_figures(columns, reading.measured)
    codes, numbers = reading.of_columns(given, figures, np.arange(len(columns.seq)))
    asked = Queries(
        ids=[""] * len(columns.seq),
        user=np.array([people.get(int(u), -1) for u in columns.user], np.int32),
        time=columns.at + log.shift,
        item=place[columns.item],
        signals=codes,
        numbers=numbers,
    )
    return np.asarray(np.clip(ratings.model.predict(asked), ratings.low, ratings.high), np.float64)


def _plain(before: EventColumns, after: EventColumns) -> Doubles:
    """Return mean + item + person (n,), each of the two shrunk by `SHRUNK` ratings to nothing."""
    mean = float(before.value.mean())
    size = 1 + int(max(before.item.max(), after.item.max(initial=0)))
    people = 1 + int(max(before.user.max(), after.user.max(initial=0)))
    item = np.bincount(before.item, before.value - mean, size) / (np.bincount(before.item, minlength=size) + SHRUNK)
    rest = before.value - mean - item[before.item]
    person = np.bincount(before.user, rest, people) / (np.bincount(before.user, minlength=people) + SHRUNK)
    return np.asarray(mean + item[after.item] + person[after.user], np.float64)


def rating_weight(
    held: Recommender, store: Store, split: Split, moments: Moments, columns: EventColumns, candidate: LearnedModel
) -> tuple[float, dict[str, float]]:
    """Return the weight with which the candidate's answers to some moments are best, and NDCG@10 by weight; 0 unless it pays."""
    found: dict[float, NDArray[np.float64]] = {}
    for weight in WEIGHTS:
        candidate.rating_weight = weight
        held.use(candidate)
        answers = ask(Systems(held, ()), store, split, moments, columns, k=10, now=time.time())
        lists = zip(answers.lists[OCCASION], answers.relevant, strict=True)
        found[weight] = np.array([ndcg(keys.tolist(), truth.tolist(), 10) for keys, truth in lists])
    best = max(WEIGHTS, key=lambda weight: float(found[weight].mean()))
    gain = found[best] - found[0.0]
    sure = len(gain) > 1 and gain.mean() > gain.std(ddof=1) / np.sqrt(len(gain))
    candidate.rating_weight = best if sure else 0.0
    return candidate.rating_weight, {f"{weight:g}": round(float(values.mean()), 4) for weight, values in found.items()}
