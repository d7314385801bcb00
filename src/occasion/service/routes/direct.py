"""Direct: a shorter way for the routes that are asked most, from the bytes of a body to its model in one step.

FastAPI reads a body into values, looks through the parameters of the route and checks the values: half a millisecond, a tenth
of an answer. A route that takes one JSON body and a caller needs none of this while the body is right; where it is not, the
usual way takes over and says what is wrong as everywhere else.

Such a route can also be asked by another process (`occasion.service.siblings`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints

from fastapi import Request, Response
from fastapi.params import Depends
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError

from occasion.service.siblings import Handed

if TYPE_CHECKING:
    from occasion.service.callers import Call

    Perform = Callable[[bytes, Call], Coroutine[Any, Any, Response]]

__all__ = ["DirectRoute", "SharedRoute"]

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class DirectRoute(APIRoute):
    """A route of ``async def route(body: Model, call: Annotated[Call, Depends(...)]) -> Response``; others go the usual way."""

    shared = False
    """Whether an idle sibling may answer in this process's place."""
    perform: Perform | None = None
    """Answers a body that is right; raises ValidationError for others."""

    def get_route_handler(self) -> Handler:
        """Return what handles a request of this route."""
        usual = super().get_route_handler()
        found = _parts(self.endpoint)
        if found is None:
            return usual
        model, caller = found
        endpoint, path, shared = self.endpoint, self.path, self.shared

        async def perform(body: bytes, call: Call) -> Response:
            answer: Response = await endpoint(body=model.validate_json(body), call=call)
            return answer

        async def direct(request: Request) -> Response:
            if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
                return await usual(request)
            raw = await request.body()
            try:
                body = model.validate_json(raw)
            except ValidationError:
                return await usual(request)
            call: Call = await caller(request)
            elsewhere = await _by_sibling(path, raw, call) if shared else None
            answer: Response = await endpoint(body=body, call=call) if elsewhere is None else elsewhere
            return answer

        self.perform = perform
        return direct


class SharedRoute(DirectRoute):
    """A direct route whose answers change nothing but the store: whichever worker gives them."""

    shared = True


async def _by_sibling(path: str, body: bytes, call: Call) -> Response | None:
    """Return the answer of an idle sibling where this worker is busy; None where it has to answer itself."""
    siblings = call.service.siblings
    slot = siblings.idle() if siblings is not None else None
    if siblings is None or slot is None:
        return None
    key = None if call.key is None else call.key.id
    handed = Handed(path=path, tenant=call.tenant.name, key=key, request_id=call.request_id, begun=call.begun)
    answer = await siblings.ask(slot, handed, body)
    return None if answer is None else Response(answer, media_type="application/json")


def _parts(endpoint: Callable[..., Any]) -> tuple[TypeAdapter[Any], Callable[[Request], Any]] | None:
    """Return what reads the body of a route and what finds its caller; None for a route of another shape."""
    hints = get_type_hints(endpoint, include_extras=True)
    if list(inspect.signature(endpoint).parameters) != ["body", "call"] or get_origin(hints["call"]) is not Annotated:
        return None
    asked = [extra for extra in get_args(hints["call"])[1:] if isinstance(extra, Depends)]
    if len(asked) != 1 or asked[0].dependency is None or get_origin(hints["body"]) is Annotated:
        return None
    return TypeAdapter(hints["body"]), asked[0].dependency
