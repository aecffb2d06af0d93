-- Accounts and the duties they hold (folded from account/…), sign-ins (not part of the record), packs loaded.
CREATE TABLE account (
    id BIGINT PRIMARY KEY,
    login TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    lang TEXT NOT NULL,
    official BIGINT NOT NULL,
    active BIGINT NOT NULL,
    n BIGINT NOT NULL
);
CREATE TABLE grant_duty (
    account BIGINT NOT NULL,
    duty TEXT NOT NULL,
    body BIGINT NOT NULL,
    valid_from TEXT NOT NULL,
    valid_to TEXT NOT NULL,
    n BIGINT NOT NULL,
    PRIMARY KEY (account, duty, body, valid_from)
);
CREATE INDEX grant_body ON grant_duty (body, duty);
CREATE TABLE password (
    account BIGINT PRIMARY KEY,
    hash TEXT NOT NULL,
    changed BIGINT NOT NULL,
    temporary BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    locked_until BIGINT NOT NULL
);
CREATE TABLE session (
    token BYTEA PRIMARY KEY,
    data BYTEA NOT NULL,
    expires BIGINT NOT NULL
);
CREATE INDEX session_expires ON session (expires);
CREATE TABLE pack (
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    digest TEXT NOT NULL,
    loaded BIGINT NOT NULL,
    active BIGINT NOT NULL,
    files BYTEA NOT NULL,
    PRIMARY KEY (name, version)
);
CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
