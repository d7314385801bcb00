"""The log of a store as the arrays that models learn from."""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

import numpy as np

from occasion.data import Item
from occasion.errors import DataError
from occasion.importing.batches import batch_numbers, noted_batches
from occasion.keyed import joined, taken
from occasion.learning.dataset import Dataset
from occasion.learning.signals import PREFIX
from occasion.liking import liking, rating_range
from occasion.privacy.choices import Choices
from occasion.protocols import EventColumns
from occasion.recommender import Recommender

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

__all__ = ["LearningLog", "event_frame", "item_vectors", "read_log"]

ATTRIBUTES = 20
"""Attributes that are learnt from, those that most items have."""
LEFT_OUT = {"auto": None, "allow": False, "leave-out": True}
"""Setting `repeats` to whether items had before are left out; None: found out from the log."""
LEAST = 20
"""Liked events below which nothing is learnt."""
NUMBERS, FRACTIONS = 0.9, 0.1
"""Shares of the events that tell a signal: of numbers, from which on, and of fractions, from which on, it is read as figures."""
UNIX = 1e8
"""Times above this are seconds of the clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningLog:
    """What is learnt from.

    Attributes
    ----------
    columns : EventColumns
        The whole log.
    frame : polars.DataFrame
        The liked events, with their number ``seq`` and that of the import they came with, ``batch``.
    data : Dataset
        Items by store key, and the liked events.
    shift : float
        Seconds from UTC to the clock of the settings' zone, at the newest event.
    """

    columns: EventColumns
    frame: pl.DataFrame
    data: Dataset
    shift: float

    def without(self, held_out: NDArray[np.int64]) -> Dataset:
        """Return the data set without the events of these numbers."""
        return self.data.only(self.frame.filter(~np.isin(self.frame["seq"].to_numpy(), held_out)))


class _Vectors:
    """The recommender's sentence vectors, read when they are asked for: ``vectors[keys]`` is (n, dim)."""

    def __init__(self, recommender: Recommender) -> None:
        self._live = recommender.live

    def __getitem__(self, keys: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._live.vectors(keys.astype(np.int32))


def item_vectors(recommender: Recommender) -> NDArray[np.float32]:
    """Return the recommender's item vectors as the array that learning indexes by key; nothing is read before that."""
    return cast("NDArray[np.float32]", _Vectors(recommender))


def read_log(recommender: Recommender) -> LearningLog:
    """Read the items and the liked events of a refreshed recommender's store.

    Raises
    ------
    DataError
        Where fewer than `LEAST` events tell a liking.
    """
    settings = recommender.settings
    columns = Choices(recommender.store, "train", settings.granted_by_default).keep(joined(list(recommender.store.events())))
    liked = (liking(columns, rating_range(columns), settings.weights) > 0) & (columns.user >= 0)
    if liked.sum() < LEAST:
        raise DataError(
            f"too few events: {int(liked.sum())} tell that somebody liked something, {LEAST} are the least to learn from. "
            "Cure: import more events; until then the untrained blend answers."
        )
    kept = taken(columns, liked)
    shift = _shift(kept, recommender.settings.time_zone)
    frame = event_frame(kept, recommender, shift)
    frame = frame.with_columns(batch=batch_numbers(noted_batches(recommender.store), kept.seq))
    return LearningLog(
        columns=columns,
        frame=frame,
        data=Dataset.from_frames(_items(recommender, shift), frame, exclude_seen=LEFT_OUT[settings.repeats]),
        shift=shift,
    )


def _newest(columns: EventColumns) -> float:
    return float(columns.at[np.isfinite(columns.at)].max(initial=0.0))


def _shift(columns: EventColumns, zone: str) -> float:
    offset = datetime.datetime.fromtimestamp(_newest(columns), ZoneInfo(zone)).utcoffset()
    return offset.total_seconds() if offset is not None and _newest(columns) > UNIX else 0.0


def event_frame(columns: EventColumns, recommender: Recommender, shift: float) -> pl.DataFrame:
    """Return events as the rows that models read: seq, user_id, item_id, time and a column for each given signal.

    A signal that is told as a number nine times in ten, and as a fraction once in ten, has a column of numbers, in which words for
    it are missing; any other has its words and whole numbers as texts, and its fractions are missing. So whole numbers alone are
    classes, and neither one word nor one fraction changes what thousands of other events are read as.
    """
    import polars as pl

    catalogue = recommender.live.catalogue
    ids = np.array([catalogue.id(k) for k in range(len(catalogue))], object)
    series: dict[str, Any] = {
        "seq": columns.seq,
        "user_id": columns.user.astype(str).tolist(),
        "item_id": ids[columns.item].tolist(),
        "time": columns.at + shift,
    }
    coded, figures = recommender.past_signals(columns), recommender.past_figures(columns)
    for name, numbers in figures.items():
        if _measures(numbers, coded[name][0] if name in coded else None):
            coded.pop(name, None)
            series[PREFIX + name] = pl.Series(numbers, dtype=pl.Float64).fill_nan(None)
    for name, (codes, values) in coded.items():
        labels = np.array([*(str(v) for v in values), None], object)
        series[PREFIX + name] = pl.Series(labels[codes].tolist(), dtype=pl.String)
    return pl.DataFrame(series).with_columns(pl.col("time").fill_nan(None))


def _measures(numbers: NDArray[np.float64], codes: NDArray[np.int32] | None) -> bool:
    """Return whether a signal is read as figures, by its numbers (n,), NaN for none, and codes (n,), -1 for fractions, too."""
    is_number, is_coded = np.isfinite(numbers), np.zeros(len(numbers), np.bool_) if codes is None else codes >= 0
    told = np.count_nonzero(is_number | is_coded)
    fractions = np.count_nonzero(is_number & ~is_coded)
    return bool(fractions > 0 and np.count_nonzero(is_number) >= NUMBERS * told and fractions >= FRACTIONS * told)


def _items(recommender: Recommender, shift: float) -> pl.DataFrame:
    """Return one row a key, in order of keys, empty where an item is not described; times are shifted as those of events."""
    import polars as pl

    found: dict[int, Item] = {entry.key: entry.item for entry in recommender.store.items() if entry.item is not None}
    keys = range(len(recommender.live.catalogue))
    items = [found.get(key) for key in keys]
    series: dict[str, Any] = {"item_id": [recommender.live.catalogue.id(key) for key in keys]}
    for name in _common(items, "text"):
        series[f"text {name}"] = pl.Series([_cell(i, "text", name) for i in items], dtype=pl.String)
    for name in _common(items, "attributes"):
        series[_free(name, series)] = _column([_cell(i, "attributes", name) for i in items])
    if any(i is not None and i.categories for i in items):
        series[_free("categories", series)] = pl.Series(
            [None if i is None else "|".join(i.categories) for i in items], dtype=pl.String
        )
    if any(i is not None and i.price is not None for i in items):
        series[_free("price", series)] = pl.Series([None if i is None else i.price for i in items], dtype=pl.Float64)
    since = [None if i is None or i.available_from is None else i.available_from + shift for i in items]
    if any(at is not None for at in since):
        series[_free("available_from", series)] = pl.Series(since, dtype=pl.Float64)
    return pl.DataFrame(series)


def _common(items: Sequence[Item | None], kind: str) -> list[str]:
    tally = Counter(name for item in items if item is not None for name in getattr(item, kind))
    return [name for name, _ in tally.most_common(ATTRIBUTES)]


def _cell(item: Item | None, kind: str, name: str) -> Any:
    value = None if item is None else getattr(item, kind).get(name)
    return "|".join(value) if isinstance(value, tuple) else value


def _column(values: list[Any]) -> pl.Series:
    """Return numbers as numbers, anything else as text."""
    import polars as pl

    present = [v for v in values if v is not None]
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in present):
        return pl.Series([None if v is None else float(v) for v in values], dtype=pl.Float64)
    return pl.Series([None if v is None else str(v) for v in values], dtype=pl.String)


def _free(name: str, series: Mapping[str, Any]) -> str:
    """Return a column name that is not taken and that is not read as a column of ids."""
    name = re.sub(r"_id$", " id", name)
    return name if name not in series else f"{name} of the item"
