"""The vectors of sentences met lately, so that a known context costs no encoding."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from occasion.protocols import ExpectantEncoder
from occasion.service.patience import PatientEncoder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.protocols import Encoder, Progress

__all__ = ["SentenceCache"]

ROOM = 4096
"""Sentences kept: 8 MB at 512 dimensions."""


class SentenceCache:
    """An encoder that remembers what it made of the last sentences; items go to the encoder itself, which has its own cache.

    Parameters
    ----------
    encoder : Encoder
    room : int
        Sentences kept, the least recently used leaves first.
    """

    def __init__(self, encoder: Encoder, room: int = ROOM) -> None:
        self.encoder, self.room = encoder, room
        self.version, self.dim = encoder.version, encoder.dim
        self.hits = self.misses = 0
        self._kept: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._lock = threading.Lock()

    def encode(
        self, texts: Sequence[str], *, role: Literal["query", "item"] = "item", progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Return unit vectors (n, dim); of a single sentence from memory where it is known."""
        if role != "query" or len(texts) != 1:
            return self.encoder.encode(texts, role=role, progress=progress)
        text = texts[0]
        with self._lock:
            known = self._kept.get(text)
            if known is not None:
                self._kept.move_to_end(text)
                self.hits += 1
                return known[None]
        made = self.encoder.encode(texts, role=role, progress=progress)
        kept = made[0].copy()
        kept.setflags(write=False)
        with self._lock:
            self.misses += 1
            self._kept[text] = kept
            if len(self._kept) > self.room:
                self._kept.popitem(last=False)
        return made

    def expect(self, texts: Sequence[str]) -> None:
        """Get the encoder ready for words, where it can be."""
        if isinstance(self.encoder, ExpectantEncoder):
            self.encoder.expect(texts)

    def forget(self) -> None:
        """Drop everything kept: a person's words may be among it."""
        with self._lock:
            self._kept.clear()
        if isinstance(self.encoder, PatientEncoder):
            self.encoder.forget()
