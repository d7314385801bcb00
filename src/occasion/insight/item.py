"""An item as those who keep a catalogue want to see it: what the model reads, when it works, what is near."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from occasion.data import Item, Scalar, Slate
from occasion.errors import NotFoundError
from occasion.recommender import Recommender
from occasion.statistics import LIFT_PRIOR, Statistics

__all__ = ["ItemView", "Lift", "lifts", "view_item"]

LIFTS = 12
LEAST = 1.0
"""Events, or events expected, under a value from which on its lift is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """How much more often an item is chosen under one value of a signal than at other times.

    Attributes
    ----------
    signal, value
    lift : float
        ``ln((c + m) / (e + m))`` as in `Statistics.lift`: 0 is as at other times, 0.69 is twice as often.
    events, expected : float
        Weighted events under the value, and those expected from the item's share of all events.
    """

    signal: str
    value: Scalar
    lift: float
    events: float
    expected: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemView:
    """One item.

    Attributes
    ----------
    item : Item
    text : str
        What the language model reads of it.
    popularity : float
        Weighted events, those of long ago counting less, as of the newest event.
    rank : int or None
        Its place among all by popularity, from 1; None without events.
    lifts : tuple of Lift
        In which moments it works, the greatest first, and those in which it does not, the least last.
    neighbours : Slate
        Items like it, by text and by what people choose with it.
    """

    item: Item
    text: str
    popularity: float
    rank: int | None
    lifts: tuple[Lift, ...]
    neighbours: Slate


def view_item(recommender: Recommender, item_id: str, k: int = 8) -> ItemView:
    """Return what is known of an item.

    Raises
    ------
    NotFoundError
        Where no item has this id.
    """
    recommender.refresh()
    item = recommender.store.get_items([item_id]).get(item_id)
    key = recommender.live.catalogue.key(item_id)
    if item is None or key is None:
        raise NotFoundError(f"there is no item {item_id!r:.200}. Cure: check the id, or import the item first.")
    statistics = recommender.live.statistics
    now = float(statistics.now[key]) if key < len(statistics.now) else 0.0
    return ItemView(
        item=item,
        text=item.sentence(),
        popularity=now,
        rank=int((statistics.now > now).sum()) + 1 if now > 0 else None,
        lifts=lifts(statistics, key),
        neighbours=recommender.similar(item_id, k),
    )


def lifts(statistics: Statistics, key: int) -> tuple[Lift, ...]:
    """Return the lifts of an item that differ most from 0, greatest first."""
    if key >= len(statistics.count) or statistics.count[key] <= 0:
        return ()
    keys = np.array([key], np.int32)
    share = float(statistics.count[key] / max(1.0, statistics.mass))
    found: list[Lift] = []
    for name, table in statistics.signals.items():
        for value in table.codes:
            counts, total = table.of(value, keys)
            events, expected = float(counts[0]), total * share
            if max(events, expected) >= LEAST:
                lift = math.log((events + LIFT_PRIOR) / (expected + LIFT_PRIOR))
                found.append(Lift(signal=name, value=value, lift=lift, events=events, expected=expected))
    found.sort(key=lambda one: -abs(one.lift))
    return tuple(sorted(found[:LIFTS], key=lambda one: -one.lift))
