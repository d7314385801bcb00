"""Insights: what a process keeps of each tenant for those who look on: the log by item, the last answers, the map."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from occasion.errors import OccasionError
from occasion.insight.traffic import Traffic
from occasion.insight.uptake import Uptake
from occasion.service.atlases import TenantAtlas
from occasion.service.lanes import Lane
from occasion.service.maps import SentMap
from occasion.service.watching import Watched

if TYPE_CHECKING:
    from occasion.service.tenants import Tenant

__all__ = ["Insights", "TenantInsight"]


class TenantInsight:
    """What is kept of one tenant.

    Parameters
    ----------
    tenant : Tenant
    answers : Lane
        The one thread that may use the recommender.

    Attributes
    ----------
    uptake : Uptake
    traffic : Traffic
    watched : Watched
        The live figures as they were worked out last.
    atlas : TenantAtlas
    map : SentMap
        What of the atlas is sent.
    """

    def __init__(self, tenant: Tenant, answers: Lane) -> None:
        self.uptake = Uptake(tenant.store, tenant.settings.granted_by_default)
        self.traffic = Traffic(tenant.store, tenant.settings.granted_by_default)
        self.watched = Watched()
        self.atlas = TenantAtlas(tenant, answers)
        self.map = SentMap(tenant, self.atlas)
        self._warmed = False
        self._forgetting = threading.Lock()

    def warm(self) -> None:
        """Begin to read the log by item, so that it is there when the first item's page is asked for."""
        if not self._warmed:
            self._warmed = True
            threading.Thread(target=self._warm, daemon=True, name="uptake").start()

    def _warm(self) -> None:
        # A store that is closed meanwhile, or out of reach, is read when it is needed.
        with contextlib.suppress(OccasionError):
            self.uptake.refresh()

    def forget(self) -> None:
        """Drop, aside, what is held of people who left: to find out what is gone may take a walk over the log."""
        if self._forgetting.acquire(blocking=False):
            threading.Thread(target=self._forget, daemon=True, name="forget").start()

    def _forget(self) -> None:
        # Who comes from now on may know of more that is gone.
        self._forgetting.release()
        with contextlib.suppress(OccasionError):
            self.watched.forget()
            self.traffic.forget()
            self.uptake.forget()

    def close(self) -> None:
        """Stop what runs."""
        self.atlas.close()


class Insights:
    """What is kept of all tenants.

    Parameters
    ----------
    answers : Lane
    """

    def __init__(self, answers: Lane) -> None:
        self._answers = answers
        self._of: dict[str, TenantInsight] = {}
        self._lock = threading.Lock()

    def of(self, tenant: Tenant) -> TenantInsight:
        """Return what is kept of a tenant."""
        with self._lock:
            if tenant.name not in self._of:
                self._of[tenant.name] = TenantInsight(tenant, self._answers)
            return self._of[tenant.name]

    def forget(self, tenant: Tenant) -> None:
        """Drop what is held of people of a tenant who left."""
        with self._lock:
            kept = self._of.get(tenant.name)
        if kept is not None:
            kept.forget()

    def close(self) -> None:
        """Stop what runs; idempotent."""
        with self._lock:
            kept = list(self._of.values())
        for one in kept:
            one.close()
