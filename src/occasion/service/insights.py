"""Insights: what a process keeps of each tenant for those who look at its catalogue: the log by item, and the map."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.errors import OccasionError
from occasion.insight.atlas import Atlas, draw, load, save
from occasion.insight.drift import VectorDrift
from occasion.insight.traffic import Traffic
from occasion.insight.uptake import Uptake
from occasion.service.lanes import Lane, OverloadedError
from occasion.service.logs import logger

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.service.tenants import Tenant

__all__ = ["Insights", "TenantInsight"]

STALE = 0.02
"""Share of items that the map lacks from which on it is drawn anew."""


class TenantInsight:
    """What is kept of one tenant.

    Parameters
    ----------
    tenant : Tenant
    answers : Lane
        The one thread that may use the recommender.
    """

    def __init__(self, tenant: Tenant, answers: Lane) -> None:
        self.uptake = Uptake(tenant.store, tenant.settings.granted_by_default)
        self.traffic = Traffic(tenant.store, tenant.settings.granted_by_default)
        self.turned: tuple[float, list[VectorDrift]] = (-1e9, [])
        """When vectors were last compared, and what came of it."""
        self._tenant, self._answers = tenant, answers
        self._path = tenant.path("derived") / "atlas.npz"
        self._atlas: Atlas | None = None
        self._read = self._stop = self._warmed = False
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.progress = (0, 0)
        """Done and total of a map that is being drawn."""
        self.trouble = ""
        """Why the last map could not be drawn."""

    def atlas(self, redraw: bool = False) -> Atlas | None:
        """Return the map, None while there is none; draw it aside where it is missing or stale. For the lane of answers."""
        recommender = self._tenant.recommender
        recommender.refresh()
        known = recommender.live.catalogue.known
        with self._lock:
            if not self._read:
                self._atlas, self._read = load(self._path), True
            found = self._atlas
            if found is not None and (
                found.encoder != recommender.encoder.version or int(found.keys.max(initial=-1)) >= len(known)
            ):
                found = self._atlas = None
            lacking = int(known.sum()) - (int(known[found.keys].sum()) if found is not None else 0)
            stale = found is None or lacking > STALE * max(1, len(found.keys))
            if (redraw or stale) and known.any() and (self._thread is None or not self._thread.is_alive()):
                keys = np.flatnonzero(known).astype(np.int32)
                revision = recommender.live.catalogue.revision
                self.progress, self.trouble = (0, len(keys)), ""
                self._thread = threading.Thread(target=self._draw, args=(keys, revision), daemon=True, name="map")
                self._thread.start()
        return found

    def warm(self) -> None:
        """Begin to read the log by item, so that it is there when the first item's page is asked for."""
        if not self._warmed:
            self._warmed = True
            threading.Thread(target=self._warm, daemon=True, name="uptake").start()

    def _warm(self) -> None:
        # A store that is closed meanwhile, or out of reach, is read when it is needed.
        with contextlib.suppress(OccasionError):
            self.uptake.refresh()

    @property
    def drawing(self) -> bool:
        """Whether a map is being drawn."""
        return self._thread is not None and self._thread.is_alive()

    def _draw(self, keys: NDArray[np.int32], revision: int) -> None:
        try:
            version = self._tenant.recommender.encoder.version
            made = draw(keys, self._vectors, encoder=version, revision=revision, progress=self._told)
            with self._lock:
                self._atlas = made
            save(made, self._path)
        except _Stopped:
            return
        except (OccasionError, OSError) as error:
            self.trouble = str(error)
            logger.exception("map")

    def _told(self, done: int, total: int) -> None:
        if self._stop:
            raise _Stopped
        self.progress = (done, total)

    def _vectors(self, keys: NDArray[np.int32]) -> NDArray[np.float32]:
        """Fetch vectors in the lane of answers, in turn with requests."""
        while not self._stop:
            try:
                return asyncio.run(self._answers.run(lambda: self._tenant.recommender.live.vectors(keys)))
            except OverloadedError:
                time.sleep(0.5)
        raise _Stopped

    def close(self) -> None:
        """Stop what runs."""
        self._stop = True
        if self._thread is not None:
            self._thread.join(10)


class _Stopped(Exception):
    """The process is to end."""


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

    def close(self) -> None:
        """Stop what runs; idempotent."""
        with self._lock:
            kept: list[Any] = list(self._of.values())
        for one in kept:
            one.close()
