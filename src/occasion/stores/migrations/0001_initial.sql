-- Ids are text outside and whole numbers (keys) inside: 0, 1, 2, ..., given once and never again.

-- One row: the next key of each dictionary, and the greatest revision and seq given so far.
CREATE TABLE counter (
    only INTEGER PRIMARY KEY CHECK (only = 0),
    item INTEGER NOT NULL,
    person INTEGER NOT NULL,
    session INTEGER NOT NULL,
    type INTEGER NOT NULL,
    context INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    seq INTEGER NOT NULL
) STRICT;

INSERT INTO counter VALUES (0, 0, 0, 0, 0, 0, 0, 0);

-- body is JSON; NULL where events name an id that nothing describes, or after deletion.
CREATE TABLE item (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    revision INTEGER NOT NULL UNIQUE,
    body TEXT
) STRICT;

-- Who acts: a user, or an anonymous visitor known by a session alone.
CREATE TABLE person (
    key INTEGER PRIMARY KEY,
    user TEXT UNIQUE,
    session TEXT UNIQUE,
    body TEXT,
    CHECK ((user IS NULL) <> (session IS NULL))
) STRICT;

-- The sessions of users; an anonymous visitor's session is in person.
CREATE TABLE session (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE event_type (
    key INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- Distinct contexts; hash is 16 bytes of text and signals.
CREATE TABLE context (
    key INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    text TEXT NOT NULL,
    signals TEXT NOT NULL
) STRICT;

-- Append-only. id is text, or 16 bytes where the id is 32 hex digits (a content hash).
CREATE TABLE event (
    seq INTEGER PRIMARY KEY,
    id ANY NOT NULL,
    person INTEGER NOT NULL,
    session INTEGER,
    item INTEGER NOT NULL,
    type INTEGER NOT NULL,
    value REAL,
    at REAL,
    context INTEGER,
    slate TEXT
) STRICT;

CREATE UNIQUE INDEX event_id ON event (id);

-- The history of one person, newest first.
CREATE INDEX event_person_at ON event (person, at);

-- Append-only.
CREATE TABLE slate (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL
) STRICT;

CREATE TABLE state (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
