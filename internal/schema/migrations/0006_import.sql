-- What an import source calls its things, and what they were when they were last imported. Keys and digests are bytes, so
-- that both databases keep them in the same order: a sorted input is compared with them in one pass.
CREATE TABLE source_key (
    source TEXT NOT NULL,
    what TEXT NOT NULL,
    key BYTEA NOT NULL,
    digest BYTEA NOT NULL,
    id BIGINT NOT NULL,
    gone BIGINT NOT NULL,
    PRIMARY KEY (source, what, key)
);

-- Imports, with how far each has come, in the transaction of what it did. At most one of a source is unfinished.
CREATE TABLE import_run (
    id BIGINT PRIMARY KEY,
    source TEXT NOT NULL,
    mapping TEXT NOT NULL,
    pack TEXT NOT NULL,
    inputs BYTEA NOT NULL,
    started BIGINT NOT NULL,
    finished BIGINT NOT NULL,
    phase TEXT NOT NULL,
    cursor BYTEA NOT NULL,
    progress TEXT NOT NULL
);
CREATE UNIQUE INDEX import_run_open ON import_run (source) WHERE finished = 0;
CREATE INDEX import_run_started ON import_run (started);
