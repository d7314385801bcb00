"""Routes that answer: recommend, similar, rank, score, rate, what-if."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import APIRouter
from starlette.responses import Response

from occasion.data import Context, Slate
from occasion.service.callers import Call, Reader
from occasion.service.failures import RefusedError
from occasion.service.routes.direct import SharedRoute
from occasion.service.routes.replies import errors, reply
from occasion.service.schemas.answers import (
    Answer,
    Ranked,
    RankIn,
    RatingsOut,
    RecommendIn,
    RulesIn,
    Scores,
    SimilarIn,
    WhatIf,
    WhatIfIn,
)
from occasion.stepping import Steps, side_by_side
from occasion.timing import measured, measuring

if TYPE_CHECKING:
    from occasion.recommender import Recommender, Standing
    from occasion.rules import Rules

__all__ = ["router", "shown_entries"]

router = APIRouter(tags=["answers"], route_class=SharedRoute)
Result = TypeVar("Result")
_INNER = {"context": ("encode",), "search": ("rank",)}
"""Stages that others take place within."""
PAGES = 100


async def _answered(call: Call, work: Callable[[Recommender], Result]) -> tuple[Result, dict[str, float]]:
    """Do something with the tenant's recommender in the lane of answers; return what it gives and milliseconds by stage."""
    begun = time.perf_counter()

    def timed() -> tuple[Result, dict[str, float]]:
        waited = time.perf_counter() - begun
        with measured() as stages:
            recommender = call.tenant.recommender
            call.service.forget_withdrawn(call.tenant, recommender.live.withdrawals)
            result = work(recommender)
            # The answer has looked at the store: where somebody left since the last one, its own words are dropped with theirs.
            call.service.forget_withdrawn(call.tenant, recommender.live.withdrawals)
        return result, {"parse": begun - call.begun, "queue": waited, **stages}

    result, stages = await call.ask(timed)
    return result, _told(call, stages)


@dataclass(frozen=True, slots=True)
class _Wish:
    """A request that may be answered side by side with others: when it began to wait, and its steps."""

    call: Call
    begun: float
    steps: Callable[[Recommender, Standing], Steps[Slate]]
    """Of a recommender and what its `look` has returned."""


async def _answered_in_steps(call: Call, steps: Callable[[Recommender, Standing], Steps[Slate]]) -> tuple[Slate, dict[str, float]]:
    """Do as `_answered` does, a step of each by turns with the requests that wait at the same time (`occasion.stepping`)."""
    slate, stages = await call.service.ask_together(call.tenant, _Wish(call, time.perf_counter(), steps), _side_by_side)
    return slate, _told(call, stages)


def _side_by_side(wishes: Sequence[_Wish]) -> Iterator[tuple[int, tuple[Slate, dict[str, float]] | Exception]]:
    """Yield the answers to requests of one tenant as they are done, each with seconds by stage."""
    service, tenant = wishes[0].call.service, wishes[0].call.tenant
    recommender = tenant.recommender
    service.forget_withdrawn(tenant, recommender.live.withdrawals)
    now = time.perf_counter()
    context, looked = measuring()
    # Once for all: what others did is taken over in portions, and nobody is to wait for more than one.
    standing = context.run(recommender.look)
    timed = [measuring() for _ in wishes]
    works = ((context, wish.steps(recommender, standing)) for wish, (context, _) in zip(wishes, timed, strict=True))
    for number, made in side_by_side(works):
        # The answer has looked at the store: where somebody left since the last one, its own words are dropped with theirs.
        service.forget_withdrawn(tenant, recommender.live.withdrawals)
        if isinstance(made, Exception):
            yield number, made
        else:
            wish = wishes[number]
            yield number, (made, {"parse": wish.begun - wish.call.begun, "queue": now - wish.begun, **looked, **timed[number][1]})
    service.catch_up_idle(tenant)


def _told(call: Call, stages: dict[str, float]) -> dict[str, float]:
    """Count the seconds of an answer's stages, `total` among them; return them in milliseconds."""
    for outer, inner in _INNER.items():
        if outer in stages:
            stages[outer] = max(0.0, stages[outer] - sum(stages.get(name, 0.0) for name in inner))
    stages["total"] = time.perf_counter() - call.begun
    for name, seconds in stages.items():
        call.service.measures.stage(name).observe(seconds)
    return {name: round(1000 * seconds, 3) for name, seconds in stages.items()}


def shown_entries(slate: Slate, explain: bool = True) -> list[dict[str, Any]]:
    """Return the places of a slate as they are shown."""
    if not explain:
        return [{"item": e.item, "score": e.score, "propensity": e.propensity} for e in slate.entries]
    return [
        {
            "item": e.item,
            "score": e.score,
            "propensity": e.propensity,
            "parts": dict(e.parts),
            "because": list(e.because),
            "reason": e.reason,
        }
        for e in slate.entries
    ]


def _shown(slate: Slate, timing: Mapping[str, float], explain: bool = True) -> dict[str, Any]:
    return {
        "slate": slate.id,
        "items": shown_entries(slate, explain),
        "sentence": slate.sentence,
        "notes": slate.notes,
        "version": slate.version,
        "policy": slate.policy,
        "scenario": slate.scenario,
        "timing": timing,
    }


def _rules(given: RulesIn, **more: Any) -> Rules | None:
    """Return rules, `more` before those given; None where there are none."""
    from occasion.rules import parse_rules

    told = {**given.given(), **more}
    return parse_rules(told) if told else None


