"""Openings: a tenant's recommender is opened beside the lane of answers, so that all other tenants are answered meanwhile.

To open one may take minutes: vectors of a large catalogue are made at the first answer, by a remote encoder, say. Whoever asks this
tenant for something waits; all who do wait for the same opening.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from occasion.service.lanes import OverloadedError

if TYPE_CHECKING:
    from occasion.service.tenants import Tenant

__all__ = ["Openings"]

THREADS = 4
"""Tenants opened at once."""


class Openings:
    """Opens the recommenders of tenants.

    Parameters
    ----------
    limit : int
        Requests that may wait for one tenant.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="opening")
        self._under_way: dict[str, Future[Any]] = {}
        self._waiting: dict[str, int] = {}
        self._lock = threading.Lock()

    async def wait(self, tenant: Tenant) -> None:
        """Return once a tenant's recommender is open; raise what kept it from opening. The next call then tries again.

        Raises
        ------
        OverloadedError
            Where too many wait for it.
        """
        if tenant.warm:
            return
        opening = self._begun(tenant)
        try:
            waited = asyncio.wrap_future(opening)
            waited.add_done_callback(_seen)
            # A request that goes away ends its own waiting alone.
            await asyncio.wait([waited])
        finally:
            with self._lock:
                self._waiting[tenant.name] -= 1
        waited.result()

    def _begun(self, tenant: Tenant) -> Future[Any]:
        """Count a request that waits; return the opening under way, a new one where there is none."""
        with self._lock:
            if self._waiting.get(tenant.name, 0) >= self._limit:
                raise OverloadedError("openings", 1)
            found = self._under_way.get(tenant.name)
            if found is None or found.done():
                try:
                    found = self._pool.submit(tenant.open)
                except RuntimeError:
                    raise OverloadedError("openings", 1) from None
                self._under_way[tenant.name] = found
            self._waiting[tenant.name] = self._waiting.get(tenant.name, 0) + 1
            return found

    def close(self) -> None:
        """Finish what runs, drop what waits."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _seen(opening: asyncio.Future[Any]) -> None:
    """Take notice of an error even where nobody waits for it any more."""
    if not opening.cancelled():
        opening.exception()
