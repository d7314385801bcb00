"""The guarded store: the one door through which anything about a person goes in or is asked for.

On the way in ids become keyed hashes (where the settings say so), free text is redacted, and nothing is stored of those who
refuse every purpose. All else passes through.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from occasion.data import Event, Scalar, Slate, User, checked_values
from occasion.errors import SettingsError, StoreError
from occasion.people import PURPOSES, Consent, Person, Removed
from occasion.privacy.choices import Choices
from occasion.privacy.keyring import pseudonym as keyed_pseudonym
from occasion.privacy.redaction import redacted, redacted_signals
from occasion.protocols import Coded, EventBatch, Store
from occasion.settings import Settings
from occasion.stores.bodies import context_signals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from occasion.privacy.keyring import HomeKey

__all__ = ["RESTORING", "GuardedStore", "guarded", "open_guarded"]

RESTORING = "restoring.json"
"""Lies in a home while a backup is put into it."""
STATE = "pseudonyms"
"""State that names the key of a store's pseudonyms."""


def guarded(store: Store, settings: Settings) -> Store:
    """Return a store behind its guard; one that has a guard is returned as it is.

    Raises
    ------
    SettingsError
        Where the store's ids and the settings do not fit each other.
    """
    return store if isinstance(store, GuardedStore) else cast(Store, GuardedStore(store, settings))


def open_guarded(settings: Settings) -> Store:
    """Open the store that the settings name, behind its guard.

    Raises
    ------
    StoreError, SettingsError
        Where it cannot be opened, or a restore of its home did not end; where its ids and the settings do not fit each other.
    """
    from occasion.stores import open_store

    if (settings.home / RESTORING).exists():
        raise StoreError(
            f"a restore of {settings.home} is under way or was interrupted. "
            "Cure: let it end, or run `occasion restore FILE --force` again."
        )
    store = open_store(settings.resolved_store_url)
    try:
        made = GuardedStore(store, settings)
        made.opened = settings.resolved_store_url
        return cast(Store, made)
    except BaseException:
        store.close()
        raise


