"""Choices: who refuses a purpose, for whole logs and for single people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from occasion.keyed import taken
from occasion.people import check_purpose
from occasion.protocols import EventColumns, Store

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

__all__ = ["Choices"]


class Choices:
    """Who refuses one purpose, as it stood when this was made. `Store.cursor` tells when that is old: its third number grows.

    Parameters
    ----------
    store : Store
    purpose : str
        ``personalise``, ``train`` or ``analyse``.
    by_default : collection of str
        The purposes that those who never chose allow: `Settings.granted_by_default`.
    """

    def __init__(self, store: Store, purpose: str, by_default: Collection[str]) -> None:
        self.purpose = check_purpose(purpose)
        self.default = purpose in by_default
        found = store.refusing(purpose) if self.default else store.granting(purpose)
        self.others = frozenset(found)
        """Keys of those who do not choose as the default is."""
        self._keys: NDArray[np.int64] = np.array(sorted(found), np.int64)

    @property
    def everybody(self) -> bool:
        """Whether nobody refuses."""
        return self.default and not self.others

    def refuses(self, user: int | None) -> bool:
        """Return whether a user key refuses; None stands for somebody who is not known yet."""
        return (user in self.others) == self.default

    def allows(self, users: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Return which of user keys (n,) do not refuse."""
        if self.everybody:
            return np.ones(len(users), np.bool_)
        return np.asarray(np.isin(users, self._keys) != self.default, np.bool_)

    def keep(self, columns: EventColumns) -> EventColumns:
        """Return events without those of people who refuse."""
        if self.everybody or not len(columns.seq):
            return columns
        return taken(columns, self.allows(columns.user))
