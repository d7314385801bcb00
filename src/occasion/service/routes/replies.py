"""Replies: values as JSON, and the errors that a route documents."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json
from starlette.responses import Response

from occasion.service.schemas.base import Error

__all__ = ["errors", "reply"]

_WORDS = {
    400: "The body is no JSON.",
    401: "No key, or one that is not good.",
    403: "The key may not do this.",
    404: "There is no such thing.",
    405: "The address does not take this method.",
    409: "The present state does not allow it.",
    413: "The body is too large.",
    415: "The body is of another type.",
    422: "A value cannot be used; the message names it.",
    429: "The key asks too often.",
    500: "Something unforeseen.",
    503: "A part is not available just now, or the service is busy.",
    504: "It took too long.",
}
ALWAYS = (400, 401, 403, 413, 422, 429, 500, 503, 504)
_CONTENT = {"application/json": {"schema": {"$ref": f"#/components/schemas/{Error.__name__}"}}}


def errors(*more: int) -> dict[int | str, dict[str, Any]]:
    """Return the error responses of a route for its OpenAPI entry: those that any may give, and `more`."""
    out: dict[int | str, dict[str, Any]] = {
        status: {"description": _WORDS[status], "content": _CONTENT} for status in sorted({*ALWAYS, *more})
    }
    # One of them brings the schema along. A model for each took a tenth of a second of every start.
    out[ALWAYS[-1]] = {"description": _WORDS[ALWAYS[-1]], "model": Error}
    return out


def reply(value: Any, status: int = 200) -> Response:
    """Return a value as JSON, unchecked: routes build what their model describes, and tests hold them to it."""
    return Response(to_json(value, inf_nan_mode="null"), status, media_type="application/json")