class GuardedStore:
    """A store that keeps what the settings and the people allow; see `Store` for what each method promises.

    Pseudonyms are ``~`` and 32 hex digits; an id that has this form already is taken as it is, so that what comes out of
    the store can be asked for and imported again.
    """

    def __init__(self, store: Store, settings: Settings) -> None:
        self.inner, self.settings = store, settings
        self.opened: str | None = None
        """The address at which `open_guarded` opened it."""
        self._key: HomeKey | None = _key_of(store, settings)
        self._choices: tuple[Choices, ...] = ()
        self._withdrawals = -1

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    # -- ids --------------------------------------------------------------------------------------------------------------
    def pseudonym(self, who: str | None) -> str | None:
        """Return what a user id or a session is stored as."""
        return who if self._key is None or who is None else keyed_pseudonym(self._key, who)

    # -- what goes in -----------------------------------------------------------------------------------------------------
    def put_users(self, users: Iterable[User]) -> int:
        """Insert or replace users, but for those who refuse everything; see `Store.put_users`."""
        mine = [replace(user, id=cast(str, self.pseudonym(user.id))) for user in checked_values(User, users)]
        if not self._all_keep_something():
            mine = [user for user in mine if not self._refuses_all(user.id, None)]
        return self.inner.put_users(mine)

    def append(self, events: Sequence[Event]) -> int:
        """Append events, but for those of people who refuse everything; see `Store.append`."""
        admitted = [self._event(event) for event in checked_values(Event, events)]
        if not self._all_keep_something():
            admitted = [e for e in admitted if not self._refuses_all(e.user, e.session)]
        return self.inner.append(admitted)

    def append_columns(self, batch: EventBatch) -> int:
        """Append events, but for those of people who refuse everything; see `Store.append_columns`."""
        batch = replace(
            batch,
            user=Coded([self.pseudonym(user) for user in batch.user.values], batch.user.codes),
            session=Coded([self.pseudonym(session) for session in batch.session.values], batch.session.codes),
            context=Coded([self._pair(text, signals) for text, signals in batch.context.values], batch.context.codes),
        )
        left = self._permitted(batch)
        return self.inner.append_columns(batch if left.all() else _rows(batch, left))

    def put_slate(self, slate: Slate) -> None:
        """Store an answer; whose it was and what was said is left out where the person refuses everything."""
        context = slate.context
        user, session = self.pseudonym(context.user), self.pseudonym(context.session)
        if self._forbids(user, session):
            bare = replace(context, user=None, session=None, text="", signals={}, recent=())
            self.inner.put_slate(replace(slate, context=bare, sentence=""))
            return
        signals = context.signals
        if self.settings.redact_text:
            text, sentence, signals = redacted(context.text), redacted(slate.sentence), redacted_signals(signals)
        else:
            text, sentence = context.text, slate.sentence
        if (user, session, text, sentence) != (
            context.user,
            context.session,
            context.text,
            slate.sentence,
        ) or signals is not context.signals:
            context = replace(context, user=user, session=session, text=text, signals=signals)
            slate = replace(slate, context=context, sentence=sentence)
        self.inner.put_slate(slate)

    def put_consents(self, consents: Sequence[Consent]) -> int:
        """Store choices; see `Store.put_consents`."""
        mine = [replace(c, user=self.pseudonym(c.user), session=self.pseudonym(c.session)) for c in consents]
        return self.inner.put_consents(mine)

    def _event(self, event: Event) -> Event:
        if self._key is None and not event.text and not event.signals:
            return event
        user, session = self.pseudonym(event.user), self.pseudonym(event.session)
        text, signals = self._pair(event.text, event.signals)
        if (user, session, text) == (event.user, event.session, event.text) and signals is event.signals:
            return event
        return replace(event, user=user, session=session, text=text, signals=signals)

    def _pair(self, text: str, signals: Mapping[str, Scalar] | str) -> tuple[str, Any]:
        if not self.settings.redact_text:
            return text, signals
        if not isinstance(signals, str):
            return redacted(text), redacted_signals(signals)
        # Signals of files come as JSON: what is found in it is taken out of the values, or it would be JSON no longer.
        given = json.loads(signals)
        kept = redacted_signals(given)
        return redacted(text), signals if kept is given else context_signals(kept)

    def rejected(self, who: str | None, value: str) -> tuple[str | None, str]:
        """Return what may be listed of a row that was not taken: whose it is, and what was found. None: nobody's row.

        Where ids are pseudonyms nothing is listed that was found in rows of people: it may be an id.
        """
        if who is None or self._key is None:
            return who, redacted(value) if self.settings.redact_text else value
        return self.pseudonym(who) if who else "", ""

    # -- what may be kept ---------------------------------------------------------------------------------------------------
    def _forbids(self, user: str | None, session: str | None) -> bool:
        """Return whether a person refuses every purpose, so that nothing of them may be kept."""
        return not self._all_keep_something() and self._refuses_all(user, session)

    def _refuses_all(self, user: str | None, session: str | None) -> bool:
        """Return the same where somebody is known to refuse something, and choices are read: for each row of a batch."""
        if user is None and session is None:
            return False
        key = self.inner.user_key(user, session)
        return all(choice.refuses(key) for choice in self._choices)

    def _all_keep_something(self) -> bool:
        """Return whether nobody at all refuses some purpose, so that nobody refuses all of them: one look for a whole batch."""
        return any(choice.everybody for choice in self._present())

    def _present(self) -> tuple[Choices, ...]:
        withdrawals = self.inner.cursor()[2]
        if withdrawals != self._withdrawals:
            by_default = self.settings.granted_by_default
            self._choices = tuple(Choices(self.inner, purpose, by_default) for purpose in PURPOSES)
            self._withdrawals = withdrawals
        return self._choices

    def _permitted(self, batch: EventBatch) -> NDArray[np.bool_]:
        """Return which rows (n,) may be stored."""
        if self._all_keep_something():
            return np.ones(len(batch.id), bool)
        users = np.array([not self._refuses_all(user, None) for user in batch.user.values] + [True])
        sessions = np.array([not self._refuses_all(None, session) for session in batch.session.values] + [True])
        return np.where(batch.user.codes >= 0, users[batch.user.codes], sessions[batch.session.codes])

    # -- what is asked for --------------------------------------------------------------------------------------------------
    def get_user(self, user_id: str) -> User | None:
        """Return a user; see `Store.get_user`."""
        return self.inner.get_user(cast(str, self.pseudonym(user_id)))

    def find_users(self, text: str, limit: int = 20) -> list[str]:
        """Return ids of users; where ids are stored as pseudonyms, the one of this very id, as no part of it can be looked for."""
        if self._key is None:
            return self.inner.find_users(text, limit)
        return [text] if limit > 0 and text.strip() and self.user_key(text) is not None else []

    def user_key(self, user: str | None, session: str | None = None) -> int | None:
        """Return a key; see `Store.user_key`."""
        return self.inner.user_key(self.pseudonym(user), self.pseudonym(session))

    def consents(self, user: str | None, session: str | None = None) -> list[Consent]:
        """Return choices; see `Store.consents`."""
        return self.inner.consents(self.pseudonym(user), self.pseudonym(session))

    def person(self, user: str | None, session: str | None = None) -> Person | None:
        """Return everything of a person; see `Store.person`."""
        return self.inner.person(self.pseudonym(user), self.pseudonym(session))

    def erase(self, user: str | None, session: str | None = None, seal: Callable[[Removed], str] | None = None) -> Removed | None:
        """Remove everything of a person; see `Store.erase`."""
        return self.inner.erase(self.pseudonym(user), self.pseudonym(session), seal)


def _rows(batch: EventBatch, left: NDArray[np.bool_]) -> EventBatch:
    """Return some rows of a batch."""
    coded = {name: getattr(batch, name) for name in ("user", "session", "item", "type", "slate", "context")}
    return EventBatch(
        id=[i for i, kept in zip(batch.id, left.tolist(), strict=True) if kept],
        value=batch.value[left],
        at=batch.at[left],
        **{name: Coded(column.values, column.codes[left]) for name, column in coded.items()},
    )


def _key_of(store: Store, settings: Settings) -> HomeKey | None:
    """Return the key of the pseudonyms, None without them; refuse a store whose ids are of another kind."""
    made_by = store.get_state(STATE)
    if not settings.pseudonymous:
        if made_by is not None:
            raise SettingsError("this store holds pseudonyms instead of ids. Cure: set pseudonymous = true.")
        return None
    from occasion.privacy.keyring import HomeKey

    key = HomeKey(settings.home)
    if made_by is None:
        if store.counts()["users"]:
            raise SettingsError(
                "this store holds ids in clear already. "
                "Cure: pseudonymous = false, or `occasion export` and an import into a new home."
            )
        store.put_state(STATE, key.fingerprint)
    elif made_by != key.fingerprint:
        raise SettingsError(f"the key {key.path} is not the one that made this store's pseudonyms. Cure: put that key back.")
    return key
