"""People in a SQLite store: their choices, everything that is theirs, and its removal."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from occasion.people import Consent, Person, Removed, check_purpose
from occasion.stores.bodies import slate_from, user_from
from occasion.stores.sqlite_dictionary import Counters, findable, select_in, writable
from occasion.stores.sqlite_events import EventLog
from occasion.stores.sqlite_file import SqliteFile

__all__ = ["People", "blank_contexts", "set_pending"]

_LINKED = """
SELECT DISTINCT person.key FROM event
JOIN session ON session.key = event.session
JOIN person ON person.session = session.id
WHERE event.person IN (?)
"""
_EVERYBODY = (
    "SELECT user, NULL FROM (SELECT user FROM person WHERE user IS NOT NULL UNION SELECT user FROM slate WHERE user IS NOT NULL) "
    "WHERE user > ? ORDER BY user LIMIT ?",
    "SELECT NULL, session FROM (SELECT session FROM person WHERE session IS NOT NULL "
    "UNION SELECT session FROM slate WHERE session IS NOT NULL UNION SELECT id FROM session) WHERE session > ? "
    "ORDER BY session LIMIT ?",
)
_CONSENTS = """
SELECT consent.person, user, session, purpose, granted, at FROM consent JOIN person ON person.key = consent.person
WHERE consent.person IN (SELECT DISTINCT person FROM consent WHERE person > ? ORDER BY person LIMIT ?)
ORDER BY consent.person, consent.seq
"""
PEOPLE = 5_000
"""People whose choices are read at once."""
_NEWEST = "SELECT person, granted FROM (SELECT person, granted, max(seq) FROM consent WHERE purpose = ? GROUP BY person)"


@dataclass(frozen=True, slots=True)
class _Subject:
    """A person in keys: `own` is -1 where only answers know them; `visitors` are the anonymous parts of `sessions`."""

    own: int
    sessions: dict[str, int]
    visitors: dict[str, int]
    slates: tuple[int, ...]

    @property
    def keys(self) -> list[int]:
        return [key for key in (self.own, *self.visitors.values()) if key >= 0]


class People:
    """What a store knows of single people; see `Store` for what each method promises."""

    def __init__(self, file: SqliteFile, log: EventLog) -> None:
        self._file, self._log = file, log

    # -- consent ----------------------------------------------------------------------------------------------------------
    def put_consents(self, consents: Sequence[Consent]) -> int:
        """Store choices durably in one transaction; return how many differ from what was in force."""
        with self._file.writing() as connection:
            counters = Counters.load(connection)
            changed = 0
            for consent in consents:
                key = _made(connection, counters, consent)
                row = connection.execute(
                    "SELECT granted FROM consent WHERE person = ? AND purpose = ? ORDER BY seq DESC LIMIT 1", (key, consent.purpose)
                ).fetchone()
                if row is None or bool(row[0]) != consent.granted:
                    values = (key, consent.purpose, int(consent.granted), consent.at)
                    connection.execute("INSERT INTO consent (person, purpose, granted, at) VALUES (?, ?, ?, ?)", values)
                    changed += 1
            counters.withdrawals += changed > 0
            counters.save(connection)
        return changed

    def consents(self, user: str | None, session: str | None = None) -> list[Consent]:
        """Return all choices of a person, oldest first."""
        key = _key(self._file.reader(), user, session)
        rows = self._file.read("SELECT purpose, granted, at FROM consent WHERE person = ? ORDER BY seq", key)
        who = {"user": user} if user is not None else {"session": session}
        return [Consent(purpose=purpose, granted=bool(granted), at=at, **who) for purpose, granted, at in rows]

    def all_consents(self) -> Iterator[Consent]:
        """Yield all choices of everybody, person by person, each one's oldest first."""
        last = -1
        while rows := self._file.read(_CONSENTS, last, PEOPLE):
            for _, user, session, purpose, granted, at in rows:
                yield Consent(purpose=purpose, granted=bool(granted), at=at, user=user, session=session)
            last = rows[-1][0]

    def refusing(self, purpose: str) -> set[int]:
        """Return the keys of all who refuse a purpose, the anonymous visitors that became one of them included."""
        return self._choosing(purpose)[0]

    def granting(self, purpose: str) -> set[int]:
        """Return the keys of all who allow a purpose in so many words, and of visitors that became one of them."""
        refused, said_yes = self._choosing(purpose)
        with self._file.errors("read"):
            return (said_yes | self._linked(said_yes)) - refused

    def _choosing(self, purpose: str) -> tuple[set[int], set[int]]:
        """Return who refuses, visitors included, and who said yes."""
        choices = dict(self._file.read(_NEWEST, check_purpose(purpose)))
        said_no = {key for key, granted in choices.items() if not granted}
        with self._file.errors("read"):
            return said_no | self._linked(said_no), {key for key, granted in choices.items() if granted}

    def _linked(self, keys: Iterable[int]) -> set[int]:
        return {key for (key,) in select_in(self._file.reader(), _LINKED, keys)}

    # -- all of a person ----------------------------------------------------------------------------------------------------
    def person(self, user: str | None, session: str | None = None) -> Person | None:
        """Return everything held of a user, or of an anonymous visitor; None where there is nothing."""
        with self._file.errors("read"):
            reader = self._file.reader()
            subject = _subject(reader, user, session)
            if subject is None:
                return None
            shared = _shared_sessions(reader, subject, user)
            mine = [key for name, key in subject.visitors.items() if name not in shared]
            body = reader.execute("SELECT body FROM person WHERE key = ?", (subject.own,)).fetchone()
            slates = _slates(reader, subject, without=shared)
        return Person(
            user=user,
            session=session if user is None else None,
            described=user_from(user, body[0]) if user is not None and body and body[0] is not None else None,
            sessions=tuple(subject.sessions),
            shared=tuple(shared),
            events=tuple(self._log.events_of([*([subject.own] if subject.own >= 0 else []), *mine])),
            slates=tuple(slate_from(slate_id, text) for slate_id, text in slates),
            consents=tuple(self.consents(user, session)),
        )

    # -- erasure ----------------------------------------------------------------------------------------------------------
    def erase(self, user: str | None, session: str | None = None, seal: Callable[[Removed], str] | None = None) -> Removed | None:
        """Remove everything of a person in one transaction; None where there is nothing."""
        # What others have in common with the person is looked for ahead of the transaction: it may take a walk over the log.
        scan = _Scan()
        with self._file.errors("read"):
            reader = self._file.reader()
            before = _subject(reader, user, session)
            if before is not None:
                scan.look(reader, before.keys)
        with self._file.writing() as connection:
            subject = _subject(connection, user, session)
            if subject is None:
                return None
            scan.look(connection, subject.keys)
            counters = Counters.load(connection)
            counters.withdrawals += 1
            removed = replace(_remove(connection, subject, scan), withdrawals=counters.withdrawals)
            counters.save(connection)
            set_pending(connection)
            if seal is not None:
                connection.execute("INSERT INTO erasure (receipt) VALUES (?)", (seal(removed),))
        return removed

    def add_erasure(self, receipt: str) -> None:
        """Store the receipt of an erasure that found nothing here."""
        with self._file.writing() as connection:
            connection.execute("INSERT INTO erasure (receipt) VALUES (?)", (receipt,))

    def everybody(self) -> Iterator[tuple[str | None, str | None]]:
        """Yield (user, None) of each user and (None, session) of each session, whatever knows of them."""
        for sql in _EVERYBODY:
            last = ""
            while rows := self._file.read(sql, last, 10_000):
                yield from rows
                last = rows[-1][0] or rows[-1][1]

    def erasures(self) -> list[str]:
        """Return the sealed receipts of all erasures, oldest first."""
        return [receipt for (receipt,) in self._file.read("SELECT receipt FROM erasure ORDER BY seq")]


