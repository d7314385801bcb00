"""Retention: how long events of each type, answers and rejected rows are kept; what is older is removed."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from occasion.privacy.erasure import finish_removal
from occasion.privacy.rejected import expire_rejects
from occasion.protocols import Store
from occasion.settings import Settings

__all__ = ["STATE", "Expired", "expire", "expire_if_due"]

DAY = 86_400.0
CLOCK = 1e8
"""Times below (before 1973) are no clock time but positions in a sequence: they have no age."""
STATE = "retention"
"""State that says when retention was last enforced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """What was removed because of its age.

    Attributes
    ----------
    events : mapping of str to int
        Event type to number, of types that lost some.
    slates, rejects : int
    clean : bool
        The bytes left the store's files, too; False where readers stood in the way. The next run tries again.
    """

    events: Mapping[str, int] = field(default_factory=dict)
    slates: int = 0
    rejects: int = 0
    clean: bool = True

    @property
    def any(self) -> bool:
        """Whether anything was removed."""
        return bool(self.events or self.slates or self.rejects)


def expire(store: Store, settings: Settings, *, now: float | None = None) -> Expired:
    """Remove what is older than the settings allow. Counts follow at the next answer of each process.

    Parameters
    ----------
    store : Store
    settings : Settings
        `retention_days`, `slate_days`, `rejects_days`, and the home.
    now : float, optional
        Unix seconds; default: the clock.

    Raises
    ------
    StoreError
        Where the store cannot be written. What was removed until then is removed.
    """
    now = time.time() if now is None else now
    events = {}
    for kind in store.event_types():
        days = settings.retention.get(kind, settings.retention.get("*", 0.0))
        gone = store.expire_events(kind, now - days * DAY, CLOCK) if days else 0
        if gone:
            events[kind] = gone
    slates = store.expire_slates(now - settings.slate_days * DAY, CLOCK) if settings.slate_days else 0
    rejects = expire_rejects(settings.home, now - settings.rejects_days * DAY) if settings.rejects_days else 0
    # Only what was in the store is in what was derived from it.
    clean = finish_removal(store, settings.home) if events or slates else store.purge()
    return Expired(events=events, slates=slates, rejects=rejects, clean=clean)


def expire_if_due(store: Store, settings: Settings, every: float) -> Expired | None:
    """Do as `expire` does where that was not done within the last `every` seconds by any process; else return None."""
    now = time.time()
    last = store.get_state(STATE)
    # A clock that was set back must not stop retention for as long as it was wrong.
    if last is not None and 0 <= now - float(json.loads(last)["at"]) < every:
        return None
    store.put_state(STATE, json.dumps({"at": now}))
    return expire(store, settings, now=now)
