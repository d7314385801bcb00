"""The items of a store in memory: which keys may be recommended, their ids, their fields as columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.itemids import ItemIds
from occasion.keyed import named, parted
from occasion.protocols import StoredItem
from occasion.rules import Columns

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Catalogue"]


class Catalogue:
    """Ids and fields of items by key. Texts and vectors live elsewhere, so that a million items stay small."""

    def __init__(self) -> None:
        self.revision = 0
        """Greatest item revision of the store that was applied."""
        self.columns = Columns()
        self._ids = ItemIds()
        self._known = np.zeros(0, bool)
        self._size = 0

    def __len__(self) -> int:
        """Number of keys ever given, deleted and undescribed items included."""
        return len(self._ids)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which keys (n,) are items of the catalogue; a view, do not change it."""
        return self._known[: len(self._ids)]

    @property
    def size(self) -> int:
        """Number of items that may be recommended."""
        return self._size

    def apply(self, stored: Iterable[StoredItem]) -> None:
        """Take over new, changed and deleted items."""
        for entry in stored:
            self._room(entry.key + 1)
            self._ids.put(entry.key, entry.id)
            self._size += (entry.item is not None) - int(self._known[entry.key])
            self._known[entry.key] = entry.item is not None
            if entry.item is None:
                self.columns.remove(entry.key)
            else:
                self.columns.set(entry.key, entry.item)
            self.revision = max(self.revision, entry.revision)

    def _room(self, size: int) -> None:
        if size > len(self._known):
            grown = np.zeros(max(size, 2 * len(self._known), 1024), bool)
            grown[: len(self._known)] = self._known
            self._known = grown

    # -- as arrays ------------------------------------------------------------------------------------------------------
    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return all that is held, as named arrays, for keeping in files; `restore` takes them back."""
        out = {"known": self._known, "revision": np.array([self.revision])}
        return out | named("ids", self._ids.arrays()) | named("columns", self.columns.arrays())

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> Catalogue:
        """Return what `arrays` gave, as an object again, without copying what is large.

        Raises
        ------
        KeyError, ValueError
            Where arrays are missing, or do not belong together.
        """
        out, parts = cls(), parted(arrays)
        out._ids, out.columns = ItemIds.restore(parts["ids"]), Columns.restore(parts["columns"])
        out._known, out.revision = arrays["known"], int(arrays["revision"][0])
        out._size = int(np.count_nonzero(out._known))
        if len(out._known) < len(out._ids):
            raise ValueError("ids and what is known of them do not belong together")
        return out

    # -- reading --------------------------------------------------------------------------------------------------------
    def id(self, key: int) -> str:
        """Return the id of a key."""
        return self._ids[key]

    def key(self, item_id: str) -> int | None:
        """Return the key of an id, None if never seen."""
        return self._ids.key(item_id)

    def keys(self, ids: Iterable[str]) -> list[int]:
        """Return the keys of those ids that are known, in order."""
        return [k for k in map(self._ids.key, ids) if k is not None]

    def first(self, item_id: str, field: str) -> str | None:
        """Return the first value of an item's field as text, None where it has none; RuleError for an unknown field."""
        key = self._ids.key(item_id)
        return None if key is None else self.columns.first(key, field)
