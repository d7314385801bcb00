"""Routes for those who keep the catalogue: search, an item's page, the map, steering item by item."""

from __future__ import annotations

import base64
from dataclasses import asdict
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query
from starlette.responses import Response

from occasion.errors import NotFoundError
from occasion.insight.atlas import Atlas
from occasion.insight.item import ItemView, view_item
from occasion.insight.search import Found, find
from occasion.recommender import Recommender
from occasion.rules import parse_filter
from occasion.scenarios import STEERING, Scenarios, steered, steering_of
from occasion.service.callers import Admin, Reader
from occasion.service.routes.answers import shown_entries
from occasion.service.routes.replies import errors, reply
from occasion.service.schemas.base import Id
from occasion.service.schemas.steering import SteerIn
from occasion.service.schemas.views import ItemPageOut, MapOut, SearchIn, SearchOut, SteeringOut
from occasion.stores.bodies import item_fields

__all__ = ["router"]

router = APIRouter(tags=["catalogue"])
GROUPS = 11
"""Groups of the map that have a colour of their own; the others share one."""


@router.post("/catalogue/search", response_model=SearchOut, responses=errors())
async def search(body: SearchIn, call: Reader) -> Response:
    """Search the catalogue by meaning and by words together, within a filter; without words the most popular come first."""
    wanted = parse_filter(body.filter) if body.filter else None

    def work() -> Found:
        return find(call.tenant.recommender, body.text, wanted, k=body.k, offset=body.offset, facets=body.facets)

    found = await call.service.answers.run(work)
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

    view, key = await call.service.answers.run(viewed)

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
    field: Annotated[Id, Query(description="What groups are made of.")] = "categories",
    redraw: Annotated[bool, Query(description="Draw it anew.")] = False,
) -> Response:
    """Return the catalogue in two dimensions: what reads alike lies together. The first call begins to draw; ask again."""
    mine = call.service.insights.of(call.tenant)

    def work() -> dict[str, Any]:
        found = mine.atlas(redraw)
        recommender = call.tenant.recommender
        if not recommender.live.catalogue.size:
            return {"state": "empty", "done": 0, "total": 0}
        if found is None or (redraw and mine.drawing):
            done, total = mine.progress
            state = "failed" if mine.trouble else "drawing"
            return {"state": state, "done": done, "total": total, "trouble": mine.trouble}
        return _shown(recommender, found, field)

    return reply(await call.service.answers.run(work))


def _shown(recommender: Recommender, found: Atlas, field: str) -> dict[str, Any]:
    live = recommender.live
    here = live.catalogue.known[found.keys]
    keys, places = found.keys[here], found.places[here]
    groups, codes = _groups(recommender, keys, field)
    now = np.zeros(len(live.catalogue))
    now[: len(live.statistics.now)] = live.statistics.now[: len(now)]
    # By rank: counts are so skew that by size nearly all would look alike.
    values, places_of = np.unique(now[keys], return_inverse=True)
    rank = np.cumsum(np.bincount(places_of, minlength=len(values)))[places_of] / max(1, len(keys))
    popularity = np.where(now[keys] > 0, np.round(255 * rank), 0).astype(np.uint8)
    return {
        "state": "ready",
        "done": len(keys),
        "total": live.catalogue.size,
        "ids": [live.catalogue.id(int(key)) for key in keys],
        "x": _packed(np.round(65535 * places[:, 0]).astype("<u2")),
        "y": _packed(np.round(65535 * places[:, 1]).astype("<u2")),
        "group": _packed(codes),
        "popularity": _packed(popularity),
        "groups": groups,
        "field": field,
    }


def _packed(values: Any) -> str:
    return base64.b64encode(values.tobytes()).decode()


def _groups(recommender: Recommender, keys: Any, field: str) -> tuple[list[str], Any]:
    """Return the names of groups by a field's first value, the largest first, and each key's group; the last is all others."""
    columns = recommender.live.catalogue.columns
    if field not in columns.names:
        return [""], np.zeros(len(keys), np.uint8)
    first = [columns.first(int(key), field) or "" for key in keys]
    names, codes, counts = np.unique(np.array(first), return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:GROUPS]
    place = np.full(len(names), len(order), np.int64)
    place[order] = np.arange(len(order))
    return [*(str(names[n]) for n in order), ""], place[codes].astype(np.uint8)
