"""Passed over: what counts for nothing of events that are handed over, told in a note. The events are kept as they are."""

from __future__ import annotations

from collections.abc import Sequence

from occasion.context.signals import unusable
from occasion.data import Event
from occasion.notes import note

__all__ = ["PassedOver"]

SHOWN = 3
"""Different signals told in a note."""


class PassedOver:
    """The signals of some events that cannot be: a latitude of 131, an hour called 25.

    Attributes
    ----------
    looked, found : int
        Events looked at, and those of them that carry such signals.
    """

    def __init__(self) -> None:
        self.looked = self.found = 0
        self._signals: dict[str, None] = {}

    def look(self, events: Sequence[Event]) -> None:
        """Look at more events."""
        self.looked += len(events)
        for event in events:
            if event.signals and (wrong := unusable(event.signals)):
                self.found += 1
                if len(self._signals) < SHOWN:
                    self._signals.update(dict.fromkeys(wrong))

    def notes(self) -> list[str]:
        """Return what is to be told: a note, or nothing."""
        if not self.found:
            return []
        signals = ", ".join(list(self._signals)[:SHOWN])
        if self.looked == 1:
            return [note("unusable", "en", signals=signals)]
        return [note("unusable_among", "en", found=self.found, looked=self.looked, signals=signals)]
