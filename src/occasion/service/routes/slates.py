"""Routes about answers given before: one slate, and why an item stood where it stood."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from occasion.data import Slate
from occasion.service.callers import Call, Reader
from occasion.service.failures import RefusedError
from occasion.service.routes.answers import shown_entries
from occasion.service.routes.replies import errors, reply
from occasion.service.schemas.answers import ExplainIn, Explanation, StoredSlate
from occasion.service.schemas.base import Id

__all__ = ["router"]

router = APIRouter(tags=["answers"])


async def _slate(call: Call, slate_id: str) -> Slate:
    slate = await call.service.writes.run(lambda: call.tenant.store.get_slate(slate_id))
    if slate is None:
        raise RefusedError(404, f"There is no slate {slate_id!r:.100}.", cure="Give the id that an answer carried.")
    return slate


@router.get("/slates", response_model=StoredSlate, responses=errors(404))
async def slate(slate: Annotated[Id, Query(description="The id that an answer carried.")], call: Reader) -> Response:
    """Return an answer as it was given."""
    found = await _slate(call, slate)
    shown: dict[str, Any] = {
        "slate": found.id,
        "at": found.context.at,
        "user": found.context.user,
        "session": found.context.session,
        "items": shown_entries(found),
        "sentence": found.sentence,
        "notes": found.notes,
        "version": found.version,
        "policy": found.policy,
        "scenario": found.scenario,
    }
    return reply(shown)


@router.post("/explain", response_model=Explanation, responses=errors(404))
async def explain(body: ExplainIn, call: Reader) -> Response:
    """Say why an item stood where it stood in an answer: the parts of its score, and a sentence."""
    found = await _slate(call, body.slate)
    if body.item not in found.items:
        raise RefusedError(404, f"The slate does not hold the item {body.item!r:.100}.", cure="GET /v1/slates shows its items.")
    place = found.items.index(body.item)
    shown = shown_entries(found)[place]
    return reply({"slate": found.id, "place": place + 1, **shown, "sentence": found.sentence, "version": found.version})
