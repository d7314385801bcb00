"""Services for the tests: one shared by those that only read or add, one of their own for the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from service_shop import fill

from occasion.encoders import load_encoder
from occasion.protocols import Encoder
from occasion.service import create_app
from occasion.settings import Settings


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return load_encoder()


@pytest.fixture
def serve(tmp_path: Path, encoder: Encoder) -> Iterator[Callable[..., TestClient]]:
    """A function that starts a service in process on a filled home, with settings."""
    with ExitStack() as closing:

        def start(**settings: Any) -> TestClient:
            home = settings.pop("home", tmp_path / "home")
            fill(home)
            app = create_app(Settings(home=home, **settings), encoder=encoder)
            client = TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)
            return closing.enter_context(client)

        yield start
