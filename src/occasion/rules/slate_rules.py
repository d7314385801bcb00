"""Slate rules: what an answer must obey, as one value, and the step that puts it in force on an ordered list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from occasion.errors import RuleError
from occasion.rules.filters import Filter, parse_filter

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Boost", "Cap", "Outstanding", "Quota", "Rules", "arrange", "parse_rules"]


MAX_EXCLUDED, MAX_PINS, MAX_BOOSTS, MAX_CAPS, MAX_QUOTAS = 100_000, 1_000, 100, 20, 20


def _ids(values: Any) -> tuple[str, ...]:
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise RuleError(f"exclude must be a list of item ids, found {values!r:.200}. Cure: put it in a list.")
    made = tuple(values)
    wrong = next((v for v in made if not isinstance(v, str)), None)
    if wrong is not None:
        raise RuleError(f"an item id to exclude must be text, found {wrong!r:.200}.")
    if len(made) > MAX_EXCLUDED:
        raise RuleError(f"{len(made)} items are to be excluded. Cure: at most {MAX_EXCLUDED}; use a filter.")
    return made


def _each(values: Any, name: str, kind: type, most: int) -> tuple[Any, ...]:
    made = tuple(values) if isinstance(values, Iterable) and not isinstance(values, (str, Mapping)) else (None,)
    if any(not isinstance(v, kind) for v in made):
        raise RuleError(f"{name} must be a list of {kind.__name__}, found {values!r:.200}.")
    if len(made) > most:
        raise RuleError(f"there are {len(made)} {name}. Cure: at most {most}.")
    return made


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
        if not isinstance(self.field, str) or not self.field:
            raise RuleError(f"a cap names a field, found {self.field!r}.")
        if isinstance(self.most, bool) or not isinstance(self.most, int) or self.most < 1:
            raise RuleError(f"a cap of {self.field!r} is {self.most!r}. Cure: a whole number of at least 1.")


@dataclass(frozen=True, slots=True)
class Quota:
    """At least `least` items that pass `filter`, as far as there are so many and the places suffice."""

    filter: Filter
    least: int

    def __post_init__(self) -> None:
        if isinstance(self.least, bool) or not isinstance(self.least, int) or self.least < 1:
            raise RuleError(f"a quota is {self.least!r}. Cure: a whole number of at least 1.")
        object.__setattr__(self, "filter", parse_filter(self.filter))


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
    quotas : tuple of Quota
        Pins and caps go before them.
    strict : bool
        True: where fewer items than asked for pass the filter, fewer are given, and a note says so. False: the rest of the
        places may go to items that do not pass; never to excluded or unavailable ones.
    firm : Filter, text or mapping, optional
        A second filter, in force whatever `strict` says: that of scenarios which always apply.

    Raises
    ------
    RuleError
        For a rule that cannot be kept, naming it and what is allowed.
    """

    filter: Filter | None = None
    exclude_seen: bool | Literal["auto"] = "auto"
    exclude: tuple[str, ...] = ()
    pins: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    boosts: tuple[Boost, ...] = ()
    caps: tuple[Cap, ...] = ()
    quotas: tuple[Quota, ...] = ()
    strict: bool = True
    firm: Filter | None = None

    def __post_init__(self) -> None:
        for name in ("filter", "firm"):
            given: Any = getattr(self, name)
            if given is not None:
                object.__setattr__(self, name, parse_filter(given))
        if not isinstance(self.exclude_seen, bool) and self.exclude_seen != "auto":
            raise RuleError(f"exclude_seen is {self.exclude_seen!r}. Cure: True, False or 'auto'.")
        if not isinstance(self.strict, bool):
            raise RuleError(f"strict is {self.strict!r}. Cure: True or False.")
        object.__setattr__(self, "exclude", _ids(self.exclude))
        for name, kind, most in (("boosts", Boost, MAX_BOOSTS), ("caps", Cap, MAX_CAPS), ("quotas", Quota, MAX_QUOTAS)):
            object.__setattr__(self, name, _each(getattr(self, name), name, kind, most))
        if not isinstance(self.pins, Mapping) or len(self.pins) > MAX_PINS:
            raise RuleError(f"pins must be a mapping of at most {MAX_PINS} item ids to places, found {self.pins!r:.200}.")
        for item, place in self.pins.items():
            if isinstance(place, bool) or not isinstance(place, int) or place < 1:
                raise RuleError(f"the place of pinned item {item!r} is {place!r}. Cure: a whole number of at least 1.")
        if len(set(self.pins.values())) < len(self.pins):
            raise RuleError("two items are pinned to one place. Cure: give each pin a place of its own.")
        object.__setattr__(self, "pins", MappingProxyType(dict(self.pins)))


