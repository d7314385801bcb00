"""The gate: a new model is put into service only if it is not worse on recent time than what serves now.

Both answer the same moments after a cut in time, from what lay before it, as a user would see them. Worse means: the paired
difference of NDCG@10 is below 0 with p < .05 over all, or with p < .05 / m in one of m groups (strata, and values of signals
with enough moments), by a bootstrap over users. Where neither finds anything, nothing is known and nothing changes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.evaluation.queries import Answers, ask
from occasion.evaluation.split import Moments, Split
from occasion.evaluation.systems import OCCASION, Systems
from occasion.learned import LearnedModel
from occasion.metrics import bootstrap_interval, ndcg, paired_difference
from occasion.protocols import EventColumns, Store
from occasion.recommender import Recommender

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Verdict", "judge"]

K = 10
LEAST = 40
"""Moments that a group needs to have a say."""
SURE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the gate says.

    Attributes
    ----------
    passed : bool
    reasons : tuple of str
    metrics : mapping
        Group to queries, ndcg of both with intervals, difference with interval and p.
    asked : mapping
        The number of each moment's first event to the candidate's NDCG@10.
    """

    passed: bool
    reasons: tuple[str, ...]
    metrics: dict[str, Any] = field(default_factory=dict)
    asked: dict[int, float] = field(default_factory=dict)


def judge(
    recommender: Recommender,
    store: Store,
    split: Split,
    moments: Moments,
    columns: EventColumns,
    candidate: LearnedModel,
    rival: LearnedModel | None,
    *,
    seed: int = 0,
) -> Verdict:
    """Compare a candidate with a rival (None: the blend) on held-out moments.

    Parameters
    ----------
    recommender : Recommender
        Over the store with the split's events held out.
    store : Store
        The whole one, for the contexts of the moments.
    columns : EventColumns
        The whole log.
    """

    def asked(learned: LearnedModel | None) -> Answers:
        recommender.use(learned)
        return ask(Systems(recommender, ()), store, split, moments, columns, k=K, now=time.time())

    new, old = asked(candidate), asked(rival)
    values, others = _ndcg(new), _ndcg(old)
    groups = list(_groups(new))
    metrics, reasons = {}, []
    for name, rows in groups:
        users = new.users[rows].tolist()
        difference, interval, p = paired_difference(values[rows].tolist(), others[rows].tolist(), users, seed=seed)
        metrics[name] = {
            "queries": len(rows),
            "ndcg": _figure(values[rows], users, seed),
            "ndcg_before": _figure(others[rows], users, seed),
            "difference": round(difference, 5),
            "interval": [round(v, 5) for v in interval],
            "p": p,
        }
        if difference < 0 and p < (SURE if name == "all" else SURE / max(len(groups) - 1, 1)):
            reasons.append(f"worse in {name}: NDCG@{K} {others[rows].mean():.4f} before, {values[rows].mean():.4f} now, p {p:.3f}")
    if not values.any() and not others.any():
        reasons.append(f"neither found an answer to any of the {len(values)} moments asked about: there is nothing to judge by")
    each = dict(zip(moments.seq.tolist(), values.tolist(), strict=True))
    if reasons:
        return Verdict(passed=False, reasons=tuple(reasons), metrics=metrics, asked=each)
    why = f"not worse in any of {len(groups)} groups; NDCG@{K} {others.mean():.4f} before, {values.mean():.4f} now"
    return Verdict(passed=True, reasons=(why,), metrics=metrics, asked=each)


def _ndcg(answers: Answers) -> NDArray[np.float64]:
    lists = answers.lists[OCCASION]
    return np.array([ndcg(found.tolist(), truth.tolist(), K) for found, truth in zip(lists, answers.relevant, strict=True)])


def _figure(values: NDArray[np.float64], users: Sequence[int], seed: int) -> list[float]:
    low, high = bootstrap_interval(values.tolist(), users, seed=seed)
    return [round(float(values.mean()), 5), round(low, 5), round(high, 5)]


def _groups(answers: Answers) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Yield the name and the rows of all, of each stratum, and of each value of a signal, with enough moments."""
    n = len(answers.users)
    yield "all", np.arange(n)
    columns: list[tuple[str, Sequence[Any]]] = [("stratum", answers.strata), *answers.signals.items()]
    for name, column in columns:
        for value in sorted({str(v) for v in column if v is not None}):
            rows = np.flatnonzero([v is not None and str(v) == value for v in column])
            if LEAST <= len(rows) < n and len(np.unique(answers.users[rows])) > 1:
                yield f"{name}={value}", rows
