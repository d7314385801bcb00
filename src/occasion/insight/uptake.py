"""Uptake: who did what with an item, from the whole log held as three small columns and kept up to date."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from occasion.privacy.choices import Choices
from occasion.protocols import EventColumns, Store

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Taken", "Uptake"]

SAMPLE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What was done with one item.

    Attributes
    ----------
    events : mapping of event type to number
        The most frequent type first.
    people : int
        Different people, visitors included.
    sample : tuple of str
        Up to 5 users who did something with it last.
    last_at : float or None
        Of the newest event whose time is known.
    """

    events: dict[str, int]
    people: int
    sample: tuple[str, ...]
    last_at: float | None


class Uptake:
    """Item, type, person, place and time of every event: 26 bytes an event. People who refuse to be analysed are left out.

    Parameters
    ----------
    store : Store
    by_default : collection of str
        The purposes that those who never chose allow: `Settings.granted_by_default`.
    """

    def __init__(self, store: Store, by_default: Collection[str]) -> None:
        self._store, self._by_default = store, by_default
        self._parts: list[EventColumns] = []
        self._item: NDArray[np.int32] = np.zeros(0, np.int32)
        self._seq = 0
        self._withdrawals = -1
        self._lock = threading.Lock()

    def refresh(self) -> None:
        """Take over events that came since the last call; after a withdrawal all are read anew."""
        _, seq, withdrawals = self._store.cursor()
        with self._lock:
            if withdrawals != self._withdrawals:
                self._parts, self._seq, self._withdrawals = [], 0, withdrawals
            if seq == self._seq and self._parts:
                return
            choices = Choices(self._store, "analyse", self._by_default)
            self._parts += [choices.keep(batch) for batch in self._store.events(after=self._seq)]
            self._seq = seq
            self._item = np.concatenate([np.zeros(0, np.int32), *(part.item for part in self._parts)])
            self._types = [part.types for part in self._parts]
            self._starts = np.cumsum([0, *(len(part.item) for part in self._parts)])

    def of(self, key: int) -> Taken:
        """Return what was done with the item of a key."""
        self.refresh()
        with self._lock:
            parts, starts, found = self._parts, self._starts, np.flatnonzero(self._item == key)
        counts: Counter[str] = Counter()
        people: list[int] = []
        times: list[float] = []
        places: list[int] = []
        for n, part in enumerate(parts):
            rows = found[(found >= starts[n]) & (found < starts[n + 1])] - starts[n]
            if not len(rows):
                continue
            for code, number in zip(*np.unique(part.type[rows], return_counts=True), strict=True):
                counts[part.types[int(code)]] += int(number)
            people += part.user[rows].tolist()
            places += part.seq[rows].tolist()
            times += part.at[rows][np.isfinite(part.at[rows])].tolist()
        return Taken(
            events=dict(counts.most_common()),
            people=len(set(people)),
            sample=self._users(people, places),
            last_at=max(times, default=None),
        )

    def _users(self, people: list[int], places: list[int]) -> tuple[str, ...]:
        """Return the ids of the people of the newest events."""
        newest: dict[int, int] = {}
        for person, place in zip(reversed(people), reversed(places), strict=True):
            if person >= 0 and len(newest) < 2 * SAMPLE:
                newest.setdefault(person, place)
        names: list[str] = []
        for place in newest.values():
            for event in islice(self._store.read_events(after=place - 1), 1):
                if event.user is not None:
                    names.append(event.user)
            if len(names) == SAMPLE:
                break
        return tuple(names)
