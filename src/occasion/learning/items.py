"""The catalogue as arrays: texts joined, columns with repeated values as attributes, numeric columns as numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.learning.signals import DAY

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray

__all__ = ["Items", "read_ids", "read_items"]

LIKELY = 0.9
"""Share of the filled cells of a text column that have to be figures or dates."""
THIS_CENTURY = 10_957.0, 25_567.0
"""Days since 1970 of 2000 and of 2040: figures that are as many seconds or milliseconds are points in time."""


@dataclass(kw_only=True)
class Items:
    """The catalogue, by item key.

    Attributes
    ----------
    ids : list of str, (items,)
    texts : list of str, (items,)
        All text columns joined, title first; empty where nothing is known.
    attributes : dict of name to (items, values) scipy CSR, rows sum to 1 or 0
        Columns with few distinct values; several values in one cell are split.
    numbers : (items, m) float32
        Numeric columns, NaN where missing.
    number_names : list of str, (m,)
    dated : sequence of str
        Those of the numbers that are points in time, in days since 1970.
    """

    ids: list[str]
    texts: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)
    numbers: NDArray[np.float32]
    number_names: list[str] = field(default_factory=list)
    dated: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.ids)


def read_ids(column: pl.Series) -> list[str | None]:
    """Return ids as text; whole numbers that are kept as floats lose their point, what is missing is None."""
    if column.dtype.is_float():
        known = column.drop_nulls().drop_nans()
        if (known == known.round()).all():
            column = column.fill_nan(None).cast(int, strict=False)
    return [None if i is None else str(i) for i in column.to_list()]


def read_items(frame: pl.DataFrame, named: list[Any]) -> Items:
    """Turn a frame of items into texts, attributes and numbers; ids that only events name are added, with nothing known.

    Of several rows with one id the first counts; rows without an id are left out. Lists of words are read as one cell with several
    values, texts that are figures or dates as numbers too. Points in time become days: dates, and figures that are seconds or
    milliseconds since 1970.
    """
    ids = read_ids(frame["item_id"])
    first = {i: row for row, i in reversed(list(enumerate(ids))) if i is not None}
    rows = sorted(first.values())
    if len(rows) < len(frame):
        frame, ids = frame[rows], [ids[row] for row in rows]
    catalogue = [i for i in ids if i is not None]
    extra = sorted({str(i) for i in named if i is not None} - set(catalogue))
    texts, attributes, numbers, dated = [], {}, {}, []
    for name in frame.columns:
        column = _flat(frame[name])
        if name == "item_id" or column is None or column.null_count() == len(column):
            continue
        value = _numbers(column) if not name.endswith("_id") or column.dtype.is_float() else None
        if value is not None:
            numbers[name], is_date = value
            dated += [name] * is_date
        if column.dtype.is_float() or (column.dtype.is_integer() and not name.endswith("_id")):
            continue
        cells = ["" if v is None else str(v).strip() for v in column.to_list()]
        matrix = _attribute(cells + [""] * len(extra))
        if matrix is not None:
            attributes[name] = matrix
        if str(column.dtype) == "String" and not _is_code(cells):
            texts.append(cells)
    stacked = np.stack(list(numbers.values()), 1) if numbers else np.zeros((len(frame), 0))
    padded = np.concatenate([stacked, np.full((len(extra), stacked.shape[1]), np.nan)]).astype(np.float32)
    joined = [". ".join(c for c in row if c) for row in zip(*texts, strict=True)] if texts else [""] * len(catalogue)
    return Items(
        ids=catalogue + extra,
        texts=joined + [""] * len(extra),
        attributes=attributes,
        numbers=padded,
        number_names=list(numbers),
        dated=dated,
    )


def _flat(column: pl.Series) -> pl.Series | None:
    """Return a column without nesting: of a list of words, the words with bars between them; None of anything deeper."""
    if not column.dtype.is_nested():
        return column
    inner: Any = getattr(column.dtype, "inner", None)
    if inner is None or not (inner.is_integer() or str(inner).startswith(("String", "Categorical", "Enum"))):
        return None
    words = [None if v is None else "|".join(str(w) for w in v if w is not None) for v in column.to_list()]
    return type(column)(column.name, words)


def _numbers(column: pl.Series) -> tuple[NDArray[np.float64], bool] | None:
    """Return a column as numbers (n,), NaN where it says nothing, and whether they are days; None of fewer than three different."""
    is_date = column.dtype.is_temporal()
    if is_date:
        value = column.dt.epoch("d") if str(column.dtype) == "Date" else column.dt.epoch("s") / DAY
    elif column.dtype.is_numeric():
        value = column
    elif str(column.dtype) == "String":
        filled = column.str.strip_chars()
        filled = filled.set(filled == "", None)
        value = filled.cast(float, strict=False)
        least = max(LIKELY * (len(filled) - filled.null_count()), 1)
        if value.count() < least:
            value, is_date = filled.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False).dt.epoch("d"), True
        if value.count() < least:
            return None
    else:
        return None
    out = value.cast(float).fill_null(np.nan).to_numpy().astype(np.float64)
    out = np.where(np.isfinite(out), out, np.nan)
    known = out[np.isfinite(out)]
    if len(np.unique(known)) < 3:
        return None
    for unit in () if is_date else (DAY, DAY * 1000):
        if np.mean((known / unit > THIS_CENTURY[0]) & (known / unit < THIS_CENTURY[1])) >= LIKELY:
            return out / unit, True
    return out, is_date


def _is_code(cells: list[str]) -> bool:
    """Whether a column holds addresses, ids or figures instead of words."""
    filled = [c for c in cells[:2000] if c]
    words = sum(bool(re.search(r"[^\W\d_]{2,}", c)) for c in filled)
    links = sum(c.startswith(("http://", "https://", "www.")) for c in filled)
    return not filled or words < 0.5 * len(filled) or links > 0.5 * len(filled)


def _attribute(cells: list[str]) -> Any | None:
    """Return a CSR (items, values) of a column with repeated values, rows scaled to sum 1; None where it is free text."""
    from scipy import sparse

    filled = [c for c in cells if c]
    if not filled or len(set(filled)) < 2 or np.mean([len(c) for c in filled]) > 120:
        return None
    split = [[p.strip() for p in re.split(r"[|,;]", c) if p.strip()] for c in cells]
    if max(len(p) for p in split) > 40 or np.mean([len(s) > 40 for p in split for s in p]) > 0.5:
        return None
    counts: dict[str, int] = {}
    for parts in split:
        for value in set(parts):
            counts[value] = counts.get(value, 0) + 1
    kept = {v: k for k, v in enumerate(sorted(v for v, c in counts.items() if c > 1))}
    if len(kept) < 2 or sum(counts[v] for v in kept) < 0.5 * sum(counts.values()):
        return None
    rows = [(i, kept[v]) for i, parts in enumerate(split) for v in set(parts) if v in kept]
    index = np.array(rows, np.int64).reshape(-1, 2)
    matrix = sparse.csr_matrix((np.ones(len(rows), np.float32), (index[:, 0], index[:, 1])), shape=(len(cells), len(kept)))
    # A value that nearly all items share tells nothing apart: weight values by how rare they are.
    rarity = np.log(1.0 + len(cells) / np.maximum(np.asarray(matrix.sum(0)).ravel(), 1.0))
    matrix = matrix.multiply(rarity[None, :]).tocsr()
    norm = np.sqrt(np.asarray(matrix.multiply(matrix).sum(1)).ravel())
    return sparse.diags(1.0 / np.maximum(norm, 1e-9)).dot(matrix).tocsr().astype(np.float32)
