"""Routes of people's rights: what they consented to, everything that is held of them, erasure."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Query
from starlette.responses import Response

from occasion.people import Consent, Person
from occasion.service.callers import Admin, Call, Writer
from occasion.service.failures import RefusedError
from occasion.service.routes.replies import errors, reply
from occasion.service.schemas.base import Body, Id, Shown, Time
from occasion.stores.bodies import event_fields, slate_fields, user_fields

__all__ = ["router"]

router = APIRouter(tags=["people"])
Result = TypeVar("Result")
User = Annotated[Id | None, Query(description="A user's id.")]
Session = Annotated[Id | None, Query(description="Of somebody anonymous: the session's id.")]
Purpose = Literal["personalise", "train", "analyse"]


class ConsentIn(Body):
    """A choice of a user, or of an anonymous session."""

    user: Id | None = None
    session: Id | None = None
    purpose: Purpose
    granted: bool
    at: Time | None = None


class ConsentOut(Shown):
    """A choice."""

    purpose: Purpose
    granted: bool
    at: float


class Consents(Shown):
    """All choices of a person, oldest first; the newest of a purpose is in force."""

    consents: list[ConsentOut]


class Everything(Shown):
    """Everything that is held of a person."""

    user: str | None
    session: str | None
    described: dict[str, Any] | None
    sessions: list[str]
    shared_sessions: list[str]
    events: list[dict[str, Any]]
    slates: list[dict[str, Any]]
    consents: list[dict[str, Any]]


class Erased(Shown):
    """What an erasure removed: numbers of rows."""

    events: int
    slates: int
    consents: int
    sessions: int
    contexts: int
    described: bool


async def _of(call: Call, user: str | None, session: str | None, work: Callable[[], Result]) -> Result:
    if (user is None) == (session is None):
        raise RefusedError(422, "Either a user or a session must be named.", cure="Give one of ?user= and ?session=.")
    return await call.service.writes.run(work)


@router.put("/people/consent", response_model=Consents, responses=errors())
async def put_consent(body: ConsentIn, call: Writer) -> Response:
    """Take a person's choice down.

    It holds from the next answer on, in every worker. What others get follows: counts are made anew without the person, at once
    on a short log, shortly after on a long one; model versions fitted before keep what they learnt.
    """
    choice = Consent(
        purpose=body.purpose,
        granted=body.granted,
        at=time.time() if body.at is None else body.at,
        user=body.user,
        session=body.session,
    )

    def work() -> list[Consent]:
        call.tenant.store.put_consents([choice])
        return call.tenant.store.consents(body.user, body.session)

    return reply({"consents": [_choice(c) for c in await call.service.writes.run(work)]})


@router.get("/people/consent", response_model=Consents, responses=errors())
async def get_consent(call: Writer, user: User = None, session: Session = None) -> Response:
    """Return all choices of a person."""
    found = await _of(call, user, session, lambda: call.tenant.store.consents(user, session))
    return reply({"consents": [_choice(c) for c in found]})


def _choice(consent: Consent) -> dict[str, Any]:
    return {"purpose": consent.purpose, "granted": consent.granted, "at": consent.at}


@router.get("/people/export", response_model=Everything, responses=errors(404))
async def export(call: Admin, user: User = None, session: Session = None) -> Response:
    """Return everything that is held of a person."""
    found = await _of(call, user, session, lambda: call.tenant.store.person(user, session))
    if found is None:
        raise RefusedError(404, "Nothing is held of this person.")
    call.audit("person.export", "a person")
    return reply(_everything(found))


def _everything(person: Person) -> dict[str, Any]:
    return {
        "user": person.user,
        "session": person.session,
        "described": None if person.described is None else user_fields(person.described),
        "sessions": person.sessions,
        "shared_sessions": person.shared,
        "events": [event_fields(event) for event in person.events],
        "slates": [{"id": slate.id, **slate_fields(slate)} for slate in person.slates],
        "consents": [_choice(consent) for consent in person.consents],
    }


@router.delete("/people", response_model=Erased, responses=errors(404))
async def erase(call: Admin, user: User = None, session: Session = None) -> Response:
    """Remove what the store holds of a person.

    Counts of all workers are made anew without the person, at once on a short log, shortly after on a long one. Model versions
    fitted before, rejected rows of imports and backups are not reached.
    """

    def work() -> dict[str, Any] | None:
        gone = call.tenant.store.erase(user, session)
        if gone is None:
            return None
        call.tenant.store.purge()
        call.audit("person.erase", "a person")
        fields = asdict(gone)
        return {name: fields[name] for name in Erased.model_fields}

    gone = await _of(call, user, session, work)
    if gone is None:
        raise RefusedError(404, "Nothing is held of this person.")
    return reply(gone)
