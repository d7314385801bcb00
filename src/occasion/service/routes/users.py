"""Routes of the people."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from occasion.service.callers import Reader, Writer
from occasion.service.failures import RefusedError
from occasion.service.routes.replies import errors, reply
from occasion.service.schemas.base import Id
from occasion.service.schemas.catalogue import Changed, UserOut, UsersIn
from occasion.stores.bodies import user_fields

__all__ = ["router"]

router = APIRouter(tags=["users"])


@router.put("/users", response_model=Changed, responses=errors())
async def put_users(body: UsersIn, call: Writer) -> Response:
    """Insert or replace what is known of people, in one transaction."""
    users = [one.user() for one in body.users]
    return reply({"changed": await call.service.writes.run(lambda: call.tenant.store.put_users(users))})


@router.get("/users", response_model=UserOut, responses=errors(404))
async def user(id: Annotated[Id, Query()], call: Reader) -> Response:
    """Return what is known of a person."""
    found = await call.service.writes.run(lambda: call.tenant.store.get_user(id))
    if found is None:
        raise RefusedError(404, f"There is no user {id!r:.100}.")
    return reply({"id": found.id, **user_fields(found)})
