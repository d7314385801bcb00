-- What people may ask for: their choices, all that is theirs, and its removal.

-- withdrawals counts the changes that take something away from what may be counted: consents, erasures, retention.
ALTER TABLE counter ADD COLUMN withdrawals INTEGER NOT NULL DEFAULT 0;

-- Choices as they were made; of one person and purpose the one with the greatest seq is in force.
CREATE TABLE consent (
    seq INTEGER PRIMARY KEY,
    person INTEGER NOT NULL,
    purpose TEXT NOT NULL,
    granted INTEGER NOT NULL,
    at REAL NOT NULL
) STRICT;

CREATE INDEX consent_person ON consent (person, purpose, seq);

-- Whose answer it was, and when.
ALTER TABLE slate ADD COLUMN user TEXT;
ALTER TABLE slate ADD COLUMN session TEXT;
ALTER TABLE slate ADD COLUMN at REAL;

UPDATE slate SET
    user = json_extract(body, '$.context.user'),
    session = json_extract(body, '$.context.session'),
    at = json_extract(body, '$.context.at')
-- json_extract ends a text at a NUL.
WHERE instr(body, '\u0000') = 0;

CREATE INDEX slate_user ON slate (user) WHERE user IS NOT NULL;
CREATE INDEX slate_session ON slate (session) WHERE session IS NOT NULL;

-- Sealed receipts of erasures: written in the transaction that erases.
CREATE TABLE erasure (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    receipt TEXT NOT NULL
) STRICT;

-- Who did what to the house. Append-only.
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    actor TEXT NOT NULL,
    act TEXT NOT NULL,
    target TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;

CREATE TRIGGER audit_never_changes BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
CREATE TRIGGER audit_never_shrinks BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
