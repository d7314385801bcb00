"""The entrance: signing in with a key, signing out, and the choice of language and theme. Plain pages that need no script."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from occasion.console.guard import HOME, SIGN_IN, cookies_of, headers_of, same_origin
from occasion.console.sessions import COOKIE, Sessions
from occasion.console.words import FRAME, LOCALES, say

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from occasion.service.core import Service

__all__ = ["LOCALE_COOKIE", "THEME_COOKIE", "Entrance", "preferred_locale"]

LOCALE_COOKIE, THEME_COOKIE = "occasion_locale", "occasion_theme"
_YEAR = 365 * 86_400
MOST = 10_000
"""Bytes of a sign-in form."""

_PAGE = """<!doctype html>
<html lang="{lang}" data-theme="{theme}"><head><meta charset="utf-8"><title>{title} · Occasion</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="{home}/static/mark.svg">
<link rel="stylesheet" href="{home}/static/console.css"></head>
<body class="entrance"><main><h1>Occasion</h1>{said}
<form method="post" action="{home}{path}"><input type="hidden" name="next" value="{next}">
<label for="key">{key}</label>
<input id="key" name="key" type="password" autocomplete="current-password" required autofocus spellcheck="false"
 aria-describedby="hint">
<p id="hint">{hint}</p><button type="submit">{title}</button></form>
<p><a href="{home}/prefer?locale={other}&amp;next={here}" hreflang="{other}" lang="{other_lang}">{language}</a></p>
</main></body></html>"""


def preferred_locale(request: Request, default: str) -> str:
    """Return the language chosen before, else the first one known among those the browser asks for, else the default."""
    chosen = cookies_of(request.scope).get(LOCALE_COOKIE)
    if chosen in LOCALES:
        return chosen
    for wanted in request.headers.get("accept-language", "").split(","):
        if wanted.strip()[:2].lower() in LOCALES:
            return wanted.strip()[:2].lower()
    return default


def _inside(address: str) -> str:
    """Return an address within the console, its first page for any other."""
    fits = address.startswith(f"{HOME}/") and not any(c in address for c in "\\\r\n") and "//" not in address
    return address if fits else f"{HOME}/"


class Entrance:
    """The routes that need no session.

    Parameters
    ----------
    service : Service
    sessions : Sessions
    """

    def __init__(self, service: Service, sessions: Sessions) -> None:
        self.service, self.sessions = service, sessions

    def install(self, app: Starlette) -> None:
        """Give an application the routes."""
        app.add_route(SIGN_IN, self.show, ["GET"])
        app.add_route(SIGN_IN, self.enter, ["POST"])
        app.add_route("/sign-out", self.leave, ["POST"])
        app.add_route("/prefer", self.prefer, ["GET"])

    async def show(self, request: Request) -> Response:
        """Show the form; whoever needs none goes on at once."""
        if self.service.open_access and not self.service.keys.exist():
            return RedirectResponse(f"{HOME}/", 303)
        return self._form(request, _inside(request.query_params.get("next", "")))

    async def enter(self, request: Request) -> Response:
        """Take a key; make a session of a good one."""
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > MOST:
                break
        fields = {name: values[0] for name, values in parse_qs(body[:MOST].decode("utf-8", "replace")).items()}
        wanted = _inside(fields.get("next", ""))
        if not same_origin(headers_of(request.scope)):
            return self._form(request, wanted, "foreign", 403)
        key = self.service.keys.find(fields.get("key", "").strip())
        if key is None:
            self.service.measures.refused.inc()
            return self._form(request, wanted, "key_wrong", 401)
        response = RedirectResponse(wanted, 303)
        response.set_cookie(
            COOKIE,
            self.sessions.begin(key),
            max_age=int(self.sessions.seconds),
            path=HOME,
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return response

    async def leave(self, request: Request) -> Response:
        """End the session. The guard has seen to it that the form is this console's."""
        session = request.scope.get("console_session")
        if session is not None:
            self.sessions.end(session)
        response = RedirectResponse(f"{HOME}{SIGN_IN}", 303)
        response.delete_cookie(COOKIE, path=HOME, httponly=True, samesite="strict")
        return response

    async def prefer(self, request: Request) -> Response:
        """Remember a language or a theme, and go back."""
        response = RedirectResponse(_inside(request.query_params.get("next", "")), 303)
        for name, cookie, allowed in (("locale", LOCALE_COOKIE, LOCALES), ("theme", THEME_COOKIE, ("light", "dark", "auto"))):
            value = request.query_params.get(name)
            if value in allowed:
                response.set_cookie(cookie, str(value), max_age=_YEAR, path=HOME, samesite="strict")
        return response

    def _form(self, request: Request, wanted: str, fault: str = "", status: int = 200) -> Response:
        locale = preferred_locale(request, self.service.settings.locale)
        if not fault and not self.service.keys.exist():
            fault = "no_key_yet"
        told = f'<p role="alert">{escape(say(FRAME, locale, fault))}</p>' if fault else ""
        other = LOCALES[1 - LOCALES.index(locale)]
        page = _PAGE.format(
            home=HOME,
            path=SIGN_IN,
            lang={"en": "en", "zh": "zh-CN"}[locale],
            theme=escape(cookies_of(request.scope).get(THEME_COOKIE, "auto"), quote=True),
            title=say(FRAME, locale, "sign_in"),
            said=told,
            next=escape(wanted, quote=True),
            key=say(FRAME, locale, "key"),
            hint=escape(say(FRAME, locale, "key_hint", hours=self.sessions.seconds / 3600)),
            other=other,
            other_lang={"en": "en", "zh": "zh-CN"}[other],
            here=quote(f"{HOME}{SIGN_IN}?next={quote(wanted)}"),
            language=say(FRAME, locale, "language"),
        )
        return HTMLResponse(page, status, {"cache-control": "no-store"})