def _key(connection: sqlite3.Connection, user: str | None, session: str | None) -> int:
    """Return the key of a user or else of a visitor, -1 where there is none."""
    column, value = ("user", user) if user is not None else ("session", session)
    if value is None or not findable(value):
        return -1
    row = connection.execute(f"SELECT key FROM person WHERE {column} = ?", (value,)).fetchone()
    return row[0] if row else -1


def _made(connection: sqlite3.Connection, counters: Counters, consent: Consent) -> int:
    """Return the key of who consents, given now where there is none."""
    key = _key(connection, consent.user, consent.session)
    if key < 0:
        key = counters.take("person")
        column = "user" if consent.user is not None else "session"
        value = writable(consent.user if consent.user is not None else str(consent.session), column)
        connection.execute(f"INSERT INTO person (key, {column}) VALUES (?, ?)", (key, value))
    return key


def _subject(connection: sqlite3.Connection, user: str | None, session: str | None) -> _Subject | None:
    """Resolve a person; None where the store holds nothing of them."""
    own = _key(connection, user, session)
    sessions: dict[str, int] = {}
    if user is None:
        sql = "SELECT seq FROM slate WHERE session = ? AND user IS NULL"
        slates = [seq for (seq,) in connection.execute(sql, (session,))] if session is not None and findable(session) else []
    else:
        rows = connection.execute("SELECT seq, session FROM slate WHERE user = ?", (user,)).fetchall() if findable(user) else []
        slates = [seq for seq, _ in rows]
        sql = "SELECT DISTINCT session.key, session.id FROM event JOIN session ON session.key = event.session WHERE person = ?"
        sessions = {name: key for key, name in connection.execute(sql, (own,))}
        sessions = {name: -1 for _, name in rows if name is not None} | sessions
    found = select_in(connection, "SELECT session, key FROM person WHERE session IN (?)", sessions)
    visitors: dict[str, int] = {row[0]: row[1] for row in found}
    anonymous = select_in(connection, "SELECT seq FROM slate WHERE user IS NULL AND session IN (?)", sessions)
    slates += [seq for (seq,) in anonymous]
    if own < 0 and not slates and not visitors:
        return None
    return _Subject(own, sessions, visitors, tuple(sorted(slates)))


