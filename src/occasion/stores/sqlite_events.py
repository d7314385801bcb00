"""The event log of a SQLite store: appending, histories, columns."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from occasion.data import Event, content_hash
from occasion.errors import DataError
from occasion.protocols import Coded, EventBatch, EventColumns, StoredContext
from occasion.stores.bodies import context_signals
from occasion.stores.sqlite_dictionary import Counters, Dictionary, select_in, writable
from occasion.stores.sqlite_file import SqliteFile

__all__ = ["EventLog"]

PAGE = 10_000
"""Events read at once where values are made of them."""
MAX_TYPES = 32_000
"""Distinct event types: their keys are 16-bit numbers."""

# SQLite has no NaN: infinity, which no value or time can be, stands for unknown on the way out.
_COLUMNS = "seq, person, item, type, ifnull(value, 9e999), ifnull(at, 9e999), ifnull(context, -1)"
_ROW = np.dtype([("seq", "i8"), ("user", "i4"), ("item", "i4"), ("type", "i2"), ("value", "f4"), ("at", "f8"), ("context", "i4")])

_EVENTS = f"SELECT {_COLUMNS} FROM event WHERE seq > ? ORDER BY seq LIMIT ?"
_TIMED = f"SELECT {_COLUMNS} FROM event WHERE person = ? AND at < ? ORDER BY at DESC, seq DESC LIMIT ?"
_TRAIL = "SELECT item FROM event WHERE person = ? AND seq < ? ORDER BY at DESC, seq DESC LIMIT ?"
_UNTIMED = f"SELECT {_COLUMNS} FROM event WHERE person = ? AND at IS NULL ORDER BY seq DESC LIMIT ?"
# What has no time sorts as the oldest: without a bound one walk over the index gives both.
_NEWEST = f"SELECT {_COLUMNS} FROM event WHERE person = ? ORDER BY at DESC, seq DESC LIMIT ?"

_INSERT_EVENT = """
INSERT INTO event (seq, id, person, session, item, type, value, at, context, slate) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

_EVENT_VALUES = """
SELECT event.seq, event.id, person.user, coalesce(person.session, session.id), item.id, event_type.name, event.value,
    event.at, context.text, context.signals, event.slate
FROM event
JOIN person ON person.key = event.person
JOIN item ON item.key = event.item
JOIN event_type ON event_type.key = event.type
LEFT JOIN session ON session.key = event.session
LEFT JOIN context ON context.key = event.context
"""
_READ_EVENTS = f"{_EVENT_VALUES} WHERE event.seq > ? ORDER BY event.seq LIMIT ?"
_EVENTS_OF = f"{_EVENT_VALUES} WHERE event.person IN (?)"


def _stored_id(event_id: str) -> str | bytes:
    if len(event_id) == 32 and event_id.isalnum() and event_id.lower() == event_id:
        with contextlib.suppress(ValueError):
            return bytes.fromhex(event_id)
    return event_id


def _given_id(stored: str | bytes) -> str:
    return stored.hex() if isinstance(stored, bytes) else stored


def _coded(values: Sequence[Any]) -> Coded:
    """Return values, None among them, as distinct values and codes."""
    places: dict[Any, int] = {None: -1}
    codes = [places.setdefault(v, len(places) - 1) for v in values]
    del places[None]
    return Coded(list(places), np.array(codes, np.int32))


def _batch(events: Sequence[Event]) -> EventBatch:
    contexts = [(e.text, context_signals(e.signals)) if e.text or e.signals else None for e in events]
    unknown = float("nan")
    return EventBatch(
        id=[e.id for e in events],
        user=_coded([e.user for e in events]),
        session=_coded([e.session for e in events]),
        item=_coded([e.item for e in events]),
        type=_coded([e.type for e in events]),
        slate=_coded([e.slate for e in events]),
        context=_coded(contexts),
        value=np.array([unknown if e.value is None else e.value for e in events]),
        at=np.array([unknown if e.at is None else e.at for e in events]),
    )


def _type_row(counters: Counters, name: str) -> tuple[int, str]:
    if counters.type >= MAX_TYPES:
        raise DataError(f"event type {name!r} is one more than the {MAX_TYPES} different ones allowed. Cure: put ids elsewhere.")
    return counters.take("type"), name


@dataclass(slots=True)
class _Transaction:
    """An open write transaction and the counters it moves on."""

    connection: sqlite3.Connection
    counters: Counters


