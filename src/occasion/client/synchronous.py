"""The client that waits."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar

import httpx

from occasion.client import calls
from occasion.client.answers import Acknowledged, Answer, Ranked
from occasion.client.calls import Call, delay, headers_of, read, unreachable
from occasion.data import Context, Event, Item, User

__all__ = ["Client"]

Result = TypeVar("Result")


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

    def recommend(
        self,
        context: Context | None = None,
        k: int | None = None,
        *,
        rules: Mapping[str, Any] | None = None,
        scenario: str | None = None,
        diversity: float | None = None,
        explore: float | None = None,
        policy: str | None = None,
        policy_options: Mapping[str, float] | None = None,
        after: str | None = None,
    ) -> Answer:
        """Return what fits a moment; `after` is the slate whose next page is wanted. The answer is stored."""
        return self._do(
            calls.recommend(
                context,
                k=k,
                rules=rules,
                scenario=scenario,
                diversity=diversity,
                explore=explore,
                policy=policy,
                policy_options=policy_options,
                after=after,
            )
        )

    def similar(self, item: str, k: int = 10, *, rules: Mapping[str, Any] | None = None) -> Answer:
        """Return items like one item."""
        return self._do(calls.similar(item, k, rules))

    def rank(self, items: Sequence[str], context: Context | None = None) -> Ranked:
        """Put own candidates in order for a moment."""
        return self._do(calls.rank(context, items))

    def what_if(
        self,
        context: Context | None,
        change: Mapping[str, Any],
        k: int = 10,
        *,
        rules: Mapping[str, Any] | None = None,
        diversity: float | None = None,
        explore: float | None = None,
    ) -> tuple[Answer, Answer]:
        """Return the answers to a moment and to the same with `change` (signals, text, at) made to it."""
        return self._do(calls.what_if(context, change, k, rules=rules, diversity=diversity, explore=explore))

    def explain(self, slate: str, item: str) -> dict[str, Any]:
        """Say why an item stood where it stood in an answer."""
        return self._do(calls.explain(slate, item))

    def feedback(self, events: Event | Sequence[Event]) -> Acknowledged:
        """Store at most 1,000 events durably; the very next answer reflects them. Safe to send again."""
        return self._do(calls.feedback(events))

    def put_items(self, items: Sequence[Item]) -> int:
        """Insert or replace at most 1,000 items; return how many were new or changed."""
        return self._do(calls.put_items(items))

    def get_items(self, ids: Sequence[str]) -> dict[str, Item]:
        """Return the items that exist among at most 100 ids."""
        return self._do(calls.get_items(ids))

    def delete_items(self, ids: Sequence[str]) -> int:
        """Remove at most 100 items from the catalogue; return how many were there."""
        return self._do(calls.delete_items(ids))

    def put_users(self, users: Sequence[User]) -> int:
        """Insert or replace at most 1,000 users; return how many were new or changed."""
        return self._do(calls.put_users(users))

    def start_import(self, content: bytes, name: str, **options: Any) -> dict[str, Any]:
        """Send a file to be imported in the background; the job's ``id`` is in the answer."""
        return self._do(calls.start_import(content, name, options))

    def get_import(self, job: str) -> dict[str, Any]:
        """Say how far an import is."""
        return self._do(calls.get_import(job))

    def info(self) -> dict[str, Any]:
        """Say what the store holds."""
        return self._do(calls.info())

    def request(self, method: str, path: str, *, query: Mapping[str, Any] | None = None, document: Any = None) -> Any:
        """Call any other route, for example ``("GET", "/v1/versions")``."""
        return self._do(calls.any_call(method, path, query, document))
