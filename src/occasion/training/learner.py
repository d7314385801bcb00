"""Learner: how `occasion.evaluation.evaluate` learns from what lies before a cut, just as `fit` does."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from occasion.errors import DataError
from occasion.evaluation.ablation import check_parts
from occasion.learned import LearnedModel
from occasion.learning import pipeline
from occasion.learning.features import PARTS
from occasion.recommender import Recommender
from occasion.training.log import item_vectors, read_log

__all__ = ["learner"]


def learner(
    *, budget: float = 60.0, seed: int = 0, threads: int = 1, progress: Callable[[str], None] | None = None
) -> Callable[[Recommender, tuple[str, ...]], LearnedModel]:
    """Return a function that learns from all that a recommender's store shows, without the parts named.

    Parameters
    ----------
    budget : float
        Seconds of each time it learns, about; at least 5.
    seed, threads : int
    progress : callable, optional
        Called with a sentence about each step.

    Raises
    ------
    DataError
        For a budget below 5; by the function for an unknown part, and a log that is too short.
    """
    if not budget >= 5:
        raise DataError(f"the budget is {budget!r} seconds. Cure: 5 or more.")
    return partial(_learn, budget=budget, seed=seed, threads=threads, progress=progress)


def _learn(
    recommender: Recommender,
    without: tuple[str, ...],
    *,
    budget: float,
    seed: int,
    threads: int,
    progress: Callable[[str], None] | None,
) -> LearnedModel:
    check_parts(without, PARTS)
    log = read_log(recommender)
    model = pipeline.fit(
        log.data, budget=budget, seed=seed, threads=threads, without=without, vectors=item_vectors(recommender), progress=progress
    )
    return LearnedModel("learned", model, log.shift, recommender.past_signals, recommender.past_figures)
