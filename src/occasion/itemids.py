"""Item ids: keys to ids and back, for a million of them in some 40 MB where a list and a dictionary take 130."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ItemIds"]

FRESH = 65_536
"""Ids held as Python's own strings, the newest; beyond as many, and an eighth of all, they are packed."""
_KEEP = "surrogatepass"


class _Packed(NamedTuple):
    """The ids of keys 0 to n - 1: id k is ``text[ends[k]:ends[k + 1]]``; hashes in order, and the key of each."""

    text: bytes
    ends: NDArray[np.int64]
    hashes: NDArray[np.int64]
    keys: NDArray[np.int32]


class ItemIds:
    """A growing table of distinct ids; the id of a key never changes, and keys without one have the empty text.

    Reading is safe beside one thread that writes.
    """

    def __init__(self) -> None:
        self._packed = _Packed(b"", np.zeros(1, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int32))
        self._ids: dict[int, str] = {}
        self._keys: dict[str, int] = {}
        self._size = 0

    def __len__(self) -> int:
        """Return the greatest key ever given, plus one."""
        return self._size

    def put(self, key: int, item_id: str) -> None:
        """Give a key its id; to give it again changes nothing."""
        if key < len(self._packed.ends) - 1 and self[key]:
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
        text, ends = self._packed.text, self._packed.ends
        return text[ends[key] : ends[key + 1]].decode("utf-8", _KEEP) if key + 1 < len(ends) else ""

    def key(self, item_id: str) -> int | None:
        """Return the key of an id, None where it has none."""
        found = self._keys.get(item_id)
        if found is not None or not item_id:
            return found
        packed, mark = self._packed, hash(item_id)
        at = int(np.searchsorted(packed.hashes, mark))
        while at < len(packed.hashes) and packed.hashes[at] == mark:
            key = int(packed.keys[at])
            if packed.text[packed.ends[key] : packed.ends[key + 1]] == item_id.encode("utf-8", _KEEP):
                return key
            at += 1
        return None

    def _pack(self) -> None:
        old, first = self._packed, len(self._packed.ends) - 1
        if min(self._ids) >= first:
            late = [self._ids.get(key, "") for key in range(first, self._size)]
            pieces, lengths = [old.text], np.diff(old.ends)
        else:
            # Some key got its id after greater ones: all is laid out anew.
            late, pieces, lengths = [self[key] for key in range(self._size)], [], np.zeros(0, np.int64)
        coded = [one.encode("utf-8", _KEEP) for one in late]
        lengths = np.concatenate([lengths, np.fromiter(map(len, coded), np.int64, len(coded))])
        keys = np.fromiter(self._ids, np.int32, len(self._ids))
        hashes = np.fromiter((hash(one) for one in self._ids.values()), np.int64, len(self._ids))
        keys, hashes = np.concatenate([old.keys, keys]), np.concatenate([old.hashes, hashes])
        order = np.argsort(hashes, kind="stable")
        ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        self._packed = _Packed(b"".join([*pieces, *coded]), ends, hashes[order], keys[order])
        # New ones, not cleared: whoever reads just now still finds all in the old.
        self._ids, self._keys = {}, {}
