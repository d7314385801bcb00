"""Routes for those who watch: live figures, two ways of answering compared, and studies in the background."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from occasion.insight.uses import arms, compare_arms
from occasion.service.callers import Admin, Call, Reader
from occasion.service.keys import DEFAULT_TENANT
from occasion.service.routes.replies import errors, reply
from occasion.service.schemas.live import ComparisonOut, LiveOut, StudiesOut, StudyIn, StudyOut
from occasion.service.studies import Studies
from occasion.service.watching import looked_at

__all__ = ["router"]

router = APIRouter(tags=["operation"])
StudyId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]


@router.get("/live", response_model=LiveOut, responses=errors())
async def live(call: Reader) -> Response:
    """Say what is going on: answers and what came of them, by scenario, policy and version; coverage, chance, drift, alerts."""
    mine = call.service.insights.of(call.tenant)
    operator = call.key is None or (call.key.role == "admin" and call.key.tenant == DEFAULT_TENANT)
    answers, state = await call.service.writes.run(mine.traffic.looked)
    known = await call.ask(lambda: mine.watched.known(call.tenant.recommender, answers))

    def work() -> dict[str, Any]:
        recent = call.service.recent.figures() if operator else None
        return looked_at(call.tenant, mine, answers, state, known, recent)

    return reply(await call.service.writes.run(work))


@router.get("/compare", response_model=ComparisonOut, responses=errors())
async def compare(
    call: Reader,
    by: Annotated[Literal["scenario", "policy", "version"], Query()] = "version",
    arm: Annotated[str | None, Query(max_length=200, description="Left out: the one with most answers but one.")] = None,
    base: Annotated[str | None, Query(max_length=200, description="Left out: the one with most answers.")] = None,
) -> Response:
    """Compare two ways of answering by what came of their answers: rates with intervals, their difference, and how sure it is.

    It is a comparison of what was, not an experiment, unless chance decided who got which.
    """
    mine = call.service.insights.of(call.tenant)

    def work() -> dict[str, Any]:
        answers = mine.traffic.refresh()
        found = arms(answers, by)
        names = [one.name for one in found]
        first = base if base is not None else names[0] if names else ""
        second = arm if arm is not None else next((name for name in names if name != first), "")
        made = compare_arms(answers, by, second, first) if first != second else None
        shown: dict[str, Any] = dict.fromkeys(("difference", "low", "high", "p")) | {"enough": False}
        wanted = [one for name in dict.fromkeys((first, second)) for one in found if one.name == name]
        shown |= {"names": names, "arms": [asdict(one) for one in wanted]}
        if made is not None:
            shown |= {name: getattr(made, name) for name in ("difference", "low", "high", "p", "enough")}
        return shown

    return reply(await call.service.writes.run(work))


def _studies(call: Call) -> Studies:
    return Studies(call.tenant.settings, call.service.settings.home)


@router.get("/studies", response_model=StudiesOut, responses=errors())
async def studies(call: Admin) -> Response:
    """Return the studies, newest first."""
    return reply({"studies": await call.service.writes.run(_studies(call).all)})


@router.post("/studies", status_code=202, response_model=StudyOut, responses=errors(409))
async def start(body: StudyIn, call: Admin) -> Response:
    """Begin to measure quality on the tenant's own log, or to learn a version from it, in a process of its own.

    One at a time in a tenant, two in the service.
    """

    def work() -> dict[str, Any]:
        made = _studies(call).start(body.kind, body.named)
        call.audit("study.start", body.kind)
        return made

    return reply(await call.service.writes.run(work), 202)


@router.get("/studies/{study}", response_model=StudyOut, responses=errors(404))
async def get_study(study: StudyId, call: Admin) -> Response:
    """Say how far a study is; once it is done, what it found."""
    return reply(await call.service.writes.run(lambda: _studies(call).get(study)))


@router.delete("/studies/{study}", response_model=StudyOut, responses=errors(404))
async def end_study(study: StudyId, call: Admin) -> Response:
    """Cancel a study that runs; forget one that has ended."""
    return reply(await call.service.writes.run(lambda: _studies(call).end(study)))
