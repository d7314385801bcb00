"""What all tests share: an environment without the caller's settings, and the data sets that lie outside of the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from httpx._config import DEFAULT_TIMEOUT_CONFIG

SHARED = Path(os.environ.get("OCCASION_SHARED", Path(__file__).parents[2] / "shared"))


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting or key of whoever runs the tests changes what they see."""
    for name in [n for n in os.environ if n.startswith(("OCCASION_", "OPENAI_")) and n != "OCCASION_SHARED"]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of data sets that may not be redistributed; tests that need it are skipped without it."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is missing; OCCASION_SHARED names another place")
    return SHARED


def pytest_configure() -> None:
    """A client that waits for a busy machine has not failed: where a test says nothing else it waits a minute, not five seconds."""
    for name in ("connect", "read", "write", "pool"):
        setattr(DEFAULT_TIMEOUT_CONFIG, name, 60.0)
