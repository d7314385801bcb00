"""The service: what all requests of a process share."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from occasion.errors import EncoderError
from occasion.service.addresses import is_loopback
from occasion.service.bursts import Bursts
from occasion.service.control import ControlFile
from occasion.service.insights import Insights
from occasion.service.jobs import ImportRunner, Jobs
from occasion.service.keys import KeyRing
from occasion.service.lanes import Lane, OverloadedError
from occasion.service.measures import Measures
from occasion.service.openings import Openings
from occasion.service.quotas import Quotas
from occasion.service.rates import RateLimits
from occasion.service.recent import RecentMeasures
from occasion.service.sentences import SentenceCache
from occasion.service.siblings import Siblings
from occasion.service.tenants import Tenant, Tenants
from occasion.service.upkeep import Upkeep
from occasion.settings import Settings

if TYPE_CHECKING:
    from occasion.protocols import Encoder

__all__ = ["Service"]

Result = TypeVar("Result")
Wish = TypeVar("Wish")

_PROXIES = (b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip", b"via")
"""Headers that proxies add."""
PAUSE_SECONDS = 2.0
"""After an encoder could not be had, until the next try."""
YIELD_SECONDS, YIELD_STEP = 0.1, 0.005
"""How long events in bulk give way to answers that wait, at most, and how often they look."""


class Service:
    """Keys, jobs, tenants, lanes and measures of one process.

    Parameters
    ----------
    settings : Settings
    encoder : Encoder, optional
        Default: what the settings name, loaded when it is first needed.
    open_access : bool, optional
        Whether requests need no key while there is none. Default: where ``settings.host`` is a loopback address.

    Attributes
    ----------
    answers : Lane
        The one thread that uses recommenders: they are not safe in two threads at once, and processes share the cores better.
    writes : Lane
        Threads that write to the store and read plain rows from it.
    """

    def __init__(self, settings: Settings, *, encoder: Encoder | None = None, open_access: bool | None = None) -> None:
        self.settings = settings
        self.control = ControlFile(settings.home)
        self.keys = KeyRing(self.control)
        self.quotas = Quotas(self.control)
        self.jobs = Jobs(self.control)
        self.rates = RateLimits(settings.home / "rates.bin", settings.rate_limit)
        self.measures = Measures()
        self.bursts = Bursts(self.measures)
        self.answers = Lane("answers", settings.queue)
        self.writes = Lane("writes", settings.queue * 4, threads=2)
        self.openings = Openings(settings.queue)
        self.open_access = is_loopback(settings.host) if open_access is None else open_access
        self._encoder = encoder
        self._encoder_lock = threading.Lock()
        self._encoder_fails_until = 0.0
        self.tenants = Tenants(settings, self.encoder)
        self.imports = ImportRunner(self.jobs, self.tenants, self.quotas)
        self.upkeep = Upkeep(settings, self.tenants, self.forget_withdrawn, self._catch_up)
        self.insights = Insights(self.answers)
        self.recent = RecentMeasures(self.measures)
        self.siblings: Siblings | None = None
        """The other workers of the service, where there are some."""
        self.stopping = False
        self.ready = threading.Event()
        """Set once answers can be given."""
        self.settled = threading.Event()
        """Set once it is known whether they can."""
        self._queues()

    def _queues(self) -> None:
        for lane in (self.answers, self.writes):
            lane.told = self.measures.watch(lane.name)

    def join(self, siblings: Siblings) -> None:
        """Share answers with other workers; before the first request."""
        shown = self.answers.told

        def told(busy: float) -> None:
            siblings.tell(busy)
            if shown is not None:
                shown(busy)

        self.siblings, self.answers.told = siblings, told

    async def ask(self, tenant: Tenant, work: Callable[[], Result]) -> Result:
        """Return what `work` returns; it uses a tenant's recommender, in the lane of answers, once that is open.

        Raises
        ------
        OverloadedError
            Where too many wait.
        """
        await self.openings.wait(tenant)
        return await self.answers.run(work)

    async def ask_together(
        self, tenant: Tenant, wish: Wish, perform: Callable[[Sequence[Wish]], Iterable[tuple[int, Result | Exception]]]
    ) -> Result:
        """Return what `perform` makes of a wish, which it gets together with others of this tenant that wait; see `ask`.

        It is the same for all such wishes, and yields the number of each with what it made of it or the error.

        Raises
        ------
        OverloadedError
            Where too many wait.
        """
        await self.openings.wait(tenant)
        return await self.answers.run_together(tenant, wish, perform)

    async def give_way(self, tenant: Tenant) -> None:
        """Wait a little while answers queue up in any worker: who sends events in bulk can wait, who looks at a screen cannot.

        So it is while this worker takes over earlier events: it would fall behind further, and answers would wait for that.
        """
        until = time.monotonic() + YIELD_SECONDS
        while not self.stopping and (self._longest_queue() > 1 or tenant.behind) and time.monotonic() < until:
            await asyncio.sleep(YIELD_STEP)

    def _longest_queue(self) -> int:
        return max(self.answers.busy, self.siblings.longest() if self.siblings is not None else 0)

    def encoder(self) -> Encoder:
        """Return the encoder of this process, with the vectors of sentences met lately kept."""
        from occasion.encoders import load_encoder

        with self._encoder_lock:
            if time.monotonic() < self._encoder_fails_until:
                raise EncoderError("the encoder cannot be had just now. Cure: look after it, or set another one.")
            try:
                if self._encoder is None:
                    self._encoder = load_encoder(self.settings.encoder, settings=self.settings)
                if not isinstance(self._encoder, SentenceCache):
                    self._encoder = SentenceCache(_patient(self._encoder, self.settings.encoder_wait))
            except EncoderError:
                self._encoder_fails_until = time.monotonic() + PAUSE_SECONDS
                raise
            return self._encoder

    def forget_withdrawn(self, tenant: Tenant, withdrawals: int | None = None) -> None:
        """Drop what is kept in memory of people once somebody was erased or withdrew: sentences, answers, events by item.

        `withdrawals` is the store's number of them, where the caller has just looked.
        """
        withdrawals = tenant.store.cursor()[2] if withdrawals is None else withdrawals
        if withdrawals != tenant.withdrawals:
            tenant.withdrawals = withdrawals
            if self._encoder is not None and isinstance(self._encoder, SentenceCache):
                self._encoder.forget()
            tenant.forget_words()
            self.insights.forget(tenant)

    def _catch_up(self, tenant: Tenant) -> None:
        """Let a tenant's counts follow its store, in its turn among the answers; from a thread that serves nobody."""
        # A queue that is full is one of answers: they catch up themselves.
        with contextlib.suppress(OverloadedError):
            asyncio.run(self.ask(tenant, lambda: tenant.recommender.refresh()))

    def catch_up_idle(self, tenant: Tenant) -> None:
        """Let a tenant's counts follow its store while no answer waits; an answer takes over little of what others did."""
        live = tenant.recommender.live
        if live.behind:
            self.answers.run_idle(tenant, lambda: not self.stopping and live.catch_up())

    def close(self) -> None:
        """Finish what runs, then close everything; idempotent."""
        self.stopping = True
        self.recent.close()
        self.upkeep.close()
        self.insights.close()
        self.imports.close()
        self.tenants.stop()
        self.openings.close()
        self.answers.close()
        self.writes.close()
        self.tenants.close()
        self.control.close()


def _patient(encoder: Encoder, wait: float) -> Encoder:
    """Return a remote encoder with patience for it, any other as it is."""
    from occasion.encoders.remote import RemoteEncoder
    from occasion.service.patience import PatientEncoder

    if not isinstance(encoder, RemoteEncoder):
        return encoder
    encoder.learn_dimension(wait)
    return PatientEncoder(encoder, wait)


def is_near(headers: Mapping[bytes, str]) -> bool:
    """Return whether a request, by its headers, was made on this machine under a name of it, and was brought by no proxy.

    A proxy on this machine asks on behalf of anybody.
    """
    host = headers.get(b"host", "").rsplit(":", 1)[0] or "localhost"
    return is_loopback(host) and not any(name in headers for name in _PROXIES)
