"""The schema of `hive.sqlite`. Append migrations; never change one that was released."""

_FIRST = """
CREATE TABLE messages (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    sender          TEXT NOT NULL,
    recipient       TEXT NOT NULL,
    body            TEXT NOT NULL,
    sent_at         REAL NOT NULL,
    state           TEXT NOT NULL CHECK (state IN ('queued', 'leased', 'done', 'dead')),
    in_reply_to     INTEGER,
    broadcast_id    TEXT,
    idempotency_key TEXT,
    attempts        INTEGER NOT NULL DEFAULT 0,
    redelivered     INTEGER NOT NULL DEFAULT 0,
    lease           TEXT,
    holder          TEXT,
    changed_at      REAL NOT NULL,
    CHECK (state <> 'leased' OR (lease IS NOT NULL AND holder IS NOT NULL))
) STRICT;
CREATE INDEX messages_recipient ON messages(recipient);
CREATE INDEX messages_queued ON messages(recipient) WHERE state = 'queued';
CREATE INDEX messages_leased ON messages(lease, holder) WHERE state = 'leased';
CREATE INDEX messages_dead ON messages(recipient) WHERE state = 'dead';
CREATE UNIQUE INDEX messages_idempotency ON messages(sender, idempotency_key)
    WHERE idempotency_key IS NOT NULL;

CREATE TABLE agents (
    name          TEXT PRIMARY KEY,
    created_at    REAL NOT NULL,
    driver        TEXT NOT NULL,
    model         TEXT,
    desired       TEXT NOT NULL CHECK (desired IN ('running', 'stopped')),
    park_reason   TEXT,
    park_until    REAL,
    park_failures INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE events (
    seq   INTEGER PRIMARY KEY,
    at    REAL NOT NULL,
    agent TEXT,
    body  TEXT NOT NULL
) STRICT;
CREATE INDEX events_agent ON events(agent, seq);

CREATE TABLE audit (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    at     REAL NOT NULL,
    who    TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT,
    detail TEXT
) STRICT;
"""

_PARKS = """
CREATE TABLE parks (
    path   TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    until  REAL
) STRICT;
"""

MIGRATIONS: tuple[str, ...] = (_FIRST, _PARKS)
