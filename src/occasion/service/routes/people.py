"""Routes of people's rights: what they consented to, everything that is held of them, erasure."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field, JsonValue
from starlette.responses import Response

from occasion.people import Consent, Person
from occasion.privacy import erasure as removal
from occasion.privacy.access import choice_document, person_document
from occasion.privacy.keyring import HomeKey
from occasion.privacy.receipts import subject_of, verify
from occasion.privacy.retention import expire
from occasion.service.callers import Admin, Call, Writer
from occasion.service.failures import RefusedError
from occasion.service.routes.replies import errors, reply
from occasion.service.schemas.base import Body, Id, Shown, Time

__all__ = ["router"]

router = APIRouter(tags=["people"])
Result = TypeVar("Result")
User = Annotated[Id | None, Query(description="A user's id.")]
Session = Annotated[Id | None, Query(description="Of somebody anonymous: the session's id.")]
Purpose = Literal["personalise", "train", "analyse"]
_ROWS: dict[str, JsonValue] = {
    "events": 12,
    "slates": 3,
    "consents": 1,
    "sessions": 1,
    "contexts": 2,
    "described": True,
    "rejects": 0,
}
_HELD: dict[str, JsonValue] = {"versions": ["20261124-101500-4f2a"], "encoders": [], "copies": []}
EXAMPLE: dict[str, JsonValue] = {
    "removed": {**_ROWS, "elsewhere": 0},
    "holding": _HELD,
    "clean": True,
    "pending_imports": 0,
    "receipt": {
        "kind": "occasion erasure receipt",
        "format": 1,
        "id": "9f2c51d0a7b34e68",
        "at": 1795528800.0,
        "subject": "c0ffee0a1b2c3d4e5f60718293a4b5c6",
        "removed": {**_ROWS, "elsewhere": 0},
        "log": {"first_seq": 17, "last_seq": 902, "withdrawals": 4},
        "holding": _HELD,
        "public_key": "d75a9801...",
        "signature": "e5564300...",
    },
}


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


class RemovedRows(Shown):
    """What an erasure removed: numbers of rows."""

    events: int
    slates: int
    consents: int
    sessions: int
    contexts: int
    described: bool
    rejects: int = Field(description="Rejected rows of imports.")
    elsewhere: int = Field(description="Studies and descriptions of imports that named the person.")


class HoldingNow(Shown):
    """What may have learnt from a person, or be a copy, by name."""

    versions: list[str]
    encoders: list[str]
    copies: list[str]


class LogSpan(Shown):
    """Where in the log the person's events were, and which withdrawal this was."""

    first_seq: int
    last_seq: int
    withdrawals: int


class Receipt(Shown):
    """A receipt, signed with Ed25519 over its canonical JSON without the signature. It names nobody."""

    kind: str
    format: int
    id: str
    at: float
    subject: str = Field(description="A keyed hash of the person.")
    removed: RemovedRows
    log: LogSpan
    holding: HoldingNow = Field(description="What may have learnt from the person when it was signed.")
    public_key: str
    signature: str


class ListedReceipt(Receipt):
    """A receipt, and what of what it names is there still."""

    still_holding: list[str]


class Receipts(Shown):
    """The receipts of all erasures, oldest first."""

    receipts: list[ListedReceipt]


class Erased(Shown):
    """What an erasure did."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    removed: RemovedRows
    holding: HoldingNow = Field(description="Model versions and the like that keep what they learnt until they are retired.")
    clean: bool = Field(description="The bytes left the files; else the service tries again by itself.")
    pending_imports: int = Field(description="Files that wait to be imported and may bring the person back.")
    receipt: Receipt


class ReceiptIn(Body):
    """A receipt to check."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"receipt": EXAMPLE["receipt"]}]})

    receipt: dict[str, JsonValue]
    user: Id | None = None
    session: Id | None = None


class VerdictOut(Shown):
    """What is true of a receipt."""

    valid: bool
    signature: bool = Field(description="It is signed, and nothing was changed since.")
    of_this_home: bool = Field(description="By the key of this tenant.")
    subject: bool | None = Field(description="About the person asked for; null where none was.")


