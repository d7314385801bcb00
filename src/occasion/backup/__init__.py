"""Backup: a whole home, tenants included, as one file that is checked when it is made and before it is put back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from occasion.backup.making import back_up
    from occasion.backup.restoring import restore

__all__ = ["back_up", "restore"]


def __getattr__(name: str) -> Any:
    # A service that starts needs `occasion.backup.keys` alone; the others load what they copy.
    if name == "back_up":
        from occasion.backup.making import back_up

        return back_up
    if name == "restore":
        from occasion.backup.restoring import restore

        return restore
    raise AttributeError(f"module 'occasion.backup' has no attribute {name!r}")
