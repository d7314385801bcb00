"""The store in one SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from occasion.data import Event, Item, Slate, User, checked_values
from occasion.errors import StoreError
from occasion.people import AuditEntry, Consent, Person, Removed
from occasion.protocols import EventBatch, EventColumns, StoredContext, StoredItem
from occasion.stores.bodies import item_body, item_from, slate_body, slate_from, user_body, user_from
from occasion.stores.sqlite_dictionary import Counters, findable, select_in, writable
from occasion.stores.sqlite_events import EventLog
from occasion.stores.sqlite_file import SqliteFile
from occasion.stores.sqlite_people import People
from occasion.stores.sqlite_upkeep import Upkeep

__all__ = ["SqliteStore"]

NEVER = float("-inf")
PAGE = 10_000
"""Rows read at once where values are made of them."""

_COUNTS = """
SELECT (SELECT count(*) FROM item WHERE body IS NOT NULL), (SELECT count(*) FROM person WHERE user IS NOT NULL),
    (SELECT count(*) FROM event), (SELECT count(*) FROM context), (SELECT count(*) FROM slate)
"""

_SLATES = "SELECT seq, id, body FROM slate WHERE seq > ? AND (at >= ? OR ?) ORDER BY seq LIMIT ?"
_INSERT_SLATE = "INSERT INTO slate (id, body, user, session, at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"


class SqliteStore:
    """One file that holds everything durable; see `Store` for what each method promises.

    Any number of threads may use it, and any number of processes may read and write the file at the same time. Every
    write is one transaction in WAL mode with ``synchronous=FULL``: on the disk before the method returns. The one exception
    is `put_slate`, as every answer would wait for the disk.

    Raises
    ------
    StoreError
        By any method, where the file cannot be read or written. What was acknowledged stays.
    DataError
        By a writing method, where an id holds half a character (a lone surrogate).
    """

    def __init__(self, path: Path) -> None:
        self._file = SqliteFile(path)
        self._log = EventLog(self._file)
        self._people = People(self._file, self._log)
        self._upkeep = Upkeep(self._file)

    @classmethod
    def open(cls, url: str) -> SqliteStore:
        """Open the file that a ``sqlite:///path`` address names."""
        path = url.removeprefix("sqlite:///")
        if path == url or not path or path == ":memory:":
            raise StoreError(
                f"the store address {url!r} names no file. Cure: sqlite:///folder/occasion.db or sqlite:////var/lib/occasion.db"
            )
        return cls(Path(path))

    # -- items ----------------------------------------------------------------------------------------------------------
    def put_items(self, items: Iterable[Item]) -> int:
        """Insert or replace items in one transaction; return how many are new or changed."""
        bodies = {writable(item.id, "item id"): item_body(item) for item in checked_values(Item, items)}
        with self._file.writing() as connection:
            return _put_bodies(connection, bodies)

    def delete_items(self, ids: Sequence[str]) -> int:
        """Remove items from the catalogue (their events stay); return how many were there."""
        wanted = list(dict.fromkeys(filter(findable, ids)))
        with self._file.writing() as connection:
            counters = Counters.load(connection)
            rows = list(select_in(connection, "SELECT key FROM item WHERE body IS NOT NULL AND id IN (?)", wanted))
            gone = [(counters.revise(), key) for (key,) in rows]
            connection.executemany("UPDATE item SET body = NULL, revision = ? WHERE key = ?", gone)
            counters.save(connection)
        return len(gone)

    def get_items(self, ids: Sequence[str]) -> dict[str, Item]:
        """Return the items that exist among `ids`."""
        wanted = list(dict.fromkeys(filter(findable, ids)))
        with self._file.errors("read"):
            sql = "SELECT id, body FROM item WHERE body IS NOT NULL AND id IN (?)"
            bodies = dict(select_in(self._file.reader(), sql, wanted))
        return {i: item_from(i, bodies[i]) for i in wanted if i in bodies}

    def items(self, after: int = 0) -> Iterator[StoredItem]:
        """Yield item ids whose revision is > `after`, by revision: new, changed, deleted, or first named by an event."""
        sql = "SELECT key, id, revision, body FROM item WHERE revision > ? ORDER BY revision LIMIT ?"
        while rows := self._file.read(sql, after, PAGE):
            for key, item_id, revision, body in rows:
                yield StoredItem(key, item_id, revision, None if body is None else item_from(item_id, body))
            after = rows[-1][2]

    def item_key(self, item_id: str) -> int | None:
        """Return the key of an item id, None if never seen."""
        rows = self._file.read("SELECT key FROM item WHERE id = ?", item_id) if findable(item_id) else []
        return rows[0][0] if rows else None

    # -- users ----------------------------------------------------------------------------------------------------------
    def put_users(self, users: Iterable[User]) -> int:
        """Insert or replace users in one transaction; return how many are new or changed."""
        bodies = {writable(user.id, "user id"): user_body(user) for user in checked_values(User, users)}
        with self._file.writing() as connection:
            counters = Counters.load(connection)
            found = select_in(connection, "SELECT user, key, body FROM person WHERE user IN (?)", bodies)
            known = {row[0]: row[1:] for row in found}
            new = [(counters.take("person"), i, body) for i, body in bodies.items() if i not in known]
            changed = [(body, known[i][0]) for i, body in bodies.items() if i in known and known[i][1] != body]
            connection.executemany("INSERT INTO person (key, user, body) VALUES (?, ?, ?)", new)
            connection.executemany("UPDATE person SET body = ? WHERE key = ?", changed)
            counters.save(connection)
        return len(new) + len(changed)

    def get_user(self, user_id: str) -> User | None:
        """Return a user, None if unknown or only named by events."""
        rows = self._file.read("SELECT body FROM person WHERE user = ?", user_id) if findable(user_id) else []
        return user_from(user_id, rows[0][0]) if rows and rows[0][0] is not None else None

    def users(self) -> Iterator[User]:
        """Yield all users that were described (not those only events name)."""
        after = -1
        sql = "SELECT key, user, body FROM person WHERE key > ? AND user IS NOT NULL AND body IS NOT NULL ORDER BY key LIMIT ?"
        while rows := self._file.read(sql, after, PAGE):
            yield from (user_from(user_id, body) for _, user_id, body in rows)
            after = rows[-1][0]

    def find_users(self, text: str, limit: int = 20) -> list[str]:
        """Return ids of users that contain a text; those that begin with it come first, then in order of the ids."""
        if not findable(text):
            return []
        sql = "SELECT user FROM person WHERE instr(user, ?) > 0 ORDER BY instr(user, ?) > 1, user LIMIT ?"
        if not text:
            sql = "SELECT user FROM person WHERE user IS NOT NULL AND ?1 = ?2 ORDER BY user LIMIT ?3"
        return [user for (user,) in self._file.read(sql, text, text, limit)]

    def user_key(self, user: str | None, session: str | None = None) -> int | None:
        """Return the key of a user id, or, where `user` is None, of an anonymous session; None if never seen."""
        column, value = ("user", user) if user is not None else ("session", session)
        if value is None or not findable(value):
            return None
        rows = self._file.read(f"SELECT key FROM person WHERE {column} = ?", value)
        return rows[0][0] if rows else None

    # -- events ---------------------------------------------------------------------------------------------------------
    def append(self, events: Sequence[Event]) -> int:
        """Append events durably in one transaction; return how many were new (by event id)."""
        return self._log.append(list(checked_values(Event, events)))

    def append_columns(self, batch: EventBatch) -> int:
        """Do as `append` does, for many events at once as columns: the fast way in for files."""
        return self._log.append_columns(batch)

    def history(self, user_key: int, before: float | None = None, limit: int = 500) -> EventColumns:
        """Return the newest `limit` events of a user with ``at < before`` (or unknown time), in order of (at, seq).

        Events of unknown time come first, as the oldest.
        """
        return self._log.history(user_key, before, limit)

    def trails(self, user_keys: Sequence[int], before: int, limit: int) -> dict[int, list[int]]:
        """Return what each of some users did last before an event; see `Store.trails`."""
        return self._log.trails(user_keys, before, limit)

    def events(self, after: int = 0, batch: int = 100_000) -> Iterator[EventColumns]:
        """Yield events with seq > `after` in batches, by seq."""
        return self._log.events(after, batch)

    def read_events(self, after: int = 0, batch: int = PAGE) -> Iterator[Event]:
        """Yield events with seq > `after` as values, by seq, read in batches (for export; slower than `events`)."""
        return self._log.read_events(after, batch)

    def contexts(self, after: int = -1) -> Iterator[StoredContext]:
        """Yield distinct event contexts with key > `after`, by key."""
        return self._log.contexts(after)

    # -- slates ---------------------------------------------------------------------------------------------------------
    def put_slate(self, slate: Slate) -> None:
        """Store an answer; of two with one id the first stays.

        It survives the death of this process at once, and a power cut from the next other write on, which forces it to the
        disk as well: no event that was acknowledged and names this answer can outlive it. So an answer does not wait for a
        disk, and all a power cut can take is answers that nobody has reacted to.
        """
        body = slate_body(slate)
        slate_id = writable(slate.id, "slate id")
        user, session = (None if who is None or not findable(who) else who for who in (slate.context.user, slate.context.session))
        self._file.write_unflushed(_INSERT_SLATE, slate_id, body, user, session, slate.context.at)

    def get_slate(self, slate_id: str) -> Slate | None:
        """Return an answer, None if unknown."""
        rows = self._file.read("SELECT body FROM slate WHERE id = ?", slate_id) if findable(slate_id) else []
        return slate_from(slate_id, rows[0][0]) if rows else None

    def slates(self, since: float | None = None) -> Iterator[Slate]:
        """Yield answers in the order they were stored; all, or those at or after a time."""
        after = 0
        while rows := self._file.read(_SLATES, after, since or 0.0, since is None, PAGE // 10):
            yield from (slate_from(slate_id, body) for _, slate_id, body in rows)
            after = rows[-1][0]

    def newest_slates(self, limit: int) -> list[Slate]:
        """Return the last answers that were stored, newest first; reads no others."""
        rows = self._file.read("SELECT id, body FROM slate ORDER BY seq DESC LIMIT ?", limit)
        return [slate_from(slate_id, body) for slate_id, body in rows]

    # -- people ---------------------------------------------------------------------------------------------------------
    def put_consents(self, consents: Sequence[Consent]) -> int:
        """Store choices durably in one transaction; return how many differ from what was in force."""
        return self._people.put_consents(consents)

    def consents(self, user: str | None, session: str | None = None) -> list[Consent]:
        """Return all choices of a user, or of an anonymous session, oldest first; the newest of a purpose is in force."""
        return self._people.consents(user, session)

    def all_consents(self) -> Iterator[Consent]:
        """Yield all choices of everybody, person by person, each one's oldest first."""
        return self._people.all_consents()

    def refusing(self, purpose: str) -> set[int]:
        """Return the user keys of all who refuse a purpose; see `Store.refusing`."""
        return self._people.refusing(purpose)

    def granting(self, purpose: str) -> set[int]:
        """Return the user keys of all who allow a purpose in so many words; see `Store.granting`."""
        return self._people.granting(purpose)

    def person(self, user: str | None, session: str | None = None) -> Person | None:
        """Return everything held of a user, or of an anonymous session; None where there is nothing."""
        return self._people.person(user, session)

    def erase(self, user: str | None, session: str | None = None, seal: Callable[[Removed], str] | None = None) -> Removed | None:
        """Remove everything of a person in one transaction; see `Store.erase`."""
        return self._people.erase(user, session, seal)

    def add_erasure(self, receipt: str) -> None:
        """Store the receipt of an erasure that found nothing here."""
        self._people.add_erasure(receipt)

    def everybody(self) -> Iterator[tuple[str | None, str | None]]:
        """Yield (user, None) of each user and (None, session) of each session that anything here names."""
        return self._people.everybody()

    def erasures(self) -> list[str]:
        """Return the sealed receipts of all erasures, oldest first."""
        return self._people.erasures()

    # -- upkeep ---------------------------------------------------------------------------------------------------------
    def event_types(self) -> tuple[str, ...]:
        """Return the names of all types that events have or had."""
        return tuple(name for (name,) in self._file.read("SELECT name FROM event_type ORDER BY key"))

    def expire_events(self, type: str, before: float, since: float = NEVER) -> int:
        """Remove events of a type with ``since <= at < before``; return how many. Events of unknown time stay."""
        return self._upkeep.expire_events(type, before, since)

    def expire_slates(self, before: float, since: float = NEVER) -> int:
        """Remove answers to moments ``since <= at < before``; return how many there were."""
        return self._upkeep.expire_slates(before, since)

    def purge(self, compact: bool | None = None) -> bool:
        """Make what was removed leave the files; see `Store.purge`."""
        return self._upkeep.purge(compact)

    def add_audit(self, entry: AuditEntry) -> None:
        """Append an administrative act to the log, durably."""
        self._upkeep.add_audit(entry)

    def audit(self, after: int = 0) -> Iterator[AuditEntry]:
        """Yield administrative acts with seq > `after`, oldest first."""
        return self._upkeep.audit(after)

    def copy_to(self, path: Path) -> None:
        """Write a consistent, checked copy of the store to a new file while others read and write."""
        self._upkeep.copy_to(path)

    # -- the whole ------------------------------------------------------------------------------------------------------
    def cursor(self) -> tuple[int, int, int]:
        """Return (greatest item revision, greatest event seq, withdrawals): cheap, tells whether something is new or gone."""
        ((revision, seq, withdrawals),) = self._file.read("SELECT revision, seq, withdrawals FROM counter")
        return revision, seq, withdrawals

    def glance(self, names: Sequence[str]) -> tuple[tuple[int, int, int], tuple[str | None, ...]]:
        """Return `cursor` and the small texts of some names (`get_state`), all as of one moment, in the time of one of them."""
        texts = "".join(", (SELECT value FROM state WHERE name = ?)" for _ in names)
        ((revision, seq, withdrawals, *found),) = self._file.read(f"SELECT revision, seq, withdrawals{texts} FROM counter", *names)
        return (revision, seq, withdrawals), tuple(found)

    def counts(self) -> dict[str, int]:
        """Return the numbers of items (described), users (described or named by events), events, contexts and slates."""
        return dict(zip(("items", "users", "events", "contexts", "slates"), self._file.read(_COUNTS)[0], strict=True))

    def get_state(self, name: str) -> str | None:
        """Return a small named text (import checkpoints, the model version in service)."""
        rows = self._file.read("SELECT value FROM state WHERE name = ?", name)
        return rows[0][0] if rows else None

    def put_state(self, name: str, value: str | None) -> None:
        """Store a small named text durably; None removes it."""
        self.put_states({name: value})

    def put_states(self, values: Mapping[str, str | None]) -> None:
        """Do as `put_state` does for several at once, in one transaction."""
        put = "INSERT INTO state (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        with self._file.writing() as connection:
            connection.executemany(put, [(name, value) for name, value in values.items() if value is not None])
            connection.executemany("DELETE FROM state WHERE name = ?", [(name,) for name, value in values.items() if value is None])

    def close(self) -> None:
        """Close; idempotent."""
        self._file.close()


def _put_bodies(connection: sqlite3.Connection, bodies: Mapping[str, str]) -> int:
    """Insert or replace items by id; return how many are new or changed."""
    counters = Counters.load(connection)
    known = {row[0]: row[1:] for row in select_in(connection, "SELECT id, key, body FROM item WHERE id IN (?)", bodies)}
    new = [(counters.take("item"), i, counters.revise(), body) for i, body in bodies.items() if i not in known]
    changed = [(body, counters.revise(), known[i][0]) for i, body in bodies.items() if i in known and known[i][1] != body]
    connection.executemany("INSERT INTO item (key, id, revision, body) VALUES (?, ?, ?, ?)", new)
    connection.executemany("UPDATE item SET body = ?, revision = ? WHERE key = ?", changed)
    counters.save(connection)
    return len(new) + len(changed)
