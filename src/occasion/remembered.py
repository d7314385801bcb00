"""Remembered: what was worked out for a question is kept for when the same one comes again, and only then.

Most requests of a service ask one of few questions ("Friday evening in autumn", the front page's words); the others never come
twice and must not push those out. So an answer is kept from the second time on that its question is met.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["Remembered"]

Answer = TypeVar("Answer")


class Remembered(Generic[Answer]):
    """Answers by question, the ones not asked for longest going first; safe for threads.

    Parameters
    ----------
    most : int
        Answers kept, >= 1. Four times as many questions that came once are remembered by their hash (an equal hash of another
        question only keeps an answer one meeting early).
    """

    def __init__(self, most: int = 512) -> None:
        self.most = most
        self._answers: OrderedDict[Hashable, Answer] = OrderedDict()
        self._met: OrderedDict[int, None] = OrderedDict()
        self._times_cleared = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return the number of answers kept."""
        return len(self._answers)

    def get(self, question: Hashable, answer: Callable[[], Answer]) -> Answer:
        """Return the answer kept, else that of `answer`; it depends on the question, and on what `clear` is called for."""
        with self._lock:
            found = self._answers.get(question)
            if found is not None:
                self._answers.move_to_end(question)
                return found
            before = self._times_cleared
        made = answer()
        with self._lock:
            if self._times_cleared == before:
                self._keep(question, made)
        return made

    def _keep(self, question: Hashable, made: Answer) -> None:
        mark = hash(question)
        if mark not in self._met:
            self._met[mark] = None
            if len(self._met) > 4 * self.most:
                self._met.popitem(last=False)
            return
        del self._met[mark]
        self._answers[question] = made
        if len(self._answers) > self.most:
            self._answers.popitem(last=False)

    def clear(self) -> None:
        """Forget all answers, those under way too: what they are made of has changed."""
        with self._lock:
            self._answers.clear()
            self._times_cleared += 1
