"""Off-policy: what a version or policy would have earned on the slates of a store, from their propensities.

Events before a cut are counted by the recommender in question, slates shown at or after it are what is estimated from, so
nothing it is judged by was known to it; each person's history is seen up to each moment. Formulas and assumptions:
`occasion.metrics.off_policy`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.errors import DataError
from occasion.evaluation.consenting import opened
from occasion.evaluation.direct import cross_fitted
from occasion.evaluation.heldout import recommender_until, stage_of
from occasion.evaluation.logged import CHOICE, LoggedSlates, read_logged
from occasion.evaluation.off_policy_report import OffPolicyReport, Place
from occasion.evaluation.ranges import check_ranges
from occasion.evaluation.target import Replayed, replay
from occasion.live import StageProgress
from occasion.metrics.off_policy import LoggedPlaces, effective_sample_size, off_policy_estimates, place_weights
from occasion.policies import make_policy
from occasion.protocols import Encoder, Policy, Store
from occasion.recommender import Recommender
from occasion.settings import Settings, load_settings
from occasion.versions import BLEND

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

__all__ = ["evaluate_off_policy"]

ENOUGH = 400
"""Effective sample size below which intervals are not known to keep their promise: in docs/benchmarks.md they fail at 305 slates
and hold from 444 on."""
KNOWN = 0.1
"""Least share of the log before the cut, if no cut is given."""


def evaluate_off_policy(
    settings: Settings | None = None,
    *,
    store: Store | None = None,
    encoder: Encoder | None = None,
    version: str | None = None,
    policy: str | None = None,
    policy_options: Mapping[str, Any] | None = None,
    sources: Sequence[str] | None = None,
    until: float | None = None,
    places: int = 5,
    reward: str = CHOICE,
    clip: float | None = None,
    max_slates: int = 2000,
    draws: int = 1000,
    seed: int = 0,
    progress: StageProgress | None = None,
) -> OffPolicyReport:
    """Estimate the reward a slate that a recommender under a policy would have had. Writes nothing but cached item vectors.

    Parameters
    ----------
    settings : Settings, optional
        Default: `load_settings()`.
    store, encoder : optional
        Ready parts; default: what the settings name.
    version : str, optional
        A model version (see `occasion versions`); default: the blend. One that has learnt from later than the cut knows some
        of what it is judged by; a warning says so.
    policy, policy_options, sources
        As for `Recommender.recommend`.
    until : float, optional
        The cut, unix seconds. Default: the first slate, or where less than a tenth of the log lies before it, the slate in
        the middle.
    places : int
        First places of each slate that are looked at, 1 to 100. Weights multiply from place to place: fewer are surer.
    reward : str
        "choice" (clicked or better), or an event type, for example "purchase".
    clip : float, optional
        Greatest weight, > 0; biased, but with less variance. Default: none.
    max_slates : int
        Of more, a sample is drawn.
    draws, seed : int
        Of the bootstrap over users, >= 100, and of all chance, >= 0.

    Raises
    ------
    DataError
        For an option out of range, or a store whose log says nothing about its slates.
    """
    begun = time.monotonic()
    check_ranges(places=(places, 1, 100), max_slates=(max_slates, 1, 10**7), draws=(draws, 100, 10**6), seed=(seed, 0, 2**32 - 1))
    if clip is not None and not clip > 0:
        raise DataError(f"weights are clipped at {clip!r}. Cure: a number above 0, or none.")
    settings = settings or load_settings()
    target = make_policy(policy, **(policy_options or {})) if policy else make_policy("diverse", diversity=settings.diversity)
    with opened(store, settings) as whole:
        cut = _cut(whole) if until is None else until
        told = stage_of(progress, "events of slates")
        logged = read_logged(whole, after=cut, places=places, reward=reward, most=max_slates, seed=seed, progress=told)
        recommender = recommender_until(settings, whole, cut, encoder=encoder, progress=progress)
        if version not in (None, BLEND):
            recommender.use(recommender.load_version(version))
        width, told = logged.reward.shape[1], stage_of(progress, "slates")
        replayed = replay(recommender, logged.slates, width, target, sources=sources, seed=seed, progress=told)
    return _report(logged, replayed, recommender, target, cut=cut, reward=reward, clip=clip, draws=draws, seed=seed, begun=begun)


def _cut(store: Store) -> float:
    """Return the time of the first slate, or of the middle one where hardly anything was known before the first."""
    times = np.sort([slate.context.at for slate in store.slates() if slate.entries and slate.context.at is not None])
    if not len(times):
        raise DataError("the store has no answers to estimate from. Cure: serve with recommend, and name the slate in feedback.")
    before = [(int((~(c.at >= times[0])).sum()), len(c.at)) for c in store.events()]
    known, total = sum(b for b, _ in before), sum(n for _, n in before)
    return float(times[0] if total and known >= KNOWN * total else times[len(times) // 2])


def _report(
    logged: LoggedSlates,
    replayed: Replayed,
    recommender: Recommender,
    policy: Policy,
    *,
    cut: float,
    reward: str,
    clip: float | None,
    draws: int,
    seed: int,
    begun: float,
) -> OffPolicyReport:
    data = _with_predictions(logged, replayed, seed)
    weights = place_weights(data.logging, data.target)
    sizes = effective_sample_size(place_weights(data.logging, data.target, clip))
    return OffPolicyReport(
        protocol={
            "policy": policy.name,
            "version": f"{recommender.ranker.version}/{recommender.encoder.version}",
            "cut": cut,
            "cut_date": datetime.fromtimestamp(cut, UTC).isoformat(timespec="seconds"),
            "slates": len(logged.slates),
            "users": len(np.unique(logged.users)),
            "places": weights.shape[1],
            "reward": reward,
            "clip": clip,
            "draws": draws,
            "seed": seed,
            "logged_by": dict(Counter(f"{slate.policy} {slate.version}" for slate in logged.slates)),
        },
        estimates=off_policy_estimates(data, clip=clip, draws=draws, seed=seed),
        places=_places(logged, weights, sizes),
        warnings=(*_warnings(logged, weights, sizes), *_knows_the_future(recommender, cut)),
        notes=logged.notes,
        seconds=time.monotonic() - begun,
    )


def _with_predictions(logged: LoggedSlates, replayed: Replayed, seed: int) -> LoggedPlaces:
    """Return what estimates are made of: what was logged, what the target would have done, and what a model expects of both."""
    predicted, expected = cross_fitted(replayed.items, logged.reward, logged.users, replayed.lists, seed=seed)
    return LoggedPlaces(
        users=logged.users,
        reward=logged.reward,
        logging=logged.logging,
        target=np.minimum(replayed.probability, 1.0),
        predicted=predicted,
        expected=expected,
    )


def _places(logged: LoggedSlates, weights: Values, sizes: Values) -> tuple[Place, ...]:
    """Return the figures of each place: mean reward, mean weight, effective sample size."""
    means = zip(logged.reward.mean(0).tolist(), weights.mean(0).tolist(), sizes.tolist(), strict=True)
    return tuple(Place(place=n, reward=r, weight=w, effective=size) for n, (r, w, size) in enumerate(means, 1))


def _knows_the_future(recommender: Recommender, cut: float) -> list[str]:
    """Warn of a model that has learnt from what lies after the cut."""
    if recommender.version == BLEND:
        return []
    last = recommender.versions.manifest(recommender.version).data.get("last_at")
    if last is None or last < cut:
        return []
    until = datetime.fromtimestamp(last, UTC).strftime("%Y-%m-%d %H:%M")
    return [
        f"The version {recommender.version} has learnt from events up to {until}, after the cut: it knows some of what it is "
        "judged by, and its estimates are too high. Cure: --until a later time."
    ]


def _warnings(logged: LoggedSlates, weights: Values, sizes: Values) -> list[str]:
    out = []
    certain = float((logged.logging.min(1) >= 1).mean())
    if certain > 0:
        out.append(
            f"{certain:.0%} of the slates were chosen with certainty: of lists they did not show they say nothing. "
            "Cure: serve with --policy plackett-luce for a while."
        )
    small = np.flatnonzero(sizes < ENOUGH)
    if len(small):
        first = int(small[0])
        out.append(
            f"From place {first + 1} on the effective sample is {sizes[first]:.0f} slates or fewer, below {ENOUGH}: intervals are "
            "too narrow and estimates may be far off. Cure: fewer --places, a target nearer to the log, or more slates."
        )
    reach = weights[:, -1].mean()
    error = weights[:, -1].std() / np.sqrt(len(weights))
    if abs(reach - 1) > 3 * error + 0.02:
        out.append(
            f"The mean weight at the last place is {reach:.2f} and should be 1: the log could not show all that this policy would "
            "(ips is off by as much), or its propensities are not true (slates made under rules that are not in the log)."
        )
    return out