class EventLog:
    """Events as rows of whole numbers, their ids and contexts in dictionaries; see `Store` for what each method promises."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._types: tuple[str, ...] = ()
        self._contexts: dict[bytes, tuple[str, str]] = {}
        self._withdrawals = -1
        self._dictionaries = {
            "item": Dictionary(
                "SELECT id, key FROM item WHERE id IN (?)",
                "INSERT INTO item (key, id, revision) VALUES (?, ?, ?)",
                lambda c, v: (c.take("item"), v, c.revise()),
            ),
            "user": Dictionary(
                "SELECT user, key FROM person WHERE user IN (?)",
                "INSERT INTO person (key, user) VALUES (?, ?)",
                lambda c, v: (c.take("person"), v),
            ),
            "visitor": Dictionary(
                "SELECT session, key FROM person WHERE session IN (?)",
                "INSERT INTO person (key, session) VALUES (?, ?)",
                lambda c, v: (c.take("person"), v),
            ),
            "session": Dictionary(
                "SELECT id, key FROM session WHERE id IN (?)",
                "INSERT INTO session (key, id) VALUES (?, ?)",
                lambda c, v: (c.take("session"), v),
            ),
            "type": Dictionary(
                "SELECT name, key FROM event_type WHERE name IN (?)",
                "INSERT INTO event_type (key, name) VALUES (?, ?)",
                _type_row,
            ),
            "context": Dictionary(
                "SELECT hash, key FROM context WHERE hash IN (?)",
                "INSERT INTO context (key, hash, text, signals) VALUES (?, ?, ?, ?)",
                lambda c, v: (c.take("context"), v, *self._contexts[v]),
            ),
        }

    @contextlib.contextmanager
    def _writing(self) -> Iterator[_Transaction]:
        committed = False
        with self._file.write_lock:
            try:
                with self._file.writing() as connection:
                    transaction = _Transaction(connection, Counters.load(connection))
                    self._notice(transaction.counters.withdrawals)
                    yield transaction
                    transaction.counters.save(connection)
                committed = True
            finally:
                for dictionary in self._dictionaries.values():
                    dictionary.settle(committed=committed)

    def _notice(self, withdrawals: int) -> None:
        """Forget remembered keys where another writer may have removed their rows since."""
        if withdrawals != self._withdrawals:
            for dictionary in self._dictionaries.values():
                dictionary.forget()
            self._withdrawals = withdrawals

    def append(self, events: Sequence[Event]) -> int:
        """Append events durably in one transaction; return how many were new (by event id)."""
        return self.append_columns(_batch(events)) if events else 0

    def append_columns(self, batch: EventBatch) -> int:
        """Do as `append` does, for many events at once as columns: the fast way in for files."""
        for name in ("user", "session", "item", "type", "slate"):
            for value in getattr(batch, name).values:
                if not value.isascii():
                    writable(value, name)
        ids = [_stored_id(i) for i in batch.id]
        for i in ids:
            if isinstance(i, str):
                writable(i, "event id")
        with self._writing() as transaction:
            rows = self._new_rows(transaction.connection, ids)
            if len(rows):
                columns = self._event_columns(transaction, batch, rows)
                first = transaction.counters.seq + 1
                transaction.counters.seq += len(rows)
                numbered = zip(range(first, first + len(rows)), [ids[r] for r in rows.tolist()], *columns, strict=True)
                transaction.connection.executemany(_INSERT_EVENT, numbered)
        return len(rows)

    @staticmethod
    def _new_rows(connection: sqlite3.Connection, ids: Sequence[str | bytes]) -> NDArray[np.int64]:
        """Return the places of ids that are not stored; of equal ones the first."""
        first = dict(zip(reversed(ids), range(len(ids) - 1, -1, -1), strict=True))
        if connection.execute("SELECT 1 FROM event LIMIT 1").fetchone():
            for (stored,) in select_in(connection, "SELECT id FROM event WHERE id IN (?)", ids):
                first.pop(stored, None)
        return np.sort(np.fromiter(first.values(), np.int64, len(first)))

    def _event_columns(self, transaction: _Transaction, batch: EventBatch, rows: NDArray[np.int64]) -> list[list[Any]]:
        """Return the columns of an event row from person to slate, as keys."""
        user = self._keys(transaction, "user", batch.user, rows)
        anonymous = user < 0
        if anonymous.any():
            user[anonymous] = self._keys(transaction, "visitor", batch.session, rows[anonymous])
        session = np.full(len(rows), -1)
        if not anonymous.all():
            session[~anonymous] = self._keys(transaction, "session", batch.session, rows[~anonymous])
        slates = batch.slate.values
        return [
            user.tolist(),
            _or_none(session),
            self._keys(transaction, "item", batch.item, rows).tolist(),
            self._keys(transaction, "type", batch.type, rows).tolist(),
            # SQLite takes NaN for NULL.
            batch.value[rows].tolist(),
            batch.at[rows].tolist(),
            _or_none(self._keys(transaction, "context", self._hashed(batch.context, rows), rows)),
            [slates[c] if c >= 0 else None for c in batch.slate.codes[rows].tolist()],
        ]

    def _hashed(self, contexts: Coded, rows: NDArray[np.int64]) -> Coded:
        """Return contexts by hash; the pairs wait in `_contexts` for the insert."""
        self._contexts = {}
        hashes = []
        for text, signals in contexts.values:
            pair = text, signals if isinstance(signals, str) else context_signals(signals)
            hashed = bytes.fromhex(content_hash(*pair))
            self._contexts[hashed] = pair
            hashes.append(hashed)
        return Coded(hashes, contexts.codes)

    def _keys(self, transaction: _Transaction, name: str, column: Coded, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the keys (rows,) of a coded column, -1 for none."""
        codes = column.codes[rows]
        used = np.unique(codes)
        used = used[used >= 0]
        keys = np.full(len(column.values) + 1, -1, np.int64)
        values = [column.values[code] for code in used.tolist()]
        keys[used] = self._dictionaries[name].keys(transaction.connection, transaction.counters, values)
        return keys[codes]

    def history(self, user_key: int, before: float | None = None, limit: int = 500) -> EventColumns:
        """Return the newest `limit` events of a user with ``at < before`` (or unknown time), in order of (at, seq).

        Events of unknown time come first, as the oldest.
        """
        if before is None or before == np.inf:
            rows = self._file.read(_NEWEST, user_key, limit)
        else:
            rows = self._file.read(_TIMED, user_key, before, limit)
            if len(rows) < limit:
                rows += self._file.read(_UNTIMED, user_key, limit - len(rows))
        rows.reverse()
        return self._as_columns(rows)

    def trails(self, user_keys: Sequence[int], before: int, limit: int) -> dict[int, list[int]]:
        """Return the items of the newest `limit` events of each user among those with seq < `before`, in order of (at, seq)."""
        with self._file.errors("read"):
            execute = self._file.reader().execute
            return {u: [item for (item,) in execute(_TRAIL, (u, before, limit)).fetchall()][::-1] for u in user_keys}

    def events(self, after: int = 0, batch: int = 100_000) -> Iterator[EventColumns]:
        """Yield events with seq > `after` in batches, by seq."""
        while rows := self._file.read(_EVENTS, after, batch):
            columns = self._as_columns(rows)
            yield columns
            after = int(columns.seq[-1])

    def _as_columns(self, rows: list[tuple[Any, ...]]) -> EventColumns:
        table = np.array(rows, _ROW)
        type_ = np.ascontiguousarray(table["type"])
        value, at = table["value"].copy(), table["at"].copy()
        value[np.isinf(value)] = np.nan
        at[np.isinf(at)] = np.nan
        return EventColumns(
            seq=table["seq"].copy(),
            user=table["user"].copy(),
            item=table["item"].copy(),
            type=type_,
            value=value,
            at=at,
            context=table["context"].copy(),
            types=self._type_names(int(type_.max(initial=-1))),
        )

    def _type_names(self, highest: int) -> tuple[str, ...]:
        if highest >= len(self._types):
            self._types = tuple(name for (name,) in self._file.read("SELECT name FROM event_type ORDER BY key"))
        return self._types

    def read_events(self, after: int = 0, batch: int = PAGE) -> Iterator[Event]:
        """Yield events with seq > `after` as values, by seq, read in batches (for export; slower than `events`)."""
        while rows := self._file.read(_READ_EVENTS, after, batch):
            yield from map(_event, rows)
            after = rows[-1][0]

    def events_of(self, persons: Sequence[int]) -> list[Event]:
        """Return all events of some persons, by seq."""
        with self._file.errors("read"):
            rows = list(select_in(self._file.reader(), _EVENTS_OF, persons))
        return [_event(row) for row in sorted(rows, key=lambda row: row[0])]

    def contexts(self, after: int = -1) -> Iterator[StoredContext]:
        """Yield distinct event contexts with key > `after`, by key."""
        while rows := self._file.read("SELECT key, text, signals FROM context WHERE key > ? ORDER BY key LIMIT ?", after, PAGE):
            yield from (StoredContext(key, text, json.loads(signals)) for key, text, signals in rows)
            after = rows[-1][0]


def _event(row: tuple[Any, ...]) -> Event:
    _, event_id, user, session, item, type_, value, at, text, signals, slate = row
    return Event(
        id=_given_id(event_id),
        user=user,
        session=session,
        item=item,
        type=type_,
        value=value,
        at=at,
        text=text or "",
        signals=json.loads(signals) if signals else {},
        slate=slate,
    )


def _or_none(keys: NDArray[np.int64]) -> list[int | None]:
    return [None if k < 0 else k for k in keys.tolist()]
