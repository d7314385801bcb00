"""Homes for the command-line tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from cli_shop import fill, occasion


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A filled and indexed home that tests only read."""
    home = fill(tmp_path_factory.mktemp("shop") / "home")
    assert occasion("index", home=home).code == 0
    return home


@pytest.fixture
def shop(ready: Path, tmp_path: Path) -> Path:
    """A copy of the home that a test may change."""
    return Path(shutil.copytree(ready, tmp_path / "home"))
