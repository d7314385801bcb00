"""Access: everything that is held of a person as one JSON document, to be read by people and by programs."""

from __future__ import annotations

import re
from typing import Any

from occasion.people import Consent, Person
from occasion.stores.bodies import event_fields, slate_fields, user_fields

__all__ = ["choice_document", "file_name", "person_document"]


def person_document(person: Person) -> dict[str, Any]:
    """Return everything of a person: description, sessions, events, answers with what was said and why, choices."""
    return {
        "user": person.user,
        "session": person.session,
        "described": None if person.described is None else user_fields(person.described),
        "sessions": list(person.sessions),
        "shared_sessions": list(person.shared),
        "events": [event_fields(event) for event in person.events],
        "slates": [{"id": slate.id, **slate_fields(slate)} for slate in person.slates],
        "consents": [choice_document(consent) for consent in person.consents],
    }


def choice_document(consent: Consent) -> dict[str, Any]:
    """Return a choice as a document."""
    return {"purpose": consent.purpose, "granted": consent.granted, "at": consent.at}


def file_name(who: str) -> str:
    """Return a name for a file about somebody, of letters that every file system takes."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", who).strip("._")[:80] or "person"
