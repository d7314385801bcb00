"""Trails: the newest items of many people, at hand to count their next events with."""

from __future__ import annotations

from array import array
from collections import OrderedDict, deque
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from occasion.protocols import EventColumns, Store

__all__ = ["Trails"]

LONG = 32
"""Newest items kept of a person; twice as many are let come before."""
PEOPLE = 20_000
"""People whose items are kept, those with the newest events."""
NOTED = 20_000
"""Events of which is noted whose they were, so that the rest stays at hand where these are counted again."""


class Trails:
    """What people did last, by the log and what was followed since.

    To read one from the log takes 50 microseconds: who is forgotten without need costs that at the next event.

    Parameters
    ----------
    store : Store
        Its log is read for people who are not at hand.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._items: OrderedDict[int, array[int]] = OrderedDict()
        self._noted: deque[tuple[int, int, NDArray[np.int32]]] = deque()
        """Of each batch that was followed lately its newest event, the number of its events, and its people."""
        self._since = 0
        """The event up to which nothing is noted."""
        self._count = 0
        """Events of the batches that are noted."""

    def __len__(self) -> int:
        """Return the number of people at hand."""
        return len(self._items)

    def before(self, columns: EventColumns) -> Mapping[int, Sequence[int]]:
        """Return what each person of a batch of events did before it, as item keys by user key, oldest first."""
        users = np.unique(columns.user).tolist()
        first = int(columns.seq[0]) if len(columns.seq) else 0
        read = self._store.trails([user for user in users if user not in self._items], first, LONG)
        self._items.update((user, array("i", items)) for user, items in read.items())
        for user in users:
            self._items.move_to_end(user)
        return {user: self._items[user] for user in users}

    def follow(self, columns: EventColumns) -> None:
        """Remember what the people of a batch did, which `before` was asked about."""
        for user, item in zip(columns.user.tolist(), columns.item.tolist(), strict=True):
            trail = self._items[user]
            trail.append(item)
            if len(trail) > 2 * LONG:
                del trail[:-LONG]
        while len(self._items) > PEOPLE:
            self._items.popitem(last=False)
        if len(columns.seq):
            self._note(columns)

    def _note(self, columns: EventColumns) -> None:
        if not self._noted:
            self._since = int(columns.seq[0]) - 1
        self._noted.append((int(columns.seq[-1]), len(columns.seq), np.unique(columns.user)))
        self._count += len(columns.seq)
        while self._count > NOTED:
            self._since, size, _ = self._noted.popleft()
            self._count -= size

    def go_back(self, cursor: int) -> None:
        """Be ready for the events after `cursor` once more: forget whose they were, and all where that is not known."""
        if cursor < self._since:
            self.clear()
        while self._noted and self._noted[-1][0] > cursor:
            _, size, users = self._noted.pop()
            self._count -= size
            for user in users.tolist():
                self._items.pop(user, None)

    def clear(self) -> None:
        """Forget all."""
        self._items.clear()
        self._noted.clear()
        self._count = 0
