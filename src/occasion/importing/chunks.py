"""Rows on their way from a file: what every reader gives."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Chunk", "Reader", "ambiguous_columns", "numeric_columns", "sample_of"]

SAMPLE_ROWS = 1000
"""Rows looked at to tell what columns hold."""

_NUMBER = r"^[+-]?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$"
_ID_NAME = re.compile(r"id$", re.IGNORECASE)


@dataclass(slots=True, kw_only=True)
class Chunk:
    """Some rows of a file, as a frame or, for formats with nested rows, as dictionaries.

    Attributes
    ----------
    frame : DataFrame or None
    rows : list of dict or None
    lines : sequence of int, (n,)
        Line (Parquet: row) each row came from, from 1.
    faults : list of (line, value, reason)
        Rows that cannot be read at all.
    position, line : int
        Where reading goes on after this chunk: bytes (Parquet: rows) and the number of the next line.
    """

    frame: pl.DataFrame | None = None
    rows: list[dict[str, Any]] | None = None
    lines: Sequence[int] = ()
    faults: list[tuple[int, str, str]] = field(default_factory=list)
    position: int = 0
    line: int = 1

    def __len__(self) -> int:
        return len(self.lines)

    def columns(self) -> list[str]:
        """Return the names of the columns."""
        if self.frame is not None:
            return list(self.frame.columns)
        return list(dict.fromkeys(name for row in self.rows or () for name in row))

    def dictionaries(self) -> Iterator[Mapping[str, Any]]:
        """Yield the rows as dictionaries."""
        return iter(self.rows or ()) if self.frame is None else self.frame.iter_rows(named=True)


class Reader(Protocol):
    """Reads one file in bounded memory.

    Attributes
    ----------
    declared : mapping
        Column name as in the file to the form its header declares (``text``, ``number``, ``list``); else empty.
    names : mapping
        Column name as in the file to the name without that declaration.
    total : int
        What `Chunk.position` ends with.
    """

    declared: Mapping[str, str]
    names: Mapping[str, str]
    total: int

    def chunks(self, position: int = 0, line: int = 1) -> Iterator[Chunk]:
        """Yield chunks from the start, or from where an earlier chunk said that reading goes on."""


def sample_of(chunk: Chunk) -> dict[str, list[Any]]:
    """Return the first values of each column, None left out."""
    if chunk.frame is not None:
        return {name: values.drop_nulls().to_list() for name, values in chunk.frame.head(SAMPLE_ROWS).to_dict().items()}
    rows = (chunk.rows or [])[:SAMPLE_ROWS]
    return {name: [row[name] for row in rows if row.get(name) is not None] for name in chunk.columns()}


def numeric_columns(chunk: Chunk) -> frozenset[str]:
    """Return the columns of texts whose cells are all plain numbers: files without types do not say so themselves."""
    import polars as pl

    if chunk.frame is None:
        return frozenset()
    cells = [c for c in chunk.frame if c.dtype == pl.String and c.null_count() < len(c)]
    return frozenset(c.name for c in cells if c.drop_nulls().str.strip_chars().str.contains(_NUMBER).all())


def ambiguous_columns(chunk: Chunk) -> frozenset[str]:
    """Return the columns that give different rows the same value: none of them tells rows apart."""
    import polars as pl

    frame = chunk.frame
    if frame is None:
        names = chunk.columns()
        texts = {name: [_written(row.get(name)) for row in chunk.rows or ()] for name in names}
        frame = pl.DataFrame(texts, schema=dict.fromkeys(names, pl.String))
    nested = [c.name for c in frame if c.dtype.is_nested()]
    frame = frame.drop(nested)
    found = set(nested)
    for name in frame.columns:
        if _ID_NAME.search(name):
            there = frame.filter(pl.col(name).is_not_null())
            if there[name].n_unique() < there.n_unique():
                found.add(name)
        else:
            found.add(name)
    return frozenset(found)


def _written(cell: Any) -> str | None:
    return None if cell is None else json.dumps(cell, sort_keys=True)
