-- The journal: entries, append-only, exact bytes kept. (stream, n) is the concurrency control.
CREATE TABLE entry (
    stream TEXT NOT NULL,
    n BIGINT NOT NULL,
    idx BIGINT,
    at BIGINT NOT NULL,
    action TEXT NOT NULL,
    account BIGINT NOT NULL,
    bytes BYTEA NOT NULL,
    PRIMARY KEY (stream, n)
);
CREATE UNIQUE INDEX entry_idx ON entry (idx) WHERE idx IS NOT NULL;
CREATE INDEX entry_unplaced ON entry (at, stream, n) WHERE idx IS NULL;

-- The head of the global index: moved by compare-and-set in the transaction that numbers a batch.
CREATE TABLE journal_head (
    id BIGINT PRIMARY KEY,
    idx BIGINT NOT NULL
);
INSERT INTO journal_head (id, idx) VALUES (1, 0);

-- Followers: how far each has read, in the transaction of what it did; what it could not digest.
CREATE TABLE follower (
    name TEXT PRIMARY KEY,
    idx BIGINT NOT NULL,
    version TEXT NOT NULL
);
CREATE TABLE dead_letter (
    follower TEXT NOT NULL,
    idx BIGINT NOT NULL,
    at BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    error TEXT NOT NULL,
    PRIMARY KEY (follower, idx)
);
