"""Routes for those who keep the catalogue: search, an item's page, the map, steering item by item."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from occasion.errors import NotFoundError
from occasion.insight.item import ItemView, view_item
from occasion.insight.search import Found, find
from occasion.rules import parse_filter
from occasion.scenarios import STEERING, Scenarios, steered, steering_of
from occasion.service.callers import Admin, Reader, Writer
from occasion.service.routes.answers import shown_entries
from occasion.service.routes.replies import errors, reply
from occasion.service.schemas.base import Id
from occasion.service.schemas.steering import SteerIn
from occasion.service.schemas.views import ItemPageOut, MapOut, MarksIn, MarksOut, SearchIn, SearchOut, SteeringOut
from occasion.stores.bodies import item_fields

__all__ = ["router"]

router = APIRouter(tags=["catalogue"])


@router.post("/catalogue/search", response_model=SearchOut, responses=errors())
async def search(body: SearchIn, call: Reader) -> Response:
    """Search the catalogue by meaning and by words together, within a filter; without words the most popular come first."""
    wanted = parse_filter(body.filter) if body.filter else None

    def work() -> Found:
        return find(call.tenant.recommender, body.text, wanted, k=body.k, offset=body.offset, facets=body.facets)

    found = await call.ask(work)
    if call.within:
        # Whoever searches on the console opens an item next; a program that searches may never.
        call.service.insights.of(call.tenant).warm()
    items = await call.service.writes.run(lambda: call.tenant.store.get_items([item for item, _ in found.items]))
    shown = [
        {"item": {"id": i, **item_fields(items[i])}, "title": items[i].title, "popularity": popularity}
        for i, popularity in found.items
        if i in items
    ]
    return reply({"total": found.total, "items": shown, "facets": found.facets})


@router.get("/catalogue/item", response_model=ItemPageOut, responses=errors(404))
async def item(id: Annotated[Id, Query()], call: Reader) -> Response:
    """Return one item as those who keep the catalogue want to see it."""

    def viewed() -> tuple[ItemView, int]:
        recommender = call.tenant.recommender
        view = view_item(recommender, id)
        return view, int(recommender.live.catalogue.key(id) or 0)

    view, key = await call.ask(viewed)

    def read() -> dict[str, Any]:
        taken = call.service.insights.of(call.tenant).uptake.of(key)
        near = call.tenant.store.get_items(list(view.neighbours.items))
        all_scenarios = Scenarios(call.tenant.store, call.tenant.settings.home).all()
        steering = {name: steering_of(one, id) for name, one in all_scenarios.items()}
        return {
            "item": {"id": id, **item_fields(view.item)},
            "title": view.item.title,
            "text": view.text,
            "popularity": view.popularity,
            "rank": view.rank,
            "taken": asdict(taken),
            "lifts": [asdict(lift) for lift in view.lifts],
            "neighbours": shown_entries(view.neighbours),
            "titles": {i: found.title for i, found in near.items()},
            "steering": {name: one for name, one in steering.items() if one["hide"] or one["pin"] or one["boost"] is not None},
        }

    return reply(await call.service.writes.run(read))


@router.post("/catalogue/steer", response_model=SteeringOut, responses=errors(404, 409))
async def steer(body: SteerIn, call: Admin) -> Response:
    """Hide, pin or boost one item, or take that back; a change of a scenario like any other: audited, and it can be undone."""
    given: dict[str, Any] = {name: getattr(body, name) for name in ("hide", "pin", "boost") if name in body.model_fields_set}

    def work() -> dict[str, Any]:
        if body.item not in call.tenant.store.get_items([body.item]):
            raise NotFoundError(f"there is no item {body.item!r:.200}. Cure: check the id, or import the item first.")
        registry = Scenarios(call.tenant.store, call.tenant.settings.home)
        always = body.scenario == STEERING
        made = registry.alter(body.scenario, lambda one: steered(one, body.item, given, always=always), actor=call.actor)
        return steering_of(made, body.item)

    return reply(await call.service.writes.run(work))


@router.get("/catalogue/map", response_model=MapOut, responses=errors())
async def atlas(
    call: Reader,
    field: Annotated[Id, Query(description="What groups are made of; no text.")] = "categories",
    redraw: Annotated[bool, Query(description="Draw it anew; needs the role write.")] = False,
) -> Response:
    """Return the catalogue in two dimensions: what reads alike lies together. The first call begins to draw; ask again."""
    if redraw:
        call.demand("write")
    mine = call.service.insights.of(call.tenant)
    document = await call.ask(lambda: mine.map.whole(field, redraw=redraw))
    return Response(document, media_type="application/json")


@router.delete("/catalogue/map/drawing", response_model=MapOut, responses=errors())
async def cancel_drawing(call: Writer) -> Response:
    """Let the drawing of the map end before it is done; say how the map stands. Where none is drawn nothing happens."""
    mine = call.service.insights.of(call.tenant)
    mine.atlas.cancel()
    return reply(await call.ask(mine.map.stand))


@router.post("/catalogue/map/marks", response_model=MarksOut, responses=errors())
async def marks(body: MarksIn, call: Reader) -> Response:
    """Return all points of the map without saying what they are, and the places of some items: enough to mark these on it."""
    mine = call.service.insights.of(call.tenant)
    return reply(await call.ask(lambda: mine.map.marks(body.items)))
