"""Routes about moments and about what a person's past says of theirs: signals met in the data, and a person's taste."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from occasion.insight.signals import found_signals
from occasion.insight.taste import Taste, taste_of
from occasion.service.callers import Call, Reader
from occasion.service.failures import RefusedError
from occasion.service.routes.replies import errors, reply
from occasion.service.schemas.base import Id
from occasion.service.schemas.moments import SignalsOut, TasteOut

__all__ = ["router"]

router = APIRouter(tags=["moments"])


@router.get("/signals", response_model=SignalsOut, responses=errors())
async def signals(call: Reader) -> Response:
    """Return the signals met in the data, given, said or derived, with their most frequent values, and the fields of items."""

    def work() -> dict[str, Any]:
        recommender = call.tenant.recommender
        found = found_signals(recommender)
        shown = [
            {"name": s.name, "distinct": s.distinct, "values": [{"value": v, "evidence": e} for v, e in s.values]} for s in found
        ]
        return {"signals": shown, "fields": recommender.live.catalogue.columns.names}

    return reply(await call.ask(work))


def _taste(call: Call, user: str | None, session: str | None) -> dict[str, Any] | None:
    found: Taste | None = taste_of(call.tenant.recommender, user, session, call.tenant.settings.granted_by_default)
    if found is None:
        return None
    habits = {name: [{**asdict(h), "lift": h.lift} for h in getattr(found, name)] for name in ("chosen", "moments")}
    favourites = [{"item": item, "title": title, "evidence": evidence} for item, title, evidence in found.favourites]
    return {**asdict(found), **habits, "favourites": favourites}


@router.get("/people/taste", response_model=TasteOut, responses=errors(404))
async def taste(
    call: Reader, user: Annotated[Id | None, Query()] = None, session: Annotated[Id | None, Query()] = None
) -> Response:
    """Return what a person's past says: what they choose more than others do, and in which moments. Empty where they refuse it."""
    if (user is None) == (session is None):
        raise RefusedError(422, "Either a user or a session must be named.", cure="Give one of ?user= and ?session=.")
    found = await call.ask(lambda: _taste(call, user, session))
    if found is None:
        raise RefusedError(404, "Nothing is known of this person.")
    return reply(found)
