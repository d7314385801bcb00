"""Taste: what a person's past says, as numbers and in words: what they choose more than others do, and in which moments."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from occasion.data import Item, Scalar
from occasion.privacy.permitted import Permitted
from occasion.recommender import Recommender
from occasion.rules import parse_filter

if TYPE_CHECKING:
    from occasion.protocols import EventColumns

__all__ = ["Habit", "Taste", "taste_of"]

SHOWN, ENOUGH = 6, 0.05
"""Habits named, and the share of a person's evidence from which on something is one."""
CANDIDATES, SAME = 12, 2
"""Categories looked at, and values of one signal."""
USUAL = 1.15
"""How much more often than others do, for it to be named."""
PASSED_OVER = frozenset({"hour", "month", "season", "day", "recent_items", "last_item"})
"""Signals that others say more plainly, or that the log covers too unevenly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """Something a person's evidence has more of than everybody's.

    Attributes
    ----------
    name : str
        The signal; ``categories`` for what is chosen.
    value : scalar
    share, usual : float
        Of the person's evidence, and of everybody's, 0 to 1.
    """

    name: str
    value: Scalar
    share: float
    usual: float

    @property
    def lift(self) -> float:
        """How many times as often as everybody."""
        return self.share / max(self.usual, 1e-6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taste:
    """A person's past in short.

    Attributes
    ----------
    allowed : bool
        False where the person refuses to be analysed: all else is then empty.
    events : int
        Those looked at, the newest ones.
    kinds : mapping of str to int
        Events by type.
    chosen, moments : tuple of Habit
        What, and when; the most telling first.
    favourites : tuple of (item id, title, evidence)
    prices : tuple of float
        Lower quartile, median and upper quartile of what was chosen; empty where no price is known.
    """

    allowed: bool
    events: int
    kinds: Mapping[str, int]
    chosen: tuple[Habit, ...] = ()
    moments: tuple[Habit, ...] = ()
    favourites: tuple[tuple[str, str, float], ...] = ()
    prices: tuple[float, ...] = ()


def taste_of(recommender: Recommender, user: str | None, session: str | None, by_default: Collection[str]) -> Taste | None:
    """Return the taste of a user, or of an anonymous session; None where nothing is known of them."""
    recommender.refresh()
    store = recommender.store
    key = store.user_key(user, session)
    if key is None:
        return None
    if not Permitted(store, by_default).allows(user, session):
        return Taste(allowed=False, events=0, kinds={})
    history = store.history(key, limit=recommender.settings.history_length)
    weight = np.maximum(recommender.live.statistics.liking(history), 0)
    items = store.get_items([recommender.live.catalogue.id(k) for k in np.unique(history.item).tolist()])
    return Taste(
        allowed=True,
        events=len(history.item),
        kinds=dict(Counter(history.types[code] for code in history.type.tolist())),
        chosen=_chosen(recommender, history, weight, items),
        moments=_moments(recommender, history, weight),
        favourites=_favourites(recommender, history, weight, items),
        prices=_prices(recommender, history, weight, items),
    )


def _telling(habits: list[Habit]) -> tuple[Habit, ...]:
    """Return the habits worth naming: how much more often, weighed by how often at all."""
    worth = [h for h in habits if h.share >= ENOUGH and h.lift >= USUAL]
    return tuple(sorted(worth, key=lambda h: -h.share * math.log(h.lift))[:SHOWN])


def _chosen(recommender: Recommender, history: EventColumns, weight: np.ndarray, items: Mapping[str, Item]) -> tuple[Habit, ...]:
    live, whole = recommender.live, float(weight.sum())
    mine: Counter[str] = Counter()
    for key, one in zip(history.item.tolist(), weight.tolist(), strict=True):
        item = items.get(live.catalogue.id(key))
        for category in dict.fromkeys(item.categories) if item is not None else ():
            mine[category] += one
    count = live.statistics.count
    found = []
    for name, evidence in mine.most_common(CANDIDATES):
        mask = live.catalogue.columns.mask(parse_filter({"field": "categories", "eq": name}), len(live.catalogue))
        known = min(len(mask), len(count))
        usual = float(count[:known][mask[:known]].sum() / max(count.sum(), 1e-9))
        found.append(Habit(name="categories", value=name, share=evidence / max(whole, 1e-9), usual=usual))
    return _telling(found)


def _moments(recommender: Recommender, history: EventColumns, weight: np.ndarray) -> tuple[Habit, ...]:
    live, found = recommender.live, []
    for name, (codes, values) in live.extractor.event_signals(history, live.contexts).items():
        table = live.statistics.signals.get(name)
        if table is None or name in PASSED_OVER:
            continue
        known = codes >= 0
        mine = np.bincount(codes[known], weight[known], len(values))
        everybody = sum(table.totals)
        for code in np.argsort(-mine)[:SAME].tolist():
            total = table.totals[table.codes[values[code]]] if values[code] in table.codes else 0.0
            share = float(mine[code] / max(mine.sum(), 1e-9))
            found.append(Habit(name=name, value=values[code], share=share, usual=total / max(everybody, 1e-9)))
    return _telling(found)


def _favourites(
    recommender: Recommender, history: EventColumns, weight: np.ndarray, items: Mapping[str, Item]
) -> tuple[tuple[str, str, float], ...]:
    keys, at = np.unique(history.item, return_inverse=True)
    evidence = np.bincount(at, weight, len(keys)) if len(keys) else np.zeros(0)
    best = [n for n in np.argsort(-evidence, kind="stable").tolist() if evidence[n] > 0][:SHOWN]
    ids = [recommender.live.catalogue.id(int(keys[n])) for n in best]
    return tuple((i, items[i].title if i in items else i, float(evidence[n])) for i, n in zip(ids, best, strict=True))


def _prices(recommender: Recommender, history: EventColumns, weight: np.ndarray, items: Mapping[str, Item]) -> tuple[float, ...]:
    catalogue = recommender.live.catalogue
    paid = [
        items[name].price
        for name in (catalogue.id(key) for key, one in zip(history.item.tolist(), weight.tolist(), strict=True) if one > 0)
        if name in items and items[name].price is not None
    ]
    return tuple(np.quantile(np.array(paid, float), (0.25, 0.5, 0.75)).round(4).tolist()) if paid else ()
