"""Direct: a shorter way for the routes that are asked most, from the bytes of a body to its model in one step.

FastAPI reads a body into values, looks through the parameters of the route and checks the values: half a millisecond, a tenth
of an answer. A route that takes one JSON body and a caller needs none of this while the body is right; where it is not, the
usual way takes over and says what is wrong as everywhere else. Nor does such a route have to be looked for: its address is its own.

Such a route can also be asked by another process (`occasion.service.siblings`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints

from fastapi import Request, Response
from fastapi.params import Depends
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError

from occasion.service.siblings import Handed

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from occasion.service.callers import Call

    Perform = Callable[[bytes, Call], Coroutine[Any, Any, Response]]
    Short = Callable[[Request], Coroutine[Any, Any, Response | None]]

__all__ = ["DirectRoute", "SharedRoute", "ShortWay"]

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class DirectRoute(APIRoute):
    """A route of ``async def route(body: Model, call: Annotated[Call, Depends(...)]) -> Response``; others go the usual way."""

    shared = False
    """Whether a sibling with less to do may answer in this process's place."""
    perform: Perform | None = None
    """Answers a body that is right; raises ValidationError for others."""
    short: Short | None = None
    """Answers a request whose body is right; returns None for others."""

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

        async def short(request: Request) -> Response | None:
            if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
                return None
            raw = await request.body()
            try:
                body = model.validate_json(raw)
            except ValidationError:
                return None
            call: Call = await caller(request)
            elsewhere = await _by_sibling(path, raw, call) if shared else None
            answer: Response = await endpoint(body=body, call=call) if elsewhere is None else elsewhere
            return answer

        async def direct(request: Request) -> Response:
            answer = await short(request)
            return await usual(request) if answer is None else answer

        self.perform, self.short = perform, short
        return direct


class SharedRoute(DirectRoute):
    """A direct route whose answers change nothing but the store: whichever worker gives them."""

    shared = True


class ShortWay:
    """ASGI: hands a request to the direct route whose address it has; all others go on to where routes are looked for.

    To stand within what turns errors into responses, so that they look the same on both ways.

    Parameters
    ----------
    app : ASGI application
        Where the others go, and requests whose body is not right.
    routes : iterable of routes
        The direct ones among them, with POST alone, are taken.
    prefix : str
        In front of their paths.
    """

    def __init__(self, app: ASGIApp, routes: Iterable[object], prefix: str) -> None:
        direct = [route for route in routes if isinstance(route, DirectRoute) and route.methods == {"POST"}]
        self.app = app
        self._routes = {prefix + route.path: (route, route.short) for route in direct if route.short is not None}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        found = self._routes.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if found is None:
            await self.app(scope, receive, send)
            return
        scope["route"], short = found
        request = Request(scope, receive, send)
        answer = await short(request)
        if answer is None:
            await self.app(scope, _again(request, receive), send)
        else:
            await answer(scope, receive, send)


def _again(request: Request, receive: Receive) -> Receive:
    """Return what gives the body of a request once more, where it was read."""
    read: list[bytes] = [request._body] if hasattr(request, "_body") else []

    async def again() -> Message:
        return {"type": "http.request", "body": read.pop(), "more_body": False} if read else await receive()

    return again


async def _by_sibling(path: str, body: bytes, call: Call) -> Response | None:
    """Return the answer of a sibling that has fewer to give; None where this worker has to answer itself."""
    siblings = call.service.siblings
    slot = siblings.freer() if siblings is not None else None
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
