"""Failures: every error becomes one shape, ``{"error": {"code", "message", "cure", "request_id"}}``, and a fitting status.

What a caller sent may be told back to that caller; what lies inside the service (paths, traces, other people's data) never is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from occasion.errors import (
    ConflictError,
    DataError,
    EncoderError,
    MissingExtraError,
    ModelError,
    NotFoundError,
    OccasionError,
    RuleError,
    StoreError,
    VectorIndexError,
    split_cure,
)
from occasion.service.lanes import OverloadedError
from occasion.service.measures import Measures

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["CODES", "RefusedError", "error_body", "error_response", "install", "is_inner", "told"]

CODES: Mapping[int, tuple[str, str]] = {
    400: ("malformed", "Send one valid JSON document, UTF-8."),
    401: ("no_key", "Send the header 'Authorization: Bearer occ_...' with a key that is not revoked or expired."),
    403: ("not_allowed", "Use a key of a higher role."),
    404: ("not_found", "Check the id or the address."),
    405: ("no_such_method", "The OpenAPI document lists the methods of each address."),
    408: ("too_late", "Send the head of a request at once."),
    409: ("conflict", "Look at the present state, then try again."),
    413: ("too_large", "Send less at once."),
    415: ("wrong_type", "Send the content type that the OpenAPI document names."),
    422: ("invalid", "Correct the value that the message names."),
    431: ("head_too_large", "Send ids in the body, and no headers that nobody reads."),
    429: ("too_many_requests", "Wait for as many seconds as Retry-After says."),
    500: ("unforeseen", "Report it with the request id; the log has the cause."),
    503: ("unavailable", "Try again in a moment; the log has the cause under the request id."),
    504: ("too_slow", "Ask for less, or try again when the load is lower."),
}
"""Status to (code, cure) where the error itself has none."""

_STATUS: Sequence[tuple[type[OccasionError], int, str]] = (
    (RuleError, 422, "invalid_rule"),
    (DataError, 422, "invalid"),
    (NotFoundError, 404, "not_found"),
    (ConflictError, 409, "conflict"),
    (StoreError, 503, "store_unavailable"),
    (EncoderError, 503, "encoder_unavailable"),
    (VectorIndexError, 503, "index_unavailable"),
    (ModelError, 503, "model_unavailable"),
    (MissingExtraError, 503, "part_missing"),
)


class RefusedError(Exception):
    """A request that is refused with a status of `CODES`."""

    def __init__(self, status: int, message: str, *, code: str = "", cure: str = "", retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.cure, self.retry_after = status, message, code, cure, retry_after


def error_body(code: str, message: str, cure: str, request_id: str) -> dict[str, Any]:
    """Return the one shape of errors."""
    return {"error": {"code": code, "message": message, "cure": cure, "request_id": request_id}}


def error_response(
    status: int, message: str, *, request_id: str, code: str = "", cure: str = "", retry_after: int | None = None
) -> Response:
    """Return the response of an error; code and cure default to those of `CODES`."""
    from starlette.responses import JSONResponse

    known = CODES.get(status, CODES[500])
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(error_body(code or known[0], message, cure or known[1], request_id), status, headers)


def _request_id(request: Request) -> str:
    return str(request.scope.get("request_id", ""))


def _status(error: BaseException) -> tuple[int, str]:
    return next(((status, code) for kind, status, code in _STATUS if isinstance(error, kind)), (500, "unforeseen"))


def is_inner(error: BaseException) -> bool:
    """Return whether the message of an error may name what lies inside the service: folders of this machine, say."""
    return not isinstance(error, OccasionError) or _status(error)[0] >= 500


def told(error: BaseException, place: str) -> tuple[str, str]:
    """Return what may be told of an error that came up in the background, and its cure.

    Parameters
    ----------
    place : str
        What the log has the cause under, where the message may name what lies inside the service.
    """
    if is_inner(error):
        return "something went wrong inside the service", f"the service's log has the cause under {place}"
    return split_cure(str(error))


def _occasion(request: Request, error: Exception) -> Response:
    assert isinstance(error, OccasionError)
    status, code = _status(error)
    request.scope["failure"] = error if status >= 500 else code
    if status >= 500:
        # The message of a store's error names folders of this machine: they go to the log alone.
        return error_response(
            status, "The service cannot answer just now.", request_id=_request_id(request), code=code, retry_after=5
        )
    message, cure = split_cure(str(error.args[0]) if error.args else type(error).__name__)
    return error_response(status, message, request_id=_request_id(request), code=code, cure=cure)


def _http(request: Request, error: Exception) -> Response:
    from starlette.exceptions import HTTPException

    assert isinstance(error, HTTPException)
    said = {404: "There is nothing at this address.", 405: "This address does not take this method."}
    message = said.get(error.status_code, str(error.detail))
    response = error_response(error.status_code, message, request_id=_request_id(request))
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response


def _validation(request: Request, error: Exception) -> Response:
    from fastapi.exceptions import RequestValidationError

    assert isinstance(error, RequestValidationError)
    faults = error.errors()
    # The place and what is allowed, not what was found: that may be personal.
    told = [f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"[:300] for fault in faults[:5]]
    more = f" (and {len(faults) - 5} more)" if len(faults) > 5 else ""
    return error_response(422, "; ".join(told) + more, request_id=_request_id(request))


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    return error_response(
        error.status,
        error.message,
        request_id=_request_id(request),
        code=error.code,
        cure=error.cure,
        retry_after=error.retry_after,
    )


def install(app: FastAPI, measures: Measures) -> None:
    """Give an application the handlers of all errors."""
    from fastapi.exceptions import RequestValidationError
    from starlette.exceptions import HTTPException

    def overloaded(request: Request, error: Exception) -> Response:
        assert isinstance(error, OverloadedError)
        measures.overloaded.inc()
        return error_response(
            503, "The service is busy.", request_id=_request_id(request), code="overloaded", retry_after=error.seconds
        )

    app.add_exception_handler(OccasionError, _occasion)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(RefusedError, _refused)
    app.add_exception_handler(OverloadedError, overloaded)
