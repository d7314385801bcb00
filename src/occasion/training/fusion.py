"""Several sources' scores to one order: reciprocal ranks, summed [Cormack, Clarke & Buettcher 2009]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

__all__ = ["fuse", "ranks"]

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
    for value, trust in values:
        if value.strides[0] == 0:
            order = value[0] if barred is None else np.where(barred, -np.inf, value[0])
            fused[:, np.argsort(-order, kind="stable")[:depth]] += weight[None] * 0.5
            continue
        worst = -value
        if seen is not None:
            worst[seen] = np.inf
        if barred is not None:
            worst[:, barred] = np.inf
        top = np.argpartition(worst, depth - 1, axis=1)[:, :depth]
        least = np.take_along_axis(worst, top, 1)
        order = np.argsort(least, axis=1, kind="stable")
        top, least = np.take_along_axis(top, order, 1), np.take_along_axis(least, order, 1)
        said = np.where((least < least[:, -1:]) & (least < 1e8), np.float32(trust) * weight[None], 0)
        np.put_along_axis(fused, top, np.take_along_axis(fused, top, 1) + said, 1)
    fused += 1e-6 / 20 * share[None]
    if seen is not None:
        fused[seen] = -1
    if barred is not None:
        fused[:, barred] = -1
    return fused


def ranks(values: Floats) -> Floats:
    """Return places within each row, 0 for the highest; equal values in order of the candidates."""
    order = np.argsort(-values, axis=1, kind="stable")
    ranks = np.empty(values.shape, np.float32)
    np.put_along_axis(ranks, order, np.broadcast_to(np.arange(values.shape[1], dtype=np.float32), values.shape), 1)
    return ranks
