"""The vectors of sentences met lately, so that a known context costs no encoding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from occasion.protocols import ExpectantEncoder, ForgetfulEncoder
from occasion.remembered import Remembered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.protocols import Encoder, Progress

__all__ = ["SentenceCache"]

ROOM, NEW = 4096, 1024
"""Sentences kept that were met again (8 MB at 512 dimensions), and such as were met once."""


class SentenceCache:
    """An encoder that remembers what it made of the last sentences; items go to the encoder itself, which has its own cache.

    Most sentences never come again: they are kept for a while only, and push out none of those that do.

    Parameters
    ----------
    encoder : Encoder
    room, new : int
        Sentences kept that were met again, and such as were met once; of each the least recently used leaves first.
    """

    def __init__(self, encoder: Encoder, room: int = ROOM, new: int = NEW) -> None:
        self.encoder = encoder
        self.version, self.dim = encoder.version, encoder.dim
        self._vectors: Remembered[str, NDArray[np.float32]] = Remembered(room, new)

    def encode(
        self, texts: Sequence[str], *, role: Literal["query", "item"] = "item", progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Return unit vectors (n, dim); of a single sentence from memory where it is known."""
        if role != "query" or len(texts) != 1:
            return self.encoder.encode(texts, role=role, progress=progress)
        return self._vectors.get(texts[0], self._encoded)[None]

    def _encoded(self, text: str) -> NDArray[np.float32]:
        """Return the vector (dim,) of a sentence, which nobody can write on."""
        made: NDArray[np.float32] = self.encoder.encode([text], role="query")[0].copy()
        made.setflags(write=False)
        return made

    def expect(self, texts: Sequence[str]) -> None:
        """Get the encoder ready for words, where it can be."""
        if isinstance(self.encoder, ExpectantEncoder):
            self.encoder.expect(texts)

    def forget(self) -> None:
        """Drop everything kept, and keep nothing of what is under way: a person's words may be among it."""
        self._vectors.clear()
        if isinstance(self.encoder, ForgetfulEncoder):
            self.encoder.forget()
