CREATE TABLE context (
    key INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    text TEXT NOT NULL,
    signals TEXT NOT NULL
) STRICT;
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
CREATE TABLE event_type (
    key INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE item (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    revision INTEGER NOT NULL UNIQUE,
    body TEXT
) STRICT;
CREATE TABLE person (
    key INTEGER PRIMARY KEY,
    user TEXT UNIQUE,
    session TEXT UNIQUE,
    body TEXT,
    CHECK ((user IS NULL) <> (session IS NULL))
) STRICT;
CREATE TABLE session (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE slate (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL
) STRICT;
CREATE TABLE sqlite_sequence(name,seq);
CREATE TABLE state (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX event_id ON event (id);
CREATE INDEX event_person_at ON event (person, at);
