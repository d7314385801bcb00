"""Ratings: what a person would rate an item in a moment, by the ratings model of a version.

Between the store's keys and moments and the arrays of `occasion.learning.rated`. A version has one where its log had enough
explicit ratings.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.errors import ModelError
from occasion.learning import storage
from occasion.learning.rated import RatedModel
from occasion.learning.requests import Queries
from occasion.learning.signals import SignalCodes, Signals
from occasion.protocols import Moment

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]

__all__ = ["Ratings"]

FOLDER = "ratings"


@dataclass(kw_only=True)
class Ratings:
    """A ratings model and how it reads moments.

    Attributes
    ----------
    model : RatedModel
    signals : Signals
    users : (u,) int64
        Store key of each of the model's people.
    kept : (items,) int64
        Store key of each of the model's items.
    low, high : float
        The scale: least and greatest rating it learnt from.
    shift : float
        Seconds from UTC to the clock that hours were read from.
    report : mapping
        How good it was on ratings it had not seen; see `occasion.training.ratings`.
    """

    model: RatedModel
    signals: Signals
    users: NDArray[np.int64]
    kept: NDArray[np.int64]
    low: float
    high: float
    shift: float
    report: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._codes = SignalCodes(self.signals)
        self._people = {int(key): row for row, key in enumerate(self.users)}

    def rate(self, moment: Moment, keys: NDArray[np.int32]) -> Doubles:
        """Return the expected ratings (n,) of item keys, within the scale; items it has not met are judged by the person alone."""
        told, numbers = self._codes.of(moment.signals)  # (s,), (r,)
        codes = told[None]
        # Versions of releases before read the hour, too.
        self._codes.set_clock(codes, np.array([moment.at + self.shift]))
        n = len(keys)
        at = np.minimum(np.searchsorted(self.kept, keys), len(self.kept) - 1)
        asked = Queries(
            ids=[""] * n,
            user=np.full(n, self._people.get(moment.user, -1), np.int32),
            time=np.full(n, moment.at + self.shift),
            item=np.where(self.kept[at] == keys, at, -1).astype(np.int32),
            signals=np.repeat(codes, n, 0),
            numbers=np.repeat(numbers[None], n, 0),
        )
        return np.asarray(np.clip(self.model.predict(asked), self.low, self.high), np.float64)

    def save(self, folder: Path) -> None:
        """Write it into a folder inside a version's model folder."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        storage.save(fields, folder / FOLDER)

    @classmethod
    def load(cls, folder: Path) -> Ratings | None:
        """Read what `save` wrote; None where the version has no ratings model.

        Raises
        ------
        ModelError
            Where it is damaged.
        """
        if not (folder / FOLDER).is_dir():
            return None
        fields = storage.load(folder / FOLDER)
        try:
            return cls(**fields)
        except TypeError as error:
            raise ModelError(f"{folder / FOLDER} cannot be read ({error}). Cure: `occasion fit` makes a new version.") from None
