"""Doctor: what is odd in a store's data, how much of it, examples, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from occasion.protocols import EventColumns, Store, StoredItem

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Finding", "examine"]

EXAMPLES = 5
BURST, BURST_SECONDS = 100, 60.0
"""More events of one person than BURST within BURST_SECONDS are no person's doing."""
SKEW = 0.5
"""The most used hundredth of items or people making more than this share of events is worth knowing."""
POSITION = 10**8


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One odd thing.

    Attributes
    ----------
    severity : {"error", "warning", "info"}
        error: figures and answers will be wrong; warning: they may be worse; info: worth knowing.
    name : str
        A short fixed name, for machines.
    message : str
        What was found, in words.
    count : int
        How many rows, items or people it concerns.
    examples : tuple of str
        Ids of some of them.
    cure : str
        What to do.
    """

    severity: Literal["error", "warning", "info"]
    name: str
    message: str
    count: int
    cure: str
    examples: tuple[str, ...] = ()


def examine(store: Store, now: float) -> list[Finding]:
    """Return everything odd in a store, the worst first; empty where nothing is. `now` is unix seconds.

    Reads the catalogue and the whole log once: seconds for a million events.
    """
    items = list(store.items())
    batches = list(store.events())
    findings = list(_catalogue(items))
    if batches:
        columns = {
            name: np.concatenate([getattr(b, name) for b in batches]) for name in ("user", "item", "type", "value", "at", "context")
        }
        log = EventColumns(seq=np.concatenate([b.seq for b in batches]), types=max((b.types for b in batches), key=len), **columns)
        names = {entry.key: entry.id for entry in items}
        findings += [*_times(log, now), *_people(log), *_evidence(log, items, names), *_repeated(log, names), *_signals(log, store)]
    elif items:
        findings.append(
            Finding(
                severity="info",
                name="no-events",
                message="there are no events yet",
                count=0,
                cure="Recommend from texts and moments now; import or send events when there are some.",
            )
        )
    order = {"error": 0, "warning": 1, "info": 2}
    return sorted(findings, key=lambda f: (order[f.severity], -f.count))


def _catalogue(items: Sequence[StoredItem]) -> Iterator[Finding]:
    described = [e for e in items if e.item is not None]
    if not described:
        yield Finding(
            severity="error",
            name="no-items",
            message="the catalogue is empty",
            count=0,
            cure="Import items: occasion import --kind items FILE.",
        )
        return
    bare = [e.id for e in described if e.item is not None and not e.item.sentence().strip()]
    if bare:
        yield Finding(
            severity="warning",
            name="items-without-text",
            message=f"{len(bare)} of {len(described)} items have no text: the language model cannot place them",
            count=len(bare),
            examples=tuple(bare[:EXAMPLES]),
            cure="Import a title or a description for them.",
        )
    texts: dict[str, list[str]] = {}
    for e in described:
        if e.item is not None and (text := e.item.sentence().casefold()):
            texts.setdefault(text, []).append(e.id)
    twins = [ids for ids in texts.values() if len(ids) > 1]
    if twins:
        count = sum(len(ids) for ids in twins)
        yield Finding(
            severity="info",
            name="items-with-one-text",
            message=f"{count} items share their whole text with another item: they look alike to the language model",
            count=count,
            examples=tuple(ids[1] for ids in twins[:EXAMPLES]),
            cure="Merge duplicates, or add what tells them apart (size, brand, colour) to their texts.",
        )
    unknown = [e.id for e in items if e.item is None]
    if unknown:
        yield Finding(
            severity="warning",
            name="items-not-described",
            message=f"{len(unknown)} item ids of events are not in the catalogue: they cannot be recommended",
            count=len(unknown),
            examples=tuple(unknown[:EXAMPLES]),
            cure="Import these items, or leave it so if they are gone for good.",
        )


def _times(log: EventColumns, now: float) -> Iterator[Finding]:
    known = np.isfinite(log.at)
    late = int((log.at[known] > now + 60).sum())
    if late:
        yield Finding(
            severity="error",
            name="future-times",
            message=f"{late} events lie in the future: they are invisible until then and distort what is popular now",
            count=late,
            cure="Check the unit (seconds, not milliseconds) and the time zone of the source, and import again.",
        )
    if not known.all():
        count = int((~known).sum())
        yield Finding(
            severity="info" if count == len(known) else "warning",
            name="no-times",
            message=f"{count} of {len(known)} events have no time: order of arrival counts, clock signals do not",
            count=count,
            cure="Map the column that holds the time: --map at=COLUMN.",
        )
    positions = int((log.at[known] < POSITION).sum())
    if positions:
        yield Finding(
            severity="info",
            name="positions",
            message=f"{positions} times lie before 1973 and are taken for positions in a sequence, without a clock",
            count=positions,
            cure="If these are real times, give them in unix seconds.",
        )


def _people(log: EventColumns) -> Iterator[Finding]:
    real = np.isfinite(log.at) & (log.at >= POSITION)
    user, at = log.user[real], log.at[real]
    order = np.lexsort((at, user))
    user, at = user[order], at[order]
    if len(user) > BURST:
        fast = (user[BURST:] == user[:-BURST]) & (at[BURST:] - at[:-BURST] < BURST_SECONDS) & (at[BURST:] > at[:-BURST])
        people = np.unique(user[BURST:][fast])
        if len(people):
            yield Finding(
                severity="warning",
                name="impossible-rates",
                message=f"{len(people)} people made over {BURST} events in {BURST_SECONDS:.0f} s: robots, or times of an import",
                count=len(people),
                cure="Find out what writes these events; leave robots out of the log.",
            )
    counts = np.bincount(log.user)
    counts = counts[counts > 0]
    once = int((counts == 1).sum())
    if len(counts) and once / len(counts) > SKEW:
        yield Finding(
            severity="info",
            name="one-event-people",
            message=f"{once} of {len(counts)} people have a single event: for them the moment and popularity decide",
            count=once,
            cure="Check that user ids are stable; tie visits together with session ids.",
        )
    yield from _skew(counts, "people", log)


def _skew(counts: NDArray[np.int64], what: str, log: EventColumns) -> Iterator[Finding]:
    top = np.sort(counts)[::-1][: max(1, len(counts) // 100)]
    share = top.sum() / max(1, len(log.item))
    if len(counts) >= 100 and share > SKEW:
        yield Finding(
            severity="info",
            name=f"skew-{what}",
            message=f"the most active 1 % of {what} make {share:.0%} of all events",
            count=len(top),
            cure="Look at coverage and novelty when you evaluate; raise diversity where the list looks the same to everybody.",
        )


def _evidence(log: EventColumns, items: Sequence[StoredItem], names: dict[int, str]) -> Iterator[Finding]:
    counts = np.bincount(log.item, minlength=max(names, default=0) + 1)
    described = [e.key for e in items if e.item is not None]
    cold = [key for key in described if counts[key] == 0]
    if cold:
        yield Finding(
            severity="info",
            name="cold-items",
            message=f"{len(cold)} of {len(described)} items have no event: only their texts speak for them",
            count=len(cold),
            examples=tuple(names[k] for k in cold[:EXAMPLES]),
            cure="Good texts matter for them; explore a little (--explore 0.05) so that they get a chance.",
        )
    yield from _skew(counts[counts > 0], "items", log)


def _repeated(log: EventColumns, names: dict[int, str]) -> Iterator[Finding]:
    known = np.isfinite(log.at)
    rows = np.stack([log.user[known], log.item[known], log.type[known], log.at[known].astype(np.int64)])
    rows = rows[:, np.lexsort(rows)]
    same = np.all(rows[:, 1:] == rows[:, :-1], axis=0)
    again = int(same.sum())
    if again:
        yield Finding(
            severity="warning",
            name="duplicates",
            message=f"{again} events repeat person, item, type and second of another event",
            count=again,
            examples=tuple(dict.fromkeys(names[int(key)] for key in rows[1, 1:][same][:EXAMPLES])),
            cure="Give events ids of their own, so that the same event sent twice is stored once.",
        )


def _signals(log: EventColumns, store: Store) -> Iterator[Finding]:
    values: dict[str, set[str]] = {}
    for context in store.contexts():
        for name, value in context.signals.items():
            found = values.setdefault(name, set())
            if len(found) < 2:
                found.add(str(value))
    constant = sorted(name for name, found in values.items() if len(found) == 1)
    if constant:
        yield Finding(
            severity="info",
            name="constant-signals",
            message=f"{len(constant)} signals have the same value in all events: nothing can be learnt from them",
            count=len(constant),
            examples=tuple(constant[:EXAMPLES]),
            cure="Leave them out, or check that the source writes them.",
        )
    if "rating" in log.types:
        ratings = log.value[(log.type == log.types.index("rating"))]
        missing = int(np.isnan(ratings).sum())
        if missing:
            yield Finding(
                severity="warning",
                name="ratings-without-value",
                message=f"{missing} ratings have no value and count as liking",
                count=missing,
                cure="Map the column of the rating: --map value=COLUMN.",
            )
