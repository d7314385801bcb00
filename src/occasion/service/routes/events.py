"""Routes that take events: one, a batch, or a stream of lines; and what a person did last."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError
from starlette.responses import Response

from occasion.data import Event
from occasion.errors import DataError
from occasion.passedover import PassedOver
from occasion.privacy.permitted import Permitted
from occasion.service.callers import Call, Reader, Writer
from occasion.service.failures import RefusedError
from occasion.service.routes.direct import DirectRoute
from occasion.service.routes.replies import errors, reply
from occasion.service.schemas.base import Id
from occasion.service.schemas.events import Acknowledged, EventIn, EventPage, EventsIn, Streamed

if TYPE_CHECKING:
    from occasion.recommender import Recommender

__all__ = ["router"]

router = APIRouter(tags=["events"], route_class=DirectRoute)
LINE_BYTES = 1_000_000
BATCH = 500
BULK = 20
"""Events of one request that are stored when no answer waits."""
SHOWN_REJECTS = 100
_NDJSON = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-ndjson": {
                "schema": {"type": "string", "description": "One JSON object of an event a line, at most 1,000,000 bytes each."},
                "example": '{"user": "ann", "item": "chips", "type": "click"}\n{"user": "ann", "item": "dip", "type": "cart"}\n',
            }
        },
    }
}


async def _append(call: Call, events: list[Event]) -> int:
    """Store events durably; return how many were new."""
    if len(events) >= BULK:
        await call.service.give_way(call.tenant)

    def work() -> int:
        call.service.quotas.admit(call.tenant, "events", len(events))
        return call.tenant.store.append(events)

    new = await call.service.writes.run(work)
    call.service.measures.events.labels("yes").inc(new)
    call.service.measures.events.labels("no").inc(len(events) - new)
    call.service.bursts.count(call.tenant.name, events)
    return new


@router.post("/events", response_model=Acknowledged, responses=errors())
async def events(body: EventsIn | EventIn, call: Writer) -> Response:
    """Store one event or a batch; the answer means that they are on the disk, and the next recommendation reflects them.

    A batch is one transaction: where one event cannot be used, none is stored. Sending the same ids again is harmless.
    A signal that cannot be, such as a latitude of 131, is no error: it counts for nothing, and a note says so.
    """
    now = time.time()
    given = body.events if isinstance(body, EventsIn) else [body]
    values = [one.event(now) for one in given]
    passed_over = PassedOver()
    passed_over.look(values)
    return reply({"received": len(values), "new": await _append(call, values), "notes": passed_over.notes()})


@router.post("/events/stream", response_model=Streamed, responses=errors(415), openapi_extra=_NDJSON)
async def stream(request: Request, call: Writer) -> Response:
    """Store events from lines of JSON as they come, 500 in a transaction; a line that cannot be used stops no other.

    A stream of any length may be sent. After a broken connection send the whole stream again: with ids nothing is doubled.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-ndjson":
        raise RefusedError(415, "The body must be application/x-ndjson.")
    taken = _Stream(call)
    async for number, line in _lines(request):
        taken.add(number, line)
        if len(taken.waiting) >= BATCH:
            await taken.flush()
    await taken.flush()
    return reply(taken.shown())


class _Stream:
    """What has come of a stream so far."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.waiting: list[Event] = []
        self.received = self.new = self.rejected = 0
        self.rejects: list[dict[str, Any]] = []
        self.passed_over = PassedOver()

    def add(self, number: int, line: bytes | None) -> None:
        """Take one line, None for one that is too long."""
        if line is not None and not line.strip():
            return
        try:
            if line is None:
                raise DataError(f"the line is longer than {LINE_BYTES:,} bytes")
            self.waiting.append(EventIn.model_validate_json(line).event(time.time()))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            self._reject(number, f"{'.'.join(map(str, first['loc']))}: {first['msg']}".lstrip(": "))
        except DataError as error:
            self._reject(number, str(error))

    def _reject(self, number: int, reason: str) -> None:
        self.rejected += 1
        if len(self.rejects) < SHOWN_REJECTS:
            self.rejects.append({"line": number, "reason": " ".join(reason.split())[:300]})

    async def flush(self) -> None:
        """Store what waits."""
        if self.waiting:
            batch, self.waiting = self.waiting, []
            self.passed_over.look(batch)
            self.new += await _append(self.call, batch)
            self.received += len(batch)

    def shown(self) -> dict[str, Any]:
        """Return the answer."""
        stored = {"received": self.received, "new": self.new, "notes": self.passed_over.notes()}
        return {**stored, "rejected": self.rejected, "rejects": self.rejects}


async def _lines(request: Request) -> AsyncIterator[tuple[int, bytes | None]]:
    """Yield the lines of a body with their numbers from 1; None for a line that is too long, which is not kept."""
    rest, number, long = b"", 0, False
    async for piece in request.stream():
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            number += 1
            yield number, None if long or len(line) > LINE_BYTES else line
            long = False
        if len(rest) > LINE_BYTES:
            rest, long = b"", True
    if rest or long:
        yield number + 1, None if long else rest


@router.get("/events", response_model=EventPage, responses=errors())
async def history(
    call: Reader,
    user: Annotated[Id | None, Query()] = None,
    session: Annotated[Id | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """Return the newest events of a user, else of a session.

    Where the person refuses to be analysed, they are for that person's own access: admin keys alone see them.
    """
    if (user is None) == (session is None):
        raise RefusedError(422, "Either a user or a session must be named.", cure="Give one of ?user= and ?session=.")
    admin = call.key is None or call.key.role == "admin"

    def work() -> dict[str, Any]:
        recommender = call.tenant.recommender
        analysed = Permitted(recommender.store, call.tenant.settings.granted_by_default).allows(user, session)
        return {"analysed": analysed, "events": _history(recommender, user, session, limit) if analysed or admin else []}

    return reply(await call.ask(work))


def _history(recommender: Recommender, user: str | None, session: str | None, limit: int) -> list[dict[str, Any]]:
    recommender.refresh()
    key = recommender.store.user_key(user, session)
    if key is None:
        return []
    found = recommender.store.history(key, limit=limit)
    rows = zip(*(c.tolist() for c in (found.item, found.type, found.value, found.at, found.context)), strict=True)
    contexts = recommender.live.contexts
    shown = []
    for item, kind, value, at, context in rows:
        text, signals = (contexts[context].text, dict(contexts[context].signals)) if 0 <= context < len(contexts) else ("", {})
        named = {"item": recommender.live.catalogue.id(item), "type": found.types[kind], "value": _known(value), "at": _known(at)}
        shown.append({**named, "text": text, "signals": signals})
    return shown[::-1]


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
