"""Batches: which events came in one import. Where a log has no clock, the newest import is the nearest there is to the future."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from occasion.protocols import Store

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["batch_numbers", "begin_batch", "end_batch", "noted_batches"]

STATE, BEGAN = "batches", "batch began"
MOST = 100
"""Imports remembered, the newest; older ones count as one."""


def noted_batches(store: Store) -> list[tuple[int, int]]:
    """Return the first and the last event number of each import that brought events, oldest first."""
    return [(int(first), int(last)) for first, last in json.loads(store.get_state(STATE) or "[]")]


def begin_batch(store: Store) -> int:
    """Note that an import begins, unless one did that has not ended; return the greatest event number now."""
    before = store.cursor()[1]
    if store.get_state(BEGAN) is None:
        store.put_state(BEGAN, str(before))
    return before


def end_batch(store: Store, before: int, *, resumed: bool) -> None:
    """Note that an import has ended.

    Parameters
    ----------
    before : int
        What `begin_batch` returned.
    resumed : bool
        It went on with an import that was stopped: the batch begins where that one did.
    """
    began = store.get_state(BEGAN)
    first = (int(began) if resumed and began is not None else before) + 1
    last = store.cursor()[1]
    if last >= first:
        store.put_state(STATE, json.dumps([*noted_batches(store), (first, last)][-MOST:]))
    store.put_state(BEGAN, None)


def batch_numbers(batches: Sequence[tuple[int, int]], seq: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return for each event number (n,) the number of its batch, from 0 on; what came between two imports is a batch, too.

    Parameters
    ----------
    batches : sequence of (first, last)
        As `noted_batches` gives them.
    """
    edges = np.array([edge for first, last in batches for edge in (first, last + 1)], np.int64)
    places = np.searchsorted(edges, seq, side="right")
    return np.unique(places, return_inverse=True)[1].astype(np.int32)
