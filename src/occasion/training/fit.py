"""Fit: learn a model from a store's log, judge it on recent time, keep it as a version, put it into service if it passes.

The log is cut in time. A model learns from what lies before the cut and answers what came after it; then its sources are
learnt anew from everything, its ranker is kept, and that is the version. Nothing in service changes until the version is whole.
"""

from __future__ import annotations

import hashlib
import resource
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from occasion.errors import DataError, OccasionError
from occasion.evaluation.offline import held_out_recommender
from occasion.evaluation.split import Moments, Split, split_log
from occasion.exclusive import exclusive
from occasion.learned import LearnedModel
from occasion.learning import pipeline
from occasion.learning.features import PARTS
from occasion.learning.sequence import has_torch
from occasion.privacy.guarded import open_guarded
from occasion.protocols import Encoder, Store
from occasion.ratings import Ratings
from occasion.recommender import Recommender
from occasion.settings import Settings, load_settings
from occasion.training.asked import falls_behind, keep_asked
from occasion.training.bounds import check_memory, held_to
from occasion.training.gate import Verdict, judge
from occasion.training.log import LearningLog, item_vectors, read_log
from occasion.training.ratings import learn_ratings, rating_errors, rating_weight
from occasion.versions import BLEND, Manifest, Versions

__all__ = ["check_options", "fit"]

SHARE = 0.1
"""Newest share of the events that the gate asks about, at most."""
HALVED = 40
"""Moments from which on half of them may choose how much ratings count."""
NEWER = 100
"""Events that the version in service has not learnt from, from which on the gate asks about these alone."""
CROWD, ASKED = 20, 3
"""In a log of so many people, those that the gate has to hear at least: one account that floods a service is not all of them."""
EACH = 20
"""Of the moments asked about, one person's are one in so many at most, where there are that many people."""
LIBRARIES = ("occasion", "numpy", "scipy", "lightgbm", "polars", "torch")


def fit(
    store: Store | None = None,
    *,
    settings: Settings | None = None,
    encoder: Encoder | None = None,
    budget: float = 300.0,
    seed: int = 0,
    threads: int = 1,
    memory: float | None = None,
    queries: int = 400,
    without: tuple[str, ...] = (),
    promote: bool = True,
    progress: Callable[[str], None] | None = None,
) -> Manifest:
    """Learn a model version from a store.

    Parameters
    ----------
    store, settings, encoder : optional
        Default: what the settings name.
    budget : float
        Seconds for learning to rank, about; asking the gate and learning ratings come on top. At least 5.
    seed : int
    threads : int
    memory : float, optional
        Megabytes that this process may take while it learns, at least 256; see `occasion.training.bounds.held_to`. None: no bound.
    queries : int
        Moments that the gate asks at most, >= 50.
    without : tuple of str
        Parts to leave out, for ablations.
    promote : bool
        Put the version into service where it passes the gate.
    progress : callable, optional
        Called with a sentence about each step.

    Returns
    -------
    Manifest
        Of the version, its gate and figures included.

    Raises
    ------
    DataError
        For options out of range, and logs from which nothing can be learnt or foretold.
    BusyError
        Where a version is being learnt in this home already.
    ModelError
        Where it needs more than `memory`.
    """
    check_options(budget, queries, without)
    check_memory(memory)
    begun, note = time.monotonic(), progress or (lambda _: None)
    settings = settings or load_settings()
    with ExitStack() as held:
        held.enter_context(exclusive(settings.home, "fit", "a version is being learnt"))
        held.enter_context(held_to(memory))
        whole = held.enter_context(closing(open_guarded(settings))) if store is None else store
        recommender = held.enter_context(Recommender(settings, store=whole, encoder=encoder, learned=False))
        recommender.refresh()
        withdrawals = whole.cursor()[2]
        log = read_log(recommender)
        note(f"read {len(log.frame)} liked events of {len(log.data.users)} people, {len(log.data.items)} items")
        split = split_log(log.columns, share=_share(recommender.versions, log), weights=settings.weights)
        learn: dict[str, Any] = {"seed": seed, "threads": threads, "vectors": item_vectors(recommender), "progress": note}
        past = pipeline.fit(log.without(split.held_out), budget=0.6 * budget, without=without, **learn)
        ratings, errors = _rated(recommender, log, split, without, learn)
        candidate = LearnedModel("candidate", past, log.shift, recommender.past_signals, recommender.past_figures, ratings=ratings)
        verdict, rival, weights = _judged(recommender, whole, split, log, candidate, queries, seed)
        note(f"gate: {'passed' if verdict.passed else 'not passed'}; {'; '.join(verdict.reasons)}")
        final = _of_all(candidate, recommender, log, budget=0.4 * budget, without=without, learn=learn)
        versions = Versions(whole, settings.home)
        manifest = versions.put(
            partial(_write, final, verdict),
            parent=versions.in_service(),
            data={**_about(log, whole), "withdrawals": withdrawals},
            settings={"budget": budget, "seed": seed, "threads": threads, "without": list(without), "share": SHARE},
            metrics=verdict.metrics,
            ratings=errors | weights,
            gate={"passed": verdict.passed, "reasons": list(verdict.reasons), "against": rival},
            parts=(*final.model.bases.parts, *(("ratings",) if ratings is not None else ())),
            left_out=_left_out(final.model.bases.parts, without),
            seconds=round(time.monotonic() - begun, 1),
            memory_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
            libraries=_libraries(),
        )
        if verdict.passed and promote:
            versions.promote(manifest.id, "passed the gate: " + "; ".join(verdict.reasons))
        return manifest


