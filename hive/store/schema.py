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

_LIMITS = """
CREATE TABLE gates (
    credential TEXT NOT NULL,
    bucket     TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('open', 'warned', 'closed', 'probing', 'held')),
    condition  TEXT NOT NULL,
    since      REAL NOT NULL,
    until      REAL,
    reason     TEXT,
    source     TEXT,
    tries      INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (credential, bucket)
) STRICT;

CREATE TABLE budgets (
    scope   TEXT NOT NULL,
    period  TEXT NOT NULL CHECK (period IN ('day', 'total')),
    unit    TEXT NOT NULL CHECK (unit IN ('tokens', 'usd')),
    amount  REAL NOT NULL,
    reserve REAL NOT NULL DEFAULT 0,
    since   REAL NOT NULL,
    PRIMARY KEY (scope, period, unit)
) STRICT;

CREATE TABLE usage (
    day                TEXT NOT NULL,
    agent              TEXT NOT NULL,
    turns              INTEGER NOT NULL DEFAULT 0,
    input_tokens       INTEGER NOT NULL DEFAULT 0,
    output_tokens      INTEGER NOT NULL DEFAULT 0,
    cache_read_tokens  INTEGER NOT NULL DEFAULT 0,
    cache_write_tokens INTEGER NOT NULL DEFAULT 0,
    cost_usd           REAL NOT NULL DEFAULT 0,
    PRIMARY KEY (day, agent)
) STRICT;

ALTER TABLE agents ADD COLUMN credential TEXT NOT NULL DEFAULT 'default';

-- SQLite cannot change a CHECK: the table is made anew, and goes on with the old one's numbers.
CREATE TABLE messages_new (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    sender          TEXT NOT NULL,
    recipient       TEXT NOT NULL,
    body            TEXT NOT NULL,
    sent_at         REAL NOT NULL,
    state           TEXT NOT NULL CHECK (state IN ('queued', 'leased', 'held', 'done', 'dead')),
    in_reply_to     INTEGER,
    broadcast_id    TEXT,
    idempotency_key TEXT,
    attempts        INTEGER NOT NULL DEFAULT 0,
    redelivered     INTEGER NOT NULL DEFAULT 0,
    urgent          INTEGER NOT NULL DEFAULT 0,
    returns         INTEGER NOT NULL DEFAULT 0,
    lease           TEXT,
    holder          TEXT,
    changed_at      REAL NOT NULL,
    CHECK (state <> 'leased' OR (lease IS NOT NULL AND holder IS NOT NULL))
) STRICT;
INSERT INTO messages_new (id, sender, recipient, body, sent_at, state, in_reply_to, broadcast_id,
                          idempotency_key, attempts, redelivered, lease, holder, changed_at)
    SELECT id, sender, recipient, body, sent_at, state, in_reply_to, broadcast_id,
           idempotency_key, attempts, redelivered, lease, holder, changed_at FROM messages;
DELETE FROM sqlite_sequence WHERE name = 'messages_new';
INSERT INTO sqlite_sequence (name, seq)
    SELECT 'messages_new', seq FROM sqlite_sequence WHERE name = 'messages';
DROP TABLE messages;
ALTER TABLE messages_new RENAME TO messages;
CREATE INDEX messages_recipient ON messages(recipient);
CREATE INDEX messages_queued ON messages(recipient) WHERE state = 'queued';
CREATE INDEX messages_leased ON messages(lease, holder) WHERE state = 'leased';
CREATE INDEX messages_undelivered ON messages(state, recipient) WHERE state IN ('held', 'dead');
CREATE UNIQUE INDEX messages_idempotency ON messages(sender, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
"""

_THREADS = """
CREATE INDEX messages_broadcast ON messages(broadcast_id) WHERE broadcast_id IS NOT NULL;
CREATE INDEX messages_replies ON messages(in_reply_to) WHERE in_reply_to IS NOT NULL;
"""

MIGRATIONS: tuple[str, ...] = (_FIRST, _PARKS, _LIMITS, _THREADS)
