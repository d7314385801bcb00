"""Routes of model versions: which there are, which one is in service; promote and roll back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from occasion.errors import ModelError, split_cure
from occasion.service.callers import Admin, Call, Reader
from occasion.service.failures import RefusedError
from occasion.service.routes.replies import errors, reply
from occasion.service.schemas.base import Body, Shown
from occasion.versions import Versions

__all__ = ["router"]

router = APIRouter(tags=["versions"])


class VersionOut(Shown):
    """A model version."""

    id: str
    made_at: float
    parent: str
    parts: list[str]
    left_out: list[str]
    seconds: float
    gate: dict[str, Any]
    metrics: dict[str, Any]


class VersionList(Shown):
    """The versions, oldest first, and the changes of the one in service."""

    in_service: str
    versions: list[VersionOut]
    changes: list[dict[str, Any]]


class PromoteIn(Body):
    """The version to put into service."""

    version: Annotated[str, Field(min_length=1, max_length=100, examples=["blend"])]


class RetireIn(Body):
    """The version to delete."""

    version: Annotated[str, Field(min_length=1, max_length=100, examples=["20261124-101500-4f2a"])]


class InService(Shown):
    """What serves now, and what served before."""

    in_service: str
    before: str


def _registry(call: Call) -> Versions:
    return Versions(call.tenant.store, call.tenant.settings.home)


@router.get("/versions", response_model=VersionList, responses=errors())
async def versions(call: Reader) -> Response:
    """Return the model versions of the tenant."""

    def work() -> dict[str, Any]:
        registry = _registry(call)
        shown = []
        for manifest in registry.all():
            fields = asdict(manifest)
            shown.append({name: fields[name] for name in VersionOut.model_fields})
        return {"in_service": registry.in_service(), "versions": shown, "changes": registry.log()}

    return reply(await call.service.writes.run(work))


async def _changed(call: Call, act: str, change: Callable[[Versions], Any], target: str = "") -> Response:
    def work() -> dict[str, str]:
        registry = _registry(call)
        before = registry.in_service()
        try:
            change(registry)
        except ModelError as error:
            message, cure = split_cure(str(error))
            raise RefusedError(409, message, cure=cure) from None
        call.audit(act, target or registry.in_service())
        return {"in_service": registry.in_service(), "before": before}

    return reply(await call.service.writes.run(work))


@router.post("/versions/promote", response_model=InService, responses=errors(404, 409))
async def promote(body: PromoteIn, call: Admin) -> Response:
    """Put a version into service ("blend": the untrained one); every worker answers by it from its next request on."""
    return await _changed(call, "version.promote", lambda registry: registry.promote(body.version, why=f"key {call.actor}"))


@router.post("/versions/rollback", response_model=InService, responses=errors(409))
async def rollback(call: Admin) -> Response:
    """Put the version back into service that was there before the present one."""
    return await _changed(call, "version.rollback", lambda registry: registry.rollback(why=f"key {call.actor}"))


@router.post("/versions/retire", response_model=InService, responses=errors(404, 409))
async def retire(body: RetireIn, call: Admin) -> Response:
    """Delete a version's files; one that is in service is refused. What it learnt of people who were erased is gone with it."""
    return await _changed(call, "version.retire", lambda registry: registry.remove(body.version), body.version)
