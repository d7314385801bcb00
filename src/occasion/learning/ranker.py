"""The learned ranker: LightGBM and a linear order over candidates of held-out events, averaged over runs and checked."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.learning.linear import linear_weights, standardised
from occasion.learning.trees import merged

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

__all__ = ["Ranker", "ndcg", "ndcg_each"]

SETTINGS = {
    "metric": "ndcg", "eval_at": [10], "learning_rate": 0.05, "num_leaves": 15, "min_data_in_leaf": 60,
    "lambda_l2": 10.0, "feature_fraction": 0.5, "bagging_fraction": 0.8, "bagging_freq": 1, "lambdarank_truncation_level": 20,
    "max_bin": 127, "verbosity": -1, "deterministic": True, "force_row_wise": True,
}  # fmt: skip
ROUNDS, PATIENCE, LEAST = 500, 40, 40
"""Trees of a run, at most; how many without a better one end it; and trees at least: that the first few rank some held-out requests
best is chance."""
OBJECTIVES = ("lambdarank", "binary")
"""Taken in turn by the runs: the one looks at the order of a request, the other at every candidate; together they vary less."""
NOTHING = -1e9
"""Score of a candidate of which the deciding feature says nothing."""
SAMPLED = 60
"""Candidates of a request that trees learn from: all answers, and others drawn anew for each run."""
ROWS = 700_000
"""Candidates up to which there are five runs; beyond, there are two."""
FEW = 40
"""Held-out requests below which there are no trees."""
EVEN = 1000
"""Held-out requests up to which the linear order counts as much as the trees; of more, the trees learn more, and it counts less."""
USUAL, SHORT = 0.1, 10
"""Share of the requests whose histories are shorter than those for which the linear order counts in full; where these have no more
than SHORT events, it does so for all."""
FEWEST = 10
"""Held-out requests below which nothing is learnt."""


def ndcg(scores: Floats, labels: NDArray[np.bool_], answers: NDArray[np.int64], k: int = 10) -> float:
    """Return mean ndcg@k of rows (B, C) with `answers` (B,) right answers each, also those that are not candidates."""
    each = ndcg_each(scores, labels, answers, k)
    return float(each.mean()) if len(each) else 0.0


def ndcg_each(scores: Floats, labels: NDArray[np.bool_], answers: NDArray[np.int64], k: int = 10) -> NDArray[np.float64]:
    """Return ndcg@k of each row (B,)."""
    top = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    gain = (np.take_along_axis(labels, top, 1) / np.log2(np.arange(2, top.shape[1] + 2))).sum(1)
    ideal = np.cumsum(1 / np.log2(np.arange(2, k + 2)))
    return np.asarray(gain / ideal[np.clip(answers, 1, k) - 1])


class Ranker:
    """Boosted trees and a linear order, or one feature where they are no better.

    Attributes
    ----------
    boosters : list of lightgbm.Booster
        Empty where `column` decides alone.
    column : int
        The best single feature.
    held : (u,) int, optional
        Users that the first booster was not trained on.
    spread : list of float
        Deviation of each booster's raw scores within a request, by which they are divided before they are added.
    lines : (runs, f) float32, optional
        Weights of the standardised features, which are added to the trees.
    usual : (int, float), optional
        The feature that tells how many events a history has, and how many most of those had that `lines` were learnt from.
    report : dict
        Held-out ndcg@10 of the trees and of the best feature, rounds, queries.
    """

    # What versions of releases before lack: they are read without going through the constructor.
    usual: tuple[int, float] | None = None

    def __init__(
        self, boosters: list[Any], column: int, report: dict[str, Any], held: NDArray[np.int64] | None = None,
        spread: list[float] | None = None, lines: Floats | None = None, usual: tuple[int, float] | None = None,
    ) -> None:  # fmt: skip
        self.boosters, self.column, self.report, self.held = boosters, column, report, held
        self.spread, self.lines, self.usual = spread or [1.0] * len(boosters), lines, usual

    @property
    def linear(self) -> Floats | None:
        """Weights of the standardised features (f,), or None."""
        return None if self.lines is None else np.asarray(self.lines.sum(0), np.float32)

    def score(self, features: Floats) -> Floats:
        """Return scores (B, C) of features (B, C, f), the fused order first among them.

        Without trees and weights they are places, from the worst, by the best feature and, where that says nothing, by the fused
        order: a feature of the moment is the same for all candidates of a request that does not tell the signal.
        """
        if not self.boosters and self.linear is None:
            value = np.nan_to_num(features[..., self.column], nan=NOTHING)
            order = np.lexsort((features[..., 0], value), axis=-1)
            places = np.empty(order.shape, np.float32)
            np.put_along_axis(places, order, np.arange(order.shape[-1], dtype=np.float32)[None], -1)
            return places
        total = np.zeros(features.shape[:2])
        if self.boosters:
            flat = features.reshape(-1, features.shape[-1])
            for booster, spread in zip(self.boosters, self.spread, strict=True):
                total += booster.predict(flat, raw_score=True, num_threads=1).reshape(total.shape) / spread
        if self.linear is not None:
            total += standardised(features) @ self.linear * self.trust(features)[:, None]
        return np.asarray(total, np.float32)

    def trust(self, features: Floats) -> Floats:
        """Return how much the linear order counts in each request (B,), from 0 to 1: as its history is to the usual ones.

        One weight holds for one event as for a hundred, and was learnt from hundreds; trees tell them apart.
        """
        if self.usual is None or not features.shape[1]:
            return np.ones(len(features), np.float32)
        column, least = self.usual
        return np.asarray(np.minimum(features[:, 0, column] / least, 1), np.float32)

    def served(self) -> Ranker:
        """Return the same ranker with its trees in one model, which is asked once."""
        if len(self.boosters) < 2 and self.spread[:1] in ([], [1.0]):
            return self
        return Ranker([merged(self.boosters, self.spread)], self.column, self.report, self.held, lines=self.lines, usual=self.usual)

    def first(self) -> Ranker:
        """Return what the first run has learnt of everybody but `held`."""
        assert self.lines is not None
        return Ranker(self.boosters[:1], self.column, {}, spread=self.spread[:1], lines=self.lines[:1], usual=self.usual)

    @classmethod
    def fit(
        cls, features: Floats, labels: NDArray[np.bool_], groups: NDArray[np.int64], answers: NDArray[np.int64], names: list[str],
        *, whole: NDArray[np.bool_] | None = None, seed: int = 0, runs: int | None = None, threads: int = 1, rounds: int = ROUNDS,
        seconds: float = math.inf,
    ) -> Ranker:  # fmt: skip
        """Train on (B, C, f) features, within about `seconds` but one run at least.

        `groups` (B,) are users, who are held out whole for early stopping. Trees learn from all requests, the linear order from
        those that are asked with all the events of their history, `whole` (B,), default all; by these it is judged, too.

        Queries without an answer among the candidates teach nothing and are dropped; they count in the report.
        """
        column = _best_column(features, labels, answers, names) if labels.any() else 0
        useful = labels.any(1) & ~labels.all(1)
        if useful.sum() < FEWEST:
            return cls([], column, {"queries": int(useful.sum()), "why": "too few held-out events to learn a ranking"})
        if whole is None or (useful & whole).sum() < FEWEST:
            whole = np.ones(len(features), bool)
        share = np.float32(min(1.0, EVEN / (useful & whole).sum()))
        boosters, lines, gains, plain, spread = [], [], [], [], []
        runs = runs or (5 if useful.sum() * features.shape[1] <= ROWS else 2)
        rng = np.random.default_rng(seed)
        folds = max(runs, 5)
        known = len(np.unique(groups)) >= folds
        if not known:  # Of very few people stretches of their requests are held out.
            groups = np.arange(len(groups)) * folds // len(groups)
        people = rng.permutation(np.unique(groups))
        usual = _usual(features[useful & whole], names)
        trusted = cls([], column, {}, usual=usual).trust(features)
        begun = time.monotonic()
        for run in range(runs):
            if run and (time.monotonic() - begun) * (run + 1) / run > seconds:
                break
            held = np.isin(groups, people[run::folds])
            train, judged = useful & ~held, held & whole
            line = share * linear_weights(features[train & whole], labels[train & whole], seed + run)
            mine = standardised(features[judged]) @ line * trusted[judged, None]
            if useful.sum() >= FEW:
                booster = _train(features, labels, train, useful & held, seed + run, threads, rounds, OBJECTIVES[run % 2])
                trees = cls([booster], column, {}).score(features[judged])
                spread.append(max(float(trees.std(1).mean()), 1e-9) if len(trees) else 1.0)
                boosters.append(booster)
                mine = mine + trees / spread[-1]
            lines.append(line)
            gains.append(ndcg_each(mine, labels[judged], answers[judged]))
            plain.append(ndcg_each(features[judged][..., column], labels[judged], answers[judged]))
        learnt, alone = np.concatenate(gains), np.concatenate(plain)
        report = {
            "queries": int(useful.sum()), "rounds": [b.num_trees() for b in boosters], "ndcg": round(float(learnt.mean()), 4),
            "best_feature": names[column], "best_feature_ndcg": round(float(alone.mean()), 4),
        }  # fmt: skip
        # One feature is luck or habit, the best of many here, and it may be silent: it has to be better beyond doubt.
        less = alone - learnt
        if less.mean() > 2 * less.std() / np.sqrt(max(len(less), 1)):
            return cls([], column, report | {"why": "what was learnt was worse than one feature on held-out users"})
        return cls(boosters, column, report, people[::folds] if known else None, spread, np.stack(lines), usual)


def _usual(features: Floats, names: list[str]) -> tuple[int, float] | None:
    """Return the feature that tells the length of a history, and the length that all but a share of USUAL reach."""
    if "history" not in names or not features.shape[1]:
        return None
    column = names.index("history")
    least = float(np.quantile(features[:, 0, column], USUAL))
    return (column, least) if least > SHORT else None


def _best_column(features: Floats, labels: NDArray[np.bool_], answers: NDArray[np.int64], names: list[str]) -> int:
    """Return the feature whose order alone is best, in doubt the first (ranks are features too but count the wrong way round)."""
    rows = np.random.default_rng(0).permutation(len(features))[:1500]
    some = np.nan_to_num(features[rows], nan=NOTHING)
    each = [ndcg_each(some[..., j], labels[rows], answers[rows]) for j in range(len(names))]
    best = int(np.argmax([e.mean() for e in each]))
    # The best of many features on a few requests is luck, unless it is better beyond doubt than the sources together.
    more = each[best] - each[0]
    return best if more.mean() > 2 * more.std() / np.sqrt(max(len(more) - 1, 1)) and len(more) > 5 else 0


def _train(
    features: Floats, labels: NDArray[np.bool_], train: NDArray[np.bool_], held: NDArray[np.bool_], seed: int, threads: int,
    rounds: int, objective: str,
) -> Any:  # fmt: skip
    import lightgbm

    def data(rows: NDArray[np.bool_], width: int, reference: Any = None) -> Any:
        kept = _sampled(labels[rows], width, seed)
        x = features[np.flatnonzero(rows)[:, None], kept].reshape(-1, features.shape[-1])
        y = np.take_along_axis(labels[rows], kept, 1).reshape(-1).astype(np.float32)
        return lightgbm.Dataset(x, y, group=np.full(*kept.shape), reference=reference, free_raw_data=True)

    settings = SETTINGS | {
        "objective": objective,
        "seed": seed,
        "num_threads": threads,
        "min_data_in_leaf": int(np.clip(train.sum() * SAMPLED / 4000, 10, 200)),
    }
    base = data(train, SAMPLED)
    if held.sum() < 10:
        return lightgbm.train(settings, base, num_boost_round=80)
    booster = lightgbm.train(
        settings,
        base,
        rounds,
        valid_sets=[data(held, labels.shape[1], base)],
        callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
        keep_training_booster=True,
    )
    return lightgbm.Booster(model_str=booster.model_to_string(num_iteration=max(booster.best_iteration, LEAST)))


def _sampled(labels: NDArray[np.bool_], count: int, seed: int) -> NDArray[np.int64]:
    """Return the places (B, count) of each request's answers and of others drawn at random, in the order of the candidates."""
    drawn = np.random.default_rng(seed).random(labels.shape)
    first = np.argsort(np.where(labels, drawn - 1, drawn), axis=1)[:, :count]
    return np.sort(first, axis=1)
