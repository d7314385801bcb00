"""The gate: what every request passes before and after its route.

Request id, key, rate, size, time, safe headers, the log line and the measures. A plain ASGI middleware: it sees the body
stream by, so that limits hold whatever a route does.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException

from occasion.errors import OccasionError, StoreError
from occasion.service.core import Service, is_near
from occasion.service.failures import error_response
from occasion.service.logs import logger

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["PUBLIC", "Gate"]

PUBLIC = frozenset({"/v1/health/live", "/v1/health/ready", "/v1/openapi.json"})
"""What needs no key: it tells nothing of any tenant."""
UPLOADS, STREAM = "/v1/imports", "/v1/events/stream"
UPLOAD_SECONDS = 3600.0
REOPEN = 1 / 500
"""Share of answers after which a kept connection is closed: a client's connections spread anew over the workers, so that none
has too many for long after another one was started again."""
_chance = random.Random()
"""Of its own: what others draw with a seed stays as it is. A request's id is no secret, and to ask the system for one is to leave
the interpreter, and then to wait until the thread of answers lets go of it."""
_GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)
_API_HEADERS = ((b"cache-control", b"no-store"), (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"))


class Gate:
    """See the module. Paths outside of /v1 (a console mounted beside it) get an id, headers and a log line, no more."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app, self.service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        await _Passage(self.app, self.service, scope, receive, send).run()


