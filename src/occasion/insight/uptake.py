"""Uptake: who did what with an item, from the whole log held as five small columns and kept up to date."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.privacy.choices import Choices
from occasion.protocols import EventColumns, Store

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Taken", "Uptake"]

SAMPLE = 5
COLUMNS = {"item": np.int32, "type": np.int16, "user": np.int32, "seq": np.int64, "at": np.float64}
ROOM = 1 / 8
"""By how much the columns grow beyond what is needed."""
LOOKS = 3
"""How often it is tried to count the events while none comes."""


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

    Who refuses is asked when an item is looked at; the log is read anew only after events were removed from it.

    Parameters
    ----------
    store : Store
    by_default : collection of str
        The purposes that those who never chose allow: `Settings.granted_by_default`.
    """

    def __init__(self, store: Store, by_default: Collection[str]) -> None:
        self._store, self._by_default = store, by_default
        self._columns: dict[str, NDArray[Any]] = {}
        self._types: dict[str, int] = {}
        self._held = self._seq = 0
        self._withdrawals = -1
        self._lock = threading.Lock()
        self._drop()

    def __len__(self) -> int:
        """Return how many events are held."""
        return self._held

    def _drop(self) -> None:
        self._columns = {name: np.zeros(0, kind) for name, kind in COLUMNS.items()}
        self._held = self._seq = 0

    def refresh(self) -> None:
        """Take over events that came since the last call; where events were removed, all are read anew."""
        with self._lock:
            self._catch_up()

    def forget(self) -> None:
        """Drop what is held of events that were removed, if any were; nothing is read where nothing is held."""
        with self._lock:
            if self._held:
                self._catch_up()

    def _catch_up(self) -> None:
        _, seq, withdrawals = self._store.cursor()
        self._read(seq)
        if withdrawals != self._withdrawals:
            if self._held and self._removed():
                self._drop()
                self._read(seq)
            self._withdrawals = withdrawals

    def _read(self, seq: int) -> None:
        """Take over what comes after what is held, at least to `seq`."""
        if seq <= self._seq:
            return
        for batch in self._store.events(after=self._seq):
            self._add(batch)
        # The last ones may have been removed.
        self._seq = max(self._seq, seq)

    def _add(self, batch: EventColumns) -> None:
        more = len(batch.seq)
        if not more:
            return
        end = self._held + more
        if end > len(self._columns["seq"]):
            room = end + int(end * ROOM)
            for name, column in self._columns.items():
                self._columns[name] = np.concatenate([column[: self._held], np.zeros(room - self._held, column.dtype)])
        codes = np.array([self._types.setdefault(name, len(self._types)) for name in batch.types], np.int16)
        for name, column in self._columns.items():
            column[self._held : end] = codes[batch.type] if name == "type" else getattr(batch, name)
        # Events may have come while these were read: what was read tells how far.
        self._held, self._seq = end, int(batch.seq[-1])

    def _removed(self) -> bool:
        """Return whether the log lacks events that are held; also where so much comes that it cannot be told."""
        for _ in range(LOOKS):
            before = self._store.cursor()
            self._read(before[1])
            number = self._store.counts()["events"]
            if self._store.cursor() == before:
                return number != self._held
        return True

    def of(self, key: int) -> Taken:
        """Return what was done with the item of a key."""
        with self._lock:
            self._catch_up()
            rows = np.flatnonzero(self._columns["item"][: self._held] == key)
            item = {name: column[rows] for name, column in self._columns.items()}
            types = list(self._types)
        choices = Choices(self._store, "analyse", self._by_default)
        allowed = choices.allows(item["user"])
        item = {name: column[allowed] for name, column in item.items()}
        codes, numbers = np.unique(item["type"], return_counts=True)
        counts = Counter({types[code]: number for code, number in zip(codes.tolist(), numbers.tolist(), strict=True)})
        times = item["at"][np.isfinite(item["at"])]
        return Taken(
            events=dict(counts.most_common()),
            people=len(np.unique(item["user"])),
            sample=self._users(item["user"].tolist(), item["seq"].tolist()),
            last_at=float(times.max()) if len(times) else None,
        )

    def _users(self, people: list[int], places: list[int]) -> tuple[str, ...]:
        """Return the ids of the people of the newest events."""
        newest: dict[int, int] = {}
        for person, place in zip(reversed(people), reversed(places), strict=True):
            if person >= 0 and len(newest) < 2 * SAMPLE:
                newest.setdefault(person, place)
        names: list[str] = []
        for place in newest.values():
            for event in islice(self._store.read_events(place - 1, batch=1), 1):
                if event.user is not None:
                    names.append(event.user)
            if len(names) == SAMPLE:
                break
        return tuple(names)
