"""Doctor: what is odd in a store's data, how much of it, and what to do about it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Literal

import numpy as np

from occasion.data import EVENT_TYPES, Item
from occasion.keyed import joined
from occasion.people import PURPOSES
from occasion.privacy.choices import Choices
from occasion.protocols import EventColumns, Store

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Finding", "examine"]

EXAMPLES = 5
"""Ids shown with a finding."""
CLOCK_SLACK = 3600.0
"""Seconds that a clock may be fast before its times lie in the future."""
EARLIEST = 10**8
"""Times before this (1973) are positions in a sequence rather than times."""
BURST_MOMENTS, BURST_SECONDS = 60, 60.0
"""More than so many different moments of one person within so many seconds are no human being."""
FLOOD = 500
"""More events of one person than this at one and the same moment are no human being."""
DAILY = 5000
"""More events of one person than this within a day are no human being."""
PICTURES = {
    "missing": ("have no file", "put the files into the folder of pictures (`media`), then `occasion index`; or correct the paths"),
    "outside": ("lie outside the folder of pictures", "put the files into the folder, and name them by their path in it"),
    "address": ("are addresses, which are never fetched", "fetch the files into the folder of pictures, and import their paths"),
    "broken": ("cannot be read", "export the files again, as JPEG, PNG or WebP"),
}
"""Kind of trouble to what is said of it, and its cure."""
FEW = 100
"""Below this many events, shares mean nothing."""


Look = Callable[[str], tuple[str, str] | None]
"""Tells of the path of a picture why it cannot be had, as (kind, in words); None where nothing speaks against it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something odd.

    Attributes
    ----------
    name : str
        Short and fixed, for programs.
    severity : ``error``, ``warning`` or ``info``
        Error: recommendations will be wrong. Warning: they could be better. Info: worth knowing.
    message : str
        What, and how much of it.
    count : int
        How many items, users or events.
    examples : tuple of str
        A few ids.
    cure : str
        What to do.
    """

    name: str
    severity: Literal["error", "warning", "info"]
    message: str
    count: int
    examples: tuple[str, ...] = ()
    cure: str = ""


@dataclass(slots=True)
class _Data:
    """What is looked at: items as columns by key, events as columns, contexts."""

    store: Store
    now: float
    ids: list[str] = field(default_factory=list)
    described: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    events: EventColumns = field(default_factory=lambda: joined([]))
    textless: list[str] = field(default_factory=list)
    looked_at: Look | None = None
    pictures: int = 0
    unseen: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    twins: dict[str, list[str]] = field(default_factory=dict)
    expired: list[str] = field(default_factory=list)
    categories: dict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    signals: dict[str, Counter[object]] = field(default_factory=lambda: defaultdict(Counter))

    def person(self, row: int) -> str:
        """Return who did the event in a row."""
        event = next(iter(self.store.read_events(after=int(self.events.seq[row]) - 1)))
        return event.user or f"session {event.session}"

    def people(self, rows: NDArray[np.int64]) -> tuple[str, ...]:
        """Return who did the events in some rows, each once."""
        _, first = np.unique(self.events.user[rows], return_index=True)
        return tuple(self.person(int(row)) for row in rows[np.sort(first)][:EXAMPLES])


def _gather(store: Store, now: float, by_default: Collection[str], looked_at: Look | None) -> _Data:
    data = _Data(store, now, looked_at=looked_at)
    data.events = Choices(store, "analyse", by_default).keep(joined(list(store.events())))
    described: dict[int, bool] = {}
    names: dict[int, str] = {}
    texts: dict[int, list[str]] = defaultdict(list)
    for stored in store.items():
        names[stored.key], described[stored.key] = stored.id, stored.item is not None
        if stored.item is not None:
            _look_at(stored.item, data, texts)
    data.ids = [names.get(key, "") for key in range(max(names, default=-1) + 1)]
    data.described = np.array([described.get(key, False) for key in range(len(data.ids))], bool)
    data.twins = {ids[0]: ids for ids in texts.values() if len(ids) > 1}
    times = np.bincount(data.events.context[data.events.context >= 0]) if len(data.events.seq) else np.zeros(0, int)
    for context in store.contexts():
        for name, value in context.signals.items():
            data.signals[name][value] += int(times[context.key]) if context.key < len(times) else 0
    return data


def _look_at(item: Item, data: _Data, texts: dict[int, list[str]]) -> None:
    sentence = " ".join(item.text.values()).strip()
    if sentence:
        # Items that share text, price and attributes are one thing sold twice; text alone may be a coarse label.
        texts[hash((sentence, item.categories, item.price, tuple(sorted(item.attributes.items(), key=str))))].append(item.id)
    else:
        data.textless.append(item.id)
    if item.available_until is not None and item.available_until <= data.now:
        data.expired.append(item.id)
    if data.looked_at is not None and item.media.get("image"):
        data.pictures += 1
        trouble = data.looked_at(item.media["image"])
        if trouble is not None:
            data.unseen[trouble[0]].append(f"{item.id} ({trouble[1]})")
    for level, category in enumerate(item.categories):
        data.categories[level][category] += 1


def _share(part: float, whole: float) -> str:
    return f"{100 * part / max(whole, 1):.1f} %"


def _many(n: int, one: str, more: str, share: str = "") -> str:
    """Return "1 item has" or "3 items have", with the share of all behind the number's noun where one is given."""
    noun, _, verb = (one if n == 1 else more).partition(" ")
    return f"{n:,} {noun}{f' ({share})' if share else ''} {verb}"


