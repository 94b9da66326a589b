"""The schema of `hive.sqlite`, as a list of migrations, and how they are run.

Append migrations; never change one that was released. `PRAGMA user_version` says how many have run.
"""

from collections.abc import Sequence

import apsw

from hive.store.connections import fetch, roll_back
from hive.store.errors import SchemaTooNew

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
    earlier REAL NOT NULL DEFAULT 0,  -- what its scope had used when it was first set
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
ALTER TABLE agents ADD COLUMN may_send TEXT;  -- names, separated by spaces; NULL: no limit
"""

_REMINDERS = """
CREATE TABLE reminders (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    agent           TEXT NOT NULL,
    text            TEXT NOT NULL,     -- emptied when it is sent: the message has it then
    file            TEXT,
    created_at      REAL NOT NULL,
    due_at          REAL NOT NULL,
    retry_at        REAL NOT NULL,     -- due_at, and later after a failed attempt
    state           TEXT NOT NULL CHECK (state IN ('pending', 'failed', 'sent', 'cancelled')),
    attempts        INTEGER NOT NULL DEFAULT 0,
    tried_at        REAL,
    error           TEXT,
    ended_at        REAL,
    idempotency_key TEXT
) STRICT;
CREATE INDEX reminders_pending ON reminders(agent, retry_at) WHERE state = 'pending';
CREATE INDEX reminders_failed ON reminders(agent) WHERE state = 'failed';
CREATE INDEX reminders_ended ON reminders(ended_at) WHERE ended_at IS NOT NULL;
CREATE UNIQUE INDEX reminders_idempotency ON reminders(agent, idempotency_key)
    WHERE idempotency_key IS NOT NULL;

CREATE TABLE reminder_buckets (
    agent  TEXT PRIMARY KEY,
    tokens REAL NOT NULL,
    at     REAL NOT NULL
) STRICT;

