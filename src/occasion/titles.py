"""Titles: those of the first items, then of items that were named in answers, at hand without a look at the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.keyed import named, parted
from occasion.packed import PackedTexts

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Titles", "quoted", "shortened"]

MOST = 100_000
"""Titles at hand (10 MB)."""


def shortened(text: str, most: int) -> str:
    """Return a text in one line of at most `most` characters, cut after a whole word where that keeps half of it, with a "…".

    Examples
    --------
    >>> shortened("Migrant encounters over 200,000 again in August", 30)
    'Migrant encounters over…'
    """
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    cut = line[: most - 1]
    space = cut.rfind(" ") if line[most - 1] != " " else most - 1
    return (cut[:space] if space * 2 >= most else cut).rstrip(" ,;:.-–—") + "…"


def quoted(ids: Sequence[str], most: int = 5) -> str:
    """Return ids in quotation marks for a note, "..." for those beyond the first `most`."""
    return ", ".join(map(repr, ids[:most])) + (", ..." if len(ids) > most else "")


class Titles:
    """Titles by item key, about `MOST` of them at most."""

    def __init__(self) -> None:
        # Ascending keys and the titles of each, as they were kept in a file; beside them what came, changed and (None) went.
        self._kept = np.zeros(0, np.int32), PackedTexts()
        self._late: dict[int, str | None] = {}

    def __len__(self) -> int:
        """Number of titles at hand, those that changed or went since they were kept counted twice."""
        return len(self._kept[0]) + len(self._late)

    def get(self, key: int) -> str | None:
        """Return the title of a key, None where it is not at hand."""
        return self.among([key]).get(key)

    def among(self, keys: Sequence[int]) -> dict[int, str]:
        """Return the titles that are at hand of some keys, by key."""
        late = {key: self._late[key] for key in keys if key in self._late}
        found = {key: title for key, title in late.items() if title is not None}
        return found | self._before([key for key in keys if key not in late])

    def _before(self, wanted: Sequence[int]) -> dict[int, str]:
        """Return those of some titles that were kept in a file."""
        keys, titles = self._kept
        if not len(keys) or not wanted:
            return {}
        places = np.minimum(np.searchsorted(keys, np.array(wanted, np.int32)), len(keys) - 1)
        return {
            key: titles[at] for key, at, there in zip(wanted, places.tolist(), keys[places].tolist(), strict=True) if key == there
        }

    def put(self, key: int, title: str) -> None:
        """Take over the title of a new or changed item: where one is at hand already, or there is room."""
        known = self.get(key)
        if known != title and (known is not None or len(self) < MOST):
            self._late[key] = title

    def remove(self, key: int) -> None:
        """Forget the title of a key."""
        self._late.pop(key, None)
        if self._before([key]):
            self._late[key] = None

    def remember(self, titles: Mapping[int, str], beside: Sequence[int]) -> None:
        """Add titles that an answer names; where there are too many already only those of the keys `beside` stay with them."""
        if len(self) > MOST:
            stay: dict[int, str | None] = {**self.among(beside)}
            self._kept, self._late = (np.zeros(0, np.int32), PackedTexts()), stay
        self._late |= titles

    def some(self, most: int) -> list[str]:
        """Return so many titles at most, drawn evenly, the same ones each time; safe beside one thread that writes.

        Drawn, not taken in equal steps: catalogues often repeat themselves in their order.
        """
        (keys, titles), late = self._kept, dict(self._late)
        kept = [at for at, key in enumerate(keys.tolist()) if key not in late] if late else range(len(keys))
        new = [title for title in late.values() if title is not None]
        count = len(kept) + len(new)
        drawn = np.random.default_rng(0).choice(count, min(most, count), replace=False).tolist()
        return [titles[kept[n]] if n < len(kept) else new[n - len(kept)] for n in drawn]

    # -- as arrays ------------------------------------------------------------------------------------------------------
    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return all that is held, as named arrays, for keeping in files; `restore` takes them back."""
        keys = sorted({*self._kept[0].tolist(), *self._late})
        titles = dict(sorted(self.among(keys).items()))
        texts = PackedTexts().extended(list(titles.values()))
        return {"keys": np.fromiter(titles, np.int32, len(titles)), **named("titles", texts.arrays())}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> Titles:
        """Return what `arrays` gave, as an object again, without copying it.

        Raises
        ------
        KeyError, ValueError
            Where arrays are missing, or do not belong together.
        """
        out = cls()
        out._kept = arrays["keys"], PackedTexts.restore(parted(arrays)["titles"])
        if len(out._kept[0]) != len(out._kept[1]):
            raise ValueError("titles and their keys do not belong together")
        return out
