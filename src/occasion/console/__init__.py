"""The console: Occasion in a browser, mounted beside the API that it speaks through. `mount` adds it to an application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from occasion.console.mounting import mount

__all__ = ["mount"]


def __getattr__(name: str) -> Any:
    # The web interface library is heavy: it loads when a console is mounted, not when a command line asks for help.
    if name != "mount":
        raise AttributeError(f"module 'occasion.console' has no attribute {name!r}")
    from occasion.console.mounting import mount

    return mount