# -- items ----------------------------------------------------------------------------------------------------------------
def _nothing(data: _Data) -> Iterator[Finding]:
    if not data.ids and not len(data.events.seq):
        yield Finding(
            name="empty",
            severity="info",
            message="the store is empty",
            count=0,
            cure="bring in items and events: occasion import FILES",
        )


def _undescribed(data: _Data) -> Iterator[Finding]:
    counts = np.bincount(data.events.item, minlength=len(data.ids))
    missing = np.flatnonzero((counts > 0) & ~data.described)
    if not len(missing):
        return
    named = int(counts[missing].sum())
    share = named / len(data.events.seq)
    most = missing[np.argsort(-counts[missing])]
    yield Finding(
        name="undescribed-items",
        severity="error" if share > 0.2 else "warning" if share > 0.01 else "info",
        message=f"{_many(len(missing), 'item is', 'items are')} named by events only, not described; "
        f"{_share(named, len(data.events.seq))} of events",
        count=len(missing),
        examples=tuple(data.ids[k] for k in most[:EXAMPLES]),
        cure="import these items too; until then they are never recommended. Check that both files spell ids alike",
    )


def _items(data: _Data) -> Iterator[Finding]:
    total = int(data.described.sum())
    if data.textless:
        yield Finding(
            name="items-without-text",
            severity="warning",
            message=_many(len(data.textless), "item has", "items have", _share(len(data.textless), total))
            + " no text that could be read",
            count=len(data.textless),
            examples=tuple(data.textless[:EXAMPLES]),
            cure="import a title or description; map it if it has an unusual name, for example --map text.title=COLUMN",
        )
    twins = sum(len(ids) - 1 for ids in data.twins.values())
    if twins:
        yield Finding(
            name="duplicate-items",
            severity="warning" if twins > total / 10 else "info",
            message=_many(twins, "item is", "items are", _share(twins, total))
            + " equal to another one in text, categories, price and attributes",
            count=twins,
            examples=tuple(" = ".join(ids[:3]) for ids in islice(data.twins.values(), EXAMPLES)),
            cure="give variants a telling text, or merge them, so that one list does not show the same thing twice",
        )
    if data.expired:
        yield Finding(
            name="expired-items",
            severity="warning" if len(data.expired) > total / 2 else "info",
            message=_many(len(data.expired), "item is", "items are", _share(len(data.expired), total)) + " no longer available",
            count=len(data.expired),
            examples=tuple(data.expired[:EXAMPLES]),
            cure="delete them, or correct available_until",
        )


def _pictures(data: _Data) -> Iterator[Finding]:
    for kind, ids in sorted(data.unseen.items()):
        what, cure = PICTURES[kind]
        yield Finding(
            name=f"pictures-{kind}",
            severity="info" if kind == "address" else "warning",
            message=f"{len(ids):,} of {data.pictures:,} pictures {what}",
            count=len(ids),
            examples=tuple(ids[:EXAMPLES]),
            cure=cure,
        )


def _cold(data: _Data) -> Iterator[Finding]:
    total = int(data.described.sum())
    if not total or not len(data.events.seq):
        return
    counts = np.bincount(data.events.item, minlength=len(data.ids))
    cold = np.flatnonzero(data.described & (counts == 0))
    if len(cold) > total / 20:
        yield Finding(
            name="cold-items",
            severity="info",
            message=_many(len(cold), "item has", "items have", _share(len(cold), total)) + " no event yet",
            count=len(cold),
            examples=tuple(data.ids[k] for k in cold[:EXAMPLES]),
            cure="nothing to do: they are recommended by their text. Good texts matter most here",
        )


