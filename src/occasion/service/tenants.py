"""Tenants: each has a home of its own, so its data, vectors and models never meet another's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from occasion.errors import StoreError
from occasion.service.keys import DEFAULT_TENANT, checked_tenant
from occasion.service.patience import unhurried
from occasion.settings import Settings

if TYPE_CHECKING:
    from occasion.protocols import Encoder, Store
    from occasion.recommender import Recommender

__all__ = ["Tenant", "Tenants", "tenant_settings"]

FEW_LEFT = 256
"""Events left to take over that hold up no others: some 15 ms of work."""
OPENING_SECONDS = 3600.0
"""How long a process waits while another one builds what a home's first answer needs."""


def tenant_settings(settings: Settings, name: str) -> Settings:
    """Return the service's settings with the home of a tenant: ``<home>/tenants/<name>``, of the default one the home itself.

    Pictures of a tenant lie in its home, so that none can name those of another; the image model is that of the service.
    """
    if name == DEFAULT_TENANT:
        return settings
    changes = {"home": settings.home / "tenants" / checked_tenant(name), "store_url": "", "media": ""}
    if settings.image_encoder == "efficientnet-lite0":
        changes["image_encoder"] = f"efficientnet-lite0:{settings.home / 'models' / 'efficientnet-lite0'}"
    return settings.model_copy(update=changes)


class Tenant:
    """One tenant's open store, and its recommender once something asks for an answer.

    Parameters
    ----------
    name : str
    settings : Settings
        Of the tenant.
    encoder : callable
        Returns the process's encoder, which all tenants share.
    """

    def __init__(self, name: str, settings: Settings, encoder: Callable[[], Encoder]) -> None:
        from occasion.privacy.guarded import open_guarded

        self.name, self.settings, self._encoder = name, settings, encoder
        self.store: Store = open_guarded(settings)
        self.loading: tuple[str, int, int] | None = None
        """What long work of the recommender is under way: stage (``encode``, ``events``), done, total."""
        self.withdrawals = -1
        """Erasures and the like that this process has taken notice of."""
        self.stopping = False
        """Whether the process is to end."""
        self._recommender: Recommender | None = None
        self._lock = threading.Lock()

    @property
    def recommender(self) -> Recommender:
        """The recommender, opened where it is not open yet.

        Call it from the lane of answers alone: a recommender is not safe to use from two threads at once.
        """
        return self.open()

    def open(self) -> Recommender:
        """Open the recommender, in any thread; it takes as long as it takes to load or make vectors and counts."""
        with self._lock:
            if self._recommender is None:
                self._recommender = self._opened()
            return self._recommender

    def _opened(self) -> Recommender:
        """Open the recommender: the first process to come builds what is missing, the others wait and then find it there."""
        from occasion.recommender import Recommender

        lock = FileLock(self.settings.home / "opening.lock", timeout=OPENING_SECONDS)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            with lock:
                pass
        try:
            encoder = self._encoder()
            made = Recommender(self.settings, store=self.store, encoder=encoder, progress=self._told, hurried=True)
            with unhurried(encoder):
                made.refresh()
        finally:
            self.loading = None
            lock.release()
        return made

    def _told(self, stage: str, done: int, total: int) -> None:
        if self.stopping and not self.warm:
            # What was made until now is kept; the next start goes on from there.
            raise StoreError(f"the service is to end while {self.settings.home} is being opened. Cure: start it again.")
        self.loading = (stage, done, total) if done < total else None

    @property
    def warm(self) -> bool:
        """Whether the recommender is there."""
        return self._recommender is not None

    @property
    def behind(self) -> bool:
        """Whether the recommender, if it is there, has more than a few events of the log left to take over."""
        return self._recommender is not None and self._recommender.live.left > FEW_LEFT

    @property
    def counts_who_left(self) -> bool:
        """Whether the recommender, if it is there, still counts somebody who was erased or withdrew."""
        if self._recommender is None:
            return False
        live = self._recommender.live
        return live.statistics.basis != live.counter.basis(self.store.cursor()[2])

    def forget_words(self) -> None:
        """Drop what the recommender, if it is there, remembers of the words of requests; from any thread."""
        if self._recommender is not None:
            self._recommender.live.forget_words()

    def path(self, name: str) -> Path:
        """Return a path in the tenant's home."""
        return self.settings.home / name

    def close(self) -> None:
        """Close the store; idempotent."""
        self.store.close()


class Tenants:
    """The tenants of a process, each opened when it is first asked for."""

    def __init__(self, settings: Settings, encoder: Callable[[], Encoder]) -> None:
        self.settings, self._encoder = settings, encoder
        self._open: dict[str, Tenant] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> Tenant:
        """Return a tenant, its home made where there is none. The caller has checked that the name belongs to a key."""
        with self._lock:
            if name not in self._open:
                self._open[name] = Tenant(name, tenant_settings(self.settings, name), self._encoder)
            return self._open[name]

    def opened(self, name: str) -> Tenant | None:
        """Return a tenant that something asked for already, None else; never waits for one that is being opened."""
        return self._open.get(name)

    def in_use(self) -> list[str]:
        """Return the tenants that something asked for already."""
        return list(self._open)

    def names(self) -> list[str]:
        """Return the tenants that have a home, the default one first."""
        folder = self.settings.home / "tenants"
        with suppress(OSError):
            return [DEFAULT_TENANT, *sorted(p.name for p in folder.iterdir() if p.is_dir())]
        return [DEFAULT_TENANT]

    def stop(self) -> None:
        """Let what is being opened end before it is done: the process is to end."""
        for tenant in list(self._open.values()):
            tenant.stopping = True

    def close(self) -> None:
        """Close all; idempotent."""
        with self._lock:
            for tenant in self._open.values():
                tenant.close()
            self._open.clear()
