"""Ratings of (person, item, situation): a Gaussian process, factors, and boosted trees over what both say of unseen rows.

The three are blended by as much as cross-validation says: on few ratings the kernel leads, on many the factors do.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.learning.factors import FactorRater
from occasion.learning.kernel import EXACT, KernelRater, Rows, scale, standardise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.learning.dataset import Dataset
    from occasion.learning.text import TextVectors

    Doubles = NDArray[np.float64]

__all__ = ["RatedModel", "pair_order"]

FOLDS = 5
TREES = {
    "objective": "l2", "learning_rate": 0.03, "num_leaves": 6, "min_data_in_leaf": 15, "lambda_l2": 5.0, "feature_fraction": 0.6,
    "bagging_fraction": 0.8, "bagging_freq": 1, "verbosity": -1, "deterministic": True, "force_row_wise": True,
}  # fmt: skip
ROUNDS = 200
WITHIN = 0.002
"""Shares of pairs in order that are less apart than this are as good as equal."""


def pair_order(user: NDArray[Any], ratings: NDArray[Any], scores: NDArray[Any]) -> float:
    """Return the share of pairs of one user's rows with different ratings that `scores` puts in order; ties count half."""
    good, total = 0.0, 0
    for key in np.unique(user):
        mine = user == key
        y, s = ratings[mine], scores[mine]
        above = y[:, None] > y[None, :]
        good += float((above * ((s[:, None] > s[None]) + 0.5 * (s[:, None] == s[None]))).sum())
        total += int(above.sum())
    return good / total if total else 0.5


class RatedModel:
    """Kernel rater, boosted trees and factors, blended.

    Attributes
    ----------
    rater : KernelRater
    items : (items, f) float32
        Item columns that the trees read, the logarithm of how often each was rated the last one: people rate what they expect to
        like, so what many have rated is liked better by those who have not.
    users : (users, g) float32
        Columns of people: the logarithm of how often each has rated. Without columns in versions of releases before.
    reference : (2, r) float32
        Mean and deviation of the numeric signals.
    read : (k,) int64, optional
        Which signals are read by their codes: those that are no figures. Figures are read as such; cut into ranges as well, each
        would be one more field whose products with all others the factors have to learn. None, all of them, in versions of
        releases before.
    factors : FactorRater, optional
    boosters : list of lightgbm.Booster
        Trained on what the other two said of rows they had not seen, and on the plain columns.
    shares : list of float, (3,)
        Weights of kernel, trees and factors in the blend, by cross-validation; they sum to 1.
    """

    # What versions of releases before lack: they are read without going through the constructor.
    users: NDArray[np.float32] = np.zeros((0, 0), np.float32)
    read: NDArray[np.int64] | None = None

    def __init__(
        self, rater: KernelRater, *, items: NDArray[np.float32], users: NDArray[np.float32], reference: NDArray[np.float32],
        read: NDArray[np.int64],
    ) -> None:  # fmt: skip
        self.rater, self.items, self.users, self.reference, self.read = rater, items, users, reference, read
        self.factors: FactorRater | None = None
        self.boosters: list[Any] = []
        self.shares = [1.0, 0.0, 0.0]
        self.report: dict[str, Any] = {}

    @classmethod
    def fit(
        cls, data: Dataset, text: TextVectors | None, *, seed: int = 0, threads: int = 1, without: tuple[str, ...] = ()
    ) -> RatedModel:
        """Fit on the events that carry a rating; rows with NaN are left out."""
        events = data.events.take(np.isfinite(data.events.value))
        columns = [data.items.numbers, *([text.joint[:, :8]] if text is not None else []), _often(events.item, len(data.items))]
        model = cls(
            KernelRater.prepare(data, text, without), items=np.concatenate(columns, 1), users=_often(events.user, len(data.users)),
            reference=scale(data.events.numbers), read=data.signals.plain,
        )  # fmt: skip
        rows, ratings = model.rows(events), events.value
        if not len(rows):
            return model
        model.rater.fit(rows, ratings, seed)
        if len(rows) < 200:
            return model
        sizes = [data.signals.sizes[j] for j in data.signals.plain]
        model.factors = FactorRater(sizes=[len(data.users), len(data.items), *sizes])
        fold = np.random.default_rng(seed).integers(0, FOLDS if len(rows) <= EXACT else 3, len(rows))
        said = model.unseen(rows, ratings, fold, seed)
        trees = np.zeros(len(rows))
        x = model.columns(rows, said[0], said[1])
        for f in np.unique(fold):
            booster = _boost(x[fold != f], ratings[fold != f], seed + int(f), threads)
            trees[fold == f] = booster.predict(x[fold == f], num_threads=threads)
            model.boosters.append(booster)
        model.factors.fit(rows.codes, ratings, seed)
        model.shares, model.report = _blend(rows.user, ratings, np.stack([said[0], trees, said[1]]))
        return model

    def unseen(self, rows: Rows, ratings: NDArray[np.float32], fold: NDArray[Any], seed: int) -> Doubles:
        """Return what kernel and factors say of rows (2, n) when fitted on the other folds.

        The kernel keeps the weights that all rows gave: to learn them anew for each fold takes twice as long for nothing.
        """
        out = np.zeros((2, len(rows)))
        for f in np.unique(fold):
            rest, part = rows.take(fold != f), rows.take(fold == f)
            out[0, fold == f] = replace(self.rater).solve(rest, ratings[fold != f], seed).predict(part)
            if self.factors is not None:
                out[1, fold == f] = replace(self.factors).fit(rest.codes, ratings[fold != f], seed).predict(part.codes)
        return out

    def rows(self, what: Any) -> Rows:
        """Return the rows of events or queries."""
        signals = what.signals if self.read is None else what.signals[:, self.read]
        return Rows(user=what.user, item=what.item, signals=signals, numbers=standardise(what.numbers, self.reference))

    def columns(self, rows: Rows, kernel: Doubles, factors: Doubles) -> NDArray[np.float32]:
        """Return what the trees read (n, f); unknown items and users are NaN."""
        parts = [kernel[:, None], factors[:, None], rows.numbers, np.where(rows.signals >= 0, rows.signals, np.nan)]
        if self.users.shape[1]:
            parts.append(_known(self.users, rows.user))
        return np.concatenate([*parts, _known(self.items, rows.item)], 1).astype(np.float32)

    def predict(self, what: Any) -> Doubles:
        """Return ratings (n,) of queries."""
        rows = self.rows(what)
        kernel = self.rater.predict(rows)
        if self.factors is None or self.shares[0] == 1.0:
            return kernel
        factors = self.factors.predict(rows.codes)
        trees = np.zeros(len(rows))
        if self.boosters and self.shares[1] > 0:
            x = self.columns(rows, kernel, factors)
            trees = np.mean([b.predict(x, num_threads=1) for b in self.boosters], axis=0)
        return np.asarray(np.array(self.shares) @ np.stack([kernel, trees, factors]))


