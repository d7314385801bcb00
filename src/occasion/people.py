"""Values about people's rights: what they consented to, what is known of them, what was removed, who did what in the house."""

from __future__ import annotations

from dataclasses import dataclass

from occasion.data import Event, Slate, User, checked_id, checked_time
from occasion.errors import DataError

__all__ = ["PURPOSES", "AuditEntry", "Consent", "Person", "Removed", "check_purpose"]

PURPOSES = ("personalise", "train", "analyse")
"""What a person may allow or refuse: answers that read their past; counts, fits and models learnt from their events; evaluation,
doctor and reports that look at their events."""


def check_purpose(purpose: str) -> str:
    """Return a purpose; raise `DataError` where there is none of this name."""
    if purpose not in PURPOSES:
        raise DataError(f"there is no purpose {purpose!r}. Cure: one of {', '.join(PURPOSES)}.")
    return purpose


@dataclass(frozen=True, kw_only=True, slots=True)
class Consent:
    """One choice of one person for one purpose; of several the newest is in force.

    Attributes
    ----------
    purpose : str
        One of `PURPOSES`.
    granted : bool
    at : float
        When it was made, unix seconds.
    user, session : str or None
        Exactly one of the two: a user, or an anonymous visitor.
    """

    purpose: str
    granted: bool
    at: float
    user: str | None = None
    session: str | None = None

    def __post_init__(self) -> None:
        check_purpose(self.purpose)
        if not isinstance(self.granted, bool):
            raise DataError(f"granted is {self.granted!r}. Cure: true or false.")
        if (self.user is None) == (self.session is None):
            raise DataError("a consent is given by a user or by a session. Cure: pass exactly one of the two.")
        checked_id(self.user if self.session is None else self.session, "user" if self.session is None else "session")
        if checked_time(self.at, "at") is None:
            raise DataError("a consent needs the time it was given. Cure: pass at in unix seconds.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Everything a store holds of one person.

    Attributes
    ----------
    user, session : str or None
        Who was asked for.
    described : User or None
        What was said of a user.
    sessions : tuple of str
        Sessions of the user. Anonymous events and answers of these count as the user's.
    shared : tuple of str
        Those of them that other users used, too: their anonymous part may be somebody else's and is left out here.
    events : tuple of Event
        In order of arrival.
    slates : tuple of Slate
        Oldest first.
    consents : tuple of Consent
        All choices, oldest first.
    """

    user: str | None = None
    session: str | None = None
    described: User | None = None
    sessions: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()
    slates: tuple[Slate, ...] = ()
    consents: tuple[Consent, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Removed:
    """What an erasure removed from a store: numbers of rows.

    Attributes
    ----------
    events, slates, consents, sessions, contexts : int
        Contexts are those that no other person's event has.
    described : bool
        A description of the user was there.
    first_seq, last_seq : int
        The events' range of sequence numbers; 0 where there were none. A model trained on events up to `first_seq` or beyond
        may have learnt from them.
    withdrawals : int
        The third number of `Store.cursor` after the erasure. What was learnt at a lower one may have seen the person.
    """

    events: int = 0
    slates: int = 0
    consents: int = 0
    sessions: int = 0
    contexts: int = 0
    described: bool = False
    first_seq: int = 0
    last_seq: int = 0
    withdrawals: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditEntry:
    """One administrative act. The log of them only grows.

    Attributes
    ----------
    at : float
        Unix seconds.
    actor : str
        Who: the name of a key or of an account; never a key itself.
    act : str
        What was done: ``erase``, ``export``, ``promote``, ...
    target : str
        On what. Of a person: a keyed hash, never the id.
    detail : str
        More, as JSON or in words; no personal text.
    seq : int
        Place in the log, given by the store.
    """

    at: float
    actor: str
    act: str
    target: str = ""
    detail: str = ""
    seq: int = 0