def _categories(data: _Data) -> Iterator[Finding]:
    total = int(data.described.sum())
    for level, values in sorted(data.categories.items()):
        if len(values) == 1 and values.total() > 1 and values.total() == total:
            (only,) = values
            yield Finding(
                name="one-category",
                severity="info",
                message=f"all {total:,} items have the category {only!r} at level {level + 1}",
                count=total,
                examples=(only,),
                cure="leave this level out: it tells no items apart",
            )


# -- times and rates --------------------------------------------------------------------------------------------------------
def _times(data: _Data) -> Iterator[Finding]:
    at, total = data.events.at, len(data.events.seq)
    future = np.flatnonzero(at > data.now + CLOCK_SLACK)
    if len(future):
        yield Finding(
            name="future-times",
            severity="error",
            message=_many(len(future), "event lies", "events lie", _share(len(future), total)) + " in the future",
            count=len(future),
            examples=data.people(future),
            cure="check the unit and the time zone of the source; a request only sees what happened before it",
        )
    unknown = int(np.isnan(at).sum())
    if unknown:
        yield Finding(
            name="no-times",
            severity="info" if unknown == total else "warning",
            message=_many(unknown, "event has", "events have", _share(unknown, total)) + " no time",
            count=unknown,
            examples=data.people(np.flatnonzero(np.isnan(at))[:1000]),
            cure="import the time if there is one; without it, order of arrival counts and hour, season and trends are lost",
        )
    early = np.flatnonzero(at < EARLIEST)
    if len(early):
        yield Finding(
            name="early-times",
            severity="warning",
            message=_many(len(early), "event lies", "events lie", _share(len(early), total))
            + " before 1973: positions rather than times?",
            count=len(early),
            examples=data.people(early[:1000]),
            cure="if they are times, check their unit; if they are positions, they order events but have no clock",
        )


def _rates(data: _Data) -> Iterator[Finding]:
    known = np.flatnonzero(~np.isnan(data.events.at))
    user, at = data.events.user[known], data.events.at[known]
    order = np.lexsort((at, user))
    user, at, rows = user[order], at[order], known[order]
    fast = _too_many(user, at, rows, DAILY, 86_400.0) | _too_many(user, at, rows, FLOOD, 0.0)
    moment = np.ones(len(user), bool)
    moment[1:] = (user[1:] != user[:-1]) | (at[1:] != at[:-1])
    fast |= _too_many(user[moment], at[moment], rows[moment], BURST_MOMENTS, BURST_SECONDS)
    if not fast:
        return
    guilty = np.isin(data.events.user, [int(data.events.user[row]) for row in fast])
    yield Finding(
        name="impossible-rates",
        severity="warning",
        message=f"{_many(len(fast), 'user acts', 'users act')} faster than people can; theirs are "
        f"{_share(int(guilty.sum()), len(guilty))} of events",
        count=len(fast),
        examples=tuple(data.person(row) for row in sorted(fast)[:EXAMPLES]),
        cure="look for robots, shared accounts and test users, and leave their events out",
    )


def _too_many(user: NDArray[np.int32], at: NDArray[np.float64], rows: NDArray[np.int64], number: int, seconds: float) -> set[int]:
    """Return a row for each user with more than `number` events within `seconds`; events are sorted by user and time."""
    if len(user) <= number:
        return set()
    hit = np.flatnonzero((user[number:] == user[:-number]) & (at[number:] - at[:-number] <= seconds))
    _, first = np.unique(user[hit], return_index=True)
    return set(rows[hit[first]].tolist())


# -- events -----------------------------------------------------------------------------------------------------------------
def _repeated(data: _Data) -> Iterator[Finding]:
    known = np.flatnonzero(~np.isnan(data.events.at))
    columns = (data.events.type[known], data.events.item[known], data.events.at[known], data.events.user[known])
    order = np.lexsort(columns)
    same = np.ones(max(len(known) - 1, 0), bool)
    for column in columns:
        same &= column[order][1:] == column[order][:-1]
    rows = known[order[1:][same]]
    if len(rows):
        total = len(data.events.seq)
        yield Finding(
            name="duplicate-events",
            severity="warning" if len(rows) > total / 100 else "info",
            message=_many(len(rows), "event repeats", "events repeat", _share(len(rows), total))
            + " another one: same user, item, type and time",
            count=len(rows),
            examples=data.people(np.sort(rows)),
            cure="give events ids at their source, so that a second delivery is recognised",
        )


