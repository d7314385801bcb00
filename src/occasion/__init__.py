"""Occasion recommends what fits the moment. Importing it is cheap: parts load when they are first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from occasion.data import Context, Event, Item, Slate, SlateEntry, User
    from occasion.errors import OccasionError
    from occasion.recommender import Recommender
    from occasion.settings import Settings

__all__ = [
    "Context",
    "Event",
    "Item",
    "OccasionError",
    "Recommender",
    "Settings",
    "Slate",
    "SlateEntry",
    "User",
    "__version__",
]

_HOMES = {
    "Context": "data", "Event": "data", "Item": "data", "Slate": "data", "SlateEntry": "data", "User": "data",
    "OccasionError": "errors", "Recommender": "recommender", "Settings": "settings",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562), so that ``import occasion`` and the command line start fast."""
    import importlib

    if name == "__version__":
        from importlib.metadata import version

        return version("occasion")
    if name in _HOMES:
        return getattr(importlib.import_module(f"occasion.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'occasion' has no attribute {name!r}")