class ExpiredRows(Shown):
    """What was removed because of its age."""

    events: dict[str, int] = Field(description="By event type.", examples=[{"view": 120}])
    slates: int
    rejects: int
    clean: bool


def _subject(call: Call, user: str | None, session: str | None) -> str:
    """Return what stands for a person in the audit log."""
    return subject_of(HomeKey(call.tenant.settings.home), *removal.stored_as(call.tenant.store, user, session))


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

    return reply({"consents": [choice_document(c) for c in await call.service.writes.run(work)]})


@router.get("/people/consent", response_model=Consents, responses=errors())
async def get_consent(call: Writer, user: User = None, session: Session = None) -> Response:
    """Return all choices of a person."""
    found = await _of(call, user, session, lambda: call.tenant.store.consents(user, session))
    return reply({"consents": [choice_document(c) for c in found]})


@router.get("/people/export", response_model=Everything, responses=errors(404))
async def export(call: Admin, user: User = None, session: Session = None) -> Response:
    """Return everything that is held of a person."""

    def work() -> Person | None:
        found = call.tenant.store.person(user, session)
        if found is not None:
            call.audit("person.export", _subject(call, user, session))
        return found

    found = await _of(call, user, session, work)
    if found is None:
        raise RefusedError(404, "Nothing is held of this person.")
    return reply(person_document(found))


@router.delete("/people", response_model=Erased, responses=errors(404))
async def erase(call: Admin, user: User = None, session: Session = None) -> Response:
    """Remove everything of a person: events, answers, description, choices, sessions, rejected rows, what workers remember.

    Counts of all workers are made anew without the person, at once on a short log, shortly after on a long one. Model versions
    that may have learnt from the person are named until they are retired. Backups are not reached; a restore erases again.
    """

    def work() -> removal.Erased | None:
        done = removal.erase(
            call.tenant.store,
            call.tenant.settings,
            user=user,
            session=session,
            actor=call.actor,
            sweep=lambda names: call.service.jobs.forget_person(call.tenant.name, names),
        )
        call.service.forget_withdrawn(call.tenant)
        return done

    done = await _of(call, user, session, work)
    if done is None:
        raise RefusedError(404, "Nothing is held of this person.")
    receipt = json.loads(done.receipt)
    told = {"removed": receipt["removed"], "holding": receipt["holding"], "clean": done.clean}
    return reply({**told, "pending_imports": done.pending_imports, "receipt": receipt})


@router.get("/people/receipts", response_model=Receipts, responses=errors())
async def receipts(call: Admin) -> Response:
    """Return the receipts of all erasures, each with what still holds traces of the person."""
    home = call.tenant.settings.home
    return reply({"receipts": await call.service.writes.run(lambda: removal.receipts(call.tenant.store, home))})


@router.post("/people/receipts/verify", response_model=VerdictOut, responses=errors())
async def verify_receipt(body: ReceiptIn, call: Admin) -> Response:
    """Check that a receipt was signed by this tenant and not changed, and, if asked, whom it is about."""
    if body.user is not None and body.session is not None:
        raise RefusedError(422, "Both a user and a session are named.", cure="Give one of them.")
    settings = call.tenant.settings
    text = json.dumps(body.receipt)

    def work() -> dict[str, Any]:
        HomeKey(settings.home)
        found = verify(text, home=settings.home, user=body.user, session=body.session, settings=settings)
        return {"subject": None, **found}

    return reply(await call.service.writes.run(work))


@router.post("/people/expire", response_model=ExpiredRows, responses=errors())
async def expire_now(call: Admin) -> Response:
    """Remove what is older than the settings allow, now. The service does it by itself every `upkeep_seconds`."""

    def work() -> dict[str, Any]:
        done = expire(call.tenant.store, call.tenant.settings)
        call.audit("retention.expire", "")
        return asdict(done)

    return reply(await call.service.writes.run(work))
