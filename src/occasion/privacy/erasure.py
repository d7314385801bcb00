"""Erasure: everything of a person leaves a home, and a signed receipt says so.

Order: rejected rows first, then the store in one transaction together with the receipt, then the derived files and the bytes
that SQLite would keep. Stopped in between, the person is still in the store, and erasing again does the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from occasion.errors import DataError
from occasion.people import AuditEntry, Removed
from occasion.privacy.guarded import GuardedStore
from occasion.privacy.keyring import HomeKey
from occasion.privacy.receipts import holding, parsed, sealed, subject_of
from occasion.privacy.rejected import UPLOADS, forget_rejects
from occasion.privacy.studied import forget_studies
from occasion.privacy.traces import Traces, still_there, traces
from occasion.protocols import Store
from occasion.settings import Settings
from occasion.statistics import Statistics

__all__ = ["Erased", "erase", "finish_removal", "receipts", "retire"]

Sweep = Callable[[Collection[str]], int]
"""Takes a person's ids out of something; returns how many rows that changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What an erasure did.

    Attributes
    ----------
    receipt : str
        Signed JSON; it is also kept in the store.
    removed : Removed
        From the store.
    rejects : int
        Rows of lists of rejected rows.
    elsewhere : int
        Studies that named the person, and rows of what the caller had swept as well.
    held : Traces
        What may have learnt from the person, until it is retired.
    clean : bool
        The bytes left the store's files, too. False where readers stood in the way: `finish_removal` tries again.
    pending_imports : int
        Files that wait to be imported: they may bring the person back.
    """

    receipt: str
    removed: Removed
    rejects: int
    elsewhere: int
    held: Traces
    clean: bool
    pending_imports: int


def erase(
    store: Store,
    settings: Settings,
    *,
    user: str | None = None,
    session: str | None = None,
    actor: str = "local",
    sweep: Sweep | None = None,
) -> Erased | None:
    """Remove everything of a user, or of an anonymous session, from a home.

    Parameters
    ----------
    store : Store
        Behind its guard.
    settings : Settings
        Of the home.
    user, session : str, optional
        Exactly one of the two.
    actor : str
        Who did it, for the audit log.
    sweep : callable, optional
        Takes the person's ids out of what lies beside the home's own files.

    Returns
    -------
    Erased or None
        None where nothing of the person was found anywhere; then there is no receipt either.

    Raises
    ------
    DataError
        Where not exactly one of user and session is given.
    StoreError
        Where the store cannot be written.
    """
    if (user is None) == (session is None):
        raise DataError("erasure is of a user or of a session. Cure: name exactly one of the two.")
    home = settings.home
    names = names_of(store, user, session)
    if store.user_key(user, session) is not None:
        # Counts may tell of the person, and nobody would look for them once the person is gone.
        Statistics.discard(home / "derived")
    rejects, elsewhere = forget_rejects(home, names), forget_studies(home, names) + (sweep(names) if sweep else 0)
    files = {"rejects": rejects, "elsewhere": elsewhere}
    key = HomeKey(home)
    subject = subject_of(key, *stored_as(store, user, session))
    made: list[tuple[Removed, str]] = []

    def seal(removed: Removed) -> str:
        receipt = sealed(key, subject, removed, files, traces(store, home, removed))
        made.append((removed, receipt))
        return receipt

    if store.erase(user, session, seal) is None:
        if not any(files.values()):
            return None
        store.add_erasure(seal(Removed()))
    removed, receipt = made[-1]
    store.add_audit(AuditEntry(at=time.time(), actor=actor, act="person.erase", target=subject, detail=parsed(receipt)["id"]))
    return Erased(
        receipt=receipt,
        removed=removed,
        **files,
        held=holding(parsed(receipt)),
        clean=finish_removal(store, home),
        pending_imports=_pending(home),
    )


def names_of(store: Store, user: str | None, session: str | None) -> set[str]:
    """Return the ids that stand for a person in a home: as given, as stored, and sessions that are theirs alone."""
    names = {who for who in (user, session, *stored_as(store, user, session)) if who is not None}
    person = store.person(user, session)
    if person is not None:
        names |= set(person.sessions) - set(person.shared)
    return names


def stored_as(store: Store, user: str | None, session: str | None) -> tuple[str | None, str | None]:
    """Return ids as the store has them."""
    return (store.pseudonym(user), store.pseudonym(session)) if isinstance(store, GuardedStore) else (user, session)


def finish_removal(store: Store, home: Path) -> bool:
    """Remove derived files that were made with what is gone, and its bytes; return whether nothing is left to do."""
    Statistics.discard(home / "derived")
    return store.purge()


def retire(store: Store, settings: Settings, version: str, *, actor: str = "local") -> None:
    """Delete a model version's files; one that is in service is refused.

    Raises
    ------
    NotFoundError, ModelError
        Where it is not there; where it is in service.
    """
    from occasion.versions import Versions

    Versions(store, settings.home).remove(version)
    store.add_audit(AuditEntry(at=time.time(), actor=actor, act="version.retire", target=version))


def receipts(store: Store, home: Path) -> list[dict[str, Any]]:
    """Return all receipts, oldest first, each with what still holds traces now under ``still_holding``."""
    found = []
    for text in store.erasures():
        document = parsed(text)
        now = still_there(home, holding(document))
        found.append({**document, "still_holding": [*now.versions, *now.encoders, *now.copies]})
    return found


def _pending(home: Path) -> int:
    """Return how many files wait to be imported."""
    return sum(1 for path in (home / UPLOADS).glob("*/*") if path.name != "rejects.jsonl")