def _of_all(
    candidate: LearnedModel,
    recommender: Recommender,
    log: LearningLog,
    *,
    budget: float,
    without: tuple[str, ...],
    learn: dict[str, Any],
) -> LearnedModel:
    """Learn a candidate's sources and ratings anew from the whole log; its ranker and the weight of its ratings stay."""
    return LearnedModel(
        "new",
        pipeline.refit(candidate.model, log.data, budget=budget, **learn),
        log.shift,
        recommender.past_signals,
        recommender.past_figures,
        ratings=None if candidate.ratings is None else learn_ratings(recommender, log, **_quiet(learn), without=without),
        rating_weight=candidate.rating_weight,
    )


def _write(model: LearnedModel, verdict: Verdict, folder: Path) -> None:
    """Write what a version's folder holds: the model, and what the gate asked it."""
    model.save(folder)
    keep_asked(folder, verdict.asked)


def _quiet(learn: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in learn.items() if name != "progress"}


def _rated(
    recommender: Recommender, log: LearningLog, split: Split, without: tuple[str, ...], learn: dict[str, Any]
) -> tuple[Ratings | None, dict[str, Any]]:
    """Learn the ratings before the cut; return the model, unless plain means foretell those after it better, and its figures."""
    if "ratings" in without:
        return None, {}
    ratings = learn_ratings(recommender, log, split.held_out, **_quiet(learn), without=without)
    if ratings is None:
        return None, {}
    errors = rating_errors(ratings, recommender, log, split.held_out)
    if not errors:
        return ratings, {"judged": False}
    used = errors["rmse"] <= errors["rmse_means"]
    learn["progress"](
        f"ratings: error {errors['rmse']}, of plain means {errors['rmse_means']}; {errors['order']} of pairs in order, "
        f"{errors['order_means']}; {'used' if used else 'left out'}"
    )
    return ratings if used else None, {**errors, "judged": True, "used": used}


def check_options(budget: float, queries: int, without: tuple[str, ...]) -> None:
    """Raise DataError for options of `fit` that cannot be used."""
    if not 5 <= budget < float("inf"):
        raise DataError(f"the budget is {budget!r} seconds. Cure: 5 or more.")
    if queries < 50:
        raise DataError(f"queries is {queries!r}. Cure: 50 or more, fewer tell nothing.")
    for name in without:
        if name not in (*PARTS, "ratings"):
            raise DataError(f"there is no part {name!r}. Cure: some of {', '.join(PARTS)}, ratings.")


def _share(versions: Versions, log: LearningLog) -> float:
    """Return the newest share of the log to ask about: where the version in service can answer, what it has not learnt from."""
    try:
        learnt = int(versions.manifest(versions.in_service()).data.get("seq", 0))
    except OccasionError:
        return SHARE
    newer = int((log.columns.seq > learnt).sum())
    return min(SHARE, newer / len(log.columns.seq)) if newer >= NEWER else SHARE


