"""Queries: moments as requests, what each system answered, and which stratum and slices each query belongs to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from occasion.data import Context, Event, Scalar
from occasion.evaluation.split import Moments, Split
from occasion.evaluation.systems import Systems
from occasion.protocols import EventColumns, Moment, Store

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Keys = NDArray[np.int32]

__all__ = ["HISTORY", "Answers", "ask"]

STRIDE = 1000
"""Events read past rather than jumped over."""
HISTORY = "history"
"""Name of the slice by the number of events known at the request."""
LENGTHS = ((0, "0"), (1, "1-4"), (5, "5-19"), (20, "20-99"), (100, "100 and more"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What was asked and answered, q queries.

    Attributes
    ----------
    users : (q,) int32
    relevant : tuple of (a,) int32
        What the person chose, a >= 1.
    lists : mapping of system to tuple of (<= k,) int32
        What each system answered, best first.
    strata : tuple of str
        cold item: no event of any answer is counted; new user: none of the person is; else warm.
    signals : mapping of signal to tuple of value or None
        Given and derived ones, and `HISTORY`.
    """

    users: Keys
    relevant: tuple[Keys, ...]
    lists: dict[str, tuple[Keys, ...]]
    strata: tuple[str, ...]
    signals: dict[str, tuple[Scalar | None, ...]]


def ask(
    systems: Systems,
    store: Store,
    split: Split,
    moments: Moments,
    columns: EventColumns,
    *,
    k: int,
    now: float,
    progress: Callable[[int, int], None] | None = None,
) -> Answers:
    """Put every moment to every system.

    Parameters
    ----------
    systems : Systems
        Over the store with the split's events held out.
    store : Store
        The whole one; only the contexts of the moments are read from it.
    moments : Moments
        In order of arrival.
    columns : EventColumns
        The whole log.
    now : float
        The time of requests whose event has none, unix seconds.
    """
    known = ~np.isin(columns.seq, split.held_out)
    known_users = np.unique(columns.user[known])
    counts = np.bincount(columns.item[known], minlength=int(columns.item.max()) + 1)
    lists: dict[str, list[Keys]] = {name: [] for name in systems.names}
    strata, signals = [], []
    locale = systems.recommender.settings.locale
    for n, event in enumerate(_read(store, columns.seq, moments.seq)):
        context = _request(event, locale, now)
        answers, moment = systems.answer(context, k, seed=f"evaluation:{moments.seq[n]}")
        for name, keys in answers.items():
            lists[name].append(keys)
        strata.append(_stratum(counts[moments.answers[n]], moments.user[n] in known_users))
        signals.append(_signals(moment))
        if progress is not None:
            progress(n + 1, len(moments))
    names = sorted({name for row in signals for name in row})
    return Answers(
        users=moments.user,
        relevant=moments.answers,
        lists={name: tuple(found) for name, found in lists.items()},
        strata=tuple(strata),
        signals={name: tuple(row.get(name) for row in signals) for name in names},
    )


def _read(store: Store, log: NDArray[np.int64], wanted: NDArray[np.int64]) -> Iterator[Event]:
    """Yield the events with the wanted, ascending sequence numbers; `log` holds all numbers, ascending."""
    places = np.searchsorted(log, wanted).tolist()
    stream: Iterator[Event] = iter(())
    at = -STRIDE - 1
    for place in places:
        if place - at > STRIDE:
            stream, at = store.read_events(after=int(log[place]) - 1), place
        yield next(islice(stream, place - at, None))
        at = place + 1


def _request(event: Event, locale: str, now: float) -> Context:
    return Context(
        user=event.user,
        session=event.session,
        at=now if event.at is None else event.at,
        text=event.text,
        signals=event.signals,
        locale=locale,
    )


def _stratum(counts: NDArray[np.int64], known_user: bool) -> str:
    if not counts.any():
        return "cold item"
    return "warm" if known_user else "new user"


def _signals(moment: Moment) -> dict[str, Scalar]:
    n = 0 if moment.history is None else len(moment.history.item)
    length = next(name for least, name in reversed(LENGTHS) if n >= least)
    # A signal of the same name is somebody's own and comes first.
    return {HISTORY: length, **moment.signals}
