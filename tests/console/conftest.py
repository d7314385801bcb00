"""One browser and one shop for all tests of the console that do not change its keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from console_browser import Tab, start
from console_shop import Shop, fill, serving

pytest.importorskip("nicegui", reason="the console needs the extra console")


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Return a service on loopback without keys, on a filled home."""
    with serving(fill(tmp_path_factory.mktemp("shop") / "home")) as running:
        yield running


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a filled home of its own."""
    return fill(tmp_path_factory.mktemp("locked") / "home")


@pytest.fixture(scope="session")
def driver():
    """Return the browser."""
    made = start()
    yield made
    made.quit()


@pytest.fixture
def tab(driver, shop: Shop) -> Iterator[Tab]:
    """Return a page of the shop's console; cookies are forgotten afterwards, and nothing may have gone wrong on the page."""
    page = Tab(driver, shop.url)
    yield page
    faults = page.faults()
    driver.delete_all_cookies()
    assert faults == []
