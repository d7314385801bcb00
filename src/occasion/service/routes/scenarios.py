"""Scenarios: named configurations of recommend, kept in the tenant's store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from occasion.service.callers import Admin, Reader
from occasion.service.failures import RefusedError
from occasion.service.routes.replies import errors, reply
from occasion.service.schemas.answers import ScenarioIn, ScenarioName, Scenarios

if TYPE_CHECKING:
    from occasion.protocols import Store

__all__ = ["router", "scenario"]

router = APIRouter(tags=["scenarios"])
STATE = "service scenarios"
MOST = 100
Name = Annotated[ScenarioName, Path()]


def _all(store: Store) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads(store.get_state(STATE) or "{}")
    return found


def scenario(store: Store, name: str) -> ScenarioIn:
    """Return a scenario by name; one that is not there is refused with 404."""
    found = _all(store)
    if name not in found:
        raise RefusedError(404, f"There is no scenario {name!r}.", cure="PUT /v1/scenarios/{name} makes one.")
    return ScenarioIn.model_validate(found[name])


@router.get("/scenarios", response_model=Scenarios, responses=errors())
async def scenarios(call: Reader) -> Response:
    """Return all scenarios."""
    return reply({"scenarios": await call.service.writes.run(lambda: _all(call.tenant.store))})


@router.put("/scenarios/{name}", response_model=ScenarioIn, responses=errors(409))
async def put_scenario(name: Name, body: ScenarioIn, call: Admin) -> Response:
    """Make or replace a scenario; it counts in the next request of every worker."""
    from occasion.rules import parse_rules

    parse_rules(body.rules.given())
    body_in = body.model_dump(exclude_none=True)

    def work() -> None:
        found = _all(call.tenant.store)
        if name not in found and len(found) >= MOST:
            raise RefusedError(409, f"There are {MOST} scenarios already.", cure="Delete one first.")
        call.tenant.store.put_state(STATE, json.dumps({**found, name: body_in}))
        call.audit("scenario.put", name)

    await call.service.writes.run(work)
    return reply(body_in)


@router.delete("/scenarios/{name}", status_code=204, response_class=Response, responses=errors(404))
async def delete_scenario(name: Name, call: Admin) -> Response:
    """Delete a scenario."""

    def work() -> None:
        found = _all(call.tenant.store)
        scenario(call.tenant.store, name)
        del found[name]
        call.tenant.store.put_state(STATE, json.dumps(found))
        call.audit("scenario.delete", name)

    await call.service.writes.run(work)
    return Response(status_code=204)
