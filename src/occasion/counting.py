"""Counting a whole log: by whoever needs the counts, beside answers, or in a process of its own.

To count a long log takes some hundred bytes an event for a moment, and seconds of a processor. A serving process would keep the
memory and hold up its answers, so it has another process count: that one leaves the counts in the folder of derived files and
ends. Where this cannot be (a store that the settings do not name, a system without room for another process) a thread counts.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess  # nosec B404: this interpreter is started, with arguments of our own
import sys
from collections.abc import Callable, Sequence

from filelock import FileLock, Timeout

from occasion.context import ContextExtractor
from occasion.errors import ModelError, OccasionError
from occasion.keyed import joined, taken
from occasion.privacy.choices import Choices
from occasion.privacy.guarded import GuardedStore, open_guarded
from occasion.protocols import EventColumns, Store, StoredContext
from occasion.settings import Settings
from occasion.statistics import Statistics

__all__ = ["LogCounter", "give_back"]

COUNTING_SECONDS = 600.0
"""Longest wait for another process that counts the log."""
ELSEWHERE = 20_000
"""From so many events on a log is counted in a process of its own: to start one takes a second."""
KEPT = 1000
"""Counts of more events than this are kept on the disk."""

Progress = Callable[[str, int, int], None]


class LogCounter:
    """Counts the events of one store that may be counted.

    Parameters
    ----------
    store : Store
    settings : Settings
    until : float, optional
        Count only events before this time (unix seconds); nothing is then read from disk or kept there.
    progress : callable, optional
        Called with ("events", done, total).

    Attributes
    ----------
    trained : Choices or None
        Who refuses that their events are learnt from; None while nobody has been looked up.
    """

    def __init__(self, store: Store, settings: Settings, *, until: float | None = None, progress: Progress | None = None) -> None:
        self.store, self.settings, self.until, self.progress = store, settings, until, progress
        self.folder = settings.home / "derived"
        self.trained: Choices | None = None

    # -- what may be counted --------------------------------------------------------------------------------------------
    def look_up_choices(self) -> None:
        """Read anew who refuses."""
        self.trained = Choices(self.store, "train", self.settings.granted_by_default)

    def permitted(self, columns: EventColumns) -> EventColumns:
        """Return the events of a batch that may be counted."""
        if self.trained is not None:
            columns = self.trained.keep(columns)
        return columns if self.until is None else taken(columns, ~(columns.at >= self.until))

    def basis(self, withdrawals: int) -> str:
        """Return what tells which choices were honoured in counts."""
        return f"{withdrawals} {'all' if self.trained is None or self.trained.default else 'some'}"

    def empty(self) -> Statistics:
        """Return counts of nothing, of these settings."""
        return Statistics(self.settings.half_life_days, self.settings.weights)

    # -- counts on the disk ---------------------------------------------------------------------------------------------
    def kept(self, least: int = 0) -> Statistics | None:
        """Return the counts on the disk; None where there are none of these settings, with what was withdrawn, or up to `least`."""
        with contextlib.suppress(ModelError):
            found, mine = Statistics.load(self.folder), self.empty()
            _, seq, withdrawals = self.store.cursor()
            theirs = found.half_life, found.weights, found.basis
            if theirs == (mine.half_life, mine.weights, self.basis(withdrawals)) and least <= found.cursor <= seq:
                return found
        return None

    def discard(self) -> None:
        """Remove the counts on the disk."""
        Statistics.discard(self.folder)

    # -- counting -------------------------------------------------------------------------------------------------------
    def count(self, extractor: ContextExtractor, contexts: Sequence[StoredContext], items: int) -> Statistics:
        """Return counts over the whole log, and keep them on the disk where they took long."""
        _, _, withdrawals = self.store.cursor()
        batches = []
        total = self.store.counts()["events"]
        done = 0
        for batch in self.store.events():
            batches.append(self.permitted(batch))
            done += len(batch.seq)
            if self.progress is not None:
                self.progress("events", done, total)
        columns = joined(batches)
        batches.clear()
        fresh = self.empty()
        fresh.build(columns, items, extractor.event_signals(columns, contexts))
        fresh.basis = self.basis(withdrawals)
        if self.until is None and len(columns.seq) > KEPT:
            with contextlib.suppress(OSError):
                fresh.save(self.folder)
                if self.store.cursor()[2] != withdrawals:
                    # Somebody left while it was counted: the file may hold what is theirs.
                    self.discard()
            # Read from there they are in memory once, however many processes read them.
            return self.kept(fresh.cursor) or fresh
        return fresh

    def count_beside(self, items: int, least: int) -> Statistics:
        """Return counts up to event `least` at least, for whoever answers meanwhile.

        They are those of another process where it has just counted (processes wait for each other), else those of a process
        that is started for it. Who reads contexts remembers which list it read, so this has a reader of its own.
        """
        with contextlib.suppress(OSError, Timeout), FileLock(self.folder / "counting.lock", timeout=COUNTING_SECONDS):
            found = self.kept(least)
            if found is None and self.store.cursor()[1] >= ELSEWHERE and self._names_this_store():
                self._count_elsewhere()
                found = self.kept(least)
            return found if found is not None else self._count_here(items)
        return self._count_here(items)

    def _count_here(self, items: int) -> Statistics:
        return self.count(ContextExtractor(self.settings), list(self.store.contexts()), items)

    def _names_this_store(self) -> bool:
        """Return whether another process finds this very store by the settings."""
        return isinstance(self.store, GuardedStore) and self.store.opened == self.settings.resolved_store_url

    def _count_elsewhere(self) -> None:
        """Have a process of its own count; it leaves the counts on the disk, or does not."""
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(  # nosec B603
                [sys.executable, "-m", "occasion.counting"],
                input=self.settings.model_dump_json().encode(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                timeout=COUNTING_SECONDS,
                check=False,
            )


def give_back() -> None:
    """Hand free memory back to the system, where the C library does it on request (glibc)."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def main() -> int:
    """Count the store of settings that come as JSON on standard input; 0 where the counts are on the disk."""
    settings = Settings.model_validate_json(sys.stdin.read())
    with contextlib.suppress(AttributeError, OSError):
        # Answers come first.
        os.nice(10)
    try:
        store = open_guarded(settings)
    except OccasionError:
        return 1
    try:
        counter = LogCounter(store, settings)
        counter.look_up_choices()
        counter.count(ContextExtractor(settings), list(store.contexts()), 0)
    finally:
        store.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
