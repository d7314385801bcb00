"""What the sequence model learns from, as arrays: runs of a log, what is to be foretold in them, and batches of such runs."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from occasion.pairs import runs as spans

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.learning.requests import Events

__all__ = ["GAPS", "Batch", "Lessons", "moment_codes"]

GAPS = 32
"""Codes of gaps of time: each twice as long as the one before, from a second on; 0 stands for a gap that is not known."""
WIDER = 3
"""Times as many rows are read where events come in baskets."""
PLACES = 4
"""Places read in a batch for each one to be foretold, at most."""


def moment_codes(gap: NDArray[np.float64] | None, signals: NDArray[np.int32], offset: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return rows of the table of moments (n, 1 + s), 0 where nothing is known.

    Parameters
    ----------
    gap : (n,), optional
        Seconds since the event before, whose code is 1 + the whole part of log2(1 + seconds).
    signals : (n, s)
        Codes of the moments' signals, -1 where unknown.
    offset : (s,)
        Row of each signal's first code.
    """
    out = np.zeros((len(signals), 1 + len(offset)), np.int64)
    if gap is not None:
        known = np.isfinite(gap)
        doubled = 1 + np.log2(1 + np.maximum(np.where(known, gap, 0.0), 0.0)).astype(np.int64)
        out[:, 0] = np.where(known, np.minimum(doubled, GAPS - 1), 0)
    given = signals[:, : len(offset)]
    out[:, 1:] = np.where(given >= 0, given + offset, 0)
    return out


def _windows(events: Events, length: int) -> list[slice]:
    """Cut each user's rows into runs of at most `length` + 1 that overlap by one; single rows are left out."""
    out = []
    bounds = np.flatnonzero(np.diff(events.user, prepend=-1, append=-1))
    for start, stop in itertools.pairwise(bounds.tolist()):
        out += [slice(max(start, c - length), c + 1) for c in range(stop - 1, start, -length)]
    return out


@dataclass(kw_only=True)
class Batch:
    """Runs padded on the right to L places, and what is to be foretold.

    Attributes
    ----------
    items : (B, L) int64
    real, asked : (B, L) bool
        Where there is an item; where something is to be foretold from what was up to there.
    moments : (B, L, m) int64
        Moments of what comes next.
    state, wanted : (t,) int64
        Of each item to be foretold the number of the place asked, counted row by row, and its key.
    share : (t,) float32
        One, divided by the items to be foretold from the same place.
    """

    items: NDArray[np.int64]
    real: NDArray[np.bool_]
    asked: NDArray[np.bool_]
    moments: NDArray[np.int64]
    state: NDArray[np.int64]
    wanted: NDArray[np.int64]
    share: NDArray[np.float32]


@dataclass(kw_only=True)
class Lessons:
    """Rows of a log cut into runs.

    In a log of `baskets` (`Events.baskets`), what is to be foretold is each moment as a whole, from what was before
    it: the order within says nothing, and nobody is asked in the middle. Elsewhere it is each event.

    Attributes
    ----------
    length : int
        Rows read at most.
    item : (n,) int32
    moments : (n, m) int64
        Rows of the table of moments, see `moment_codes`.
    stop : (n,) int64
        End of what is to be foretold from the row before: of what begins at the row, or 0 where nothing does.
    runs : list of slice
    asked : (runs,) int64
        Places in each run from which something is to be foretold.
    """

    length: int
    item: NDArray[np.int32]
    moments: NDArray[np.int64]
    stop: NDArray[np.int64]
    runs: list[slice]
    asked: NDArray[np.int64]

    @classmethod
    def of(cls, events: Events, length: int, *, baskets: bool, clock: bool, offset: NDArray[np.int64]) -> Lessons:
        """Cut events, sorted by (user, time), into runs of about `length` rows."""
        length *= WIDER if baskets else 1
        begins = np.flatnonzero(events.first) if baskets else np.arange(len(events))
        stop = np.zeros(len(events), np.int64)
        stop[begins] = np.append(begins[1:], len(events))
        gap = np.diff(events.time, prepend=np.nan) if clock else None
        runs = _windows(events, length)
        asked = np.array([np.count_nonzero(stop[r.start + 1 : r.stop]) for r in runs], np.int64)
        return cls(
            length=length, item=events.item, moments=moment_codes(gap, events.signals, offset), stop=stop,
            runs=[r for r, n in zip(runs, asked, strict=True) if n], asked=asked[asked > 0],
        )  # fmt: skip

    def batches(self, states: int, rng: np.random.Generator) -> list[list[int]]:
        """Group runs of about one length into batches with about `states` places to foretell from, in random order."""
        size = np.array([r.stop - r.start - 1 for r in self.runs])
        order = np.lexsort((rng.random(len(size)), size + rng.integers(0, 2, len(size))))
        batches: list[list[int]] = [[]]
        asked = 0
        for i in order:
            full = asked + self.asked[i] > states or (len(batches[-1]) + 1) * size[i] > PLACES * states
            if batches[-1] and full:
                batches.append([])
                asked = 0
            batches[-1].append(int(i))
            asked += self.asked[i]
        rng.shuffle(batches)
        return batches

    def batch(self, numbers: list[int]) -> Batch:
        """Put the runs of some numbers side by side."""
        runs = [self.runs[i] for i in numbers]
        shape = len(runs), max(r.stop - r.start for r in runs) - 1
        items, real, asked = np.zeros(shape, np.int64), np.zeros(shape, bool), np.zeros(shape, bool)
        moments = np.zeros((*shape, self.moments.shape[1]), np.int64)
        for row, run in enumerate(runs):
            n = run.stop - run.start - 1
            items[row, :n], real[row, :n] = self.item[run][:-1], True
            asked[row, :n], moments[row, :n] = self.stop[run][1:] > 0, self.moments[run][1:]
        begins = np.concatenate([np.arange(r.start + 1, r.stop)[self.stop[r][1:] > 0] for r in runs])
        count = self.stop[begins] - begins
        state = np.repeat(np.arange(len(begins)), count)
        return Batch(
            items=items, real=real, asked=asked, moments=moments, state=state,
            wanted=self.item[spans(begins, count)].astype(np.int64), share=(1 / count[state]).astype(np.float32),
        )  # fmt: skip
