"""Remembered: what was worked out for a question is kept for when the same one comes again, and only then.

Most requests of a service ask one of few questions ("Friday evening in autumn", the front page's words); the others never come
twice and must not push those out. So an answer is kept for long from the second time on that its question is met. Where working
it out takes longer than keeping it costs, it is kept from the first time on, but then for a while only.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["Remembered"]

Question = TypeVar("Question", bound=Hashable)
Answer = TypeVar("Answer")
Key = TypeVar("Key", bound=Hashable)


class Remembered(Generic[Question, Answer]):
    """Answers by question, the ones not asked for longest going first; safe for threads.

    Parameters
    ----------
    most : int
        Answers kept of questions that came again, >= 1.
    new : int
        Answers kept of questions that came once, >= 0. With 0, four times as many questions as `most` that came once are
        remembered by their hash (an equal hash of another question only keeps an answer one meeting early).
    """

    def __init__(self, most: int = 512, new: int = 0) -> None:
        self.most, self.new = most, new
        self._again: OrderedDict[Question, Answer] = OrderedDict()
        self.known: Callable[[Question], Answer | None] = self._again.get
        """Returns the answer kept of a question that came again, else None; it is no asking, and costs a tenth of `get`."""
        self._once: OrderedDict[Question, Answer] = OrderedDict()
        self._hashes: OrderedDict[int, None] = OrderedDict()
        self._times_cleared = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return the number of answers kept."""
        return len(self._again) + len(self._once)

    def get(self, question: Question, answer: Callable[[Question], Answer]) -> Answer:
        """Return the answer kept, else that of `answer`; it depends on the question, and on what `clear` is called for."""
        with self._lock:
            found = self._again.get(question)
            if found is not None:
                self._again.move_to_end(question)
                return found
            found = self._once.pop(question, None)
            if found is not None:
                _put(self._again, question, found, self.most)
                return found
            before = self._times_cleared
        made = answer(question)
        with self._lock:
            if self._times_cleared == before and question not in self._again:
                self._keep(question, made)
        return made

    def _keep(self, question: Question, made: Answer) -> None:
        if self.new:
            _put(self._once, question, made, self.new)
            return
        mark = hash(question)
        if mark not in self._hashes:
            _put(self._hashes, mark, None, 4 * self.most)
            return
        del self._hashes[mark]
        _put(self._again, question, made, self.most)

    def clear(self) -> None:
        """Forget all answers, those under way too: what they are made of has changed, or they are no longer to be kept."""
        with self._lock:
            self._again.clear()
            self._once.clear()
            self._times_cleared += 1


def _put(kept: OrderedDict[Key, Answer], key: Key, value: Answer, most: int) -> None:
    """Add an entry, and drop the oldest where there are then more than `most`."""
    kept[key] = value
    if len(kept) > most:
        kept.popitem(last=False)
