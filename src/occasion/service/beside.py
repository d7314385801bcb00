"""Beside the API: what else one address serves. Named by place, since it stands above the service and needs an extra."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from occasion.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["CONSOLE", "NEEDS", "add_console", "has_console"]

CONSOLE = "occasion.console.mounting:mount"
"""A function of the application."""
NEEDS = "nicegui"
"""The package of the extra ``console``."""


WORDS = {
    "off": (
        "The console is switched off. Cure: console = true in the settings.",
        "控制台已关闭。解决办法：在设置中写 console = true。",
    ),
    "several": (
        "Several workers serve here, the console needs a process of its own. Cure: `occasion console` beside them.",
        "此处有多个工作进程，控制台需要单独的进程。解决办法：另行运行 `occasion console`。",
    ),
    "missing": (
        "The console is not installed. Cure: pip install 'occasion[console]'",
        "未安装控制台。解决办法：pip install 'occasion[console]'",
    ),
}
"""Why there is no console, in English and Chinese: nobody knows yet who asks."""


def has_console(settings: Settings) -> bool:
    """Return whether the console will be served: wanted, installed, and one process that all its parts reach."""
    return settings.console and settings.workers == 1 and find_spec(NEEDS) is not None


def add_console(app: FastAPI, settings: Settings) -> None:
    """Mount the console at /console and lead there from /; where it cannot be, say there what would bring it."""

    async def led(request: Request) -> Response:
        from starlette.responses import RedirectResponse

        # Relative, so that it holds behind a proxy that serves this under a path of its own.
        return RedirectResponse("console")

    app.add_route("/", led, ["GET"])
    if has_console(settings):
        module, name = CONSOLE.split(":")
        getattr(import_module(module), name)(app)
        return
    name = "off" if not settings.console else "several" if settings.workers > 1 else "missing"
    text = "\n".join(WORDS[name])

    async def told(request: Request) -> Response:
        from starlette.responses import PlainTextResponse

        return PlainTextResponse(text, 404)

    for path in ("/console", "/console/{rest:path}"):
        app.add_route(path, told, ["GET"])
