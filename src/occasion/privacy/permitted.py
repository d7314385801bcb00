"""Permitted: answers that may be looked at: not those of people who refuse to be analysed."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from occasion.data import Event, Slate
from occasion.privacy.choices import Choices
from occasion.protocols import Store

__all__ = ["Permitted", "newest_analysed"]


class Permitted:
    """Who may be looked at, as it stood when this was made.

    Parameters
    ----------
    store : Store
    by_default : collection of str
        The purposes that those who never chose allow: `Settings.granted_by_default`.
    """

    def __init__(self, store: Store, by_default: Collection[str]) -> None:
        self._store, self.choices = store, Choices(store, "analyse", by_default)
        self._known: dict[tuple[str | None, str | None], bool] = {}

    def allows(self, user: str | None, session: str | None) -> bool:
        """Return whether a person may be looked at; nobody in particular may."""
        if self.choices.everybody or (user is None and session is None):
            return True
        who = user, None if user is not None else session
        if who not in self._known:
            self._known[who] = not self.choices.refuses(self._store.user_key(*who))
        return self._known[who]

    def slates(self, slates: Iterable[Slate]) -> list[Slate]:
        """Return those that may be looked at."""
        return [slate for slate in slates if self.allows(slate.context.user, slate.context.session)]

    def events(self, events: Iterable[Event]) -> list[Event]:
        """Return those that may be looked at."""
        return [event for event in events if self.allows(event.user, event.session)]


def newest_analysed(store: Store, by_default: Collection[str], limit: int) -> list[Slate]:
    """Return those of the last `limit` answers that may be looked at, newest first."""
    return Permitted(store, by_default).slates(store.newest_slates(limit))
