"""Routes of a tenant's own keys and audit log."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict
from itertools import islice
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.responses import Response

from occasion.people import AuditEntry
from occasion.service.callers import Admin
from occasion.service.keys import AccessKey
from occasion.service.routes.replies import errors, reply
from occasion.service.schemas.base import Body, Shown

__all__ = ["router"]

router = APIRouter(tags=["keys"])
KeyId = Annotated[str, Path(pattern=r"^[0-9a-f]{12}$")]


class KeyIn(Body):
    """A key to make."""

    role: Literal["read", "write", "admin"]
    name: Annotated[str, Field(max_length=100)] = ""
    per_minute: Annotated[int, Field(ge=1, le=10_000_000)] | None = None


class RotateIn(Body):
    """How long the old key stays good."""

    grace_seconds: Annotated[float, Field(ge=0, le=2_592_000)] = 0.0


class KeyOut(Shown):
    """What is known of a key; the key itself is not."""

    id: str
    role: str
    tenant: str
    name: str
    per_minute: int | None
    created: float
    expires: float | None


class KeyMade(KeyOut):
    """A key just made, shown this once."""

    key: str


class Keys(Shown):
    """The keys of the tenant."""

    keys: list[KeyOut]


class AuditOut(Shown):
    """One administrative act."""

    seq: int
    at: float
    actor: str = Field(description="Id of the key that did it; `local`: the command line, or a service open on loopback.")
    act: str
    target: str = Field(description="What it was done to; of a person a keyed hash.")
    detail: str


class Audit(Shown):
    """Administrative acts, in the order that was asked for."""

    acts: list[AuditOut]


def _shown(key: AccessKey) -> dict[str, Any]:
    return {name: value for name, value in asdict(key).items() if name != "slot"}


@router.get("/keys", response_model=Keys, responses=errors())
async def keys(call: Admin) -> Response:
    """Return what is known of the tenant's keys."""
    return reply({"keys": [_shown(key) for key in call.service.keys.all(call.tenant.name)]})


@router.post("/keys", status_code=201, response_model=KeyMade, responses=errors())
async def create_key(body: KeyIn, call: Admin) -> Response:
    """Make a key of the caller's tenant; it is shown this once and cannot be read again."""
    made, token = call.service.keys.create(body.role, call.tenant.name, name=body.name, per_minute=body.per_minute)
    call.audit("key.create", f"{made.id} {made.role}")
    return reply({**_shown(made), "key": token}, 201)


@router.post("/keys/{key}/rotate", status_code=201, response_model=KeyMade, responses=errors(404))
async def rotate_key(key: KeyId, body: RotateIn, call: Admin) -> Response:
    """Make a new key like an old one, which stays good for a while."""
    made, token = call.service.keys.rotate(key, tenant=call.tenant.name, grace=body.grace_seconds)
    call.audit("key.rotate", f"{key} to {made.id}")
    return reply({**_shown(made), "key": token}, 201)


@router.delete("/keys/{key}", status_code=204, response_class=Response, responses=errors(404))
async def revoke_key(key: KeyId, call: Admin) -> Response:
    """Revoke a key; the next request with it is refused by every worker."""
    call.service.keys.revoke(key, tenant=call.tenant.name)
    call.audit("key.revoke", key)
    return Response(status_code=204)


@router.get("/audit", response_model=Audit, responses=errors())
async def audit(
    call: Admin,
    after: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    newest: Annotated[bool, Query(description="Newest first: the last `limit` of them.")] = False,
) -> Response:
    """Return administrative acts of the tenant, oldest first; give the last `seq` as `after` for those behind it."""

    def work() -> list[AuditEntry]:
        acts = call.tenant.store.audit(after)
        return list(reversed(deque(acts, limit))) if newest else list(islice(acts, limit))

    return reply({"acts": [asdict(entry) for entry in await call.service.writes.run(work)]})