def _liking(data: _Data) -> Iterator[Finding]:
    if not len(data.events.seq):
        return
    weights = np.array([EVENT_TYPES[t].weight if t in EVENT_TYPES else 1.0 for t in data.events.types])
    if not np.any(weights[data.events.type] > 0):
        yield Finding(
            name="no-liking",
            severity="warning",
            message="no event says that somebody liked something",
            count=len(data.events.seq),
            examples=tuple(data.events.types[:EXAMPLES]),
            cure="import clicks, purchases or ratings; check how event types are spelled",
        )


def _skew(data: _Data) -> Iterator[Finding]:
    total = len(data.events.seq)
    if total < FEW:
        return
    for name, keys, most in (("item", data.events.item, data.events.item), ("user", data.events.user, data.events.user)):
        counts = np.bincount(keys)
        ranked = np.sort(counts[counts > 0])[::-1]
        top = max(1, len(ranked) // 100)
        share, largest = ranked[:top].sum() / total, ranked[0] / total
        if share < 0.5 and largest < 0.1:
            continue
        key = int(np.argmax(counts))
        who = data.ids[key] if name == "item" else data.person(int(np.flatnonzero(most == key)[0]))
        yield Finding(
            name=f"skewed-{name}s",
            severity="warning" if largest > 0.2 or share > 0.8 else "info",
            message=f"the top {top:,} of {len(ranked):,} {name}s (1 %) have {_share(ranked[:top].sum(), total)} of all events; "
            f"the first one alone {_share(ranked[0], total)}",
            count=top,
            examples=(who,),
            cure="check for robots and default items; more diversity and exploration help the others",
        )


def _sparse_users(data: _Data) -> Iterator[Finding]:
    counts = np.bincount(data.events.user) if len(data.events.seq) else np.zeros(0, int)
    active = int((counts > 0).sum())
    single = np.flatnonzero(counts == 1)
    if active >= FEW and len(single) > active * 0.3:
        rows = np.flatnonzero(np.isin(data.events.user, single[:EXAMPLES]))
        yield Finding(
            name="near-empty-users",
            severity="info",
            message=f"{len(single):,} of {active:,} users ({_share(len(single), active)}) have a single event",
            count=len(single),
            examples=data.people(rows),
            cure="nothing to do: context and text carry them. Check that one person has one id across visits",
        )


# -- signals ----------------------------------------------------------------------------------------------------------------
def _signals(data: _Data) -> Iterator[Finding]:
    with_context = int((data.events.context >= 0).sum())
    if with_context < FEW:
        return
    for name, values in sorted(data.signals.items()):
        if len(values) == 1 and values.total() == with_context:
            (only,) = values
            yield Finding(
                name="constant-signal",
                severity="info",
                message=f"the signal {name!r} is always {only!r}",
                count=values.total(),
                examples=(name,),
                cure="leave it out: what never changes tells nothing",
            )
        words = sum(isinstance(v, str) for v in values)
        if words > FEW and words > values.total() / 2:
            yield Finding(
                name="unique-signal",
                severity="warning",
                message=f"the signal {name!r} has {words:,} different values in {values.total():,} events",
                count=words,
                examples=tuple(map(str, islice(values, EXAMPLES))),
                cure="an id or a number of a request is no signal: import it as session, or leave it out",
            )


_CHECKS: tuple[Callable[[_Data], Iterator[Finding]], ...] = (
    _nothing,
    _undescribed,
    _times,
    _rates,
    _repeated,
    _liking,
    _items,
    _pictures,
    _categories,
    _signals,
    _skew,
    _cold,
    _sparse_users,
)


def examine(store: Store, now: float, by_default: Collection[str] = PURPOSES, *, pictures: Look | None = None) -> list[Finding]:
    """Return what is odd in a store, the gravest first; empty where nothing is.

    Parameters
    ----------
    store : Store
    now : float
        Unix seconds; what lies after it is in the future.
    by_default : collection of str
        The purposes that people allow who never chose. Events of those who refuse ``analyse`` are not looked at.
    pictures : callable, optional
        What looks at the path of an item's picture; see `Look`.

    Notes
    -----
    Reads every item and event once; 1.5 million events take some seconds and about 100 bytes of memory each.
    """
    data = _gather(store, now, by_default, pictures)
    found = [finding for check in _CHECKS for finding in check(data)]
    gravity = {"error": 0, "warning": 1, "info": 2}
    return sorted(found, key=lambda finding: gravity[finding.severity])
