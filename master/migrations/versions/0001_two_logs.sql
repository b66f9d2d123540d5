-- Times are microseconds since 1970. Text that repeats in every row is kept short or moved to a small table.

-- A lane is one feed of one source: the unit of fair queueing, with its own low-water mark and tallies in records.
CREATE TABLE lane (
    id INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    feed TEXT NOT NULL,
    mark INTEGER NOT NULL DEFAULT 0,
    mark_row INTEGER NOT NULL DEFAULT 0,
    accepted INTEGER NOT NULL DEFAULT 0,
    duplicate INTEGER NOT NULL DEFAULT 0,
    applied INTEGER NOT NULL DEFAULT 0,
    unchanged INTEGER NOT NULL DEFAULT 0,
    stale INTEGER NOT NULL DEFAULT 0,
    dead INTEGER NOT NULL DEFAULT 0,
    resolved INTEGER NOT NULL DEFAULT 0,
    UNIQUE (source, feed)
);

-- The inbox log. `encoding` 1 means zstd. `refused` 1: the door refused it, a dead letter holds it, apply passes over it.
-- `parent` (a dead letter) and `ord` are set for a corrected copy only.
CREATE TABLE inbox (
    id INTEGER PRIMARY KEY,
    lane INTEGER NOT NULL REFERENCES lane (id),
    message_id TEXT,
    digest BLOB NOT NULL,
    records INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    parent INTEGER,
    ord INTEGER,
    refused INTEGER NOT NULL DEFAULT 0,
    encoding INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE UNIQUE INDEX inbox_message ON inbox (lane, message_id) WHERE message_id IS NOT NULL;
CREATE INDEX inbox_lane ON inbox (lane, id);

-- What became of a message, in records. Its changes lie between first_seq and last_seq.
CREATE TABLE settled (
    message INTEGER PRIMARY KEY,
    applied INTEGER NOT NULL,
    unchanged INTEGER NOT NULL,
    stale INTEGER NOT NULL,
    dead INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    at INTEGER NOT NULL
);

-- Every revision of mappings and rules that ever made a version: its files, so that it can be run again.
CREATE TABLE revision (
    id INTEGER PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    bundle BLOB NOT NULL
);

-- The last canonical record of every source, and the cross-reference. `state` is NULL where the golden record has this
-- member only: its newest change then holds the same state.
CREATE TABLE source_record (
    entity TEXT NOT NULL,
    source TEXT NOT NULL,
    key TEXT NOT NULL,
    golden INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    sequenced INTEGER NOT NULL,
    op TEXT NOT NULL,
    digest BLOB NOT NULL,
    match_key TEXT,
    message INTEGER NOT NULL,
    row INTEGER NOT NULL,
    state BLOB,
    PRIMARY KEY (entity, source, key)
) WITHOUT ROWID;
CREATE INDEX source_record_golden ON source_record (golden);
CREATE INDEX source_record_match ON source_record (entity, match_key) WHERE match_key IS NOT NULL;

CREATE TABLE golden (
    n INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    entity TEXT NOT NULL,
    version INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    members INTEGER NOT NULL,
    live INTEGER NOT NULL
);

-- The change log: history and outbox in one. `changed` is NULL for a create.
CREATE TABLE change (
    seq INTEGER PRIMARY KEY,
    golden INTEGER NOT NULL,
    entity TEXT NOT NULL,
    version INTEGER NOT NULL,
    op TEXT NOT NULL,
    source TEXT NOT NULL,
    message INTEGER NOT NULL,
    row INTEGER NOT NULL,
    at INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    changed BLOB,
    state BLOB NOT NULL
);
CREATE INDEX change_golden ON change (golden);

-- References whose target has not arrived: who points to it.
CREATE TABLE dangling (
    entity TEXT NOT NULL,
    source TEXT NOT NULL,
    key TEXT NOT NULL,
    golden INTEGER NOT NULL,
    PRIMARY KEY (entity, source, key, golden)
) WITHOUT ROWID;

-- Records that could not be applied (message, row) and keys that a subscriber refuses (subscription, golden).
-- state: waiting (retried when due), dead, resolved, discarded. For a key, records counts the changes waiting behind it.
CREATE TABLE dead_letter (
    id INTEGER PRIMARY KEY,
    state TEXT NOT NULL,
    stage TEXT NOT NULL,
    code TEXT NOT NULL,
    path TEXT NOT NULL,
    reason TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    records INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    due_at INTEGER,
    lane INTEGER,
    message INTEGER,
    row INTEGER,
    payload BLOB,
    subscription TEXT,
    golden INTEGER,
    from_seq INTEGER,
    last_seq INTEGER,
    resolved_by INTEGER,
    note TEXT NOT NULL DEFAULT ''
);
CREATE INDEX dead_letter_message ON dead_letter (message, row) WHERE message IS NOT NULL;
CREATE UNIQUE INDEX dead_letter_key ON dead_letter (subscription, golden) WHERE subscription IS NOT NULL AND state IN ('waiting', 'dead');
CREATE INDEX dead_letter_state ON dead_letter (state, id);

-- A reader of the change log: everything up to mark is settled, and so is every range [first, last] in settled (JSON).
CREATE TABLE subscription (
    name TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    revision INTEGER NOT NULL DEFAULT 0,
    mark INTEGER NOT NULL DEFAULT 0,
    settled TEXT NOT NULL DEFAULT '[]',
    matched INTEGER NOT NULL DEFAULT 0,
    delivered INTEGER NOT NULL DEFAULT 0,
    superseded INTEGER NOT NULL DEFAULT 0,
    suppressed INTEGER NOT NULL DEFAULT 0,
    dead INTEGER NOT NULL DEFAULT 0,
    pending INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    retry_at INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE delivery (
    id INTEGER PRIMARY KEY,
    subscription TEXT NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    records INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX delivery_seq ON delivery (subscription, last_seq);

CREATE TABLE lease (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    fence INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);

CREATE TABLE file_claim (
    system TEXT NOT NULL,
    path TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    mtime INTEGER NOT NULL,
    state TEXT NOT NULL,
    rows INTEGER NOT NULL,
    total INTEGER NOT NULL,
    claimed_at INTEGER NOT NULL,
    finished_at INTEGER,
    PRIMARY KEY (system, path, sha256, size, mtime)
) WITHOUT ROWID;

CREATE TABLE alarm (
    kind TEXT NOT NULL,
    place TEXT NOT NULL,
    reason TEXT NOT NULL,
    raised_at INTEGER NOT NULL,
    PRIMARY KEY (kind, place)
) WITHOUT ROWID;

CREATE TABLE api_key (
    prefix TEXT PRIMARY KEY,
    sha256 BLOB NOT NULL,
    source TEXT NOT NULL,
    created_at INTEGER NOT NULL
) WITHOUT ROWID;
