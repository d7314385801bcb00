"""Texts: a field that is different for nearly every item, as one long row of bytes that is searched at the speed of memory."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.rules.matching import number_of, passes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

__all__ = ["LONGEST", "Texts"]

LONGEST = 200
"""Characters of a text that are kept and can be filtered by."""
END = b"\0"
LEAST_DEAD = 1 << 16
"""Bytes that may lie unused before the row is written anew."""


class Texts:
    """Texts without case in UTF-8, one behind the other, each with a zero byte before it; places by key.

    A text that is replaced or forgotten stays in the row until more than half of it is dead. An item costs its text and
    12 to 24 bytes.
    """

    def __init__(self) -> None:
        self._first: NDArray[np.uint8] = np.zeros(0, np.uint8)  # the row's beginning, as it was kept in a file
        self._row = bytearray()  # the rest of it
        self._starts = np.zeros(0, np.int64)  # (slots,) place of the zero byte before each text
        self._owner = np.zeros(0, np.int32)  # (slots,) key, -1 where dead
        self._slot = np.zeros(0, np.int32)  # (keys,) -1 where the key has none
        self._slots = 0
        self._dead = 0

    def put(self, key: int, value: tuple[Any, ...]) -> bool:
        """Keep a text, the first of several; always True."""
        if key >= len(self._slot):
            self._slot = _grown(self._slot, key + 1, -1)
        text = _encoded(value[0] if isinstance(value[0], str) else str(value[0]))
        slot = int(self._slot[key])
        if slot >= 0:
            if self._bytes(slot) == text:
                return True
            self.forget(key)
        self._append(key, text)
        return True

    def forget(self, key: int) -> None:
        """Forget the text of a key."""
        slot = int(self._slot[key]) if key < len(self._slot) else -1
        if slot >= 0:
            self._dead += len(self._bytes(slot)) + 1
            self._owner[slot], self._slot[key] = -1, -1
            if self._dead > max(LEAST_DEAD, self._length() // 2):
                self._rewrite()

    def _length(self) -> int:
        return len(self._first) + len(self._row)

    def _append(self, key: int, text: bytes) -> None:
        slot = self._slots
        if slot >= len(self._starts):
            self._starts, self._owner = _grown(self._starts, slot + 1, 0), _grown(self._owner, slot + 1, -1)
        self._starts[slot], self._owner[slot], self._slot[key] = self._length(), key, slot
        self._row += END + text
        self._slots += 1

    def _bytes(self, slot: int) -> bytes:
        start = int(self._starts[slot]) + 1
        end = int(self._starts[slot + 1]) if slot + 1 < self._slots else self._length()
        border = len(self._first)
        return self._first[start:end].tobytes() if start <= border else bytes(self._row[start - border : end - border])

    def _rewrite(self) -> None:
        row, self._starts, self._owner, self._slot = self._alive()
        self._first, self._row = np.zeros(0, np.uint8), bytearray(row.data)
        self._slots, self._dead = int(np.count_nonzero(self._owner >= 0)), 0

    def _alive(self) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]:
        """Return row, starts, owners and slots without what is dead."""
        starts, owner = self._starts[: self._slots], self._owner[: self._slots]
        lengths, alive = np.diff(starts, append=self._length()), owner >= 0
        row = np.concatenate([self._first, np.frombuffer(self._row, np.uint8)])[np.repeat(alive, lengths)]
        lengths, owner = lengths[alive], owner[alive]
        slot = np.full(len(self._slot), -1, np.int32)
        slot[owner] = np.arange(len(owner), dtype=np.int32)
        room = len(self._starts)
        return row, _grown(np.cumsum(lengths) - lengths, room, 0), _grown(owner, room, -1), slot

    def get(self, key: int) -> tuple[Any, ...] | None:
        """Return the text of a key, without case; None where it has none."""
        slot = int(self._slot[key]) if key < len(self._slot) else -1
        return (self._bytes(slot).decode("utf-8"),) if slot >= 0 else None

    def __len__(self) -> int:
        """Number of keys that there is room for."""
        return len(self._slot)

    # -- as arrays ------------------------------------------------------------------------------------------------------
    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return all that is held, without what is dead, as named arrays; `restore` takes them back."""
        return dict(zip(("row", "starts", "owner", "slot"), self._alive(), strict=True))

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> Texts:
        """Return what `arrays` gave, as an object again, without copying it."""
        out = cls()
        out._first, out._starts, out._owner, out._slot = (arrays[name] for name in ("row", "starts", "owner", "slot"))
        out._slots = int(np.count_nonzero(out._owner >= 0))
        return out

    # -- reading --------------------------------------------------------------------------------------------------------
    def mask(self, op: str, operand: Any, n: int) -> Mask:
        """Return which of n keys pass a test."""
        out = np.zeros(n, bool)
        if op == "exists":
            mine = self._slot[:n]
            out[: len(mine)] = mine >= 0
            return out
        slots = self._found(op, operand)
        owners = self._owner[slots]
        out[owners[(owners >= 0) & (owners < n)]] = True
        return out

    def _found(self, op: str, operand: Any) -> NDArray[np.int64]:
        """Return slots that pass, dead ones among them."""
        if op == "contains":
            return self._search(_encoded(operand), whole=False)
        if op not in ("eq", "in"):
            return self._figures(op, operand)
        wanted = operand if op == "in" else (operand,)
        words = [str(v) for v in wanted if isinstance(v, (str, bool))]
        found = [self._search(_encoded(word), whole=True) for word in words]
        if len(words) < len(wanted):
            found.append(self._figures("in", tuple(v for v in wanted if not isinstance(v, (str, bool)))))
        return np.concatenate([*found, np.zeros(0, np.int64)]).astype(np.int64)

    def _figures(self, op: str, operand: Any) -> NDArray[np.int64]:
        """Return slots whose text is a number that passes: each text is read."""
        test = passes(op, operand)
        texts = (self._bytes(slot).decode("utf-8") for slot in range(self._slots))
        return np.flatnonzero([number_of(text) is not None and test(text) for text in texts])

    def _search(self, needle: bytes, *, whole: bool) -> NDArray[np.int64]:
        if not self._slots or (not needle and not whole):
            return np.arange(self._slots)
        # One pass over the row. A match takes the rest of its text with it, so that a common word is found once a text; a whole
        # text must be followed by the zero byte of the next one, or the end.
        pattern = b"\\x00" + re.escape(needle) + b"(?=\\x00|\\Z)" if whole else re.escape(needle) + b"[^\\x00]*"
        matches = re.compile(pattern).finditer
        places = [np.fromiter((match.start() for match in matches(part)), np.int64) for part in (self._first.data, self._row)]
        places[1] += len(self._first)
        return np.searchsorted(self._starts[: self._slots], np.concatenate(places), "right") - 1


def _encoded(text: str) -> bytes:
    return text[:LONGEST].casefold().replace("\0", " ").encode("utf-8", "replace")


def _grown(array: Any, size: int, fill: int) -> Any:
    out = np.full(max(size, 2 * len(array), 256), fill, array.dtype)
    out[: len(array)] = array
    return out
