"""Rows to events, a column at a time: each distinct cell is read once, whatever the number of rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from occasion.context.signals import unusable
from occasion.data import Context
from occasion.errors import DataError
from occasion.importing.cells import Fault, as_id, as_long_text, as_mapping, as_number, as_scalar, as_text, as_time, as_truth
from occasion.importing.report import DAY_FIRST, ColumnUse, FilePlan, RowFaults
from occasion.importing.synonyms import EVENT_TYPE_NAMES
from occasion.protocols import Coded, EventBatch
from occasion.stores.bodies import context_signals

__all__ = ["EventRows"]

Codes = NDArray[np.int32]


class EventRows:
    """The rows of a frame as events.

    Parameters
    ----------
    frame : DataFrame
    plan : FilePlan
    zone : tzinfo
        Of times written without one.
    known : list of (row, column, value, reason), optional
        Rows already known to be unusable.

    Attributes
    ----------
    faults : list of (row, column, value, reason)
        One for each row that cannot be used, by row.
    batch : EventBatch
        The other rows, in order.
    warned : (m,)
        Those of the other rows, by number, that carry signals which cannot be: `unusable` names them.
    """

    def __init__(self, frame: pl.DataFrame, plan: FilePlan, zone: tzinfo = UTC, known: RowFaults | None = None) -> None:
        self._frame, self._plan, self._zone = frame, plan, zone
        self._roles = plan.roles()
        self._bad = {row: (column, value, reason) for row, column, value, reason in known or ()}
        user, session, item = self._ids("user"), self._ids("session"), self._ids("item")
        self._people = user, session
        self._unusable: dict[tuple[str, str], str] = {}
        if "item" in self._roles:
            self._require(item.codes >= 0, self._roles["item"][0].column, "no item")
        self._require((user.codes >= 0) | (session.codes >= 0), self._who(), "no user and no session")
        value = self._numbers("value" if "value" in self._roles else "rating", as_number)
        day_first = any(use.form == DAY_FIRST for use in self._roles.get("at", ()))
        at = self._numbers("at", lambda cell: as_time(cell, zone, dates=self._date_column(), day_first=day_first))
        kind, context = self._types(), self._contexts()
        slate, given = self._ids("slate"), self._ids("id")
        kept = np.ones(frame.height, bool)
        kept[list(self._bad)] = False
        self._context = context
        wrong = [code for code, value in enumerate(context.values) if value in self._unusable]
        self.warned = np.flatnonzero(kept & np.isin(context.codes, wrong))
        parts = {"user": user, "session": session, "item": item, "type": kind, "slate": slate, "context": context}
        chosen = {name: Coded(part.values, part.codes[kept]) for name, part in parts.items()}
        self.faults: RowFaults = [(row, *self._bad[row]) for row in sorted(self._bad)]
        ids = _content_ids(chosen, value[kept], at[kept], Coded(given.values, given.codes[kept]))
        self.batch = EventBatch(id=ids, value=value[kept], at=at[kept], **chosen)

    def owner(self, row: int) -> str:
        """Return whose row of the frame it is: the user, else the session, else ""."""
        for column in self._people:
            code = int(column.codes[row])
            if code >= 0:
                return str(column.values[code])
        return ""

    def unusable(self, row: int) -> str:
        """Return which signals of a row among `warned` cannot be, in words."""
        return self._unusable[self._context.values[int(self._context.codes[row])]]

    # -- cells ----------------------------------------------------------------------------------------------------------
    def _require(self, good: NDArray[np.bool_], column: str, reason: str) -> None:
        for row in np.flatnonzero(~good).tolist():
            self._bad.setdefault(row, (column, "", reason))

    def _who(self) -> str:
        return self._roles.get("user", self._roles.get("session"))[0].column  # type: ignore[index]

    def _date_column(self) -> bool:
        name = self._roles["at"][0].column.lower()
        return "date" in name or "day" in name

    def _read(self, column: str, read: Callable[[Any], Any], cells: pl.Series | None = None) -> Coded:
        """Return a column as distinct values and codes; None, empty texts and faults have the code -1."""
        distinct = coded(self._frame[column] if cells is None else cells)
        values: list[Any] = []
        faults: dict[int, tuple[str, str]] = {}
        renumber = np.full(len(distinct.values) + 1, -1, np.int32)
        for code, cell in enumerate(distinct.values):
            if cell == "":
                continue
            try:
                value = read(cell)
            except Fault as fault:
                faults[code] = (repr(cell) if isinstance(cell, float) else as_text(cell), str(fault))
            else:
                renumber[code] = len(values)
                values.append(value)
        self._note(column, distinct.codes, faults)
        return Coded(values, renumber[distinct.codes])

    def _note(self, column: str, codes: Codes, faults: Mapping[int, tuple[str, str]]) -> None:
        """Remember rows by the code of a cell that cannot be used."""
        if faults:
            for row in np.flatnonzero(np.isin(codes, list(faults))).tolist():
                self._bad.setdefault(row, (column, *faults[int(codes[row])]))

    def _none(self) -> Coded:
        return Coded([], np.full(self._frame.height, -1, np.int32))

    def _ids(self, role: str) -> Coded:
        if role not in self._roles:
            return self._none()
        return merged(self._read(self._roles[role][0].column, as_id))

    def _numbers(self, role: str, read: Callable[[Any], float]) -> NDArray[np.float64]:
        """Return a column of numbers or times (n,); NaN where empty."""
        numbers = np.full(self._frame.height, np.nan)
        if role not in self._roles:
            return numbers
        use = self._roles[role][0]
        cells = self._frame[use.column]
        if cells.dtype.is_numeric() or cells.dtype == pl.String:
            quick = cells.str.strip_chars() if cells.dtype == pl.String else cells
            fast = quick.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
            usable = np.isfinite(fast)
            if role == "at":
                usable &= (fast >= -2.2e9) & (fast <= 1.67e10)
                if self._date_column():
                    # 20240131 may be a date rather than a second of 1970.
                    usable &= (fast < 19e6) | (fast > 21e6)
            numbers[usable] = fast[usable]
            if usable.all():
                return numbers
            cells = pl.select(pl.when(pl.lit(pl.Series(usable))).then(None).otherwise(cells)).to_series().rename(use.column)
        read_cells = self._read(use.column, read, cells)
        found = read_cells.codes >= 0
        if found.any():
            numbers[found] = np.array(read_cells.values)[read_cells.codes[found]]
        return numbers

    # -- type and context -----------------------------------------------------------------------------------------------
    def _types(self) -> Coded:
        """Return the event types: of the column, else the plan's; where a column says clicked, a click."""
        default = self._plan.event_type
        kinds = self._none()
        if "type" in self._roles:
            kinds = self._read(self._roles["type"][0].column, self._type)
        values = [*kinds.values, default, "click"]
        codes = np.where(kinds.codes < 0, len(values) - 2, kinds.codes).astype(np.int32)
        if "clicked" in self._roles:
            clicked = self._read(self._roles["clicked"][0].column, as_truth)
            yes = np.array([*clicked.values, False], bool)[clicked.codes]
            codes[yes] = len(values) - 1
        return merged(Coded(values, codes))

    def _type(self, cell: Any) -> str:
        name = as_id(cell)
        return name if self._roles["type"][0].column.lower() == "type" else EVENT_TYPE_NAMES.get(name.lower(), name)

    def _contexts(self) -> Coded:
        """Return the distinct (text, signals) pairs, signals as sorted JSON."""
        uses = [use for role, found in self._roles.items() if role.split(".")[0] in ("text", "signals") for use in found]
        if not uses:
            return self._none()
        columns = [self._read(use.column, self._context_cell(use)) for use in uses]
        table = np.stack([c.codes for c in columns], axis=1)  # (n, columns)
        distinct, codes = _distinct_rows(table)
        values: list[tuple[str, str] | None] = []
        faults: dict[int, tuple[str, str]] = {}
        for number, row in enumerate(distinct.tolist()):
            cells = [c.values[k] if k >= 0 else None for c, k in zip(columns, row, strict=True)]
            try:
                values.append(self._situation(uses, cells))
            except DataError as error:
                values.append(None)
                faults[number] = ("", str(error).split(", found")[0].split(" Cure:")[0][:120])
        self._note(uses[0].column, codes, faults)
        return merged(Coded(values, codes))

    @staticmethod
    def _context_cell(use: ColumnUse) -> Callable[[Any], Any]:
        if use.role == "text":
            return as_long_text
        if use.role == "signals":
            return lambda cell: as_mapping(cell, as_scalar)
        return lambda cell: as_scalar(cell, use.form)

    def _situation(self, uses: Sequence[ColumnUse], cells: Sequence[Any]) -> tuple[str, str] | None:
        text, signals = "", {}
        for use, cell in zip(uses, cells, strict=True):
            if cell is None:
                continue
            if use.role == "text":
                text = cell
            elif use.role == "signals":
                signals.update(cell)
            else:
                signals[use.role.partition(".")[2]] = cell
        if not text and not signals:
            return None
        checked = Context(text=text, signals=signals)
        situation = checked.text, context_signals(checked.signals)
        if wrong := unusable(checked.signals):
            self._unusable[situation] = ", ".join(wrong)
        return situation


