"""Routes of the catalogue."""

from __future__ import annotations

from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from occasion.service.callers import Call, Reader, Writer
from occasion.service.failures import RefusedError
from occasion.service.routes.replies import errors, reply
from occasion.service.schemas.base import Id
from occasion.service.schemas.catalogue import Changed, ItemPage, ItemsIn
from occasion.stores.bodies import item_fields

__all__ = ["router"]

router = APIRouter(tags=["items"])
Ids = Annotated[list[Id], Query(max_length=100, description="Ids of any characters; repeat it for several.")]


@router.put("/items", response_model=Changed, responses=errors())
async def put_items(body: ItemsIn, call: Writer) -> Response:
    """Insert or replace items in one transaction; they can be recommended at once, in every worker."""
    items = [one.item() for one in body.items]

    def work() -> int:
        call.service.quotas.admit(call.tenant, "items", len(items))
        return call.tenant.store.put_items(items)

    return reply({"changed": await call.service.writes.run(work)})


@router.get("/items", response_model=ItemPage, responses=errors())
async def items(
    call: Reader,
    id: Ids = [],  # noqa: B006
    after: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """Return the items of some ids (those that exist), or a page of the catalogue in order of change."""
    if id:
        found = await call.service.writes.run(lambda: call.tenant.store.get_items(id))
        return reply({"items": [{"id": item.id, **item_fields(item)} for item in found.values()], "next": None})
    return reply(await call.service.writes.run(lambda: _page(call, after, limit)))


def _page(call: Call, after: int, limit: int) -> dict[str, Any]:
    stream = (stored for stored in call.tenant.store.items(after) if stored.item is not None)
    some = list(islice(stream, limit + 1))
    shown = [{"id": stored.id, **item_fields(stored.item)} for stored in some[:limit] if stored.item is not None]
    return {"items": shown, "next": some[limit - 1].revision if len(some) > limit else None}


@router.delete("/items", response_model=Changed, responses=errors())
async def delete_items(call: Writer, id: Ids) -> Response:
    """Remove items from the catalogue; their events stay. No worker recommends them any more."""
    if not id:
        raise RefusedError(422, "No id is given.", cure="Give ?id= once or more.")
    return reply({"changed": await call.service.writes.run(lambda: call.tenant.store.delete_items(id))})
