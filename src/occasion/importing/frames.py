"""Rows of dictionaries to frames: the columns a plan uses."""

from __future__ import annotations

import contextlib
from typing import Any

import polars as pl

from occasion.importing.cells import as_text
from occasion.importing.chunks import Chunk
from occasion.importing.report import FilePlan, RowFaults

__all__ = ["frame_of"]


def frame_of(chunk: Chunk, plan: FilePlan) -> tuple[pl.DataFrame, RowFaults]:
    """Return the columns of a chunk that the plan uses as a frame."""
    used = [use.column for use in plan.columns if use.role != "ignored"]
    if chunk.frame is not None:
        return chunk.frame.select(used), []
    columns, faults = {}, []
    for name in used:
        cells = [row.get(name) for row in chunk.rows or ()]
        try:
            columns[name] = _series(cells)
        except UnicodeEncodeError:
            half = [n for n, cell in enumerate(cells) if cell is not None and not _whole(as_text(cell))]
            faults += [(n, name, as_text(cells[n]), "half a character (a lone surrogate)") for n in half]
            columns[name] = _series([None if n in set(half) else cell for n, cell in enumerate(cells)])
    return pl.DataFrame(columns), faults


def _whole(text: str) -> bool:
    return text.isascii() or text == text.encode("utf-8", "replace").decode()


def _series(cells: list[Any]) -> pl.Series:
    """Return cells of one kind as they are, of several kinds or nested as texts."""
    kinds = {type(cell) for cell in cells if cell is not None}
    if kinds <= {str}:
        return pl.Series(cells, dtype=pl.String)
    if kinds in ({float}, {int, float}) or kinds == {bool}:
        return pl.Series(cells, dtype=pl.Boolean if kinds == {bool} else pl.Float64, strict=False)
    if kinds == {int}:
        with contextlib.suppress(OverflowError, TypeError, pl.exceptions.PolarsError):
            return pl.Series(cells, dtype=pl.Int64)
    return pl.Series([None if cell is None else as_text(cell) for cell in cells], dtype=pl.String)