def coded(column: pl.Series) -> Coded:
    """Return a column as its distinct values, None left out, and codes."""
    if column.dtype.is_nested():
        column = pl.Series([None if v is None else json.dumps(v, default=str) for v in column.to_list()], dtype=pl.String)
    distinct = column.drop_nulls().unique(maintain_order=True)
    values = distinct.to_list()
    if column.dtype.is_float():
        # NaN is a value of its own here: it is refused later, where the column is known.
        codes = np.full(len(column), -1, np.int32)
        present = column.is_not_null().to_numpy()
        numbers = column.fill_null(0).to_numpy()
        _, first, inverse = np.unique(numbers[present], return_index=True, return_inverse=True)
        codes[present] = inverse
        return Coded(numbers[present][first].tolist(), codes)
    table = pl.DataFrame({"value": distinct, "code": np.arange(len(values), dtype=np.int32)})
    found = column.to_frame("value").join(table, on="value", how="left", maintain_order="left")["code"].fill_null(-1)
    return Coded(values, found.to_numpy().astype(np.int32))


def merged(column: Coded) -> Coded:
    """Return a coded column with equal values made one and None taken out."""
    places: dict[Any, int] = {None: -1}
    renumber = np.array([places.setdefault(v, len(places) - 1) for v in column.values] + [-1], np.int32)
    del places[None]
    return Coded(list(places), renumber[column.codes])


