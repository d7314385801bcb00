"""Whether people choose what is new, and how new each item is: news, posts and short films live for a day or two.

Items that came out since the last event are in no source but the text's: nobody has chosen them yet. Where the catalogue says when
each item came out and most of what is chosen is among the newest, the newest are put forward for that alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from occasion.learning.scored import UNSAID
from occasion.learning.signals import DAY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.learning.items import Items
    from occasion.learning.requests import Events

    Floats = NDArray[np.float32]

__all__ = ["freshness", "telling"]

ASKED = 2000
"""Newest events that are looked at."""
NEWEST, MOST = 0.1, 0.5
"""Share of the items out by then that counts as the newest, and share of the events that has to be with these."""


def freshness(days: Floats, now: NDArray[np.float64]) -> Floats:
    """Return how new items that came out on some days (items,) are at moments (B,), days since 1970: (B, items), 0 the newest.

    It is minus the logarithm of the age in days and one; nothing (-1e9) is said of what has no day or is not out yet.
    """
    age = now[:, None] - days[None].astype(float)
    out = -np.log1p(np.maximum(age, 0))
    return np.where(np.isfinite(age) & (age >= 0), out, UNSAID).astype(np.float32)


def telling(items: Items, events: Events) -> str | None:
    """Return the number of the items that is the day by which most chosen items are among the newest; None where none is."""
    newest = np.argsort(events.time, kind="stable")[-ASKED:]
    now, item = events.time[newest] / DAY, events.item[newest]
    found: dict[str, float] = {}
    for name in items.dated:
        days = items.numbers[:, items.number_names.index(name)].astype(float)
        order = np.sort(days[np.isfinite(days)])
        out = np.searchsorted(order, now, side="right")
        newer = out - np.searchsorted(order, days[item], side="right")
        # What is chosen before its day has another kind of day.
        found[name] = float(np.mean((days[item] <= now) & (newer < NEWEST * out))) if len(item) else 0.0
    best = max(found, key=lambda name: found[name], default=None)
    return best if best is not None and found[best] > MOST else None
