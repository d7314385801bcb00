"""What an import says: how it understood each column, what it rejected or passed over and why, and the sum at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["DAY_FIRST", "ColumnUse", "FilePlan", "ImportSummary", "Reject", "RowFaults", "Warned"]

RowFaults = list[tuple[int, str, str, str]]
"""(row, column, value, reason) of rows that cannot be used."""

DAY_FIRST = "day first"
"""The form of a column of dates such as 31/12/2026."""
_WORDS = {
    "at": "time",
    "clicked": "answer whether it was clicked",
    "granted": "answer whether it is allowed",
    "id": "id",
    "slate": "answer it came from",
}
EXAMPLES = 20
"""Rejected rows, and rows with a warning, kept in the summary itself."""
VALUE_LENGTH = 200
"""Characters shown of a rejected value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """A row that was not taken.

    Attributes
    ----------
    file : str
    line : int
        Line of the file, from 1; for Parquet the row, from 1.
    column : str
        Empty where the row as a whole is unusable.
    value : str
        What was found there, cut at 200 characters.
    reason : str
        A short phrase, the same for all rows with the same fault.
    who : str or None
        Whose row it is: a user, else a session; "" where that cannot be read. None: a row of a catalogue, which is nobody's.
    """

    file: str
    line: int
    column: str
    value: str
    reason: str
    who: str | None = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", self.value[:VALUE_LENGTH])


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """A row that was taken, but carries signals that cannot be (a latitude of 131, say) and count for nothing.

    Attributes
    ----------
    file : str
    line : int
        As in `Reject`.
    signals : str
        Which, in words, cut at 200 characters. Empty where ids are pseudonyms: nothing that stood in rows of people is told then.
    who : str
        Whose row it is: a user, else a session.
    """

    file: str
    line: int
    signals: str
    who: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "signals", self.signals[:VALUE_LENGTH])

    def sentence(self) -> str:
        """Return it in words."""
        return f"{self.file}, line {self.line}: taken, but not usable, and passed over: {self.signals or 'a signal'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnUse:
    """What one column of a file becomes.

    Attributes
    ----------
    column : str
    role : str
        ``user``, ``item``, ``text.title``, ``attributes.brand``, ``signals.weather``, ..., or ``ignored``.
    form : str
        How its cells are read: ``as is``, ``text``, ``number``, ``list``, ``json``, ``day first``.
    why : str
        Why it is ignored or read that way, where that is not plain from its name.
    """

    column: str
    role: str
    form: str = "as is"
    why: str = ""

    def sentence(self) -> str:
        """Return it in words."""
        reason = f" ({self.why})" if self.why else ""
        if self.role == "ignored":
            return f"{self.column} is ignored{reason}"
        return f"{self.column} gives the {_WORDS.get(self.role, self.role.replace('.', ' '))}{reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePlan:
    """How a file is understood.

    Attributes
    ----------
    file, format : str
    kind : str
        ``consents``, ``items``, ``users``, ``events`` or ``slates``.
    columns : sequence of ColumnUse
        One a column, in the file's order.
    event_type : str
        The type of events whose row names none.
    notes : sequence of str
        What the reader of the plan should know.
    """

    file: str
    format: str
    kind: str
    columns: Sequence[ColumnUse]
    event_type: str = "click"
    notes: Sequence[str] = ()

    def roles(self) -> Mapping[str, list[ColumnUse]]:
        """Return the columns of each role."""
        found: dict[str, list[ColumnUse]] = {}
        for use in self.columns:
            found.setdefault(use.role, []).append(use)
        return found

    def sentences(self) -> list[str]:
        """Return the plan in words, one sentence a column."""
        return [f"{self.file}: {self.kind}, {self.format}", *(use.sentence() for use in self.columns), *self.notes]


@dataclass(slots=True, kw_only=True)
class ImportSummary:
    """The end of an import.

    Attributes
    ----------
    plans : list of FilePlan
    rows : int
        Rows read; each is new, unchanged or rejected. Of a validation: valid or rejected.
    new : int
        Rows that added or changed something.
    unchanged : int
        Rows that were there already: events of a known id or equal in all fields, items and users with equal fields,
        choices that are in force or older.
    rejected : Counter of str
        Rows rejected, by reason.
    examples : list of Reject
        The first rejected rows.
    warned : int
        Rows taken that carry signals which cannot be, and count for nothing.
    warnings : list of Warned
        The first of these.
    resumed : int
        Rows of `rows` that an earlier, stopped import of the same files had dealt with.
    seconds : float
    validate_only : bool
        Nothing was written; `new` and `unchanged` are 0.
    rejects_file : str
        Where the rejected rows are listed; empty: nowhere.
    """

    plans: list[FilePlan] = field(default_factory=list)
    rows: int = 0
    new: int = 0
    unchanged: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    examples: list[Reject] = field(default_factory=list)
    warned: int = 0
    warnings: list[Warned] = field(default_factory=list)
    resumed: int = 0
    seconds: float = 0.0
    validate_only: bool = False
    rejects_file: str = ""

    @property
    def rejections(self) -> int:
        """Number of rejected rows."""
        return self.rejected.total()

    @property
    def valid(self) -> int:
        """Number of usable rows."""
        return self.rows - self.rejections

    def reject(self, rows: Sequence[Reject]) -> None:
        """Count rejected rows and keep the first ones."""
        self.rejected.update(row.reason for row in rows)
        self.examples.extend(rows[: EXAMPLES - len(self.examples)])

    def counts(self) -> dict[str, Any]:
        """Return the numbers alone, as JSON can hold them."""
        rejected = dict(self.rejected)
        return {"rows": self.rows, "new": self.new, "unchanged": self.unchanged, "rejected": rejected, "warned": self.warned}

    def sentence(self) -> str:
        """Return the sum in words."""
        parts = [f"{self.rows:,} row{'' if self.rows == 1 else 's'} read in {self.seconds:.1f} s"]
        if self.validate_only:
            parts.append(f"{self.valid:,} valid (nothing was written)")
        else:
            parts += [f"{self.new:,} new or changed", f"{self.unchanged:,} there already"]
        parts.append(f"{self.rejections:,} rejected")
        if self.resumed:
            parts.append(f"{self.resumed:,} of them by the import that was stopped before")
        warned = f", {self.warned:,} taken with signals that are not usable, and passed over" if self.warned else ""
        reasons = "; ".join(f"{number:,} x {reason}" for reason, number in self.rejected.most_common())
        where = f", listed in {self.rejects_file}" if self.rejections and self.rejects_file else ""
        return ", ".join(parts) + (f" ({reasons}{where})" if reasons else "") + warned
