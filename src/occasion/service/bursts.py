"""Bursts: accounts that send more events than a person can are counted, so that an alarm can be set on it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence

from occasion.data import Event
from occasion.service.logs import logger
from occasion.service.measures import Measures

__all__ = ["Bursts"]

MOST = 120
"""Events of one account within `SECONDS` beyond which it counts as a burst: two a second, all minute long."""
SECONDS = 60.0
ACCOUNTS = 200_000
"""Accounts counted within one window; those beyond are not."""


class Bursts:
    """Counts events by account in windows of a minute; of an account its hash is kept, and forgotten with the window.

    Each process counts what it received itself. The events are stored all the same: `occasion doctor` names the accounts, and
    the statistics cap what one account can do.
    """

    def __init__(self, measures: Measures) -> None:
        self._measures = measures
        self._counts: Counter[int] = Counter()
        self._until = 0.0
        self._lock = threading.Lock()

    def count(self, tenant: str, events: Sequence[Event]) -> None:
        """Count accepted events."""
        with self._lock:
            now = time.monotonic()
            if now >= self._until:
                self._counts.clear()
                self._until = now + SECONDS
            for event in events:
                account = hash((tenant, event.user or event.session))
                if account not in self._counts and len(self._counts) >= ACCOUNTS:
                    continue
                self._counts[account] += 1
                if self._counts[account] == MOST + 1:
                    self._measures.bursts.inc()
                    logger.warning("burst", extra={"fields": {"tenant": tenant, "cure": "`occasion doctor` names the accounts"}})
