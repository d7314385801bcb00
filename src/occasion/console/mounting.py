"""Mounting: the console's application beside the API of a service."""

from __future__ import annotations

import copy
import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from occasion.console.guard import HOME
from occasion.errors import MissingExtraError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from occasion.console.page import Page
    from occasion.console.sessions import Session, Sessions
    from occasion.console.view import View
    from occasion.service.core import Service

__all__ = ["STATIC", "load_pages", "mount"]

STATIC = Path(__file__).parent / "static"
BUILD_SECONDS = 30.0
"""A page whose elements are not there by then is given up; a service that still loads makes the first one slow."""


def load_pages() -> list[Page]:
    """Return the pages in the order of `occasion.console.pages.PAGES`."""
    from occasion.console.pages import PAGES

    return [import_module(name).PAGE for name in PAGES]


def mount(app: FastAPI) -> None:
    """Add the console to a service made by `create_app`, at ``/console``. Once in a process: its library keeps one application.

    Raises
    ------
    MissingExtraError
        Where the extra ``console`` is not installed.
    """
    # Nothing is kept between visits; a folder in whatever the working folder is must not appear.
    os.environ.setdefault("NICEGUI_STORAGE_PATH", str(app.state.service.settings.home / "derived" / "console"))
    try:
        from nicegui import app as inner
        from nicegui import ui
    except ImportError:
        raise MissingExtraError("the console", "console") from None
    from occasion.console.entrance import Entrance
    from occasion.console.guard import Guard
    from occasion.console.journal import log_as_the_service
    from occasion.console.sessions import Sessions

    log_as_the_service()
    service: Service = app.state.service
    sessions = Sessions(service.keys, service.settings.console_hours)
    inner.add_static_files("/static", STATIC, max_cache_age=3600)
    Entrance(service, sessions).install(inner)
    pages = load_pages()
    for page in pages:
        _add_page(app, sessions, page, pages)
    _add_first(service, pages)
    ui.run_with(
        app,
        mount_path=HOME,
        title="Occasion",
        favicon=STATIC / "mark.svg",
        tailwind=False,
        dark=None,
        show_welcome_message=False,
        reconnect_timeout=10.0,
    )
    # A bar across the page at each upload, which says nothing to those who cannot see it; pages show progress in place.
    inner.config.quasar_config["loadingBar"] = {"skipHijack": True}
    # Added last, it stands outermost.
    inner.add_middleware(Guard, service=service, sessions=sessions)


def _add_page(app: FastAPI, sessions: Sessions, page: Page, pages: list[Page]) -> None:
    from nicegui import ui

    async def shown(request: Request) -> None:
        from occasion.console.frame import framed

        view = _view(app, sessions, page, request)
        _as_preferred(view.locale, view.dark)
        await framed(page, pages, view)

    ui.page(page.path, response_timeout=BUILD_SECONDS)(shown)


def _view(app: FastAPI, sessions: Sessions, page: Page, request: Request) -> View:
    from occasion.console.calling import Api
    from occasion.console.entrance import THEME_COOKIE, preferred_locale
    from occasion.console.guard import cookies_of
    from occasion.console.view import View
    from occasion.service.keys import DEFAULT_TENANT

    service: Service = app.state.service
    session: Session | None = request.scope.get("console_session")
    api = Api(app, sessions, session)
    key = api.key()
    return View(
        api=api,
        service=service,
        locale=preferred_locale(request, service.settings.locale),
        dark={"dark": True, "light": False}.get(cookies_of(request.scope).get(THEME_COOKIE, "")),
        query=dict(request.query_params),
        words=page.words,
        role="admin" if key is None else key.role,
        tenant=DEFAULT_TENANT if key is None else key.tenant,
        address=f"{request.url.scheme}://{request.headers.get('host', '')}",
        signed_in=session is not None,
    )


def _as_preferred(locale: str, dark: bool | None) -> None:
    """Let this one visit have its language and theme from the first paint on."""
    from nicegui import ui

    client = ui.context.client
    client.page = copy.copy(client.page)
    client.page.language = "zh-CN" if locale == "zh" else "en-US"
    client.page.dark = dark


def _add_first(service: Service, pages: list[Page]) -> None:
    """Lead from the console's own address to its first page."""
    from nicegui import app as inner

    async def first(request: Request) -> Response:
        return RedirectResponse(f"{HOME}{pages[0].path}", 303)

    inner.add_route("/", first, ["GET"])
