"""Slate rules: what an answer must obey, as one value, and the step that puts it in force on an ordered list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from occasion.errors import RuleError
from occasion.rules.filters import Filter, parse_filter

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Boost", "Cap", "Rules", "arrange"]


@dataclass(frozen=True, slots=True)
class Boost:
    """Scores of items that pass `filter` are raised by `factor` - 1 of their size; a factor below 1 lowers them, 0 to 100."""

    filter: Filter
    factor: float

    def __post_init__(self) -> None:
        if isinstance(self.factor, bool) or not isinstance(self.factor, (int, float)) or not 0 <= self.factor <= 100:
            raise RuleError(f"the factor of a boost is {self.factor!r}. Cure: a number from 0 to 100; 1 changes nothing.")
        object.__setattr__(self, "filter", parse_filter(self.filter))


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `most` items with the same first value of a field."""

    field: str
    most: int

    def __post_init__(self) -> None:
        if isinstance(self.most, bool) or not isinstance(self.most, int) or self.most < 1:
            raise RuleError(f"a cap of {self.field!r} is {self.most!r}. Cure: a whole number of at least 1.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What an answer must obey.

    Attributes
    ----------
    filter : Filter, text or mapping, optional
        Only items that pass may appear; see `occasion.rules.filters`.
    exclude_seen : bool or "auto"
        Leave out items the person already had. "auto": unless the log shows that people come back to items.
    exclude : tuple of str
        Item ids that must not appear.
    pins : mapping of item id to place
        Items that stand at a place, from 1, where they are allowed.
    boosts : tuple of Boost
    caps : tuple of Cap
    """

    filter: Filter | None = None
    exclude_seen: bool | Literal["auto"] = "auto"
    exclude: tuple[str, ...] = ()
    pins: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    boosts: tuple[Boost, ...] = ()
    caps: tuple[Cap, ...] = ()

    def __post_init__(self) -> None:
        given: Any = self.filter
        if given is not None:
            object.__setattr__(self, "filter", parse_filter(given))
        if self.exclude_seen not in (True, False, "auto"):
            raise RuleError(f"exclude_seen is {self.exclude_seen!r}. Cure: True, False or 'auto'.")
        for item, place in self.pins.items():
            if isinstance(place, bool) or not isinstance(place, int) or place < 1:
                raise RuleError(f"the place of pinned item {item!r} is {place!r}. Cure: a whole number of at least 1.")
        if len(set(self.pins.values())) < len(self.pins):
            raise RuleError("two items are pinned to one place. Cure: give each pin a place of its own.")
        object.__setattr__(self, "pins", MappingProxyType(dict(self.pins)))


def arrange(ids: Sequence[str], k: int, rules: Rules, value: Callable[[str, str], str | None]) -> NDArray[np.int64]:
    """Return positions into `ids` of at most k items, in order, with caps and pins in force.

    Parameters
    ----------
    ids : sequence of str
        Distinct candidates, best first.
    k : int
    rules : Rules
        Pins stand at their place where they are among `ids` (the end of the list where it is too short); caps count pins.
    value : callable
        (item id, field) to the value a cap counts; None: not counted.
    """
    place_of = {item: n for n, item in enumerate(ids)}
    pinned = sorted((place, place_of[item]) for item, place in rules.pins.items() if item in place_of and place <= k)
    counts: dict[str, Counter[str]] = {cap.field: Counter() for cap in rules.caps}
    for _, position in pinned:
        _fits(ids[position], rules, counts, value)
    taken = {position for _, position in pinned}
    free: list[int] = []
    for position, item in enumerate(ids):
        if len(free) + len(pinned) >= k:
            break
        if position not in taken and _fits(item, rules, counts, value):
            free.append(position)
    for place, position in pinned:
        free.insert(min(place - 1, len(free)), position)
    return np.array(free, np.int64)


def _fits(item: str, rules: Rules, counts: dict[str, Counter[str]], value: Callable[[str, str], str | None]) -> bool:
    """Count an item against the caps; False where one is full, and then nothing is counted."""
    mine = [(cap, found) for cap in rules.caps if (found := value(item, cap.field)) is not None]
    if any(counts[cap.field][found] >= cap.most for cap, found in mine):
        return False
    for cap, found in mine:
        counts[cap.field][found] += 1
    return True
