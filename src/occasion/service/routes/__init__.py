"""Routes of /v1, one subject a file. To add one: write the file with a ``router``, add its line here."""

from __future__ import annotations

__all__ = ["ROUTERS"]

ROUTERS = (
    "occasion.service.routes.answers",
    "occasion.service.routes.slates",
    "occasion.service.routes.events",
    "occasion.service.routes.items",
    "occasion.service.routes.catalogue",
    "occasion.service.routes.users",
    "occasion.service.routes.people",
    "occasion.service.routes.moments",
    "occasion.service.routes.plans",
    "occasion.service.routes.imports",
    "occasion.service.routes.scenarios",
    "occasion.service.routes.versions",
    "occasion.service.routes.live",
    "occasion.service.routes.keys",
    "occasion.service.routes.health",
)
"""Modules that have a router."""
