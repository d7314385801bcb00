"""Upkeep: what a running service does by itself from time to time: remove what is too old, and what erasures left to remove."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext

from filelock import FileLock, Timeout

from occasion.privacy.guarded import open_guarded
from occasion.privacy.retention import Expired, expire_if_due
from occasion.protocols import Store
from occasion.service.logs import logger
from occasion.service.tenants import Tenant, Tenants, tenant_settings
from occasion.settings import Settings

__all__ = ["Upkeep"]

FIRST_SECONDS = 1.0
"""After the start; what was due while nothing ran is done then."""
LOOK_SECONDS = 10.0
"""Between two looks for people who left: a worker that nobody asks for anything forgets them, too."""


class Upkeep:
    """A thread that looks after all tenants. Of several workers one does it at a time; each forgets for itself.

    Parameters
    ----------
    settings : Settings
    tenants : Tenants
    forget : callable
        Drops what the process remembers of people who left, of one tenant, but for what answers are made from.
    catch_up : callable
        Lets what answers of one tenant are made from follow its store.
    """

    def __init__(
        self, settings: Settings, tenants: Tenants, forget: Callable[[Tenant], None], catch_up: Callable[[Tenant], None]
    ) -> None:
        self._settings, self._tenants, self._forget, self._catch_up = settings, tenants, forget, catch_up
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, daemon=True, name="upkeep")
        self._thread.start()

    def close(self) -> None:
        """Stop after the tenant that is being looked after."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(30)

    def _run(self) -> None:
        every = self._settings.upkeep_seconds
        due = time.monotonic() + min(FIRST_SECONDS, every)
        while not self._stop.wait(max(0.0, min(LOOK_SECONDS, due - time.monotonic()))):
            if time.monotonic() < due:
                self._each(self._tenants.in_use(), self.forget)
                continue
            self._each(self._tenants.names(), self.look_after)
            due = time.monotonic() + every

    def _each(self, names: Sequence[str], work: Callable[[str], None]) -> None:
        for name in names:
            if self._stop.is_set():
                return
            try:
                work(name)
            except Exception:
                # A store out of reach now may be there at the next round; the other tenants must not wait for it.
                logger.exception("upkeep")

    def forget(self, name: str) -> None:
        """Forget who left a tenant since the last look: at once what is remembered, then what was counted with them."""
        tenant = self._tenants.opened(name)
        if tenant is not None:
            self._forget(tenant)
            if tenant.counts_who_left:
                self._catch_up(tenant)

    def look_after(self, name: str) -> None:
        """Do what is due for one tenant."""
        self.forget(name)
        tenant = self._tenants.opened(name)
        settings = tenant_settings(self._settings, name)
        try:
            with FileLock(settings.home / "upkeep.lock", timeout=0), self._store(tenant, settings) as store:
                begun = time.monotonic()
                # Rounds of several processes must not add up: a bit less than the time between two of one.
                done = expire_if_due(store, settings, 0.9 * self._settings.upkeep_seconds)
        except Timeout:
            return
        if done is not None and (done.any or not done.clean):
            self._tell(name, done, time.monotonic() - begun)

    @staticmethod
    def _store(tenant: Tenant | None, settings: Settings) -> AbstractContextManager[Store]:
        """Return the store of a tenant; one that nobody asks for is opened for this alone."""
        return nullcontext(tenant.store) if tenant is not None else closing(open_guarded(settings))

    @staticmethod
    def _tell(name: str, done: Expired, seconds: float) -> None:
        fields = {"tenant": name, "events": sum(done.events.values()), "slates": done.slates, "rejects": done.rejects}
        logger.info("expired", extra={"fields": {**fields, "clean": done.clean, "seconds": round(seconds, 3)}})
