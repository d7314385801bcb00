"""The guard: what every request and every socket of the console passes. Nobody without a session gets past it."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from starlette.responses import PlainTextResponse, RedirectResponse

from occasion.console.sessions import COOKIE, Session, Sessions
from occasion.console.words import FRAME
from occasion.service.core import Service, is_near

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["HOME", "Guard", "cookies_of", "headers_of", "same_origin"]

HOME = "/console"
"""Where the console is mounted."""
SIGN_IN = "/sign-in"
_OPEN = ("/_nicegui/", "/static/", "/favicon.ico", SIGN_IN, "/prefer")
"""What needs no session: the library's own files, how it looks, and the way in."""
_SHUT = "/_nicegui/client/"
"""Below it the library takes uploads."""
_ENVELOPE = 10_000
"""Bytes that a form may need around a file."""
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob: https: http:; font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)


def headers_of(scope: Scope) -> dict[bytes, str]:
    """Return the headers of a request by their names in small letters."""
    return {name: value.decode("latin-1") for name, value in scope["headers"]}


def cookies_of(scope: Scope) -> dict[str, str]:
    """Return the cookies of a request."""
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(headers_of(scope).get(b"cookie", "")).items()}
    except CookieError:
        return {}


def same_origin(headers: dict[bytes, str]) -> bool:
    """Return whether a request comes from a page of this very address, or from no page at all."""
    if headers.get(b"sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get(b"origin")
    return origin is None or urlsplit(origin).netloc == headers.get(b"host", "")


class _TooLargeError(Exception):
    """A body is larger than it may be."""


class Guard:
    """An ASGI middleware around the console's application.

    It puts the session (None: open on loopback) into the scope as ``console_session``.
    """

    def __init__(self, app: ASGIApp, service: Service, sessions: Sessions) -> None:
        self.app, self.service, self.sessions = app, service, sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request or socket."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if scope["type"] == "http":
            send = _with_policy(send)
        if path.startswith(_OPEN) and not path.startswith(_SHUT):
            await self.app(scope, receive, send)
            return
        headers = headers_of(scope)
        session = self._session(scope)
        wanted = session is not None or self._is_open(headers)
        if (scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")) and not same_origin(headers):
            wanted = False
        if wanted:
            scope["console_session"] = session
            if path.startswith(_SHUT):
                await self._taken(scope, headers, receive, send)
            else:
                await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 4401})
        else:
            await _sent_away(scope, path, send)

    async def _taken(self, scope: Scope, headers: dict[bytes, str], receive: Receive, send: Send) -> None:
        """Let an upload in, as far as it is no larger than an import may be; the library writes to disk all that comes."""
        most, read = self.service.settings.max_upload_mb * 1_000_000 + _ENVELOPE, 0
        length = headers.get(b"content-length", "0")

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > most:
                raise _TooLargeError
            return message

        try:
            if length.isdigit() and int(length) > most:
                raise _TooLargeError
            await self.app(scope, counted, send)
        except _TooLargeError:
            told = " ".join(text.format(most=most) for text in FRAME["too_large"])
            await PlainTextResponse(told, 413)(scope, receive, send)

    def _session(self, scope: Scope) -> Session | None:
        cookie = cookies_of(scope).get(COOKIE)
        session = self.sessions.read(cookie) if cookie else None
        return session if session is not None and self.sessions.key(session) is not None else None

    def _is_open(self, headers: dict[bytes, str]) -> bool:
        """Return whether no key is needed: on loopback, while there is none, under this machine's own name."""
        return self.service.open_access and not self.service.keys.exist() and is_near(headers)


def _with_policy(send: Send) -> Send:
    """Add the headers that keep other sites' scripts and frames out."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            # Without a referrer a browser would not name its own page as the origin of a form either.
            extra = ((b"content-security-policy", _POLICY.encode()), (b"referrer-policy", b"same-origin"))
            message["headers"] = [*message["headers"], *extra]
        await send(message)

    return sending


async def _sent_away(scope: Scope, path: str, send: Send) -> None:
    """Answer who has no session: pages lead to the sign-in, all else is refused."""

    async def nothing() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    page = scope["method"] == "GET" and not path.startswith("/_nicegui")
    query = scope.get("query_string", b"").decode("latin-1")
    wanted = quote(f"{HOME}{path}{'?' if query else ''}{query}")
    told = " ".join(FRAME["sign_in_first"])
    response = RedirectResponse(f"{HOME}{SIGN_IN}?next={wanted}", 303) if page else PlainTextResponse(told, status_code=401)
    await response(scope, nothing, send)
