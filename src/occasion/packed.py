"""Packed: many short texts in four arrays, by number and back; where these lie in a file, in no memory of a process's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PackedTexts"]

_KEEP = "surrogatepass"


class PackedTexts:
    """Texts numbered from 0 on, which never change; a number without a text has the empty one."""

    def __init__(self) -> None:
        self._text = np.zeros(0, np.uint8)
        self._ends = np.zeros(1, np.int64)  # text n is text[ends[n]:ends[n + 1]]
        self._hashes, self._numbers = np.zeros(0, np.uint32), np.zeros(0, np.int32)  # of those that are not empty, by hash

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> str:
        """Return the text of a number below the length."""
        return self._coded(number).decode("utf-8", _KEEP)

    def _coded(self, number: int) -> bytes:
        # As plain numbers: a slice between two of numpy's own takes three times as long.
        return self._text[self._ends.item(number) : self._ends.item(number + 1)].tobytes()

    def number(self, text: str) -> int | None:
        """Return a number of a text, the only one where texts are distinct; None where it has none, as the empty text."""
        return self.numbers([text])[0]

    def numbers(self, texts: Sequence[str]) -> list[int | None]:
        """Return a number of each text, as `number` does."""
        coded = [text.encode("utf-8", _KEEP) for text in texts]
        # As wide as the hashes: wider ones would have all of them copied.
        marks = np.fromiter(map(crc32, coded), np.uint32, len(coded))
        places = np.searchsorted(self._hashes, marks).tolist()
        return [self._from(place, mark, one) for place, mark, one in zip(places, marks, coded, strict=True)]

    def _from(self, place: int, mark: np.uint32, coded: bytes) -> int | None:
        """Return the first number from a place among the hashes on that stands for a text, None where none does."""
        while place < len(self._hashes) and self._hashes[place] == mark:
            if self._coded(self._numbers[place]) == coded:
                return int(self._numbers[place])
            place += 1
        return None

    def extended(self, texts: Sequence[str]) -> PackedTexts:
        """Return these texts with others behind them."""
        coded = [text.encode("utf-8", _KEEP) for text in texts]
        lengths = np.fromiter(map(len, coded), np.int64, len(coded))
        hashes = np.fromiter(map(crc32, coded), np.uint32, len(coded))
        filled = np.flatnonzero(lengths)
        out = PackedTexts()
        out._text = np.concatenate([self._text, np.frombuffer(b"".join(coded), np.uint8)])
        out._ends = np.concatenate([self._ends, self._ends[-1] + np.cumsum(lengths)])
        hashes = np.concatenate([self._hashes, hashes[filled]])
        numbers = np.concatenate([self._numbers, (len(self) + filled).astype(np.int32)])
        order = np.argsort(hashes, kind="stable")
        out._hashes, out._numbers = hashes[order], numbers[order]
        return out

    # -- as arrays ------------------------------------------------------------------------------------------------------
    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return all that is held, as named arrays, for keeping in files; `restore` takes them back."""
        return {"text": self._text, "ends": self._ends, "hashes": self._hashes, "numbers": self._numbers}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> PackedTexts:
        """Return what `arrays` gave, as an object again, without copying it.

        Raises
        ------
        KeyError, ValueError
            Where arrays are missing, or do not belong together.
        """
        out = cls()
        out._text, out._ends, out._hashes, out._numbers = (arrays[name] for name in ("text", "ends", "hashes", "numbers"))
        if out._ends[-1] != len(out._text) or len(out._hashes) != len(out._numbers):
            raise ValueError("texts and their ends do not belong together")
        return out
