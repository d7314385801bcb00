"""What is known of candidates besides the sources' scores: figures of the item, of the person's past with it, of the request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.learning import repeats
from occasion.learning.signals import DAY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.learning.features import Bases
    from occasion.learning.histories import Histories
    from occasion.learning.requests import Requests

    Floats = NDArray[np.float32]

__all__ = ["figures"]

SESSION = 3600.0
"""Seconds that what was done belongs to the same session, about."""


def figures(bases: Bases, histories: Histories, items: NDArray[np.int32]) -> tuple[Floats, list[str]]:
    """Return figures (B, C, f) of candidates `items` (B, C), and their names (f,)."""
    table, requests = bases.popularity.table, histories.requests
    shape = items.shape
    columns = [table[items], _numbers(bases, requests, items)]
    names = [f"item_{n}" for n in bases.popularity.names] + [f"item_{n}" for n in bases.number_names]
    if bases.number_names:
        columns.append(np.abs(bases.numbers[items] - _usual(bases, histories)[:, None, :]))
        names += [f"unlike_{n}" for n in bases.number_names]
    if "repeats" in bases.parts:
        columns.append(repeats.own_figures(requests, items, bases.n_items, bases.times))
        names += repeats.NAMES
    ask = [np.diff(requests.ptr).astype(np.float32)[:, None], requests.numbers[:, : bases.n_numbers]]
    names += ["history"] + [f"number_{k}" for k in range(bases.n_numbers)]
    if bases.times == "unix":
        ask.append(_pace(requests))
        names += ["idle", "session"]
    for j, name in enumerate(bases.signal_names):
        if name.startswith("clock"):
            ask.append(requests.signals[:, j : j + 1].astype(np.float32))
            names.append(name)
    asked = np.concatenate(ask, 1)
    columns.append(np.broadcast_to(asked[:, None, :], (*shape, asked.shape[1])))
    return np.concatenate(columns, -1).astype(np.float32), names


def _numbers(bases: Bases, requests: Requests, items: NDArray[np.int32]) -> Floats:
    """Return the numbers of candidates (B, C, m); with a clock, points in time are days before the request: no day comes back."""
    numbers = bases.numbers[items]
    if bases.dated and bases.times == "unix":
        dated = list(bases.dated)
        numbers[..., dated] = (requests.time / DAY)[:, None, None] - numbers[..., dated]
    return numbers


def _pace(requests: Requests) -> Floats:
    """Log seconds since the newest event, and the log number of events in the SESSION before (B, 2); NaN without history."""
    age = requests.time[requests.row] - requests.when
    newest = np.full(len(requests), np.nan)
    some = np.diff(requests.ptr) > 0
    newest[some] = age[requests.ptr[1:][some] - 1]
    recent = np.bincount(requests.row, weights=age <= SESSION, minlength=len(requests))
    return np.stack([np.log1p(np.maximum(newest, 0)), np.where(some, np.log1p(recent), np.nan)], 1).astype(np.float32)


def _usual(bases: Bases, histories: Histories) -> Floats:
    """Mean of each item number over the history (B, m)."""
    shares = histories.shares(histories.decayed(0.9 if bases.times != "none" else 1.0, last=50))
    numbers = bases.numbers[histories.item]
    known = np.isfinite(numbers)
    total, weight = _summed(histories, shares, np.where(known, numbers, 0)), _summed(histories, shares, known)
    return np.where(weight > 0, total / np.maximum(weight, 1e-9), np.nan).astype(np.float32)


def _summed(histories: Histories, shares: Floats, values: NDArray[Any]) -> NDArray[Any]:
    """Return the sums (B, m) over each request of values (p, m) of the pairs times their shares (p,)."""
    if len(histories) == 1:
        return np.asarray((shares @ values)[None])
    return np.stack([np.bincount(histories.row, shares * column, len(histories)) for column in values.T], 1)