def _judged(
    recommender: Recommender, store: Store, split: Split, log: LearningLog, candidate: LearnedModel, queries: int, seed: int
) -> tuple[Verdict, str, dict[str, Any]]:
    """Ask the gate; return its verdict, the rival, and how ratings came to count.

    The rival is what serves now, unless that has learnt from what the gate asks about: then the blend, and what the version in
    service was worth before it had (`occasion.training.asked`). Where there is a ratings model, its weight is chosen on every other
    moment, and the gate asks about the rest.
    """
    held = held_out_recommender(recommender.settings, store, split, encoder=recommender.encoder)
    moments = _some(split.moments.among(held.live.catalogue.known), queries)
    if len(moments) < 2:
        why = "too few moments after the cut to judge by; the untrained blend stays until there are more"
        return Verdict(passed=False, reasons=(why,)), BLEND, {}
    asked, known = len(np.unique(moments.user)), len(np.unique(log.frame["user_id"].to_numpy()))
    if asked < ASKED and known >= CROWD:
        why = f"only {asked} of {known} people did anything after the cut, too few to judge for all; `occasion doctor` names floods"
        return Verdict(passed=False, reasons=(why,)), BLEND, {}
    weights: dict[str, Any] = {}
    if candidate.ratings is not None and len(moments) >= HALVED:
        odd = np.arange(len(moments)) % 2 == 1
        weight, by_weight = rating_weight(held, store, split, moments.take(np.flatnonzero(odd)), log.columns, candidate)
        weights = {"weight": weight, "ndcg_by_weight": by_weight}
        moments = moments.take(np.flatnonzero(~odd))
    rival, name = _rival(recommender, split)
    verdict = judge(held, store, split, moments, log.columns, candidate, rival, seed=seed)
    return _beside_serving(verdict, moments, recommender.versions, seed) if rival is None else verdict, name, weights


def _beside_serving(verdict: Verdict, moments: Moments, versions: Versions, seed: int) -> Verdict:
    """Return the verdict after a look at what the version in service was worth when it could be asked."""
    users = dict(zip(moments.seq.tolist(), moments.user.tolist(), strict=True))
    behind = falls_behind(verdict.asked, users, versions, versions.in_service(), seed=seed)
    if not behind:
        return verdict
    return replace(verdict, passed=False, reasons=(*(() if verdict.passed else verdict.reasons), behind))


def _rival(recommender: Recommender, split: Split) -> tuple[LearnedModel | None, str]:
    serving = recommender.versions.in_service()
    if serving == BLEND or not len(split.held_out):
        return None, BLEND
    try:
        if int(recommender.versions.manifest(serving).data.get("seq", 0)) >= int(split.held_out[0]):
            return None, f"{BLEND} ({serving} has learnt from the moments asked about)"
        return recommender.load_version(serving), serving
    except OccasionError:
        return None, f"{BLEND} ({serving} cannot be read)"


def _some(moments: Moments, most: int) -> Moments:
    """Return some moments, evenly spread; when the log has grown a little, nearly all are the same, so that versions compare.

    Nobody's are more than a part of them: with thousands of events one account would else have the gate to itself.
    """
    scattered = moments.seq.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    order = np.argsort(scattered, kind="stable")
    people = moments.user[order]
    if len(np.unique(people)) >= EACH:
        by_person = np.argsort(people, kind="stable")
        first = np.searchsorted(people[by_person], people[by_person])
        nth = np.empty(len(order), np.int64)
        nth[by_person] = np.arange(len(order)) - first
        order = order[nth < max(1, min(most, len(order)) // EACH)]
    return moments.take(np.sort(order[:most]))


def _about(log: LearningLog, store: Store) -> dict[str, Any]:
    columns = log.columns
    known = columns.at[np.isfinite(columns.at)]
    content = b"".join(np.ascontiguousarray(c).tobytes() for c in (columns.seq, columns.user, columns.item, columns.type))
    return {
        **{name: n for name, n in store.counts().items() if name in ("items", "users", "events")},
        "liked": len(log.frame),
        "seq": int(columns.seq[-1]),
        "first_at": float(known.min()) if len(known) else None,
        "last_at": float(known.max()) if len(known) else None,
        "fingerprint": hashlib.sha256(content).hexdigest()[:32],
    }


def _left_out(parts: list[str], without: tuple[str, ...]) -> tuple[str, ...]:
    out = []
    for name in (p for p in PARTS if p not in parts):
        why = "the data do not support it"
        if name in without:
            why = "as asked"
        elif name == "sequence" and not has_torch():
            why = "torch is not installed: pip install 'occasion[tune]'"
        out.append(f"{name}: {why}")
    return tuple(out)


def _libraries() -> dict[str, str]:
    out = {}
    for name in LIBRARIES:
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            continue
    return out
