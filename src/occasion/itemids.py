"""Item ids: keys to ids and back, for a million of them in some 40 MB where a list and a dictionary take 130."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from occasion.packed import PackedTexts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ItemIds"]

FRESH = 65_536
"""Ids held as Python's own strings, the newest; beyond as many, and an eighth of all, they are packed."""


class ItemIds:
    """A growing table of distinct ids; the id of a key never changes, and keys without one have the empty text.

    Reading is safe beside one thread that writes.
    """

    def __init__(self) -> None:
        self._packed = PackedTexts()
        self._ids: dict[int, str] = {}
        self._keys: dict[str, int] = {}
        self._size = 0

    def __len__(self) -> int:
        """Return the greatest key ever given, plus one."""
        return self._size

    def put(self, key: int, item_id: str) -> None:
        """Give a key its id; to give it again changes nothing."""
        if key < len(self._packed) and self[key]:
            return
        self._ids[key], self._keys[item_id] = item_id, key
        self._size = max(self._size, key + 1)
        if len(self._ids) > max(FRESH, self._size // 8):
            self._pack()

    def __getitem__(self, key: int) -> str:
        """Return the id of a key.

        Raises
        ------
        IndexError
            For a key that was never given.
        """
        found = self._ids.get(key)
        if found is not None:
            return found
        if not 0 <= key < self._size:
            raise IndexError(f"there is no key {key}")
        packed = self._packed
        return packed[key] if key < len(packed) else ""

    def key(self, item_id: str) -> int | None:
        """Return the key of an id, None where it has none."""
        found = self._keys.get(item_id)
        return found if found is not None else self._packed.number(item_id)

    def _pack(self) -> None:
        first = len(self._packed)
        if min(self._ids) >= first:
            self._packed = self._packed.extended([self._ids.get(key, "") for key in range(first, self._size)])
        else:
            # Some key got its id after greater ones: all is laid out anew.
            self._packed = PackedTexts().extended([self[key] for key in range(self._size)])
        # New ones, not cleared: whoever reads just now still finds all in the old.
        self._ids, self._keys = {}, {}

    # -- as arrays ------------------------------------------------------------------------------------------------------
    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return all that is held, as named arrays, for keeping in files; `restore` takes them back."""
        if self._ids:
            self._pack()
        return self._packed.arrays()

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> ItemIds:
        """Return what `arrays` gave, as an object again.

        Raises
        ------
        KeyError, ValueError
            Where arrays are missing, or do not belong together.
        """
        out = cls()
        out._packed = PackedTexts.restore(arrays)
        out._size = len(out._packed)
        return out
