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


def has_console(settings: Settings) -> bool:
    """Return whether the console will be served: wanted, installed, and one process that all its parts reach."""
    return settings.console and settings.workers == 1 and find_spec(NEEDS) is not None


def add_console(app: FastAPI, settings: Settings) -> None:
    """Mount the console at /console; where it cannot be, say there what would bring it."""
    if has_console(settings):
        module, name = CONSOLE.split(":")
        getattr(import_module(module), name)(app)
        return
    text = "The console is switched off. Cure: console = true in the settings."
    if settings.console and settings.workers > 1:
        text = "Several workers serve here, the console needs a process of its own. Cure: `occasion console` beside them."
    elif settings.console:
        text = "The console is not installed. Cure: pip install 'occasion[console]'"

    async def told(request: Request) -> Response:
        from starlette.responses import PlainTextResponse

        return PlainTextResponse(text, 404)

    for path in ("/console", "/console/{rest:path}"):
        app.add_route(path, told, ["GET"])
