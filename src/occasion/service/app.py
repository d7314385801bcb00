"""The application: gate, errors, routes, and what starts and ends with the process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

from fastapi import FastAPI

from occasion.errors import EncoderError
from occasion.service import failures
from occasion.service.addresses import check_addresses
from occasion.service.callers import Call
from occasion.service.core import Service
from occasion.service.gate import Gate
from occasion.service.keys import DEFAULT_TENANT
from occasion.service.logs import logger
from occasion.service.routes import ROUTERS
from occasion.service.routes.answers import router as SHARED  # noqa: N812
from occasion.service.routes.direct import SharedRoute, ShortWay
from occasion.service.siblings import Handed
from occasion.settings import Settings, load_settings

if TYPE_CHECKING:
    from occasion.protocols import Encoder
    from occasion.recommender import Recommender
    from occasion.service.tenants import Tenant

__all__ = ["create_app"]

WARM_SECONDS = 2.0
"""Between two tries to get ready."""
ABOUT = """
Context in, recommendations out, feedback back in. Every request but those of health needs a key in the header
`Authorization: Bearer occ_...`; it belongs to one tenant and sees nothing of any other. Every error has one shape. Ids may
hold any character: they travel in bodies and query parameters, never in a path.
"""


def create_app(
    settings: Settings | None = None, *, encoder: Encoder | None = None, open_access: bool | None = None, warm: bool = True
) -> FastAPI:
    """Return the service as an ASGI application. More may be mounted beside /v1; ``app.state.service`` has what it needs.

    Parameters
    ----------
    settings : Settings, optional
        Default: `load_settings()`.
    encoder : Encoder, optional
        A ready one; default: what the settings name.
    open_access : bool, optional
        Whether requests need no key while no key exists. Default: where ``settings.host`` is a loopback address.
    warm : bool
        Load the default tenant's vectors when the application starts, before it calls itself ready.

    Raises
    ------
    StoreError
        Where the home cannot be used.
    SettingsError
        Where an address in the settings leads into the private network and `allow_private_urls` is not set.
    """
    settings = settings or load_settings()
    check_addresses(settings)
    service = Service(settings, encoder=encoder, open_access=open_access)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.imports.start()
        service.upkeep.start()
        service.recent.start()
        warming = asyncio.create_task(_warm(service, warm))
        if service.siblings is not None:
            await service.siblings.take(partial(_for_sibling, service))
        try:
            yield
        finally:
            service.stopping = True
            warming.cancel()
            if service.siblings is not None:
                await service.siblings.close()
            await asyncio.to_thread(service.close)
            logger.info("stopped")

    app = FastAPI(
        title="Occasion",
        version=version("occasion"),
        description=ABOUT,
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.service = service
    routers = [import_module(module).router for module in ROUTERS]
    for router in routers:
        app.include_router(router, prefix="/v1")
    app.router.middleware_stack = ShortWay(app.router.middleware_stack, (r for one in routers for r in one.routes), "/v1")
    failures.install(app, service.measures)
    app.add_middleware(Gate, service=service)
    _cross_origin(app, settings)
    return app


def _load(tenant: Tenant) -> Recommender:
    recommender = tenant.recommender
    # A language model is read at its first sentence. A remote one that does not answer now may do so later.
    with contextlib.suppress(EncoderError):
        recommender.encoder.encode(["ready"], role="query")
    return recommender


async def _for_sibling(service: Service, handed: Handed, body: bytes) -> bytes | None:
    """Answer a request that a busy worker took; None where it has to: what it asks for is not at hand here, or ends in an error."""
    tenant = service.tenants.opened(handed.tenant)
    key = None if handed.key is None else service.keys.good(handed.key)
    if tenant is None or not tenant.warm or (key is None) != (handed.key is None):
        return None
    perform = next((r.perform for r in SHARED.routes if isinstance(r, SharedRoute) and r.path == handed.path), None)
    if perform is None:
        return None
    try:
        answer = await perform(body, Call(service, key, tenant, handed.request_id, handed.begun))
    except Exception:
        # The worker that took the request meets the same, and tells of it.
        return None
    return bytes(answer.body) if answer.status_code == 200 else None


async def _warm(service: Service, warm: bool) -> None:
    """Load what the first answer needs; not ready until then."""
    recommender = None
    while not service.stopping:
        try:
            if warm:
                tenant = await asyncio.to_thread(service.tenants.get, DEFAULT_TENANT)
                recommender = await service.ask(tenant, partial(_load, tenant))
        except Exception:
            # What is out of reach now (a remote encoder, a full disk) may be back later.
            logger.exception("not ready")
        else:
            service.ready.set()
            logger.info("ready")
            if recommender is not None:
                await asyncio.to_thread(recommender.expect_words)
            return
        finally:
            service.settled.set()
        await asyncio.sleep(WARM_SECONDS)


def _cross_origin(app: FastAPI, settings: Settings) -> None:
    """Let pages of the listed origins call; of no other where none is listed."""
    from starlette.middleware.cors import CORSMiddleware

    origins = [origin.strip() for origin in settings.cors_origins.split(",") if origin.strip()]
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["authorization", "content-type", "x-api-key", "x-request-id"],
            expose_headers=["x-request-id", "retry-after"],
            max_age=600,
        )
