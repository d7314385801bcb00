"""Offline: what would have been recommended, against what people then did, on a user's own store.

The protocol: cut the log (`occasion.evaluation.split`), count only what lies before the cut, ask the recommender at each
moment after it with the person's history up to that moment, rank all items of the catalogue, cold ones included, and compare
with what the person chose. Every system sees the same moments. No item is sampled, ever.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.errors import DataError
from occasion.evaluation.ablation import PARTS, check_parts, without_name
from occasion.evaluation.consenting import opened
from occasion.evaluation.curves import Asked, learning_curves
from occasion.evaluation.figures import Measures
from occasion.evaluation.groups import Grouping
from occasion.evaluation.heldout import recommender_without, stage_of
from occasion.evaluation.queries import Answers, ask
from occasion.evaluation.ranges import check_ranges
from occasion.evaluation.report import METRICS, Curve, Report
from occasion.evaluation.split import WINDOW, Moments, Split, split_log
from occasion.evaluation.systems import BASELINES, OCCASION, Learner, Systems, check_baselines
from occasion.keyed import joined
from occasion.learning import features
from occasion.live import StageProgress
from occasion.protocols import Encoder, EventColumns, Store
from occasion.recommender import Recommender
from occasion.settings import Settings, load_settings
from occasion.versions import BLEND, Manifest, Versions

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["evaluate", "held_out_recommender"]

CURVED = 500
"""Queries of a learning curve at most."""


def evaluate(
    settings: Settings | None = None,
    *,
    store: Store | None = None,
    encoder: Encoder | None = None,
    share: float = 0.1,
    until: float | None = None,
    k: int = 10,
    max_queries: int = 2000,
    seed: int = 0,
    baselines: Sequence[str] = BASELINES,
    slices: Sequence[str] | None = None,
    least: int = 30,
    window: float = WINDOW,
    diversity: float | None = None,
    without: Sequence[str] = (),
    curves: bool = False,
    learner: Learner | None = None,
    version: str | None = None,
    draws: int = 1000,
    now: float | None = None,
    progress: StageProgress | None = None,
) -> Report:
    """Measure the recommender on a store's own log, next to baselines. Writes nothing but cached item vectors.

    Parameters
    ----------
    settings : Settings, optional
        Default: `load_settings()`.
    store, encoder : optional
        Ready parts; default: what the settings name.
    share : float
        Share of the events that lie after the cut in time, in (0, 1).
    until : float, optional
        The cut itself, unix seconds: only events before it are counted. Takes the place of `share`.
    k : int
        Length of the lists, 1 to 1000.
    max_queries : int
        Moments foretold at most, >= 1; of more, a sample is drawn.
    seed : int
        Of the sample and of the bootstrap, >= 0.
    baselines : sequence of str
        See `occasion.evaluation.systems.BASELINES`.
    slices : sequence of str, optional
        Signals to slice by, and ``history`` for the events known at the request. Default: all; ``()``: none.
    least : int
        Queries a slice needs to be shown, >= 1.
    window : float
        Seconds that a moment lasts at most, >= 0.
    diversity : float, optional
        Of the recommender's lists; default: the settings', as when it serves.
    without : sequence of str
        Parts to do without, one at a time, see `occasion.evaluation.ablation.PARTS`: what each adds.
    curves : bool
        Also work out learning curves (`occasion.evaluation.curves`), on `CURVED` queries at most; takes many times as long.
    learner : callable, optional
        Learns from what lies before the cut, for example `occasion.training.learner`; the recommender then answers by what it
        learnt, and the untrained blend is one more baseline. Each part of `without` and each point of the curve over all events
        is learnt anew.
    version : str, optional
        A model version to answer by, on what happened after all that it was learnt from; takes the place of `share`, `until` and
        `learner`, and leaves no part out. "blend", as None: the untrained blend.
    draws : int
        Draws of bootstrap and permutation test, >= 100.
    now : float, optional
        Time of requests whose event has none, unix seconds. Default: this moment.
    progress : callable, optional
        Called with (stage, done, total); stages ``events``, ``encode``, ``queries``.

    Raises
    ------
    DataError
        For an option out of range, or a log from which nothing can be foretold.
    """
    begun = time.monotonic()
    version = None if version == BLEND else version
    check_ranges(k=(k, 1, 1000), max_queries=(max_queries, 1, 10**7), seed=(seed, 0, 2**32 - 1))
    check_ranges(least=(least, 1, 10**7), draws=(draws, 100, 10**6))
    check_baselines(baselines)
    if version is not None and (learner is not None or until is not None or without or curves):
        raise DataError(
            "a version is measured as it is, after the events it knows. Cure: leave learner, until, without and curves out."
        )
    check_parts(without, PARTS if learner is None else features.PARTS)
    settings = settings or load_settings()
    now = time.time() if now is None else now
    with opened(store, settings) as whole:
        columns = _log(whole)
        versions = Versions(whole, settings.home)
        if version is not None:
            until, learner = _after(versions.manifest(version)), _stored(version)
        split = split_log(columns, share=share, until=until, window=window, weights=settings.weights)
        recommender = held_out_recommender(settings, whole, split, encoder=encoder, progress=progress)
        moments, left_out = _sample(split, recommender, max_queries, seed)
        systems = _systems(recommender, baselines, diversity, without, learner)
        answers = ask(systems, whole, split, moments, columns, k=k, now=now, progress=stage_of(progress, "queries"))
        measures = Measures(answers, recommender.live, k=k, draws=draws, seed=seed)
        found: tuple[Curve, ...] = ()
        if curves:
            asked = Asked(
                settings=settings,
                store=whole,
                encoder=encoder,
                split=split,
                moments=_fewer(moments, seed),
                columns=columns,
                k=k,
                now=now,
                diversity=diversity,
                learner=learner,
                learned=systems.learned,
            )
            found = learning_curves(asked, draws=draws, seed=seed, progress=progress)
        untrained = _untrained(learner, versions.in_service())
    report = _report(measures, systems, answers, slices, least)
    return replace(
        report,
        protocol=_protocol(split, answers, systems, {"k": k, "seed": seed, "window": window, "diversity": diversity}),
        curves=found,
        notes=(*split.notes, *left_out, *untrained, *report.notes, *_curve_notes(found, min(CURVED, len(moments)))),
        seconds=time.monotonic() - begun,
    )


def _after(manifest: Manifest) -> float:
    """Return the time right after the newest event that a version was learnt from."""
    last = manifest.data.get("last_at")
    if last is None:
        raise DataError(
            f"the version {manifest.id} was learnt from a log without times. Cure: measure what learning is worth instead."
        )
    return float(np.nextafter(float(last), np.inf))


def _untrained(learner: Learner | None, serving: str) -> tuple[str, ...]:
    """Say whose figures these are where something else serves."""
    if learner is not None or serving == BLEND:
        return ()
    return (
        f"These are figures of the untrained blend; {serving} is in service. What learning is worth: --learn; what this "
        f"version is worth on what happened since: --version {serving}.",
    )


def _stored(version: str) -> Learner:
    """Return a learner that has learnt already."""
    return lambda recommender, without: recommender.load_version(version)


def _systems(
    recommender: Recommender, baselines: Sequence[str], diversity: float | None, without: Sequence[str], learner: Learner | None
) -> Systems:
    """Return what answers; with a learner after it has learnt, once with all parts and once without each."""
    if learner is None:
        return Systems(recommender, baselines, diversity=diversity, without=without)
    lesser = {part: learner(recommender, (part,)) for part in dict.fromkeys(without)}
    return Systems(recommender, baselines, diversity=diversity, without=without, learned=learner(recommender, ()), lesser=lesser)


def _report(measures: Measures, systems: Systems, answers: Answers, slices: Sequence[str] | None, least: int) -> Report:
    """Return all figures; protocol and time are filled in later."""
    grouping = Grouping(measures, systems.baselines, least)
    lacking = [name for name in slices or () if name not in answers.signals]
    said = f"No query has {', '.join(lacking)} to slice by; there are {', '.join(answers.signals)}."
    return Report(
        protocol={},
        systems={name: {metric: measures.figure(name, metric) for metric in METRICS} for name in systems.names},
        best_baseline=grouping.best,
        differences={name: measures.differences(OCCASION, name) for name in systems.baselines},
        parts={part: measures.differences(OCCASION, without_name(part)) for part in systems.without},
        strata=grouping.strata(answers),
        slices=grouping.slices(answers, slices),
        notes=(said,) if lacking else (),
    )


def _fewer(moments: Moments, seed: int) -> Moments:
    """Return the moments that curves are drawn from."""
    if len(moments) <= CURVED:
        return moments
    return moments.take(np.sort(np.random.default_rng(seed).choice(len(moments), CURVED, replace=False)))


def _curve_notes(curves: Sequence[Curve], queries: int) -> Iterator[str]:
    if curves:
        yield f"Learning curves: {queries} queries, the same at every point."
    for curve in curves:
        for point in curve.dips:
            yield f"The curve over {curve.name} dips at {point.size}: the whole interval of this step is below 0."


def _log(store: Store) -> EventColumns:
    batches = list(store.events())
    if not batches:
        raise DataError("there are no events to evaluate on. Cure: import an event log first.")
    return joined(batches)


def held_out_recommender(
    settings: Settings,
    store: Store,
    split: Split,
    *,
    encoder: Encoder | None = None,
    progress: StageProgress | None = None,
) -> Recommender:
    """Return a refreshed recommender that counts only what the split leaves; a history is seen up to each request.

    In a split by order the held-out events are hidden from the histories, too: they have not happened at any request.
    """
    unseen = split.held_out if split.mode == "order" else np.zeros(0, np.int64)
    return recommender_without(settings, store, split.held_out, unseen, encoder=encoder, progress=progress)


def _sample(split: Split, recommender: Recommender, most: int, seed: int) -> tuple[Moments, list[str]]:
    """Return the moments to ask for, in order of arrival, and notes on those left out."""
    notes = []
    moments = split.moments.among(recommender.live.catalogue.known)
    lost = len(split.moments) - len(moments)
    if lost:
        notes.append(f"{lost} moments are left out: no item chosen in them is in the catalogue.")
    if not len(moments):
        raise DataError("no item chosen after the cut is in the catalogue. Cure: import the items first.")
    which: NDArray[np.int64] = np.arange(len(moments))
    if len(moments) > most:
        which = np.random.default_rng(seed).choice(which, most, replace=False)
        notes.append(f"{most} of {len(moments)} moments, drawn at random with seed {seed}.")
    return moments.take(which[np.argsort(moments.seq[which])]), notes


def _protocol(split: Split, answers: Answers, systems: Systems, options: dict[str, Any]) -> dict[str, Any]:
    recommender = systems.recommender
    if systems.learned is not None:
        options["parts"] = ", ".join(systems.learned.model.bases.parts)
    if options["diversity"] is None:
        options["diversity"] = recommender.settings.diversity
    return {
        "mode": split.mode,
        "cut": split.cut,
        "cut_date": None if split.cut is None else datetime.fromtimestamp(split.cut, UTC).isoformat(timespec="seconds"),
        "queries": len(answers.users),
        "users": len(np.unique(answers.users)),
        "answers": sum(map(len, answers.relevant)),
        "events_counted": split.counted,
        "events_held_out": len(split.held_out),
        "items": recommender.live.catalogue.size,
        "repeats": round(recommender.live.statistics.repeat_rate, 4),
        "version": f"{recommender.ranker.version}/{recommender.encoder.version}",
        **options,
    }
