"""Patience with a remote encoder: an answer waits for it so long and no longer, and while it is out of order, not at all.

What comes too late is kept for when the same is asked again. After three times in a row without an answer in time it is left
alone, first for some seconds, then for twice as long each time; one question then tries again.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from occasion.errors import EncoderError, OccasionError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from occasion.protocols import Encoder, Progress

    Vectors = NDArray[np.float32]

__all__ = ["PatientEncoder", "unhurried"]

FAILURES = 3
REST, LONGEST_REST = 2.0, 30.0
"""Seconds of silence after `FAILURES` failures in a row, and at most."""
MAX_RUNNING = 16
"""Questions under way at once; more are refused."""
MAX_LATE = 64
"""Late answers kept."""
_Question = tuple[str, tuple[str, ...]]


class PatientEncoder:
    """An encoder that answers within a time or raises; what it wraps may take as long as it likes.

    Parameters
    ----------
    encoder : Encoder
    wait : float
        Seconds.
    """

    def __init__(self, encoder: Encoder, wait: float) -> None:
        self.encoder, self.wait = encoder, wait
        self.version, self.dim = encoder.version, encoder.dim
        self._unhurried = threading.local()
        self._lock = threading.Lock()
        self._running: dict[_Question, _Asked] = {}
        self._late: OrderedDict[_Question, Vectors] = OrderedDict()
        self._failed = 0
        self._quiet_until = 0.0

    def encode(self, texts: Sequence[str], *, role: Literal["query", "item"] = "item", progress: Progress | None = None) -> Vectors:
        """Return unit vectors (n, dim).

        Raises
        ------
        EncoderError
            Where it does not answer in time, or is left alone.
        """
        if getattr(self._unhurried, "now", False):
            return self.encoder.encode(texts, role=role, progress=progress)
        question = role, tuple(texts)
        with self._lock:
            late = self._late.pop(question, None)
            if late is not None:
                self._succeeded()
                return late
            asked = self._running.get(question) or self._started(question)
            asked.waiting += 1
        in_time = asked.done.wait(self.wait)
        with self._lock:
            asked.waiting -= 1
            if asked.found is not None:
                self._succeeded()
                return asked.found
            self._failed += 1
            if self._failed >= FAILURES:
                self._quiet_until = time.monotonic() + min(REST * 2.0 ** (self._failed - FAILURES), LONGEST_REST)
        raise EncoderError("the encoder failed." if in_time else f"the encoder gave no answer within {self.wait:g} s.")

    @contextlib.contextmanager
    def unhurried(self) -> Iterator[None]:
        """Take as long as the encoder takes, for this thread alone: others go on to give answers."""
        self._unhurried.now = True
        try:
            yield
        finally:
            self._unhurried.now = False

    def _succeeded(self) -> None:
        self._failed, self._quiet_until = 0, 0.0

    def _started(self, question: _Question) -> _Asked:
        if time.monotonic() < self._quiet_until or len(self._running) >= MAX_RUNNING:
            raise EncoderError("the encoder is left alone for a while: it did not answer. Cure: wait, or look after its service.")
        asked = self._running[question] = _Asked()
        threading.Thread(target=self._ask, args=(question, asked), name="encoder", daemon=True).start()
        return asked

    def _ask(self, question: _Question, asked: _Asked) -> None:
        role, texts = question
        found = None
        try:
            # Whatever goes wrong here is what `encode` tells of, by there being no answer.
            with contextlib.suppress(OccasionError):
                found = self.encoder.encode(list(texts), role="query" if role == "query" else "item")
        finally:
            with self._lock:
                del self._running[question]
                asked.found = found
                # All who wait for it get it; it is kept where nobody does any more.
                if found is not None and not asked.waiting and asked.kept:
                    self._late[question] = found
                    if len(self._late) > MAX_LATE:
                        self._late.popitem(last=False)
            asked.done.set()

    def forget(self) -> None:
        """Drop everything kept, and keep nothing of what is under way: a person's words may be among it."""
        with self._lock:
            self._late.clear()
            for asked in self._running.values():
                asked.kept = False


class _Asked:
    """A question under way: how many wait for its answer, and the answer, None while or where there is none."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.found: Vectors | None = None
        self.waiting = 0
        self.kept = True


@contextlib.contextmanager
def unhurried(encoder: Encoder) -> Iterator[None]:
    """Let an encoder, or the one it wraps, take its time: to build what a first answer needs may take hours."""
    inner: object | None = encoder
    while inner is not None and not isinstance(inner, PatientEncoder):
        inner = getattr(inner, "encoder", None)
    if inner is None:
        yield
        return
    with inner.unhurried():
        yield