class _Passage:
    """One request on its way through the gate."""

    def __init__(self, app: ASGIApp, service: Service, scope: Scope, receive: Receive, send: Send) -> None:
        self.app, self.service, self.scope, self._receive, self._send = app, service, scope, receive, send
        self.headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        given = self.headers.get(b"x-request-id", "")
        self.begun = scope["begun"] = time.perf_counter()
        self.id = scope["request_id"] = given if _GIVEN_ID.fullmatch(given) else f"{_chance.getrandbits(128):032x}"
        self.api = scope["path"].startswith("/v1/")
        self.status = 0
        self.read = 0
        settings = service.settings
        self.most, self.seconds = settings.max_body_mb * 1_000_000, settings.request_seconds
        if scope["path"] == UPLOADS:
            self.most, self.seconds = settings.max_upload_mb * 1_000_000, UPLOAD_SECONDS
        elif scope["path"] == STREAM:
            self.most, self.seconds = 2**62, UPLOAD_SECONDS

    async def run(self) -> None:
        try:
            refusal = self._refusal() if self.api else None
            if refusal is not None:
                await refusal(self.scope, self._receive, self.send)
            else:
                await self._pass()
        except Exception as error:
            self.scope["failure"] = error
            if not self.status:
                await error_response(500, "Something unforeseen happened.", request_id=self.id)(
                    self.scope, self._receive, self.send
                )
        finally:
            self._tell()

    async def _pass(self) -> None:
        try:
            async with asyncio.timeout(self.seconds if self.api else None):
                await self.app(self.scope, self.receive, self.send)
        except TimeoutError:
            if self.status:
                raise
            text = f"The answer took longer than {self.seconds:g} s."
            await error_response(504, text, request_id=self.id)(self.scope, self._receive, self.send)

    # -- before the route -------------------------------------------------------------------------------------------
    def _refusal(self) -> Any:
        """Return the response of a request that may not pass; None for one that may."""
        if self.scope["path"] in PUBLIC or self.scope["method"] == "OPTIONS":
            return None
        try:
            refused = self._unknown() or self._too_often()
        except StoreError as error:
            self.scope["failure"] = error
            return error_response(503, "The service cannot answer just now.", request_id=self.id, retry_after=5)
        if refused is not None:
            return refused
        length = self.headers.get(b"content-length", "0")
        if length.isdigit() and int(length) > self.most:
            return self._too_large()
        return None

    def _unknown(self) -> Any:
        if "access_key" in self.scope:
            # A call from within this process, on behalf of whoever signed in: no request from outside brings this entry.
            self.scope["within"] = True
            return None if self.scope["access_key"] is not None else self._keyless()
        token = self.headers.get(b"x-api-key", "")
        scheme, _, bearer = self.headers.get(b"authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            token = bearer.strip()
        if not token:
            return self._keyless()
        key = self.service.keys.find(token)
        if key is None:
            return self._no_key("This key is not known, or no longer good.")
        self.scope["access_key"] = key
        return None

    def _keyless(self) -> Any:
        """Let a request without a key pass where the service is open; return the response of one that may not."""
        if not self.service.open_access or self.service.keys.exist():
            return self._no_key("This needs a key.")
        # Open on loopback: a page of another site must not reach it through a name that leads here.
        if is_near(self.headers) and _same_site(self.headers):
            return None
        text = "Without keys the service answers programs of this machine alone, under its own name and through no proxy."
        return error_response(403, text, request_id=self.id, cure="Make a key: `occasion keys create --role admin`.")

    def _no_key(self, said: str) -> Any:
        self.service.measures.refused.inc()
        return error_response(401, said, request_id=self.id)

    def _too_often(self) -> Any:
        key = self.scope.get("access_key")
        if key is None:
            return None
        wait, who = self.service.rates.wait(key), "This key asks"
        if wait <= 0:
            wait, who = self.service.rates.wait_tenant(self.service.quotas.get(key.tenant)), "The keys of this tenant ask"
        if wait <= 0:
            return None
        self.service.measures.limited.inc()
        return error_response(429, f"{who} too often.", request_id=self.id, retry_after=max(1, round(wait + 0.5)))

    def _too_large(self) -> Any:
        return error_response(413, f"The body is larger than {self.most:,} bytes.", request_id=self.id)

    async def receive(self) -> Message:
        """Pass a piece of the body on; refuse what is too large even where its length was not said before."""
        message = await self._receive()
        self.read += len(message.get("body", b""))
        if self.read > self.most:
            raise HTTPException(413, f"The body is larger than {self.most:,} bytes.")
        return message

    # -- after the route --------------------------------------------------------------------------------------------
    async def send(self, message: Message) -> None:
        """Pass a piece of the answer on, with safe headers and the request's id."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            have = {name.lower() for name, _ in message["headers"]}
            extra = _HEADERS + (_API_HEADERS if self.api else ())
            message["headers"] = [
                *message["headers"],
                (b"x-request-id", self.id.encode()),
                *((name, value) for name, value in extra if name not in have),
            ]
            if self.api and _chance.random() < REOPEN:
                message["headers"].append((b"connection", b"close"))
        await self._send(message)

    def _route(self) -> str:
        """Return the route's template: paths themselves may hold anything."""
        if not self.api:
            return "outside"
        path = getattr(self.scope.get("route"), "path", "other")
        # FastAPI gives it with its prefix or without, by release.
        return path if path.startswith("/v1") else f"/v1{path}" if path.startswith("/") else path

    def _tell(self) -> None:
        took = time.perf_counter() - self.begun
        route = self._route()
        status = self.status or 499
        self.service.measures.request(route, self.scope["method"], status, took)
        key = self.scope.get("access_key")
        fields = {
            "request_id": self.id,
            "method": self.scope["method"],
            "route": route,
            "status": status,
            "ms": round(1000 * took, 2),
            "read": self.read,
            **({"tenant": key.tenant, "key": key.id} if key is not None else {}),
        }
        failure = self.scope.get("failure")
        if isinstance(failure, OccasionError):
            fields["cause"] = str(failure)
        broken = isinstance(failure, BaseException)
        level = "error" if broken else "info"
        getattr(logger, level)("request", extra={"fields": fields}, exc_info=failure if broken else None)


def _same_site(headers: dict[bytes, str]) -> bool:
    """Return whether a browser, where one asks, is on a page of this machine."""
    return headers.get(b"sec-fetch-site", "none") in ("none", "same-origin", "same-site")
