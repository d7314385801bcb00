"""Routes of the people."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from occasion.data import MAX_ID_LENGTH
from occasion.service.callers import Reader, Writer
from occasion.service.failures import RefusedError
from occasion.service.routes.replies import errors, reply
from occasion.service.schemas.base import Id
from occasion.service.schemas.catalogue import Changed, UserIds, UserOut, UsersIn
from occasion.stores.bodies import user_fields

__all__ = ["router"]

router = APIRouter(tags=["users"])


@router.put("/users", response_model=Changed, responses=errors())
async def put_users(body: UsersIn, call: Writer) -> Response:
    """Insert or replace what is known of people, in one transaction."""
    users = [one.user() for one in body.users]
    return reply({"changed": await call.service.writes.run(lambda: call.tenant.store.put_users(users))})


@router.get("/users/search", response_model=UserIds, responses=errors())
async def search_users(
    call: Reader,
    text: Annotated[str, Query(max_length=MAX_ID_LENGTH, description="A part of an id.")] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 20,
) -> Response:
    """Return ids of users, described or only named by events, that contain a text."""
    return reply({"users": await call.service.writes.run(lambda: call.tenant.store.find_users(text, limit))})


@router.get("/users", response_model=UserOut, responses=errors(404))
async def user(id: Annotated[Id, Query()], call: Reader) -> Response:
    """Return what is known of a person."""
    found = await call.service.writes.run(lambda: call.tenant.store.get_user(id))
    if found is None:
        raise RefusedError(404, f"There is no user {id!r:.100}.")
    return reply({"id": found.id, **user_fields(found)})
