"""The service: Occasion over HTTP. ``create_app`` returns it as an ASGI application; ``occasion serve`` runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from occasion.service.app import create_app

__all__ = ["create_app"]


def __getattr__(name: str) -> Any:
    # The web framework is heavy: it loads when an application is made, not when a command line asks for help.
    if name != "create_app":
        raise AttributeError(f"module 'occasion.service' has no attribute {name!r}")
    from occasion.service.app import create_app

    return create_app
