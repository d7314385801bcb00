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
        self.encoder, self.room, self.new = encoder, room, new
        self.version, self.dim = encoder.version, encoder.dim
        self.hits = self.misses = 0
        self._again: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._once: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._lock = threading.Lock()

    def encode(
        self, texts: Sequence[str], *, role: Literal["query", "item"] = "item", progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Return unit vectors (n, dim); of a single sentence from memory where it is known."""
        if role != "query" or len(texts) != 1:
            return self.encoder.encode(texts, role=role, progress=progress)
        text = texts[0]
        with self._lock:
            known = self._known(text)
            if known is not None:
                self.hits += 1
                return known[None]
        made = self.encoder.encode(texts, role=role, progress=progress)
        kept = made[0].copy()
        kept.setflags(write=False)
        with self._lock:
            self.misses += 1
            if text not in self._again:
                self._once[text] = kept
                if len(self._once) > self.new:
                    self._once.popitem(last=False)
        return made

    def _known(self, text: str) -> NDArray[np.float32] | None:
        """Return the vector of a sentence that was met before, which is then one that comes again."""
        found = self._once.pop(text, None)
        if found is None:
            found = self._again.get(text)
            if found is not None:
                self._again.move_to_end(text)
            return found
        self._again[text] = found
        if len(self._again) > self.room:
            self._again.popitem(last=False)
        return found

    def expect(self, texts: Sequence[str]) -> None:
        """Get the encoder ready for words, where it can be."""
        if isinstance(self.encoder, ExpectantEncoder):
            self.encoder.expect(texts)

    def forget(self) -> None:
        """Drop everything kept: a person's words may be among it."""
        with self._lock:
            self._again.clear()
            self._once.clear()
        if isinstance(self.encoder, PatientEncoder):
            self.encoder.forget()
