"""The short way to direct routes: what it answers itself, and what it lets pass as it came."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from occasion.service.routes.direct import DirectRoute, ShortWay


class Asked(BaseModel):
    k: int


async def nobody(request: Request) -> None:
    return None


router = APIRouter(route_class=DirectRoute)


@router.post("/double")
async def double(body: Asked, call: Annotated[None, Depends(nobody)]) -> Response:
    return Response(str(2 * body.k))


@router.get("/double")
async def looked(call: Annotated[None, Depends(nobody)]) -> Response:
    return Response("a look")


async def behind(scope: Any, receive: Any, send: Any) -> None:
    """Stands for all other routes: tells what it got."""
    whole, more = b"", True
    while more:
        message = await receive()
        whole, more = whole + message["body"], message["more_body"]
    await Response(b"behind: " + whole)(scope, receive, send)


def asked(path: str, body: bytes, *, method: str = "POST", kind: str = "application/json") -> tuple[bytes, Any]:
    """Return the answer to a request that comes in two pieces, and the route that was found."""
    pieces = [body[:3], body[3:]]
    sent: list[Any] = []

    async def receive() -> Any:
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": [(b"content-type", kind.encode())], "query_string": b""}
    asyncio.run(ShortWay(behind, router.routes, "/v1")(scope, receive, send))
    return b"".join(message.get("body", b"") for message in sent), scope.get("route")


def test_a_right_body_is_answered_at_once():
    answer, route = asked("/v1/double", b'{"k": 21}')
    assert answer == b"42"
    assert route.path == "/double"


@pytest.mark.parametrize("body", [b'{"k": "many"}', b'{"k":', b""])
def test_a_wrong_body_goes_on_whole(body):
    assert asked("/v1/double", body)[0] == b"behind: " + body


@pytest.mark.parametrize(
    "other", [{"path": "/v1/triple"}, {"path": "/double"}, {"method": "GET"}, {"kind": "text/plain"}, {"kind": "application/jsonl"}]
)
def test_all_others_go_on_as_they_came(other):
    assert asked(**{"path": "/v1/double", "body": b'{"k": 1}', **other})[0] == b'behind: {"k": 1}'
