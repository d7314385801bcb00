"""Horizon: the newest moment that a log is about, whatever a few accounts say of theirs.

What is popular now is counted back from the newest moment. An event that claims to be of the year 2096 would else be the only one
that counts, for everybody and for good: clocks of clients are wrong, and accounts may lie.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Horizon"]

PEOPLE = 64
"""Those remembered, with the newest times."""
FEW, SHARE = 10, 8
"""Of so many people on, one of each eight remembered may be wrong; of fewer nobody is."""


class Horizon:
    """Follows the newest events of people; times are numbers of any one unit."""

    def __init__(self) -> None:
        self._newest: dict[int, float] = {}
        self._at: float | None = None

    def add(self, users: NDArray[np.int32], times: NDArray[np.float64]) -> None:
        """Take the times (n,) of people's events (n,) in; NaN is no time."""
        known = np.flatnonzero(np.isfinite(times))
        if not len(known):
            return
        order = known[np.lexsort((times[known], users[known]))]
        last = np.append(users[order][1:] != users[order][:-1], True)
        who, when = users[order][last], times[order][last]
        some = np.argsort(-when, kind="stable")[:PEOPLE]
        for user, at in zip(who[some].tolist(), when[some].tolist(), strict=True):
            self._newest[user] = max(at, self._newest.get(user, at))
        self._settle()

    def _settle(self) -> None:
        ranked = sorted(self._newest.items(), key=lambda entry: -entry[1])[:PEOPLE]
        self._newest = dict(ranked)
        few = len(ranked) // SHARE if len(ranked) >= FEW else 0
        self._at = ranked[few][1] if ranked else None

    def held(self, times: NDArray[np.float64], beyond: float) -> NDArray[np.float64]:
        """Return times (n,), those further ahead of the horizon than `beyond` as if they were no further; NaN stays."""
        return times if self._at is None else np.minimum(times, self._at + beyond)

    def document(self) -> list[tuple[int, float]]:
        """Return plain values that `of` reads."""
        return list(self._newest.items())

    @classmethod
    def of(cls, document: Sequence[tuple[int, float]]) -> Horizon:
        """Return what `document` told of."""
        made = cls()
        made._newest = {int(user): float(at) for user, at in document}
        made._settle()
        return made
