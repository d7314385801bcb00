"""Calls: each method of the clients as a request to send and a way to read its answer; nothing here waits for anything.

What both clients can do is declared here once: signature, words and request; `Client` and `AsyncClient` only send.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from inspect import Parameter, signature
from typing import Any, Generic, Literal, TypeVar

import httpx

from occasion.client.answers import Acknowledged, Answer, Ranked, answer_from, ranked_from
from occasion.data import Context, Event, Item, User
from occasion.errors import OccasionError
from occasion.stores.bodies import context_fields, event_fields, item_fields, user_fields

__all__ = ["Call", "ServiceError", "delay", "headers_of", "read"]

Result = TypeVar("Result")
PASSING = frozenset({429, 502, 503, 504})
"""Statuses after which the same request may well succeed; every request may be sent twice without harm."""
LONGEST_WAIT = 30.0
STREAM_LINES, STREAM_BYTES = 5_000, 4_000_000
"""Events of a stream sent at once, and bytes from which on they are sent."""
SHOWN_REJECTS = SHOWN_NOTES = 100


class ServiceError(OccasionError):
    """The service refused, or did not answer.

    Attributes
    ----------
    status : int
        0 where there was no answer.
    code, message, cure, request_id : str
        As the service told them.
    """

    def __init__(self, status: int, code: str, message: str, cure: str, request_id: str) -> None:
        super().__init__(f"{message} (status {status}, {code}, request {request_id or 'without id'}). Cure: {cure}")
        self.status, self.code, self.message, self.cure, self.request_id = status, code, message, cure, request_id


@dataclass(frozen=True, slots=True)
class Call(Generic[Result]):
    """A request: method, path, query, body (a document, or bytes with their type), and what makes a result of the answer."""

    method: str
    path: str
    parse: Callable[[Any], Result]
    query: Mapping[str, Any] | None = None
    document: Any = None
    content: bytes | None = None
    type: str = "application/json"

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of an httpx request."""
        body = self.content
        if self.document is not None:
            body = json.dumps(self.document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        query = None if self.query is None else {name: value for name, value in self.query.items() if value is not None}
        return {"method": self.method, "url": self.path, "params": query, "content": body, "headers": {"content-type": self.type}}


def headers_of(key: str | None) -> dict[str, str]:
    """Return the headers of every request."""
    return {"accept": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}


def read(call: Call[Result], response: httpx.Response) -> Result:
    """Return the result of an answer.

    Raises
    ------
    ServiceError
        Where the service refused, or something else than the service answered.
    """
    if response.is_success:
        if response.status_code == 204:
            return call.parse(None)
        kind = response.headers.get("content-type", "")
        return call.parse(response.json() if kind.startswith("application/json") else response.text)
    try:
        told = response.json()["error"]
        raise ServiceError(response.status_code, told["code"], told["message"], told["cure"], told["request_id"])
    except (ValueError, KeyError, TypeError):
        cure = "check the address; something else than Occasion may answer there"
        raise ServiceError(response.status_code, "odd_answer", "the answer is not the service's", cure, "") from None


def delay(attempt: int, response: httpx.Response | None) -> float | None:
    """Return the seconds to wait before trying again; None where trying again is of no use."""
    if response is not None and response.status_code not in PASSING:
        return None
    asked = response.headers.get("retry-after", "") if response is not None else ""
    seconds = float(asked) if asked.isdigit() else 0.1 * 2.0**attempt
    return min(LONGEST_WAIT, seconds + random.random() * 0.1 * 2.0**attempt)


def unreachable(error: httpx.HTTPError) -> ServiceError:
    """Return the error of a service that cannot be reached."""
    cure = "check that `occasion serve` runs and that the address is right"
    return ServiceError(0, "unreachable", f"the service does not answer ({type(error).__name__})", cure, "")


# -- methods of a call --------------------------------------------------------------------------------------------------------
def presented(method: Callable[..., Any], make: Callable[..., Call[Any]]) -> None:
    """Give a client's method the name, the words and the signature of the function that makes its call."""
    plain = signature(make)
    result = str(plain.return_annotation).removeprefix("Call[").removesuffix("]")
    mine = plain.replace(
        parameters=[Parameter("self", Parameter.POSITIONAL_OR_KEYWORD), *plain.parameters.values()], return_annotation=result
    )
    method.__name__, method.__qualname__, method.__doc__ = make.__name__, make.__qualname__, make.__doc__
    method.__signature__ = mine  # type: ignore[attr-defined]


# -- values as documents ----------------------------------------------------------------------------------------------------
def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _event(event: Event) -> dict[str, Any]:
    if event.at is None and event.id == replace(event, id="").id:
        # Nobody gave it an id or a time: it happens now, and its id must tell it from an equal one a minute later.
        event = replace(event, at=time.time(), id="")
    return event_fields(event)


# -- the calls, as both clients have them as methods ----------------------------------------------------------------------------
def recommend(
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
) -> Call[Answer]:
    """Return what fits a moment; `after` is the slate whose next page is wanted. The answer is stored."""
    given = _given(
        k=k,
        rules=rules,
        scenario=scenario,
        diversity=diversity,
        explore=explore,
        policy=policy,
        policy_options=policy_options,
        after=after,
    )
    return Call("POST", "/v1/recommend", answer_from, document={**context_fields(context or Context()), **given})


def similar(
    item: str, k: int = 10, *, rules: Mapping[str, Any] | None = None, locale: Literal["en", "zh"] | None = None
) -> Call[Answer]:
    """Return items like one item, with reasons in `locale`, by default that of the service."""
    document = {"item": item, "k": k, "rules": dict(rules or {}), "locale": locale}
    return Call("POST", "/v1/similar", answer_from, document=document)


def rank(items: Sequence[str], context: Context | None = None) -> Call[Ranked]:
    """Put own candidates in order for a moment."""
    return Call("POST", "/v1/rank", ranked_from, document={**context_fields(context or Context()), "items": list(items)})


def what_if(
    context: Context | None,
    change: Mapping[str, Any],
    k: int = 10,
    *,
    rules: Mapping[str, Any] | None = None,
    diversity: float | None = None,
    explore: float | None = None,
) -> Call[tuple[Answer, Answer]]:
    """Return the answers to a moment and to the same with `change` (signals, text, at) made to it."""
    given = _given(rules=rules, diversity=diversity, explore=explore)
    document = {**context_fields(context or Context()), "change": dict(change), "k": k, **given}
    return Call("POST", "/v1/what-if", lambda both: (answer_from(both["before"]), answer_from(both["after"])), document=document)


def explain(slate: str, item: str) -> Call[dict[str, Any]]:
    """Say why an item stood where it stood in an answer."""
    return Call("POST", "/v1/explain", dict, document={"slate": slate, "item": item})


def feedback(events: Event | Sequence[Event]) -> Call[Acknowledged]:
    """Store at most 1,000 events durably; the very next answer reflects them. Safe to send again."""
    batch = [events] if isinstance(events, Event) else events
    return Call("POST", "/v1/events", _acknowledged, document={"events": [_event(e) for e in batch]})


def _acknowledged(told: Mapping[str, Any]) -> Acknowledged:
    return Acknowledged(**{**told, "rejects": tuple(told.get("rejects", ())), "notes": tuple(told.get("notes", ()))})


def stream(events: Iterable[Event]) -> Iterator[Call[Acknowledged]]:
    """Yield the calls of POST /v1/events/stream that send events: so many at once as may be kept, to be sent again."""
    lines: list[bytes] = []
    size = before = 0
    for event in events:
        lines.append(json.dumps(_event(event), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n")
        size += len(lines[-1])
        if len(lines) >= STREAM_LINES or size >= STREAM_BYTES:
            yield _streamed(lines, before)
            before, lines, size = before + len(lines), [], 0
    if lines:
        yield _streamed(lines, before)


def _streamed(lines: Sequence[bytes], before: int) -> Call[Acknowledged]:
    def parse(told: Mapping[str, Any]) -> Acknowledged:
        part = _acknowledged(told)
        return replace(part, rejects=tuple({**reject, "line": reject["line"] + before} for reject in part.rejects))

    return Call("POST", "/v1/events/stream", parse, content=b"".join(lines), type="application/x-ndjson")


def together(parts: Sequence[Acknowledged]) -> Acknowledged:
    """Return what the parts of a stream were answered with as one answer."""
    return Acknowledged(
        received=sum(part.received for part in parts),
        new=sum(part.new for part in parts),
        rejected=sum(part.rejected for part in parts),
        rejects=tuple(reject for part in parts for reject in part.rejects)[:SHOWN_REJECTS],
        notes=tuple(note for part in parts for note in part.notes)[:SHOWN_NOTES],
    )


def put_items(items: Sequence[Item]) -> Call[int]:
    """Insert or replace at most 1,000 items; return how many were new or changed."""
    return Call("PUT", "/v1/items", _changed, document={"items": [{"id": i.id, **item_fields(i)} for i in items]})


def delete_items(ids: Sequence[str]) -> Call[int]:
    """Remove at most 100 items from the catalogue; return how many were there."""
    return Call("DELETE", "/v1/items", _changed, query={"id": list(ids)})


def get_items(ids: Sequence[str]) -> Call[dict[str, Item]]:
    """Return the items that exist among at most 100 ids."""
    return Call("GET", "/v1/items", lambda page: {i["id"]: _item_from(i) for i in page["items"]}, query={"id": list(ids)})


def put_users(users: Sequence[User]) -> Call[int]:
    """Insert or replace at most 1,000 users; return how many were new or changed."""
    return Call("PUT", "/v1/users", _changed, document={"users": [{"id": u.id, **user_fields(u)} for u in users]})


def start_import(content: bytes, name: str, **options: Any) -> Call[dict[str, Any]]:
    """Send a file to be imported in the background; the job's ``id`` is in the answer."""
    return Call("POST", "/v1/imports", dict, query={"name": name, **options}, content=content, type="application/octet-stream")


def get_import(job: str) -> Call[dict[str, Any]]:
    """Say how far an import is."""
    return Call("GET", f"/v1/imports/{job}", dict)


def info() -> Call[dict[str, Any]]:
    """Say what the store holds."""
    return Call("GET", "/v1/info", dict)


def request(method: str, path: str, *, query: Mapping[str, Any] | None = None, document: Any = None) -> Call[Any]:
    """Call any other route, for example ``("GET", "/v1/versions")``."""
    return Call(method, path, lambda told: told, query=query, document=document)


def _changed(told: Mapping[str, int]) -> int:
    return told["changed"]


def _item_from(found: Mapping[str, Any]) -> Item:
    attributes = {n: tuple(v) if isinstance(v, list) else v for n, v in found.get("attributes", {}).items()}
    return Item(**{**found, "attributes": attributes, "categories": tuple(found.get("categories", ()))})
