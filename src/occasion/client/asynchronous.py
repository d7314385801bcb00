"""The client to be awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

import httpx

from occasion.client import calls
from occasion.client.answers import Acknowledged
from occasion.client.calls import Call, delay, headers_of, presented, read, unreachable
from occasion.data import Event

__all__ = ["AsyncClient"]

Asked = ParamSpec("Asked")
Result = TypeVar("Result")


def awaited(make: Callable[Asked, Call[Result]]) -> Callable[Concatenate[AsyncClient, Asked], Coroutine[Any, Any, Result]]:
    """Return the method that sends a call and is awaited."""

    async def method(self: AsyncClient, /, *given: Asked.args, **named: Asked.kwargs) -> Result:
        return await self._do(make(*given, **named))

    presented(method, make)
    return method


class AsyncClient:
    """A service, spoken to over kept connections from one event loop.

    Parameters
    ----------
    address : str
        For example ``http://127.0.0.1:8000``.
    key : str, optional
        None: the service is open on loopback.
    timeout : float
        Seconds a try may take.
    attempts : int
        Tries of a request while the service is busy or cannot be reached; it is asked to wait as long as it says.
    transport : optional
        What carries the requests, for tests.

    Raises
    ------
    ServiceError
        By every method, where the service refuses or does not answer.
    """

    def __init__(
        self,
        address: str,
        key: str | None = None,
        *,
        timeout: float = 30.0,
        attempts: int = 4,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.attempts = attempts
        self._http = httpx.AsyncClient(base_url=address, headers=headers_of(key), timeout=timeout, transport=transport)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _do(self, call: Call[Result]) -> Result:
        for attempt in range(self.attempts):
            last = attempt == self.attempts - 1
            try:
                response = await self._http.request(**call.arguments())
            except httpx.HTTPError as error:
                if last:
                    raise unreachable(error) from error
                await asyncio.sleep(delay(attempt, None) or 0.0)
                continue
            wait = delay(attempt, response)
            if wait is None or last:
                break
            await asyncio.sleep(wait)
        return read(call, response)

    async def stream(self, events: Iterable[Event]) -> Acknowledged:
        """Send events of any number, some thousands at once; those that cannot be used are told of, the others are stored.

        What was sent when a connection broke is sent again; its events that had been stored then count as received, not as new.
        """
        return calls.together([await self._do(call) for call in calls.stream(events)])

    recommend = awaited(calls.recommend)
    similar = awaited(calls.similar)
    rank = awaited(calls.rank)
    what_if = awaited(calls.what_if)
    explain = awaited(calls.explain)
    feedback = awaited(calls.feedback)
    put_items = awaited(calls.put_items)
    get_items = awaited(calls.get_items)
    delete_items = awaited(calls.delete_items)
    put_users = awaited(calls.put_users)
    start_import = awaited(calls.start_import)
    get_import = awaited(calls.get_import)
    info = awaited(calls.info)
    request = awaited(calls.request)
