"""Curves: how good answers are after so many events of the person, and after so many of all people.

Every point answers the same queries, so steps are compared query by query. Two curves:

- ``events of the person``: each request sees the newest n events of the person's history; what is counted over all people
  stays the same.
- ``events of all``: of the events before the cut, the newest n are counted and seen; as if the shop had begun to keep its log
  that late. What a person did between the cut and a request is seen at every point.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from occasion import metrics
from occasion.errors import DataError
from occasion.evaluation.figures import Measures
from occasion.evaluation.heldout import recommender_without
from occasion.evaluation.queries import ask
from occasion.evaluation.report import Curve, Difference, Interval, Point
from occasion.evaluation.split import Moments, Split
from occasion.evaluation.systems import OCCASION, Learner, Systems
from occasion.learned import LearnedModel
from occasion.live import StageProgress
from occasion.protocols import Encoder, EventColumns, Store
from occasion.recommender import Recommender
from occasion.settings import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Asked", "learning_curves"]

HISTORY = (0, 1, 3, 10, 30, 100, 300, 1000)
SHARES = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What all points have in common.

    Attributes
    ----------
    settings, store, encoder
        As for `occasion.evaluation.evaluate`.
    split, moments, columns
        The cut, what is asked at each point, and the whole log.
    k, now, diversity
        As for `occasion.evaluation.evaluate`.
    learner, learned
        As for `occasion.evaluation.evaluate`, and what it learnt from all that lies before the cut.
    """

    settings: Settings
    store: Store
    encoder: Encoder | None
    split: Split
    moments: Moments
    columns: EventColumns
    k: int
    now: float
    diversity: float | None = None
    learner: Learner | None = None
    learned: LearnedModel | None = None

    def measure(self, hidden: NDArray[np.int64], most: int | None) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
        """Return ndcg and user of each query (q,), with more events hidden, and histories of `most` events."""
        uncounted = np.union1d(self.split.held_out, hidden)
        unseen = uncounted if self.split.mode == "order" else hidden
        recommender = recommender_without(self.settings, self.store, uncounted, unseen, most=most, encoder=self.encoder)
        systems = Systems(recommender, (), diversity=self.diversity, learned=self._learnt(recommender, hidden))
        answers = ask(systems, self.store, self.split, self.moments, self.columns, k=self.k, now=self.now)
        return Measures(answers, recommender.live, k=self.k, draws=100, seed=0).values(OCCASION, "ndcg"), answers.users

    def _learnt(self, recommender: Recommender, hidden: NDArray[np.int64]) -> LearnedModel | None:
        """Return what would have served: from too few events nothing is learnt, and the blend answers."""
        if self.learner is None or not len(hidden):
            return self.learned
        with suppress(DataError):
            return self.learner(recommender, ())
        return None


def learning_curves(asked: Asked, *, draws: int, seed: int, progress: StageProgress | None = None) -> tuple[Curve, ...]:
    """Return both curves of the module, in ndcg at k with 95 % intervals over users.

    Parameters
    ----------
    asked : Asked
    draws, seed : int
        Of bootstrap and permutation test.
    progress : callable, optional
        Called with ("points of the curves", done, total).
    """
    none = np.zeros(0, np.int64)
    person = [(size, none, size) for size in _lengths(asked.columns, asked.moments, asked.settings.history_length)]
    everybody = [(size, hidden, None) for size, hidden in _later(asked.columns, asked.split)]
    done = 0
    curves = []
    for name, points in (("events of the person", person), ("events of all", everybody)):
        values = []
        users: Sequence[int] = ()
        for _, hidden, most in points:
            found, people = asked.measure(hidden, most)
            values.append(found)
            users = people.tolist()
            done += 1
            if progress is not None:
                progress("points of the curves", done, len(person) + len(everybody))
        curves.append(Curve(name=name, points=tuple(_points([size for size, _, _ in points], values, users, draws, seed))))
    return tuple(curves)


def _lengths(columns: EventColumns, moments: Moments, longest: int) -> list[int]:
    """Return the lengths of history that are worth a point; at the last one every history is whole."""
    counts = np.bincount(columns.user[columns.user >= 0])
    top = min(longest, int(counts[moments.user[moments.user >= 0]].max(initial=1)))
    return [*(n for n in HISTORY if n < top), top]


def _later(columns: EventColumns, split: Split) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield how many events are counted, and which of those before the cut are hidden (the oldest)."""
    known = columns.seq[~np.isin(columns.seq, split.held_out)]
    at = columns.at[np.isin(columns.seq, known)]
    order = known[np.lexsort((known, np.nan_to_num(at, nan=-np.inf)))]
    sizes = sorted({round(share * len(order)) for share in SHARES})
    for size in sizes:
        yield size, np.sort(order[: len(order) - size])


def _points(
    sizes: Sequence[int], values: Sequence[NDArray[np.float64]], users: Sequence[int], draws: int, seed: int
) -> Iterator[Point]:
    for n, (size, mine) in enumerate(zip(sizes, values, strict=True)):
        low, high = metrics.bootstrap_interval(mine.tolist(), users, draws=draws, seed=seed)
        step = None
        if n:
            before = values[n - 1].tolist()
            mean, (less, more), _ = metrics.paired_difference(mine.tolist(), before, users, draws=draws, seed=seed)
            p = metrics.permutation_test(mine.tolist(), before, users, draws=draws, seed=seed)
            step = Difference(mean=mean, low=less, high=more, p=p)
        yield Point(size=size, ndcg=Interval(mean=float(mine.mean()), low=low, high=high), step=step)
