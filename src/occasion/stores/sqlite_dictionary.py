"""Texts to keys, given once: the dictionaries of a SQLite store."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from typing import Any

from occasion.errors import DataError

__all__ = ["Counters", "Dictionary", "chunks", "findable", "select_in", "writable"]

KNOWN_AT_MOST = 1_000_000
"""Entries a dictionary keeps in memory before it starts afresh."""
PARAMETERS = 1000
"""Values asked for in one statement."""


def writable(value: str, name: str) -> str:
    """Return a text that can be stored; raise `DataError` where it holds half a character."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise DataError(f"{name} {value!r} holds half a character (a lone surrogate). Cure: repair or drop it.") from None
    return value


def findable(value: str) -> bool:
    """Return whether a text can be in a store at all."""
    return value.isascii() or value == value.encode("utf-8", "replace").decode()


def chunks(values: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Yield `values` in lists of at most `size`."""
    stream = iter(values)
    while chunk := list(islice(stream, size)):
        yield chunk


def select_in(connection: sqlite3.Connection, sql: str, values: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of `sql`, whose ``IN (?)`` is asked for all of `values`."""
    for chunk in chunks(values, PARAMETERS):
        # Two widths of statement, so that SQLite's cache of prepared statements serves nearly all calls.
        width = len(chunk) if len(chunk) <= 8 else PARAMETERS
        padded = chunk + [None] * (width - len(chunk))
        yield from connection.execute(sql.replace("IN (?)", f"IN ({','.join('?' * width)})"), padded).fetchall()


@dataclass(slots=True)
class Counters:
    """The next key of each dictionary, the greatest revision and seq given, and the number of withdrawals."""

    item: int
    person: int
    session: int
    type: int
    context: int
    revision: int
    seq: int
    withdrawals: int

    @classmethod
    def load(cls, connection: sqlite3.Connection) -> Counters:
        """Read them inside a transaction."""
        names = ", ".join(f.name for f in fields(cls))
        return cls(*connection.execute(f"SELECT {names} FROM counter").fetchone())

    def save(self, connection: sqlite3.Connection) -> None:
        """Write them back inside the same transaction."""
        names = [f.name for f in fields(self)]
        connection.execute(f"UPDATE counter SET {', '.join(f'{n} = ?' for n in names)}", [getattr(self, n) for n in names])

    def take(self, name: str) -> int:
        """Return the next key of a dictionary and count on."""
        key: int = getattr(self, name)
        setattr(self, name, key + 1)
        return key

    def revise(self) -> int:
        """Return a new item revision."""
        self.revision += 1
        return self.revision


class Dictionary:
    """Distinct values of one column and their keys, remembered in memory.

    Keys are never given again, so what is remembered stays right while other processes write, until something is withdrawn
    from the store: then `forget`. What is not remembered is looked up inside the write transaction.

    Parameters
    ----------
    find : str
        SQL giving (value, key) rows for values ``IN (?)``.
    insert : str
        SQL for one new row.
    row : callable
        Makes the parameters of `insert` from the counters and a value; the key comes first.
    """

    def __init__(self, find: str, insert: str, row: Callable[[Counters, Any], tuple[Any, ...]]) -> None:
        self._find, self._insert, self._row = find, insert, row
        self._known: dict[Any, int] = {}
        self._fresh: dict[Any, int] = {}

    def keys(self, connection: sqlite3.Connection, counters: Counters, values: Sequence[Any]) -> list[int]:
        """Return the keys of `values` in order, giving new ones inside the open transaction."""
        missing = list(dict.fromkeys(v for v in values if v not in self._known and v not in self._fresh))
        if missing:
            self._fresh.update(select_in(connection, self._find, missing))
            rows = [(value, self._row(counters, value)) for value in missing if value not in self._fresh]
            connection.executemany(self._insert, [row for _, row in rows])
            self._fresh.update((value, row[0]) for value, row in rows)
        return [self._fresh[v] if v in self._fresh else self._known[v] for v in values]

    def forget(self) -> None:
        """Remember nothing: rows may have been removed."""
        self._known = {}

    def settle(self, *, committed: bool) -> None:
        """Remember, or after a rollback forget, what the transaction looked up or gave."""
        if committed and self._fresh:
            if len(self._known) + len(self._fresh) > KNOWN_AT_MOST:
                self._known = {}
            self._known.update(self._fresh)
        self._fresh = {}
