CREATE TRIGGER audit_never_changes BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
CREATE TRIGGER audit_never_shrinks BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    actor TEXT NOT NULL,
    act TEXT NOT NULL,
    target TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
CREATE TABLE consent (
    seq INTEGER PRIMARY KEY,
    person INTEGER NOT NULL,
    purpose TEXT NOT NULL,
    granted INTEGER NOT NULL,
    at REAL NOT NULL
) STRICT;
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
, withdrawals INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE erasure (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    receipt TEXT NOT NULL
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
, user TEXT, session TEXT, at REAL) STRICT;
CREATE TABLE sqlite_sequence(name,seq);
CREATE TABLE state (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX consent_person ON consent (person, purpose, seq);
CREATE UNIQUE INDEX event_id ON event (id);
CREATE INDEX event_person_at ON event (person, at);
CREATE INDEX slate_session ON slate (session) WHERE session IS NOT NULL;
CREATE INDEX slate_user ON slate (user) WHERE user IS NOT NULL;