CREATE TABLE schedules (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    agent           TEXT NOT NULL,
    recipients      TEXT NOT NULL,     -- a JSON list of names
    text            TEXT NOT NULL,
    cron            TEXT,
    every_s         REAL,
    zone            TEXT NOT NULL,
    created_at      REAL NOT NULL,
    state           TEXT NOT NULL CHECK (state IN ('requested', 'active', 'denied', 'cancelled')),
    next_at         REAL,
    last_at         REAL,
    fired           INTEGER NOT NULL DEFAULT 0,
    skipped         INTEGER NOT NULL DEFAULT 0,
    error           TEXT,
    idempotency_key TEXT,
    CHECK ((cron IS NULL) <> (every_s IS NULL))
) STRICT;
CREATE INDEX schedules_open ON schedules(agent) WHERE state IN ('requested', 'active');
CREATE UNIQUE INDEX schedules_idempotency ON schedules(agent, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
"""

_QUESTIONS = """
CREATE TABLE questions (
    id          INTEGER PRIMARY KEY,  -- that of the message that carries it
    asker       TEXT NOT NULL,
    recipient   TEXT NOT NULL,
    body        TEXT NOT NULL,
    options     TEXT NOT NULL,
    multi       INTEGER NOT NULL,
    key         TEXT,
    asked_at    REAL NOT NULL,
    expires_at  REAL,
    state       TEXT NOT NULL CHECK (state IN ('open', 'answered', 'expired', 'cancelled')),
    answer      TEXT,
    answered_by TEXT,
    ended_at    REAL,
    end_message INTEGER,
    CHECK ((state = 'open') = (ended_at IS NULL AND end_message IS NULL)),
    CHECK ((state = 'answered') = (answer IS NOT NULL AND answered_by IS NOT NULL))
) STRICT;
CREATE INDEX questions_asked ON questions(asker) WHERE state = 'open';
CREATE INDEX questions_owed ON questions(recipient) WHERE state = 'open';
CREATE INDEX questions_due ON questions(expires_at) WHERE state = 'open';
CREATE UNIQUE INDEX questions_key ON questions(asker, key) WHERE key IS NOT NULL;

-- Wake-ups that agents ordered for themselves: for the caps, and what waits for a turn's end.
CREATE TABLE self_wakes (
    id      INTEGER PRIMARY KEY,
    agent   TEXT NOT NULL,
    kind    TEXT NOT NULL CHECK (kind IN ('next_turn', 'wake')),
    text    TEXT NOT NULL,
    at      REAL NOT NULL,
    pending INTEGER NOT NULL
) STRICT;
CREATE INDEX self_wakes_agent ON self_wakes(agent, kind, at);
CREATE UNIQUE INDEX self_wakes_pending ON self_wakes(agent) WHERE pending;

CREATE TABLE says (
    agent TEXT PRIMARY KEY,
    text  TEXT NOT NULL,
    at    REAL NOT NULL
) STRICT;
"""

_ANSWERS_AND_OUTCOMES = """
ALTER TABLE messages ADD COLUMN answers INTEGER;  -- without in_reply_to: by the turn it came from
CREATE INDEX messages_answers ON messages(answers) WHERE answers IS NOT NULL;
ALTER TABLE audit ADD COLUMN outcome TEXT NOT NULL DEFAULT 'unknown'
    CHECK (outcome IN ('done', 'refused', 'failed', 'unknown'));
ALTER TABLE audit ADD COLUMN why TEXT;
"""

_AGENT_PARKS = """
-- The operator's park and that of the agent's own failed turns: two owners, two sets of columns.
ALTER TABLE agents RENAME COLUMN park_reason TO turn_park_reason;
ALTER TABLE agents RENAME COLUMN park_until TO turn_park_until;
ALTER TABLE agents RENAME COLUMN park_failures TO failures;  -- failed turns in a row
ALTER TABLE agents ADD COLUMN operator_park_reason TEXT;
ALTER TABLE agents ADD COLUMN operator_park_until REAL;  -- NULL: until it is unparked
-- When it was destroyed, as the name of its folder has it; NULL: it stays.
ALTER TABLE agents ADD COLUMN leaving TEXT;
-- A park of a failed turn had an end, a count of failures, and one of two reasons.
UPDATE agents SET operator_park_reason = turn_park_reason, operator_park_until = turn_park_until,
                  turn_park_reason = NULL, turn_park_until = NULL
    WHERE turn_park_reason IS NOT NULL AND NOT (
        turn_park_until IS NOT NULL AND failures > 0
        AND (turn_park_reason GLOB 'turn failed*' OR turn_park_reason GLOB 'context full even*'));
"""

_REMINDER_RATES = """
-- Instead of the tokens that are left, the seconds that an agent is ahead of its rate. Exact for
-- the limits as they are unless configured, 10 at once and 30 an hour; else off by a burst at most.
ALTER TABLE reminder_buckets RENAME TO reminder_rates;
ALTER TABLE reminder_rates RENAME COLUMN tokens TO ahead_s;
UPDATE reminder_rates SET ahead_s = max(0.0, 10.0 - ahead_s) * 120.0;
"""

_APPROVALS = """
CREATE TABLE approvals (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,  -- also that of its tags in git, so never reused
    kind        TEXT NOT NULL CHECK (kind IN ('configuration', 'spawn', 'permissions', 'purge')),
    agent       TEXT NOT NULL,
    proposer    TEXT NOT NULL,
    commit_hash TEXT,
    base        TEXT,
    description TEXT NOT NULL,
    fields      TEXT NOT NULL,         -- a JSON list of pairs: key, class
    created_at  REAL NOT NULL,
    expires_at  REAL NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('open', 'approved', 'denied', 'expired',
        'superseded', 'building', 'deployed', 'failed', 'reverted')),
    ended_at    REAL,
    note        TEXT NOT NULL,
    key         TEXT,
    CHECK ((kind = 'purge') = (commit_hash IS NULL)),
    CHECK ((state IN ('open', 'approved', 'building')) = (ended_at IS NULL))
) STRICT;
CREATE INDEX approvals_open ON approvals(expires_at) WHERE state = 'open';
CREATE INDEX approvals_going_on ON approvals(agent) WHERE ended_at IS NULL;
CREATE INDEX approvals_agent ON approvals(agent, commit_hash);
CREATE UNIQUE INDEX approvals_key ON approvals(proposer, key) WHERE key IS NOT NULL;
INSERT INTO sqlite_sequence (name, seq) VALUES ('approvals', 0);
"""

MIGRATIONS: tuple[str, ...] = (
    _FIRST,
    _PARKS,
    _LIMITS,
    _THREADS,
    _REMINDERS,
    _QUESTIONS,
    _ANSWERS_AND_OUTCOMES,
    _AGENT_PARKS,
    _REMINDER_RATES,
    _APPROVALS,
)


def version_of(connection: apsw.Connection, scripts: Sequence[str]) -> int:
    """Return how many of the scripts this database has seen.

    Raises SchemaTooNew when it has seen more than there are.
    """
    version: int = connection.pragma("user_version")
    if version > len(scripts):
        raise SchemaTooNew(
            f"{connection.filename} has schema {version}, this version of Hyperhive knows up to "
            f"{len(scripts)}: start the newer version again, or restore an older backup"
        )
    return version


def migrate(connection: apsw.Connection, scripts: Sequence[str]) -> None:
    """Run the scripts that this database has not seen, each whole or not at all.

    Raises SchemaTooNew, or the script's own error, annotated with its number.
    """
    version = version_of(connection, scripts)
    for number, script in enumerate(scripts[version:], start=version + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            fetch(connection, script)
            fetch(connection, f"PRAGMA user_version={number}")
            connection.execute("COMMIT")
        except Exception as error:
            roll_back(connection)
            error.add_note(f"in migration {number} of {connection.filename}; it was undone")
            raise
