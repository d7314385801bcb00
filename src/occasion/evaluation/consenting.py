"""Consenting: a store as if those who refuse to be analysed had done nothing, so that nothing measured rests on them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager, nullcontext
from typing import cast

import numpy as np

from occasion.data import Event, Slate
from occasion.evaluation.heldout import HeldOutStore
from occasion.privacy.guarded import open_guarded
from occasion.privacy.permitted import Permitted
from occasion.protocols import Store
from occasion.settings import Settings

__all__ = ["opened", "without_refusers"]


@contextmanager
def opened(store: Store | None, settings: Settings) -> Iterator[Store]:
    """Give a store `without_refusers`; without one, that of the settings, which is closed afterwards."""
    with nullcontext(store) if store is not None else closing(open_guarded(settings)) as whole:
        yield without_refusers(whole, settings.granted_by_default)


def without_refusers(store: Store, by_default: Collection[str]) -> Store:
    """Return a store as if those who refuse the purpose ``analyse`` had done nothing; the store itself where nobody refuses.

    Parameters
    ----------
    store : Store
    by_default : collection of str
        The purposes that those who never chose allow: `Settings.granted_by_default`.
    """
    permitted = Permitted(store, by_default)
    if permitted.choices.everybody:
        return store
    hidden = [np.setdiff1d(columns.seq, permitted.choices.keep(columns).seq) for columns in store.events()]
    return cast(Store, _ConsentingStore(store, np.concatenate([np.zeros(0, np.int64), *hidden]), permitted))


class _ConsentingStore(HeldOutStore):
    """A store without the events and answers of those who refuse."""

    def __init__(self, store: Store, hidden: np.ndarray[tuple[int], np.dtype[np.int64]], permitted: Permitted) -> None:
        super().__init__(store, hidden, hidden)
        self._permitted = permitted

    def read_events(self, after: int = 0, batch: int = 10_000) -> Iterator[Event]:
        """Yield events; see `Store.read_events`."""
        allows = self._permitted.allows
        return (event for event in self._store.read_events(after, batch) if allows(event.user, event.session))

    def slates(self, since: float | None = None) -> Iterator[Slate]:
        """Yield answers, those to nobody in particular included; see `Store.slates`."""
        allows = self._permitted.allows
        return (slate for slate in self._store.slates(since) if allows(slate.context.user, slate.context.session))

    def newest_slates(self, limit: int) -> list[Slate]:
        """Return the last answers, of those that may be looked at among them; see `Store.newest_slates`."""
        return self._permitted.slates(self._store.newest_slates(limit))