def _distinct_rows(table: NDArray[np.int32]) -> tuple[NDArray[np.int32], Codes]:
    """Return the distinct rows of (n, columns) codes, and which of them each row is."""
    code = np.zeros(len(table), np.int64)
    for column in table.T:
        _, code = np.unique(code * (int(column.max(initial=-1)) + 2) + column + 1, return_inverse=True)
    _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
    return table[first], inverse.astype(np.int32)


def _content_ids(parts: Mapping[str, Coded], value: NDArray[np.float64], at: NDArray[np.float64], given: Coded) -> list[str]:
    """Return the event ids: those given, else the content hash that `Event` would have.

    The hash is of ``[user, session, item, type, value, at, text, signals, slate]`` as canonical JSON. Each distinct cell is
    written once, then rows are put together from these pieces.
    """
    missing = given.codes < 0
    ids = np.array([*given.values, ""], object)[given.codes]
    if not missing.any():
        return list(ids.tolist())
    pairs = [json.dumps(text, ensure_ascii=False) + "," + signals for text, signals in parts["context"].values]
    pieces = [
        *(_texts(parts[name], missing) for name in ("user", "session", "item", "type")),
        _numbers_as_json(value[missing]),
        _numbers_as_json(at[missing]),
        pl.Series([*pairs, '"",{}'], dtype=pl.String)[parts["context"].codes[missing]],
        _texts(parts["slate"], missing),
    ]
    frame = pl.DataFrame({str(n): piece for n, piece in enumerate(pieces)})
    whole = frame.select(pl.concat_str(pl.lit("["), pl.concat_str(pl.all(), separator=","), pl.lit("]"))).to_series().to_list()
    ids[missing] = [hashlib.blake2b(text.encode(), digest_size=16).hexdigest() for text in whole]
    return list(ids.tolist())


def _texts(column: Coded, rows: NDArray[np.bool_]) -> pl.Series:
    written = [json.dumps(v, ensure_ascii=False) for v in column.values]
    return pl.Series([*written, "null"], dtype=pl.String)[column.codes[rows]]


def _numbers_as_json(numbers: NDArray[np.float64]) -> pl.Series:
    distinct, codes = np.unique(numbers, return_inverse=True)
    written = ["null" if n != n else json.dumps(n) for n in distinct.tolist()]
    return pl.Series(written, dtype=pl.String)[codes]
