"""Rows to items, users, slates and consents: one value a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Any

from occasion.data import Item, Slate, User
from occasion.errors import DataError
from occasion.importing.cells import (
    Fault,
    as_attribute,
    as_id,
    as_list,
    as_long_text,
    as_mapping,
    as_price,
    as_records,
    as_text,
    as_time,
    as_truth,
)
from occasion.importing.columns import ALSO
from occasion.importing.report import DAY_FIRST, ColumnUse, FilePlan
from occasion.people import Consent
from occasion.stores.bodies import slate_from_fields

__all__ = ["RowFault", "rows_to_values"]

_SEPARATORS = {"list": "|"}


class RowFault(Exception):
    """A row cannot be used: which column, what it holds, why."""

    def __init__(self, column: str, value: str, reason: str, who: str | None = None) -> None:
        super().__init__(reason)
        self.column, self.value, self.reason, self.who = column, value, reason, who


def _slate(fields: Mapping[str, Any]) -> Slate:
    return slate_from_fields(fields["id"], {name: part for name, part in fields.items() if name != "id"})


def _consent(fields: Mapping[str, Any]) -> Consent:
    """Return a choice; where a row names both, it is the user's."""
    who = "user" if "user" in fields else "session"
    return Consent(**{name: part for name, part in fields.items() if name in ("purpose", "granted", "at", who)})


_MAKERS: Mapping[str, Callable[[Mapping[str, Any]], Item | User | Slate | Consent]] = {
    "consents": _consent,
    "items": lambda fields: Item(**fields),
    "users": lambda fields: User(**fields),
    "slates": _slate,
}


def rows_to_values(
    kind: str, rows: Iterator[Mapping[str, Any]], plan: FilePlan, zone: tzinfo = UTC
) -> Iterator[Item | User | Slate | Consent | RowFault]:
    """Yield the value of each row, or what is wrong with it.

    Parameters
    ----------
    kind : str
        ``consents``, ``items``, ``users`` or ``slates``.
    """
    make = _MAKERS[kind]
    uses = [use for use in plan.columns if use.role != "ignored"]
    separators = {use.column: _separator(use, plan) for use in uses}
    for row in rows:
        try:
            fields = _fields(row, uses, separators, zone)
            for role in ("purpose", "granted", "at") if kind == "consents" else ("id",):
                if role not in fields:
                    raise RowFault(plan.roles()[role][0].column, "", "an id is empty" if role == "id" else f"no {role}")
            yield make(fields)
        except RowFault as fault:
            fault.who = _owner(kind, row, uses)
            yield fault
        except (DataError, TypeError, ValueError, KeyError, AttributeError) as error:
            yield RowFault("", as_text(dict(row)), _reason(error), _owner(kind, row, uses))


def _owner(kind: str, row: Mapping[str, Any], uses: Sequence[ColumnUse]) -> str | None:
    """Return whose row it is, "" where that cannot be read; None for items."""
    if kind == "items":
        return None
    cells = {use.role: row.get(use.column) for use in uses}
    if kind == "users":
        return as_text(cells.get("id") or "")
    if kind == "consents":
        return as_text(cells.get("user") or cells.get("session") or "")
    try:
        context = as_mapping(cells.get("context"), lambda part: part)
    except Fault:
        return ""
    return as_text(context.get("user") or context.get("session") or "")


def _reason(error: Exception) -> str:
    """Return what is wrong, without the values that would make each reason its own."""
    if isinstance(error, DataError):
        return str(error).split(", found")[0].split(" Cure:")[0][:120]
    return "not an answer as it was exported"


def _separator(use: ColumnUse, plan: FilePlan) -> str:
    if plan.format == "atomic":
        return " "
    return _SEPARATORS.get(use.form, "")


def _fields(row: Mapping[str, Any], uses: Sequence[ColumnUse], separators: Mapping[str, str], zone: tzinfo) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for use in uses:
        cell = row.get(use.column)
        if cell is None or cell == "":
            continue
        try:
            _put(fields, use, cell, separators[use.column], zone)
        except Fault as fault:
            raise RowFault(use.column, as_text(cell) if not isinstance(cell, float) else repr(cell), str(fault)) from None
    return fields


def _put(fields: dict[str, Any], use: ColumnUse, cell: Any, separator: str, zone: tzinfo) -> None:
    """Add one cell to the fields of its row."""
    group, _, name = use.role.partition(".")
    if name:
        _put_named(fields, group, name, use, cell, separator)
    elif group in ("text", "media"):
        fields.setdefault(group, {}).update(as_mapping(cell, as_long_text))
    elif group == "attributes":
        fields.setdefault(group, {}).update(as_mapping(cell, as_attribute))
    elif group == "categories":
        fields["categories"] = (*fields.get("categories", ()), *as_list(cell, separator))
    elif group == "price":
        fields["price"] = as_price(cell)
    elif group.startswith("available") or group == "at":
        fields[group] = as_time(cell, zone, day_first=use.form == DAY_FIRST)
    elif group == "context":
        fields[group] = as_mapping(cell, lambda part: part)
    elif group == "entries":
        fields[group] = as_records(cell)
    elif group == "granted":
        fields[group] = as_truth(cell)
    elif group == "notes":
        fields[group] = as_list(cell)
    else:
        fields[group] = as_id(cell) if group in ("id", "user", "session") else as_text(cell)


def _put_named(fields: dict[str, Any], group: str, name: str, use: ColumnUse, cell: Any, separator: str) -> None:
    named = fields.setdefault(group, {})
    if group == "attributes":
        named[name] = as_attribute(cell, use.form, separator)
        if use.why == ALSO:
            value = named[name]
            fields.setdefault("text", {})[name] = ", ".join(value) if isinstance(value, tuple) else as_text(value)
    else:
        named[name] = as_long_text(cell)
