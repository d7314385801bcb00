"""Stores: where everything durable lives, one kind a file. To add one: write the file, add its line here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from occasion.errors import StoreError

if TYPE_CHECKING:
    from occasion.protocols import Store

__all__ = ["STORES", "open_store"]

STORES = {
    "sqlite": "occasion.stores.sqlite:SqliteStore",
}
"""URL scheme to where it lives."""


def open_store(url: str) -> Store:
    """Open the store at `url`, creating it where there is none.

    Parameters
    ----------
    url : str
        ``sqlite:///relative/path.db`` or ``sqlite:////absolute/path.db``.

    Raises
    ------
    StoreError
        The scheme is unknown, or the store cannot be opened: names the cause and the cure.
    """
    scheme, found, _ = url.partition("://")
    if not found or scheme not in STORES:
        known = ", ".join(f"{name}:///..." for name in STORES)
        raise StoreError(f"the store address {url!r} names no known kind of store. Cure: use one of {known}")
    module, cls = STORES[scheme].split(":")
    store: Store = getattr(import_module(module), cls).open(url)
    return store
