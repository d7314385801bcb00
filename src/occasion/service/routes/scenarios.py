"""Scenarios: named configurations of recommend; each change is in the audit log, can be tried before and undone after."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from occasion.data import Slate
from occasion.insight.preview import LOOKED_AT, Example, compare, recent_requests, summary
from occasion.privacy.permitted import newest_analysed
from occasion.scenarios import Scenario, Scenarios
from occasion.service.callers import Admin, Call, Reader
from occasion.service.routes.replies import errors, reply
from occasion.service.schemas.answers import ScenarioIn, ScenarioName
from occasion.service.schemas.answers import Scenarios as ScenariosOut
from occasion.service.schemas.steering import Changes, PreviewIn, PreviewOut, UndoIn, Undone

__all__ = ["checked", "router"]

router = APIRouter(tags=["scenarios"])
Name = Annotated[ScenarioName, Path()]


def _registry(call: Call) -> Scenarios:
    return Scenarios(call.tenant.store, call.tenant.settings.home)


def _documents(call: Call) -> dict[str, Any]:
    return {name: scenario.document() for name, scenario in _registry(call).all().items()}


async def checked(call: Call, scenario: Scenario) -> None:
    """Refuse a scenario whose rules name a field that no item has: each request under it would be refused."""

    def work() -> None:
        recommender = call.tenant.recommender
        recommender.refresh()
        columns, size = recommender.live.catalogue.columns, len(recommender.live.catalogue)
        rules = scenario.parsed()
        told = [boost.filter for boost in rules.boosts] + [quota.filter for quota in rules.quotas]
        for wanted in (rules.filter, *told):
            if wanted is not None:
                columns.mask(wanted, size)
        for cap in rules.caps:
            columns.first(0, cap.field)

    if scenario.rules and any(scenario.rules.get(name) for name in ("filter", "boosts", "caps", "quotas")):
        await call.ask(work)


@router.get("/scenarios", response_model=ScenariosOut, responses=errors())
async def scenarios(call: Reader) -> Response:
    """Return all scenarios."""
    return reply({"scenarios": await call.service.writes.run(lambda: _documents(call))})


@router.put("/scenarios/{name}", response_model=ScenarioIn, responses=errors(409))
async def put_scenario(name: Name, body: ScenarioIn, call: Admin) -> Response:
    """Make or replace a scenario; it counts in the next request of every worker."""
    scenario = body.scenario()
    await checked(call, scenario)
    await call.service.writes.run(lambda: _registry(call).put(name, scenario, actor=call.actor))
    return reply(scenario.document())


@router.delete("/scenarios/{name}", status_code=204, response_class=Response, responses=errors(404))
async def delete_scenario(name: Name, call: Admin) -> Response:
    """Delete a scenario; undoing the change brings it back."""
    await call.service.writes.run(lambda: _registry(call).remove(name, actor=call.actor))
    return Response(status_code=204)


@router.post("/scenarios/preview", response_model=PreviewOut, responses=errors())
async def preview(body: PreviewIn, call: Admin) -> Response:
    """Say what a draft would do: recent requests are answered again, as things are and under the draft. Nothing is stored.

    Other requests are answered in between; a hundred requests take some seconds.
    """
    draft = body.scenario.scenario() if body.scenario is not None else None
    if draft is not None:
        await checked(call, draft)

    def read() -> tuple[list[Slate], list[str]]:
        stored = _registry(call).all().get(body.name)
        slates = newest_analysed(call.tenant.store, call.tenant.settings.granted_by_default, LOOKED_AT * body.requests)
        always = bool((draft is not None and draft.always) or (stored is not None and stored.always))
        return recent_requests(slates, body.name, always, body.requests)

    slates, notes = await call.service.writes.run(read)
    examples = []
    for slate in slates:
        # One at a time: those who wait for an answer wait for one list of these at most.
        examples.append(await call.ask(partial(_compared, call, slate, body.name, draft)))
    ids = list({item for example in examples for item in (*example.before, *example.after)})
    items = await call.service.writes.run(lambda: call.tenant.store.get_items(ids))
    return reply(asdict(summary(examples, {i: item.title for i, item in items.items()}, notes)))


def _compared(call: Call, slate: Slate, name: str, draft: Scenario | None) -> Example:
    return compare(call.tenant.recommender, slate, name, draft)


@router.get("/scenario-changes", response_model=Changes, responses=errors())
async def changes(call: Admin, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> Response:
    """Return the changes of scenarios, newest first, each with what was before and after."""
    found = await call.service.writes.run(lambda: list(_registry(call).changes()))
    return reply({"changes": [asdict(change) for change in reversed(found[-limit:])]})


@router.post("/scenario-changes/undo", response_model=Undone, responses=errors(404, 409))
async def undo(body: UndoIn, call: Admin) -> Response:
    """Put back what was before a change; that is a change of its own."""

    def work() -> dict[str, Any]:
        registry = _registry(call)
        undone = registry.undo(body.change, actor=call.actor, force=body.force)
        return {"name": undone.name, "scenario": _documents(call).get(undone.name)}

    return reply(await call.service.writes.run(work))