def parse_rules(source: Mapping[str, Any]) -> Rules:
    """Return rules from their JSON form, whose names are those of `Rules`.

    ``{"filter": ..., "exclude_seen": "auto", "exclude": ["id"], "pins": {"id": 1}, "boosts": [{"filter": ..., "factor": 2}],
    "caps": {"brand": 2}, "quotas": [{"filter": ..., "least": 2}], "strict": true}``; every one may be left out.

    Raises
    ------
    RuleError
        Naming the rule that cannot be understood.
    """
    names = ("filter", "exclude_seen", "exclude", "pins", "boosts", "caps", "quotas", "strict")
    if not isinstance(source, Mapping):
        raise RuleError(f"rules must be a mapping with some of {', '.join(names)}, found {source!r:.200}.")
    unknown = [name for name in source if name not in names]
    if unknown:
        raise RuleError(f"there is no rule {unknown[0]!r}. Cure: one of {', '.join(names)}.")
    given = {name: value for name, value in source.items() if value is not None}
    if "boosts" in given:
        given["boosts"] = tuple(_boost(value, n) for n, value in enumerate(_list(given["boosts"], "boosts")))
    if "caps" in given:
        if not isinstance(given["caps"], Mapping):
            raise RuleError(f"caps must be a mapping of fields to numbers, found {given['caps']!r:.200}.")
        given["caps"] = tuple(Cap(name, most) for name, most in given["caps"].items())
    if "quotas" in given:
        given["quotas"] = tuple(_quota(value, n) for n, value in enumerate(_list(given["quotas"], "quotas")))
    return Rules(**given)


def _list(value: Any, name: str) -> Sequence[Any]:
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        raise RuleError(f"{name} must be a list, found {value!r:.200}.")
    return value


def _boost(value: Any, place: int) -> Boost:
    if not isinstance(value, Mapping) or set(value) != {"filter", "factor"}:
        raise RuleError(f"boosts[{place}] must have a filter and a factor and no more, found {value!r:.200}.")
    return Boost(parse_filter(value["filter"]), value["factor"])


def _quota(value: Any, place: int) -> Quota:
    if not isinstance(value, Mapping) or set(value) != {"filter", "least"}:
        raise RuleError(f"quotas[{place}] must have a filter and a least number and no more, found {value!r:.200}.")
    return Quota(parse_filter(value["filter"]), value["least"])


class Outstanding:
    """What quotas still lack while a list is filled.

    Parameters
    ----------
    rules : Rules
    ids : sequence of str
        The candidates.
    passes : callable
        (item id, number of a quota) to whether the item passes its filter.
    """

    def __init__(self, rules: Rules, ids: Sequence[str], passes: Callable[[str, int], bool] | None) -> None:
        self._lacking = [quota.least for quota in rules.quotas] if passes is not None else []
        self._member = [[passes(item, n) for item in ids] for n in range(len(self._lacking))] if passes is not None else []

    @property
    def lacking(self) -> int:
        """Items still wanted, at most."""
        return sum(self._lacking)

    def helps(self, position: int) -> bool:
        """Return whether a candidate is one of those that are lacking."""
        return any(lack > 0 and member[position] for lack, member in zip(self._lacking, self._member, strict=True))

    def take(self, position: int) -> None:
        """Count a candidate that got a place."""
        for n, member in enumerate(self._member):
            self._lacking[n] -= self._lacking[n] > 0 and member[position]


def arrange(
    ids: Sequence[str],
    k: int,
    rules: Rules,
    value: Callable[[str, str], str | None],
    passes: Callable[[str, int], bool] | None = None,
) -> NDArray[np.int64]:
    """Return positions into `ids` of at most k items, in order, with caps, quotas and pins in force.

    Parameters
    ----------
    ids : sequence of str
        Distinct candidates, best first.
    k : int
    rules : Rules
        Pins stand at their place where they are among `ids` (the end of the list where it is too short); caps count pins.
    value : callable
        (item id, field) to the value a cap counts; None: not counted.
    passes : callable, optional
        (item id, number of a quota) to whether the item passes its filter. Default: no quota is looked at.
    """
    place_of = {item: n for n, item in enumerate(ids)}
    pinned = sorted((place, place_of[item]) for item, place in rules.pins.items() if item in place_of and place <= k)
    counts: dict[str, Counter[str]] = {cap.field: Counter() for cap in rules.caps}
    outstanding = Outstanding(rules, ids, passes)
    for _, position in pinned:
        _fits(ids[position], rules, counts, value)
        outstanding.take(position)
    taken = {position for _, position in pinned}
    free: list[int] = []
    # First with places kept for what quotas lack; then, where too little of that is there, without.
    for kept in (True, False) if outstanding.lacking else (False,):
        for position, item in enumerate(ids):
            left = k - len(free) - len(pinned)
            if left <= 0:
                break
            if position in taken or (kept and outstanding.lacking >= left and not outstanding.helps(position)):
                continue
            if _fits(item, rules, counts, value):
                taken.add(position)
                free.append(position)
                outstanding.take(position)
    free.sort()
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
