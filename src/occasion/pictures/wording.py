"""Items without a word get a vector in the space of texts from their picture, so that words find them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from occasion.pictures.projection import LEAST_PAIRS, TextProjection

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.pictures.collection import Pictures
    from occasion.protocols import Index

    Floats = NDArray[np.float32]
    Keys = NDArray[np.int32]

__all__ = ["Wording"]

logger = logging.getLogger(__name__)

BLOCK = 4096
"""Keys that are looked at together."""
PAIRS = 5_000
"""Items with both that the projection is learned from, at most."""
TRIED = 20_000
"""Keys that are looked through for such items, at most."""
MORE = 1.5
"""Where nothing could be learned, it is tried again with so many times the pictures."""


class Wording:
    """Fills an index of texts from pictures. The projection is learned when the first item needs it.

    Attributes
    ----------
    projection : TextProjection or None
        None where none was needed, or nothing could be learned.
    filled : int
        Items that got a vector.
    """

    def __init__(self) -> None:
        self.projection: TextProjection | None = None
        self.filled = 0
        self._tried = LEAST_PAIRS / MORE

    def fill(self, index: Index, pictures: Pictures, keys: Keys, size: int, worded: Callable[[int], bool]) -> None:
        """Give those of some keys (n,) that have a picture and no vector in the index one of their picture.

        Parameters
        ----------
        index : Index
            Of text vectors.
        pictures : Pictures
        keys : (n,) int32
        size : int
            Keys are below this.
        worded : callable
            Whether an item, by key, has words.
        """
        if len(pictures) < MORE * self._tried and self.projection is None:
            return
        for some in _blocks(keys):
            bare = some[~np.any(index.vectors(some), axis=1)]
            shown = pictures.vectors(bare)
            bare, shown = bare[np.any(shown, axis=1)], shown[np.any(shown, axis=1)]
            if not len(bare):
                continue
            if self.projection is None:
                self.projection = self._learned(index, pictures, size, worded)
            if self.projection is None:
                return
            index.add(bare, self.projection.apply(shown))
            self.filled += len(bare)

    def _learned(self, index: Index, pictures: Pictures, size: int, worded: Callable[[int], bool]) -> TextProjection | None:
        self._tried = len(pictures)
        keys = np.random.default_rng(0).permutation(size)[:TRIED].astype(np.int32)
        both: list[tuple[Floats, Floats]] = []
        for some in _blocks(keys):
            shown, told = pictures.vectors(some), index.vectors(some)
            fine = np.any(shown, axis=1) & np.any(told, axis=1)
            # A vector that came from a picture teaches nothing.
            fine[fine] = [worded(key) for key in some[fine].tolist()]
            both.append((shown[fine], told[fine]))
            if sum(len(shown) for shown, _ in both) >= PAIRS:
                break
        if not both:
            return None
        pairs = [np.concatenate(part)[:PAIRS] for part in zip(*both, strict=True)]
        made = TextProjection.fit(*pairs)
        if made is None:
            logger.info("pictures tell nothing of the texts of %d items: items without text are not found by words", len(pairs[0]))
        return made


def _blocks(keys: Keys) -> Iterator[Keys]:
    for start in range(0, len(keys), BLOCK):
        yield keys[start : start + BLOCK]