def _often(codes: NDArray[np.int32], count: int) -> NDArray[np.float32]:
    """Return the logarithm of one more than how often each of `count` codes comes (count, 1)."""
    return np.log1p(np.bincount(codes[codes >= 0], minlength=count)[:, None]).astype(np.float32)


def _known(table: NDArray[np.float32], rows: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return rows of a table; those of what is unknown (-1) are NaN."""
    return np.where((rows >= 0)[:, None], table[rows], np.float32(np.nan))


def _blend(user: NDArray[Any], ratings: NDArray[Any], said: Doubles) -> tuple[list[float], dict[str, Any]]:
    """Return the shares (3,) of kernel, trees and factors that put most pairs of one person in order, and a report.

    Shares are tenths, tried on the rows of at most 400 people. Which are the very best is luck in part: the answer is the mean of
    all of them, each weighed by exp(-d / `WITHIN`), where d is by how much fewer pairs than by the best it puts in order.
    """
    people = np.unique(user)
    some = np.isin(user, np.random.default_rng(0).permutation(people)[:400])
    user, ratings, said = user[some], ratings[some], said[:, some]
    grid = [(10 - a - b, a, b) for a in range(11) for b in range(11 - a)]
    order = {g: pair_order(user, ratings, np.array(g) / 10 @ said) for g in grid}
    worth = np.exp((np.array(list(order.values())) - max(order.values())) / WITHIN)
    shares = (worth / worth.sum()) @ np.array(grid) / 10
    report = {
        "kernel": round(order[10, 0, 0], 4), "trees": round(order[0, 10, 0], 4), "factors": round(order[0, 0, 10], 4),
        "shares": [round(s, 3) for s in shares.tolist()], "blend": round(pair_order(user, ratings, shares @ said), 4),
    }  # fmt: skip
    return shares.tolist(), report


def _boost(x: NDArray[np.float32], y: NDArray[np.float32], seed: int, threads: int) -> Any:
    import lightgbm

    return lightgbm.train(TREES | {"seed": seed, "num_threads": threads}, lightgbm.Dataset(x, y), num_boost_round=ROUNDS)
