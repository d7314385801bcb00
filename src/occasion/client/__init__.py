"""A client of the service: `Client`, and `AsyncClient` with the same methods to be awaited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from occasion.client.answers import Acknowledged, Answer, Ranked
    from occasion.client.asynchronous import AsyncClient
    from occasion.client.calls import ServiceError
    from occasion.client.synchronous import Client

__all__ = ["Acknowledged", "Answer", "AsyncClient", "Client", "Ranked", "ServiceError"]

_HOMES = {
    "Acknowledged": "answers",
    "Answer": "answers",
    "AsyncClient": "asynchronous",
    "Client": "synchronous",
    "Ranked": "answers",
    "ServiceError": "calls",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'occasion.client' has no attribute {name!r}")
    return getattr(import_module(f"occasion.client.{_HOMES[name]}"), name)
