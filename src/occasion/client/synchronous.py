"""The client that waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Concatenate, ParamSpec, TypeVar

import httpx

from occasion.client import calls
from occasion.client.answers import Acknowledged
from occasion.client.calls import Call, delay, headers_of, presented, read, unreachable
from occasion.data import Event

__all__ = ["Client"]

Asked = ParamSpec("Asked")
Result = TypeVar("Result")


def waiting(make: Callable[Asked, Call[Result]]) -> Callable[Concatenate[Client, Asked], Result]:
    """Return the method that sends a call and waits for its answer."""

    def method(self: Client, /, *given: Asked.args, **named: Asked.kwargs) -> Result:
        return self._do(make(*given, **named))

    presented(method, make)
    return method


class Client:
    """A service, spoken to over kept connections; safe to use from several threads.

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
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.attempts = attempts
        self._http = httpx.Client(base_url=address, headers=headers_of(key), timeout=timeout, transport=transport)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _do(self, call: Call[Result]) -> Result:
        for attempt in range(self.attempts):
            last = attempt == self.attempts - 1
            try:
                response = self._http.request(**call.arguments())
            except httpx.HTTPError as error:
                if last:
                    raise unreachable(error) from error
                time.sleep(delay(attempt, None) or 0.0)
                continue
            wait = delay(attempt, response)
            if wait is None or last:
                break
            time.sleep(wait)
        return read(call, response)

    def stream(self, events: Iterable[Event]) -> Acknowledged:
        """Send events of any number, some thousands at once; those that cannot be used are told of, the others are stored.

        What was sent when a connection broke is sent again; its events that had been stored then count as received, not as new.
        """
        return calls.together([self._do(call) for call in calls.stream(events)])

    recommend = waiting(calls.recommend)
    similar = waiting(calls.similar)
    rank = waiting(calls.rank)
    what_if = waiting(calls.what_if)
    explain = waiting(calls.explain)
    feedback = waiting(calls.feedback)
    put_items = waiting(calls.put_items)
    get_items = waiting(calls.get_items)
    delete_items = waiting(calls.delete_items)
    put_users = waiting(calls.put_users)
    start_import = waiting(calls.start_import)
    get_import = waiting(calls.get_import)
    info = waiting(calls.info)
    request = waiting(calls.request)
