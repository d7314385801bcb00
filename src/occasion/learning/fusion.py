"""Several sources' scores to one order: reciprocal ranks, summed [Cormack, Clarke & Buettcher 2009]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.learning.scored import Leaders, Scores
from occasion.stepping import Steps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

__all__ = ["fuse", "fuse_few", "ranks"]

DEPTH = 100
"""Best items of each source that may become candidates."""
SMOOTH = 20.0
"""Constant of the reciprocal ranks."""


def fuse(
    values: list[tuple[Floats, float]],
    seen: tuple[NDArray[Any], NDArray[Any]] | None,
    barred: NDArray[np.bool_] | None,
    share: Floats,
) -> Floats:
    """Sum trust / (SMOOTH + rank) over the sources' best items.

    Parameters
    ----------
    values : list of ((B, items), trust)
        Scores; an array of one row repeated (stride 0) speaks of all requests alike and counts half. A source that says
        nothing (all equal), or less than -1e8 of an item, does not put it forward.
    seen : (rows, items), optional
        Pairs of a request and an item that it may not be answered with.
    barred : (items,) bool, optional
        Items that no request may be answered with.
    share : (items,)
        Log share of the events, which orders what no source puts forward.

    Returns
    -------
    fused : (B, items)
        -1 where seen or barred.
    """
    fused = np.zeros(values[0][0].shape if values else (1, len(share)), np.float32)
    depth = min(DEPTH, len(share))
    weight = 1 / (SMOOTH + np.arange(depth, dtype=np.float32))
    blocked = np.zeros(fused.shape, np.float32)
    if seen is not None:
        blocked[seen] = np.inf
    if barred is not None:
        blocked[:, barred] = np.inf
    row = np.arange(len(fused))[:, None]
    for value, trust in values:
        if value.strides[0] == 0:
            order = value[0] if barred is None else np.where(barred, -np.inf, value[0])
            fused[:, _first(order, depth)] += weight[None] * 0.5
            continue
        worst = blocked - value
        top = np.argpartition(worst, depth - 1, axis=1)[:, :depth]
        least = worst[row, top]
        order = np.argsort(least, axis=1, kind="stable")
        top, least = top[row, order], least[row, order]
        fused[row, top] += np.where((least < least[:, -1:]) & (least < 1e8), np.float32(trust) * weight[None], 0)
    fused += 1e-6 / 20 * share[None]
    fused[blocked > 0] = -1
    return fused


def fuse_few(
    values: list[tuple[Scores, float]], seen: NDArray[Any] | None, barred: NDArray[np.bool_] | None, share: Floats, count: int
) -> Steps[tuple[NDArray[np.int64], Floats]]:
    """Return, in steps, the `count` best items (count,) of one request by the sums of `fuse`, best first, and the sums (count,).

    Parameters
    ----------
    values : list of (scores, trust)
        Those that are the same for every request count half.
    seen, barred, share
        As in `fuse`; `seen` (n,) are items.
    """
    depth = min(DEPTH, len(share))
    weight = 1 / (SMOOTH + np.arange(depth, dtype=np.float32))
    barred = np.zeros(len(share), np.bool_) if barred is None else barred
    blocked = barred
    if seen is not None:
        blocked = barred.copy()
        blocked[seen] = True
    put: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    gains: list[Floats] = [np.zeros(0, np.float32)]
    for value, trust in values:
        alike = isinstance(value, Leaders)
        best = value.best(depth, barred if alike else blocked)[0]
        put.append(best)
        gains.append(np.asarray(weight[: len(best)] * np.float32(0.5 if alike else trust), np.float32))
        yield
    gained = np.bincount(np.concatenate(put), np.concatenate(gains), len(share))
    items = gained.nonzero()[0]
    fused = gained[items].astype(np.float32)
    if len(items) < count:
        left = np.ones(len(share), np.bool_)
        left[items] = False
        others = np.flatnonzero(left)
        more = others[np.argsort(np.where(blocked[others], np.inf, -share[others]), kind="stable")[: count - len(items)]]
        items, fused = np.concatenate([items, more]), np.concatenate([fused, np.zeros(len(more), np.float32)])
    fused += 1e-6 / 20 * share[items]
    fused[blocked[items]] = -1
    order = (-fused).argsort(kind="stable")[:count]
    return items[order], fused[order]


def _first(values: Floats, depth: int) -> NDArray[np.int64]:
    """Return the places of the `depth` greatest values (n,), best first, equal ones in order."""
    least = np.partition(values, len(values) - depth)[len(values) - depth]
    above, equal = np.flatnonzero(values > least), np.flatnonzero(values == least)
    some = np.concatenate([above, equal[: depth - len(above)]])
    return np.asarray(some[np.argsort(-values[some], kind="stable")])


def ranks(values: Floats) -> Floats:
    """Return places along the last axis, 0 for the highest; equal values in order of the candidates."""
    rows = values.reshape(-1, values.shape[-1])
    order = np.argsort(-rows, axis=-1, kind="stable")
    ranks = np.empty(rows.shape, np.float32)
    ranks[np.arange(len(rows))[:, None], order] = np.arange(rows.shape[-1], dtype=np.float32)
    return ranks.reshape(values.shape)