def _shared_sessions(connection: sqlite3.Connection, subject: _Subject, user: str | None) -> list[str]:
    """Return the sessions that other users have, too."""
    keys = [key for key in subject.sessions.values() if key >= 0]
    others = _used(connection, "session", keys, subject.keys, 0)
    rows = select_in(connection, "SELECT session, user FROM slate WHERE user IS NOT NULL AND session IN (?)", subject.sessions)
    other_slates = {session for session, owner in rows if owner != user}
    return [name for name, key in subject.sessions.items() if key in others or name in other_slates]


def _slates(connection: sqlite3.Connection, subject: _Subject, without: Sequence[str]) -> Iterator[tuple[str, str]]:
    rows = select_in(connection, "SELECT id, body, user, session FROM slate WHERE seq IN (?)", subject.slates)
    yield from ((row[0], row[1]) for row in rows if row[2] is not None or row[3] not in without)


def _used(connection: sqlite3.Connection, column: str, keys: Sequence[int], besides: Sequence[int], after: int) -> set[int]:
    """Return which of some contexts or sessions events of others have, of those with seq > `after`."""
    if not keys:
        return set()
    sql = f"""
SELECT DISTINCT {column} FROM event WHERE seq > ? AND {column} IN (SELECT value FROM json_each(?))
AND person NOT IN (SELECT value FROM json_each(?))
"""
    return {key for (key,) in connection.execute(sql, (after, json.dumps(list(keys)), json.dumps(list(besides))))}


class _Scan:
    """The contexts and sessions of a person, and which of them others have; looking again costs only what is new."""

    def __init__(self) -> None:
        self._seen = 0
        self._besides: list[int] = []
        self.mine: dict[str, set[int]] = {"context": set(), "session": set()}
        self.others: dict[str, set[int]] = {"context": set(), "session": set()}

    def look(self, connection: sqlite3.Connection, besides: Sequence[int]) -> None:
        """Bring it up to date."""
        # A visitor that became this person meanwhile was one of the others before: then all is looked at anew.
        start = self._seen if sorted(besides) == self._besides else 0
        (top,) = connection.execute("SELECT seq FROM counter").fetchone()
        for column in ("context", "session"):
            sql = f"SELECT DISTINCT {column} FROM event WHERE {column} IS NOT NULL AND person IN (?)"
            mine = {key for (key,) in select_in(connection, sql, besides)}
            fresh, known = mine - self.mine[column], mine & self.mine[column]
            if start == 0:
                fresh, known, self.others[column] = mine, set(), set()
            self.others[column] |= _used(connection, column, sorted(fresh), besides, 0)
            self.others[column] |= _used(connection, column, sorted(known), besides, start)
            self.mine[column] = mine
        self._seen, self._besides = top, sorted(besides)

    def alone(self, column: str) -> list[int]:
        """Return the keys that nobody else has."""
        return sorted(self.mine[column] - self.others[column])


def _remove(connection: sqlite3.Connection, subject: _Subject, scan: _Scan) -> Removed:
    keys = subject.keys
    spans = list(select_in(connection, "SELECT count(*), min(seq), max(seq) FROM event WHERE person IN (?)", keys))
    spans = [span for span in spans if span[0]]
    described = connection.execute("SELECT 1 FROM person WHERE key = ? AND body IS NOT NULL", (subject.own,)).fetchone()
    removed = Removed(
        events=sum(span[0] for span in spans),
        slates=len(subject.slates),
        sessions=len(scan.alone("session")),
        contexts=len(scan.alone("context")),
        described=described is not None,
        first_seq=min((span[1] for span in spans), default=0),
        last_seq=max((span[2] for span in spans), default=0),
    )
    consents = 0
    for key in keys:
        connection.execute("DELETE FROM event WHERE person = ?", (key,))
        consents += connection.execute("DELETE FROM consent WHERE person = ?", (key,)).rowcount
        connection.execute("DELETE FROM person WHERE key = ?", (key,))
    connection.executemany("DELETE FROM slate WHERE seq = ?", [(seq,) for seq in subject.slates])
    connection.executemany("DELETE FROM session WHERE key = ?", [(key,) for key in scan.alone("session")])
    blank_contexts(connection, scan.alone("context"))
    return replace(removed, consents=consents)


def blank_contexts(connection: sqlite3.Connection, keys: Sequence[int]) -> None:
    """Empty contexts that nothing has any more. Their rows stay, as keys are counted without gaps."""
    sql = "UPDATE context SET hash = randomblob(16), text = '', signals = '{}' WHERE key = ?"
    connection.executemany(sql, [(key,) for key in keys])


def set_pending(connection: sqlite3.Connection) -> None:
    """Note that removed bytes still lie in the files, until `purge`."""
    connection.execute("INSERT INTO state (name, value) VALUES ('purge', 'pending') ON CONFLICT (name) DO NOTHING")
