"""Stores of the small shop, and settings with a home of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from shop import shop_items

from occasion.data import Event, Item
from occasion.protocols import Store
from occasion.settings import Settings, load_settings
from occasion.stores import open_store


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path / "home")


@pytest.fixture
def open_shop(tmp_path: Path) -> Iterator[Callable[..., Store]]:
    """Return a maker of filled stores."""
    stores: list[Store] = []

    def make(events: Sequence[Event], items: Sequence[Item] | None = None) -> Store:
        store = open_store(f"sqlite:///{tmp_path / f'{len(stores)}.db'}")
        stores.append(store)
        store.put_items(shop_items() if items is None else items)
        store.append(events)
        return store

    yield make
    for store in stores:
        store.close()
