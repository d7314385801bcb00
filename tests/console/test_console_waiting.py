"""What a page shows while its tenant's first answer is built, and where that fails."""

from __future__ import annotations

from contextlib import closing

import httpx
import pytest
from console_browser import Tab
from console_shop import fill, serving
from filelock import FileLock

from occasion.service.control import ControlFile
from occasion.service.keys import KeyRing


@pytest.fixture(scope="module")
def late(tmp_path_factory):
    """A service with a tenant whose recommender was never built."""
    home = fill(tmp_path_factory.mktemp("late") / "home")
    fill_of = home / "tenants" / "late"
    fill_of.mkdir(parents=True)
    fill(fill_of)
    with closing(ControlFile(home)) as control:
        token = KeyRing(control).create("read", "late")[1]
    with serving(home) as shop:
        shop.token = token
        yield shop


def test_what_fails_while_one_waits_is_told_with_its_cure(driver, late):
    tenant = late.home / "tenants" / "late"
    tab = Tab(driver, late.url)
    # Another process builds it, for as long as it likes.
    with FileLock(tenant / "opening.lock"):
        tab.open("/moment")
        tab.fill("#key", late.token)
        tab.click("button[type=submit]")
        tab.one(".state.working")
        derived = tenant / "derived"
        assert not derived.exists()
        derived.write_text("no folder")
    tab.one(".state.failed")
    assert tab.all(".state.working") == []
    assert tab.violations() == []
    derived.unlink()
    tab.click(".state.failed button")
    tab.until(tab.titles, "cards")
    assert httpx.get(f"{late.url}/v1/health/ready").status_code == 200
    driver.delete_all_cookies()
