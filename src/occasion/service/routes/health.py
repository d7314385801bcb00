"""Routes of operation: is it alive, is it ready, its measures, what it holds, what is odd in the data."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from occasion.service.callers import Admin, Operator, Reader
from occasion.service.core import Service
from occasion.service.failures import RefusedError
from occasion.service.keys import DEFAULT_TENANT
from occasion.service.measures import CONTENT_TYPE
from occasion.service.routes.replies import errors, reply
from occasion.service.schemas.base import Error, Shown

__all__ = ["router"]

router = APIRouter(tags=["operation"])


class Health(Shown):
    """How it is."""

    status: Literal["ok"]


class Loading(Shown):
    """Items on their way into vectors, or events into counts."""

    stage: str
    done: int
    total: int


class Info(Shown):
    """What the tenant's store holds."""

    tenant: str
    version: str
    encoder: str
    counts: dict[str, int]
    loading: Loading | None = Field(default=None, description="Long work that the next answer waits for; null: none.")


class FindingOut(Shown):
    """Something odd in the data."""

    name: str
    severity: Literal["error", "warning", "info"]
    message: str
    count: int
    examples: list[str]
    cure: str


class Findings(Shown):
    """What is odd in the data, the gravest first."""

    findings: list[FindingOut]


@router.get("/health/live", response_model=Health, responses={500: {"model": Error}})
async def live() -> Response:
    """Say that the process runs. Needs no key."""
    return reply({"status": "ok"})


@router.get("/health/ready", response_model=Health, responses={500: {"model": Error}, 503: {"model": Error}, 504: {"model": Error}})
async def ready(request: Request) -> Response:
    """Say whether answers can be given now: the store can be read and vectors are loaded. Needs no key."""
    service: Service = request.app.state.service
    if service.stopping or not service.ready.is_set():
        raise RefusedError(503, "The service is starting or stopping.", retry_after=1)
    await service.writes.run(lambda: service.tenants.get(DEFAULT_TENANT).store.cursor())
    return reply({"status": "ok"})


@router.get(
    "/metrics", response_class=Response, responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **errors()}
)
async def metrics(call: Operator) -> Response:
    """Return the measures of all workers in Prometheus' text form."""
    return Response(call.service.measures.text(), media_type=CONTENT_TYPE)


@router.get("/info", response_model=Info, responses=errors())
async def info(call: Reader) -> Response:
    """Say what the store holds."""
    from importlib.metadata import version

    counts = await call.service.writes.run(call.tenant.store.counts)
    facts = {"tenant": call.tenant.name, "version": version("occasion"), "encoder": call.tenant.settings.encoder, "counts": counts}
    loading = call.tenant.loading
    return reply({**facts, "loading": None if loading is None else dict(zip(Loading.model_fields, loading, strict=True))})


@router.get("/doctor", response_model=Findings, responses=errors())
async def doctor(call: Admin, limit: Annotated[int, Query(ge=1, le=100)] = 100) -> Response:
    """Look at the data and say what is odd, accounts that act faster than people among it. Reads everything: ask seldom."""
    from occasion.doctor import examine
    from occasion.pictures.collection import picture_trouble

    settings = call.tenant.settings
    look = {"pictures": picture_trouble(settings)}
    found = await call.service.writes.run(lambda: examine(call.tenant.store, time.time(), settings.granted_by_default, **look))
    return reply({"findings": [asdict(finding) for finding in found[:limit]]})
