"""Exporting: everything in a store as files that `occasion.importing` reads back without loss."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from occasion.data import Event, Item, Slate, User
from occasion.errors import DataError
from occasion.people import Consent
from occasion.protocols import Progress, Store
from occasion.stores.bodies import as_json, event_fields, item_fields, slate_fields, user_fields

__all__ = ["EXPORT_FORMATS", "ExportSummary", "export"]

PART = 500_000
"""Rows of one Parquet file: a longer log becomes several."""

_VALUES: Mapping[str, type[Item | User | Event | Slate | Consent]] = {
    "consents": Consent,
    "items": Item,
    "users": User,
    "events": Event,
    "slates": Slate,
}
# What a value has, a file has a column for.
_COLUMNS = {kind: tuple(field.name for field in fields(value)) for kind, value in _VALUES.items()}
_NUMBERS = frozenset({"price", "available_from", "available_until", "value", "at"})
_TRUTHS = frozenset({"granted"})

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSummary:
    """What was written.

    Attributes
    ----------
    rows : mapping
        Kind to the number of rows.
    files : tuple of Path
    """

    rows: Mapping[str, int]
    files: tuple[Path, ...]


def _rows(store: Store, kind: str) -> Iterator[Row]:
    if kind == "consents":
        yield from map(_filled, _consents(store))
    elif kind == "items":
        for stored in store.items():
            if stored.item is not None:
                yield {"id": stored.id, **item_fields(stored.item)}
    elif kind == "users":
        yield from ({"id": user.id, **user_fields(user)} for user in store.users())
    elif kind == "events":
        yield from map(event_fields, store.read_events())
    else:
        yield from ({"id": slate.id, "entries": (), **slate_fields(slate)} for slate in store.slates())


def _consents(store: Store) -> Iterator[Consent]:
    """Yield all choices but those that a choice dated earlier came after: in a file the newest by its date is in force."""
    for _, made in groupby(store.all_consents(), lambda choice: (choice.user, choice.session)):
        in_order: list[Consent] = []
        earliest: dict[str, float] = {}
        for choice in reversed(list(made)):
            if choice.at <= earliest.get(choice.purpose, choice.at):
                earliest[choice.purpose] = choice.at
                in_order.append(choice)
        yield from reversed(in_order)


def _filled(choice: Consent) -> Row:
    return {name: value for name, value in asdict(choice).items() if value is not None}


def _flat(row: Row) -> Row:
    """Return a row whose nested values are JSON texts."""
    return {name: as_json(cell) if isinstance(cell, (dict, list, tuple)) else cell for name, cell in row.items()}


def _write_jsonl(rows: Iterator[Row], kind: str, folder: Path) -> Iterator[tuple[Path, int]]:
    path = folder / f"{kind}.jsonl"
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            count += 1
            file.write(as_json(row) + "\n")
    yield path, count


def _write_csv(rows: Iterator[Row], kind: str, folder: Path) -> Iterator[tuple[Path, int]]:
    path = folder / f"{kind}.csv"
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        # With a bare line feed as the end of lines, a carriage return inside a cell would go unquoted.
        writer = csv.DictWriter(file, _COLUMNS[kind], lineterminator="\r\n")
        writer.writeheader()
        for row in rows:
            count += 1
            writer.writerow(_flat(row))
    yield path, count


def _write_parquet(rows: Iterator[Row], kind: str, folder: Path) -> Iterator[tuple[Path, int]]:
    import polars as pl

    kinds = {**dict.fromkeys(_NUMBERS, pl.Float64), **dict.fromkeys(_TRUTHS, pl.Boolean)}
    schema = {name: kinds.get(name, pl.String) for name in _COLUMNS[kind]}
    number = 0
    while part := list(islice(rows, PART)):
        number += 1
        path = folder / f"{kind}-{number:04d}.parquet"
        pl.DataFrame([_flat(row) for row in part], schema=schema, orient="row").write_parquet(path)
        yield path, len(part)


_WRITERS: Mapping[str, Callable[[Iterator[Row], str, Path], Iterator[tuple[Path, int]]]] = {
    "jsonl": _write_jsonl,
    "csv": _write_csv,
    "parquet": _write_parquet,
}
EXPORT_FORMATS = tuple(_WRITERS)
"""Formats an export can have."""


def export(
    store: Store,
    folder: str | os.PathLike[str],
    format: str = "jsonl",
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> ExportSummary:
    """Write consents, items, users, events and slates into a folder; importing its files into an empty store gives the same store.

    In CSV and Parquet, what is nested (texts, attributes, signals, an answer's entries) is JSON inside a cell, so that a
    number stays a number and a list a list. Items and users that are only named by events have no row of their own. Of a
    person's choices for a purpose those are left out that a choice dated earlier came after. Files appear under their names
    when they are complete.

    Parameters
    ----------
    store : Store
    folder : path
        Made where it does not exist.
    format : str
        One of `EXPORT_FORMATS`. Parquet: a file for each 500,000 rows.
    overwrite : bool
        Replace files of an earlier export; else they are an error.
    progress : callable, optional
        Called with (rows written, rows in all).

    Raises
    ------
    DataError
        Unknown format, files that are in the way, or a folder that cannot be written.
    """
    if format not in _WRITERS:
        raise DataError(f"format is {format!r}, it must be one of {', '.join(EXPORT_FORMATS)}.")
    target = Path(folder)
    part = target / ".part"
    try:
        part.mkdir(parents=True, exist_ok=True)
        if not overwrite:
            _refuse_old(target, format)
        return _export(store, target, part, format, progress)
    except OSError as error:
        raise DataError(f"cannot write to {target}: {error.strerror or error}. Cure: make room or name another folder.") from None
    finally:
        with suppress(OSError):
            for file in part.iterdir():
                file.unlink()
            part.rmdir()


def _old(target: Path, format: str) -> list[Path]:
    return [path for kind in _COLUMNS for path in sorted(target.glob(f"{kind}*.{format}"))]


def _refuse_old(target: Path, format: str) -> None:
    old = _old(target, format)
    if old:
        raise DataError(f"{old[0]} is there already. Cure: name an empty folder, or allow to overwrite.")


def _export(store: Store, target: Path, part: Path, format: str, progress: Progress | None) -> ExportSummary:
    counts = {**store.counts(), "consents": sum(1 for _ in _consents(store))}
    total = sum(counts[kind] for kind in _COLUMNS)
    done = 0

    def counted(rows: Iterator[Row]) -> Iterator[Row]:
        nonlocal done
        for row in rows:
            done += 1
            if progress is not None and done % 1000 == 0:
                progress(done, total)
            yield row

    rows, written = {}, []
    for kind in _COLUMNS:
        made = list(_WRITERS[format](counted(_rows(store, kind)), kind, part))
        rows[kind] = sum(count for _, count in made)
        written += [path for path, count in made if count]
    for path in _old(target, format):
        path.unlink()
    files = tuple(path.replace(target / path.name) for path in written)
    if progress is not None:
        progress(done, done)
    return ExportSummary(rows=rows, files=files)
