"""Uses: how answers are taken up, by scenario, policy or version, over time; and two ways of answering compared.

Rates are of answers with at least one item clicked or better. Intervals are 95 % percentile bootstraps over people: answers
to one person are alike.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from occasion.insight.traffic import Served, chosen, shown
from occasion.metrics import rate_interval, resampled_means

__all__ = ["Arm", "Comparison", "Point", "Totals", "arms", "compare_arms", "series", "totals"]

DRAWS = 400
POINTS = 48
NEIGHBOURS = 4
"""Answers before and after one that tell its time."""
LEAST_PEOPLE = 20
"""People an arm needs before its interval is worth looking at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """The answers of one scenario, policy or version.

    Attributes
    ----------
    name : str
    answers, people : int
    rate : float
        Share of answers something of which was chosen.
    low, high : float or None
        Its 95 % interval; None below two people.
    bought : float
        Share of answers something of which was purchased.
    disliked : float
        Share of answers something of which was disliked or hidden.
    length : float
        Mean number of items.
    by_chance : float
        Share of places given by chance.
    """

    name: str
    answers: int
    people: int
    rate: float
    low: float | None
    high: float | None
    bought: float
    disliked: float
    length: float
    by_chance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One arm less another: difference of rates, 95 % interval, two-sided p of the bootstrap, and what to think of it."""

    arm: str
    base: str
    difference: float
    low: float
    high: float
    p: float
    enough: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A stretch of time: when it begins (unix seconds), its answers, and the share of them taken up."""

    at: float
    answers: int
    rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """All answers held.

    Attributes
    ----------
    answers, people, items : int
        Different people and items.
    since, until : float or None
        When the first and the last answer were given, about.
    rate : float
        Share taken up.
    coverage : float
        Share of the catalogue that was shown, 0 to 1.
    top_share : float
        Share of all places that the ten most shown items have.
    by_chance : float
        Share of places given by chance.
    short : float
        Share of answers with fewer items than asked for.
    impressions : bool
        Whether some answers have an impression: then those alone count for rates.
    """

    answers: int
    people: int
    items: int
    since: float | None
    until: float | None
    rate: float
    coverage: float
    top_share: float
    by_chance: float
    short: float
    impressions: bool


def totals(answers: Sequence[Served], catalogue: int) -> Totals:
    """Return the figures of all answers; `catalogue` is the number of items that may be recommended."""
    counts = Counter(item for one in answers for item in one.items)
    places = sum(counts.values())
    seen, times = shown(answers), _times(answers)
    return Totals(
        answers=len(answers),
        people=len({one.who for one in answers}),
        items=len(counts),
        since=float(times.min()) if len(times) else None,
        until=float(times.max()) if len(times) else None,
        rate=_mean([chosen(one) for one in seen]),
        coverage=len(counts) / catalogue if catalogue else 0.0,
        top_share=sum(n for _, n in counts.most_common(10)) / places if places else 0.0,
        by_chance=sum(one.by_chance for one in answers) / places if places else 0.0,
        short=_mean([one.short for one in answers]),
        impressions=any("impression" in one.acts for one in answers),
    )


def arms(answers: Sequence[Served], by: str) -> list[Arm]:
    """Return the figures by ``scenario``, ``policy`` or ``version``, that with most answers first."""
    groups: dict[str, list[Served]] = defaultdict(list)
    for one in shown(answers):
        groups[str(getattr(one, by))].append(one)
    return sorted((_arm(name, mine) for name, mine in groups.items()), key=lambda arm: (-arm.answers, arm.name))


def _arm(name: str, mine: Sequence[Served]) -> Arm:
    took, who = [float(chosen(one)) for one in mine], [one.who for one in mine]
    people, places = len(set(who)), sum(len(one.items) for one in mine)
    low, high = rate_interval(took, who, draws=DRAWS) if people > 1 else (None, None)
    return Arm(
        name=name,
        answers=len(mine),
        people=people,
        rate=_mean(took),
        low=low,
        high=high,
        bought=_mean([bool(one.acts.get("purchase")) for one in mine]),
        disliked=_mean([bool(one.acts.get("dislike") or one.acts.get("hide")) for one in mine]),
        length=places / len(mine),
        by_chance=sum(one.by_chance for one in mine) / places if places else 0.0,
    )


def compare_arms(answers: Sequence[Served], by: str, arm: str, base: str, *, seed: int = 0) -> Comparison | None:
    """Compare two arms; None where one of them has fewer than two people.

    Both are resampled over people, each for itself; p is twice the smaller share of differences on either side of 0.
    """
    means: list[NDArray[np.float64]] = []
    number: list[int] = []
    observed: list[float] = []
    for n, name in enumerate((arm, base)):
        mine = [one for one in shown(answers) if getattr(one, by) == name]
        took, who = [float(chosen(one)) for one in mine], [one.who for one in mine]
        people = len(set(who))
        if people < 2:
            return None
        # Each for itself: of one seed the same people would be drawn for both.
        means.append(resampled_means(took, who, 4 * DRAWS, 2 * seed + n))
        number.append(people)
        observed.append(_mean(took))
    difference = means[0] - means[1]
    low, high = np.percentile(difference, [2.5, 97.5])
    p = min(1.0, max(2 * min(float((difference <= 0).mean()), float((difference >= 0).mean())), 1 / len(difference)))
    return Comparison(
        arm=arm,
        base=base,
        difference=float(observed[0] - observed[1]),
        low=float(low),
        high=float(high),
        p=p,
        enough=min(number) >= LEAST_PEOPLE,
    )


def series(answers: Sequence[Served]) -> list[Point]:
    """Return answers and rates over time in at most `POINTS` equal stretches; rates, as everywhere, of answers that were seen."""
    if not answers:
        return []
    times = _times(answers)
    seen = {one.id for one in shown(answers)}
    counts = np.array([one.id in seen for one in answers], float)
    took = np.array([chosen(one) for one in answers], float) * counts
    first, last = float(times.min()), float(times.max())
    width = max((last - first) / POINTS, 1.0)
    bins = np.minimum(((times - first) / width).astype(int), POINTS - 1)
    count, base, sums = np.bincount(bins), np.bincount(bins, counts), np.bincount(bins, took)
    return [
        Point(at=first + n * width, answers=int(count[n]), rate=float(sums[n] / base[n]) if base[n] else 0.0)
        for n in range(len(count))
    ]


def _times(answers: Sequence[Served]) -> NDArray[np.float64]:
    """Return when answers (oldest first) were given, about.

    What is known is their order and the moment each is about, which is any time one likes. Most moments are now: the median of an
    answer's neighbours leaves out the few that are not.
    """
    times = np.array([one.at for one in answers], float)
    if len(times) < 3:
        return times
    half = min(NEIGHBOURS, (len(times) - 1) // 2)
    framed = np.pad(times, half, mode="reflect")
    return np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(framed, 2 * half + 1), axis=1))


def _mean(values: Sequence[float | bool]) -> float:
    return sum(map(float, values)) / len(values) if values else 0.0
