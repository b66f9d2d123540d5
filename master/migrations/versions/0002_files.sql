-- Which part of a file a message is, as JSON; NULL for what does not come of a file.
ALTER TABLE inbox ADD COLUMN part TEXT;

-- The last message in which the source spoke of the key, whether or not that changed anything.
ALTER TABLE source_record ADD COLUMN seen INTEGER NOT NULL DEFAULT 0;
UPDATE source_record SET seen = message;

-- What is to be done once every row of a file is applied. Its messages' ids begin with `messages` and a colon.
-- rejects: '' (not asked for), waiting, told. absent: '' (not asked for), waiting, blocked, confirmed, withdrawn, superseded.
CREATE TABLE file_ending (
    id INTEGER PRIMARY KEY,
    system TEXT NOT NULL,
    feed TEXT NOT NULL,
    path TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    mtime INTEGER NOT NULL,
    messages TEXT NOT NULL UNIQUE,
    rows INTEGER NOT NULL,
    target TEXT NOT NULL DEFAULT '',
    rejects TEXT NOT NULL,
    absent TEXT NOT NULL,
    note TEXT NOT NULL DEFAULT '',
    at INTEGER NOT NULL
);
CREATE INDEX file_ending_open ON file_ending (id) WHERE rejects = 'waiting' OR absent IN ('waiting', 'blocked', 'confirmed');
