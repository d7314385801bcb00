"""Quotas: what one tenant may ask for and hold, so that none takes the service from the others. Without one there is no limit."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from occasion.errors import DataError
from occasion.service.control import ControlFile
from occasion.service.failures import RefusedError
from occasion.service.keys import checked_tenant

if TYPE_CHECKING:
    from occasion.service.tenants import Tenant

__all__ = ["NO_QUOTA", "WAITING_IMPORTS", "Quota", "Quotas"]

MOST = 2**53
COUNT_SECONDS = 10.0
"""How long a count of what a tenant holds is believed; what this process adds meanwhile is counted on top."""
WAITING_IMPORTS = 20
"""Imports of one tenant that may wait or run at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What a tenant may have; 0 is no limit.

    Attributes
    ----------
    slot : int
        Its number in the shared rate limits.
    per_minute : int
        Requests a minute of all its keys together.
    items, events : int
        How many it may hold. Checked before each write, to within ten seconds of what other workers wrote.
    """

    slot: int = 0
    per_minute: int = 0
    items: int = 0
    events: int = 0


NO_QUOTA = Quota()


class Quotas:
    """The quotas of all tenants, in the control file.

    Parameters
    ----------
    control : ControlFile
    """

    def __init__(self, control: ControlFile) -> None:
        self._control = control
        self._known: dict[str, Quota] = {}
        self._seen: dict[int, int] = {}
        self._stale = True
        self._lock = threading.Lock()
        self._counting = threading.Lock()
        self._held: dict[str, tuple[float, dict[str, int]]] = {}

    def put(self, tenant: str, *, per_minute: int | None = None, items: int | None = None, events: int | None = None) -> Quota:
        """Set a tenant's quota; what is None stays as it was, 0 lifts a limit.

        Raises
        ------
        DataError
            For a tenant or a number that cannot be.
        """
        checked_tenant(tenant)
        given = {"per_minute": per_minute, "items": items, "events": events}
        for name, value in given.items():
            if value is not None and not 0 <= value <= MOST:
                raise DataError(f"the quota {name} is {value}. Cure: 0 (no limit) to {MOST:,}.")
        old = self.get(tenant)
        values = [getattr(old, name) if value is None else value for name, value in given.items()]
        self._control.rows(
            "INSERT INTO quota (tenant, per_minute, items, events) VALUES (?, ?, ?, ?) ON CONFLICT (tenant) DO UPDATE SET "
            "per_minute = excluded.per_minute, items = excluded.items, events = excluded.events",
            *(tenant, *values),
        )
        self._stale = True
        return self.get(tenant)

    def get(self, tenant: str) -> Quota:
        """Return a tenant's quota, `NO_QUOTA` where it has none."""
        thread, generation = threading.get_ident(), self._control.generation()
        if self._stale or self._seen.get(thread) != generation:
            with self._lock:
                self._stale = False
                rows = self._control.rows("SELECT tenant, slot, per_minute, items, events FROM quota")
                self._known = {
                    name: Quota(slot=slot, per_minute=rate, items=items, events=events) for name, slot, rate, items, events in rows
                }
                self._seen[thread] = generation
        return self._known.get(tenant, NO_QUOTA)

    def admit(self, tenant: Tenant, kind: str, more: int) -> None:
        """Refuse what would take a tenant over its quota.

        Parameters
        ----------
        tenant : Tenant
        kind : str
            ``items`` or ``events``.
        more : int
            How many are about to be written; those that are there already count, too.

        Raises
        ------
        RefusedError
            With status 403 and the code ``quota``.
        """
        most = int(getattr(self.get(tenant.name), kind))
        if not most:
            return
        # Not the lock of `get`, which every request asks: counting takes its time.
        with self._counting:
            when, held = self._held.get(tenant.name, (0.0, {}))
            if time.monotonic() - when > COUNT_SECONDS:
                when, held = time.monotonic(), tenant.store.counts()
                self._held[tenant.name] = when, held
            if held[kind] + more > most:
                raise RefusedError(
                    403,
                    f"The tenant holds {held[kind]:,} {kind} of {most:,} that it may hold.",
                    code="quota",
                    cure="Remove some, or ask whoever runs the service for more.",
                )
            held[kind] += more
