"""Held out: a store seen as it was before some of its events, without copying it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from occasion.keyed import taken
from occasion.live import StageProgress
from occasion.protocols import Encoder, EventColumns, Progress, Store
from occasion.recommender import Recommender
from occasion.settings import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["HeldOutStore", "recommender_until", "recommender_without", "stage_of"]


class HeldOutStore:
    """A store that hides events: some from what is counted, some from what a person did before. All else passes through.

    Give it to a `Recommender` together with ``until=math.inf``, so that what is derived from the full log stays unused.

    Parameters
    ----------
    store : Store
    uncounted : (u,) int64
        Ascending sequence numbers that `events` leaves out: nothing is learnt from them.
    unseen : (h,) int64
        Ascending sequence numbers that `history` leaves out: at no request they have happened.
    most : int, optional
        Of a history only the newest so many events are seen.
    """

    def __init__(self, store: Store, uncounted: NDArray[np.int64], unseen: NDArray[np.int64], most: int | None = None) -> None:
        self._store, self._uncounted, self._unseen, self._most = store, uncounted, unseen, most

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def events(self, after: int = 0, batch: int = 100_000) -> Iterator[EventColumns]:
        """Yield the events that may be counted; see `Store.events`."""
        for columns in self._store.events(after, batch):
            left = _without(columns, self._uncounted)
            if len(left.seq):
                yield left

    def history(self, user_key: int, before: float | None = None, limit: int = 500) -> EventColumns:
        """Return a person's past without what is hidden; see `Store.history`."""
        limit = limit if self._most is None else min(limit, self._most)
        read = max(limit, 1)
        while True:
            columns = self._store.history(user_key, before=before, limit=read)
            left = _without(columns, self._unseen)
            if len(left.seq) >= limit or len(columns.seq) < read:
                return _newest(left, limit)
            read *= 2


def recommender_without(
    settings: Settings,
    store: Store,
    uncounted: NDArray[np.int64],
    unseen: NDArray[np.int64] | None = None,
    *,
    most: int | None = None,
    encoder: Encoder | None = None,
    progress: StageProgress | None = None,
) -> Recommender:
    """Return a refreshed recommender that counts no event of `uncounted` and shows none of `unseen` in a history.

    `most`: of a history only the newest so many events are seen.
    """
    view = cast(Store, HeldOutStore(store, uncounted, np.zeros(0, np.int64) if unseen is None else unseen, most))
    # A cut, even one in the far future, keeps the counts over the whole log out of it and its own counts off the disk.
    recommender = Recommender(settings, store=view, encoder=encoder, until=math.inf, progress=progress)
    recommender.refresh()
    return recommender


def stage_of(progress: StageProgress | None, stage: str) -> Progress | None:
    """Return the progress of one stage as a function of (done, total); None where nobody listens."""
    return None if progress is None else lambda done, total: progress(stage, done, total)


def recommender_until(
    settings: Settings, store: Store, cut: float, *, encoder: Encoder | None = None, progress: StageProgress | None = None
) -> Recommender:
    """Return `recommender_without` the events at or after a time; each history is seen up to its moment."""
    late = [columns.seq[columns.at >= cut] for columns in store.events()]
    return recommender_without(settings, store, np.concatenate([*late, np.zeros(0, np.int64)]), encoder=encoder, progress=progress)


def _without(columns: EventColumns, hidden: NDArray[np.int64]) -> EventColumns:
    if not len(hidden) or not len(columns.seq):
        return columns
    at = np.minimum(np.searchsorted(hidden, columns.seq), len(hidden) - 1)
    return taken(columns, hidden[at] != columns.seq)


def _newest(columns: EventColumns, n: int) -> EventColumns:
    return columns if len(columns.seq) <= n else taken(columns, np.arange(len(columns.seq) - n, len(columns.seq)))