@router.post("/recommend", response_model=Answer, responses=errors(404))
async def recommend(body: RecommendIn, call: Reader) -> Response:
    """Return what fits a moment, and store the answer.

    The answer's slate id ties later events to it. An event that was acknowledged before this request counts in it, whichever
    worker took it.
    """

    def steps(recommender: Recommender, standing: Standing) -> Steps[Slate]:
        context = body.context(call.tenant.settings.locale)
        slate_id, more = None, {}
        if body.after is not None:
            slate_id, context, shown = _next_page(recommender, body.after, context)
            more = {"exclude": [*(body.rules.exclude or ()), *shown]}
        work = recommender.recommending(
            context,
            body.k,
            rules=_rules(body.rules, **more),
            diversity=body.diversity,
            explore=body.explore,
            policy=body.policy,
            policy_options=body.policy_options.given(),
            slate_id=slate_id,
            scenario=body.scenario or "",
            standing=standing,
        )
        return (yield from work)

    slate, timing = await _answered_in_steps(call, steps)
    return reply(_shown(slate, timing, body.explain))


def _next_page(recommender: Recommender, after: str, context: Context) -> tuple[str, Context, list[str]]:
    """Return the id of the page behind a slate, the moment of the first page, and the items of all pages so far."""
    root, _, number = after.partition(".page-")
    last = int(number) if number.isdigit() and len(number) < 4 else 1
    pages = [recommender.store.get_slate(root if n == 1 else f"{root}.page-{n}") for n in range(1, min(last, PAGES) + 1)]
    there = [page for page in pages if page is not None]
    if len(there) < len(pages) or last > PAGES:
        raise RefusedError(404, f"There is no slate {after!r:.100}.", cure=f"Give a slate's id; there are at most {PAGES} pages.")
    first = there[0].context
    if (first.user, first.session) != (context.user, context.session):
        raise RefusedError(404, f"There is no slate {after!r:.100} of this user and session.", cure="Send the first request again.")
    shown = [item for page in there for item in page.items]
    return f"{root}.page-{last + 1}", replace(context, at=first.at), shown


@router.post("/similar", response_model=Answer, responses=errors(404))
async def similar(body: SimilarIn, call: Reader) -> Response:
    """Return items like one item, by text and by what people choose with it; the answer is not stored."""
    from occasion.rules import parse_rules

    def work(recommender: Recommender) -> Slate:
        rules = parse_rules({"exclude_seen": False, **body.rules.given()})
        return recommender.similar(body.item, body.k, rules=rules, locale=body.locale)

    slate, timing = await _answered(call, work)
    return reply(_shown(slate, timing))


async def _scored(body: RankIn, call: Call) -> tuple[dict[str, float], list[str], dict[str, float]]:
    context = body.context(call.tenant.settings.locale)

    def work(recommender: Recommender) -> tuple[dict[str, float], list[str]]:
        found = recommender.score(context, body.items)
        described = recommender.store.get_items(list(found))
        scores = {item: score for item, score in found.items() if item in described}
        return scores, [item for item in dict.fromkeys(body.items) if item not in scores]

    (scores, unknown), timing = await _answered(call, work)
    return scores, unknown, timing


@router.post("/rank", response_model=Ranked, responses=errors())
async def rank(body: RankIn, call: Reader) -> Response:
    """Put the caller's own candidates in order for a moment; nothing is stored and no rule is applied."""
    scores, unknown, timing = await _scored(body, call)
    ordered = sorted(scores.items(), key=lambda pair: -pair[1])
    return reply({"items": [{"item": i, "score": s} for i, s in ordered], "unknown": unknown, "timing": timing})


@router.post("/score", response_model=Scores, responses=errors())
async def score(body: RankIn, call: Reader) -> Response:
    """Return the scores of the caller's own candidates in a moment."""
    scores, unknown, timing = await _scored(body, call)
    return reply({"scores": scores, "unknown": unknown, "timing": timing})


@router.post("/rate", response_model=RatingsOut, responses=errors(409))
async def rate(body: RankIn, call: Reader) -> Response:
    """Foretell what the person would rate items in a moment; 409 where the version in service has not learnt from ratings."""
    context = body.context(call.tenant.settings.locale)
    found, timing = await _answered(call, lambda recommender: recommender.rate(context, body.items))
    unknown = [item for item in dict.fromkeys(body.items) if item not in found]
    return reply({"ratings": found, "unknown": unknown, "timing": timing})


@router.post("/what-if", response_model=WhatIf, responses=errors())
async def what_if(body: WhatIfIn, call: Reader) -> Response:
    """Return the answer to a moment and to the same moment with something changed; neither is stored."""

    def work(recommender: Recommender) -> tuple[Slate, Slate]:
        return recommender.what_if(
            body.context(call.tenant.settings.locale),
            body.k,
            signals=body.change.signals,
            text=body.change.text,
            at=body.change.at,
            rules=_rules(body.rules),
            diversity=body.diversity,
            explore=body.explore,
        )

    (before, after), timing = await _answered(call, work)
    shown = {
        "before": _shown(before, timing),
        "after": _shown(after, timing),
        "came": [i for i in after.items if i not in before.items],
        "went": [i for i in before.items if i not in after.items],
    }
    return reply(shown)
