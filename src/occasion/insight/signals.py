"""Signals: what is known of the moments of past events, with the values met most: what a form for a moment can offer."""

from __future__ import annotations

from dataclasses import dataclass

from occasion.data import Scalar
from occasion.recommender import Recommender

__all__ = ["FoundSignal", "found_signals"]

VALUES = 24
"""Values shown of a signal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSignal:
    """A signal of past events.

    Attributes
    ----------
    name : str
    values : tuple of (value, evidence)
        The value and the positive evidence of events under it, most first, at most 24.
    distinct : int
        Values met in all.
    """

    name: str
    values: tuple[tuple[Scalar, float], ...]
    distinct: int


def found_signals(recommender: Recommender) -> list[FoundSignal]:
    """Return the signals, given, said or derived from time and place, that events were counted under; most evidence first."""
    recommender.refresh()
    found = []
    for name, table in recommender.live.statistics.signals.items():
        pairs = sorted(((value, table.totals[code]) for value, code in table.codes.items()), key=lambda pair: -pair[1])
        met = [(value, float(total)) for value, total in pairs if total > 0]
        if met:
            found.append(FoundSignal(name=name, values=tuple(met[:VALUES]), distinct=len(met)))
    return sorted(found, key=lambda signal: -sum(total for _, total in signal.values))
