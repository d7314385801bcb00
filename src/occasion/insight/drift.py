"""Drift: whether the situations people come in, and the vectors that stand for them, are still those of before.

The newest fifth of the answers held is compared with those before it. Of a signal: the population stability index
``sum (p - q) ln(p / q)`` over its values, "not given" among them, each count smoothed by a half. Of vectors: one less the cosine
of the two means. Both are set against what chance alone makes of samples of these sizes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from occasion.insight.traffic import Served

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

__all__ = ["TRIALS", "SignalDrift", "VectorDrift", "lived", "parted", "signal_drift", "spread_out", "vector_drift"]

TRIALS = "console-"
"""How the sessions of moments begin that somebody only tries, on a page made for it."""
NEW = 0.2
LEAST = 40
"""Answers that the newer part needs."""
MOVED = 0.2
"""Index from which on a signal counts as moved, as is usual for it."""
SURE, FEW = 1e-4, 10
"""Above that p nothing counts as moved; values seen fewer times are taken together for it."""
VALUES = 20
TURNED = 0.02
"""Distance of means from which on vectors count as moved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalDrift:
    """How the values of one signal moved.

    Attributes
    ----------
    signal : str
    index : float
        Population stability index; below 0.1 is usually called stable, above 0.2 moved.
    chance : float
        What it is on average where nothing moved.
    moved : bool
        Above 0.2, and more than chance makes of it (p below 0.0001).
    values : tuple of (value, share before, share now)
        Those that moved most.
    """

    signal: str
    index: float
    chance: float
    moved: bool
    values: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorDrift:
    """How the mean of vectors turned: 1 less the cosine, what chance makes of it, and whether it counts as moved."""

    what: str
    distance: float
    chance: float
    moved: bool


def lived(answers: Sequence[Served]) -> list[Served]:
    """Return the answers without those to moments that were only tried."""
    return [one for one in answers if not one.who.startswith(TRIALS)]


def parted(answers: Sequence[Served]) -> tuple[list[Served], list[Served]]:
    """Return the answers before, and the newest fifth; both empty where there are too few. Moments only tried count in neither."""
    answers = lived(answers)
    new = int(NEW * len(answers))
    if new < LEAST:
        return [], []
    return list(answers[:-new]), list(answers[-new:])


def signal_drift(before: Sequence[Served], now: Sequence[Served]) -> list[SignalDrift]:
    """Return how each signal moved, the most moved first."""
    if not before or not now:
        return []
    names = sorted({name for one in (*before, *now) for name, value in one.signals.items() if not isinstance(value, float)})
    found = [_moved(name, *(Counter(str(one.signals.get(name, "")) for one in part) for part in (before, now))) for name in names]
    found.append(_moved("scenario", Counter(one.scenario for one in before), Counter(one.scenario for one in now)))
    return sorted(found, key=lambda one: -one.index)


def _moved(name: str, before: Counter[str], now: Counter[str]) -> SignalDrift:
    common = [value for value, _ in (before + now).most_common(VALUES)]
    pairs = [(value, before[value], now[value]) for value in common]
    first, second = before.total(), now.total()
    rest = (first - sum(p for _, p, _ in pairs), second - sum(q for _, _, q in pairs))
    if any(rest):
        pairs.append(("…", *rest))
    many = len(pairs)
    shares = [(value, (p + 0.5) / (first + many / 2), (q + 0.5) / (second + many / 2)) for value, p, q in pairs]
    index = sum((q - p) * math.log(q / p) for _, p, q in shares)
    chance = (many - 1) * (1 / first + 1 / second)
    top = sorted(shares, key=lambda one: -abs(one[2] - one[1]))[:3]
    moved = index > MOVED and _surely(np.array([pair[1:] for pair in pairs], float))
    return SignalDrift(signal=name, index=index, chance=chance, moved=moved, values=tuple(top))


def _surely(counts: NDArray[np.float64]) -> bool:
    """Return whether two columns of counts (n, 2) differ beyond chance: the chi-squared test of homogeneity with p below `SURE`."""
    from scipy.special import chdtrc

    rows = counts[counts.sum(1) >= FEW]
    rows = np.concatenate([rows, counts[counts.sum(1) < FEW].sum(0, keepdims=True)])
    rows = rows[rows.sum(1) > 0]
    expected = rows.sum(1, keepdims=True) * rows.sum(0) / rows.sum()
    statistic = float((((rows - expected) ** 2) / np.maximum(expected, 1e-9)).sum())
    return bool(len(rows) > 1 and chdtrc(len(rows) - 1, statistic) < SURE)


def vector_drift(what: str, before: Floats, now: Floats) -> VectorDrift | None:
    """Return how the mean of vectors (n, dim) turned; None where there are too few."""
    before, now = (part[np.any(part, axis=1)] for part in (before, now))
    if len(before) < 4 or len(now) < 4:
        return None
    distance = _apart(before.mean(0), now.mean(0))
    # Halves of all together differ by chance alone; the parts here are at most so large.
    rng = np.random.default_rng(0)
    both = np.concatenate([before, now])
    drawn = []
    for _ in range(20):
        order = rng.permutation(len(both))
        drawn.append(_apart(both[order[: len(now)]].mean(0), both[order[len(now) :]].mean(0)))
    chance = float(np.mean(drawn))
    return VectorDrift(what=what, distance=distance, chance=chance, moved=distance > TURNED and distance > 3 * chance)


def _apart(one: Floats, other: Floats) -> float:
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    return 1 - float(one @ other) / size if size > 1e-12 else 0.0


def spread_out(answers: Sequence[Served], most: int, key: Callable[[Served], str]) -> list[str]:
    """Return `key` of up to `most` answers, evenly taken over time, empty ones left out."""
    found = [key(one) for one in answers if key(one)]
    if len(found) <= most:
        return found
    return [found[n] for n in np.linspace(0, len(found) - 1, most).astype(int)]
