-- Duties that wait for a second person (folded from account/…); ways to sign in, sessions and tokens (no part of the record).
CREATE TABLE grant_asked (
    account BIGINT NOT NULL,
    duty TEXT NOT NULL,
    body BIGINT NOT NULL,
    valid_from TEXT NOT NULL,
    valid_to TEXT NOT NULL,
    asked_by BIGINT NOT NULL,
    n BIGINT NOT NULL,
    PRIMARY KEY (account, duty, body, valid_from)
);
-- The token of an invitation is known by its hash alone.
CREATE TABLE invitation (
    account BIGINT PRIMARY KEY,
    token BYTEA NOT NULL UNIQUE,
    made BIGINT NOT NULL,
    expires BIGINT NOT NULL
);
-- What a session says of itself, for the list that its owner sees. No address, no name of a browser.
ALTER TABLE session ADD COLUMN account BIGINT NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN made BIGINT NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN seen BIGINT NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN way TEXT NOT NULL DEFAULT '';
CREATE INDEX session_account ON session (account);
-- Wrong tries, apart for every browser that is known to an account; the empty device stands for all others.
CREATE TABLE sign_in_try (
    account BIGINT NOT NULL,
    device BYTEA NOT NULL,
    failed BIGINT NOT NULL,
    locked_until BIGINT NOT NULL,
    PRIMARY KEY (account, device)
);
ALTER TABLE password DROP COLUMN failed;
ALTER TABLE password DROP COLUMN locked_until;
CREATE TABLE sign_in (
    account BIGINT NOT NULL,
    at BIGINT NOT NULL,
    way TEXT NOT NULL,
    outcome TEXT NOT NULL,
    times BIGINT NOT NULL,
    PRIMARY KEY (account, at, way, outcome)
);
CREATE TABLE totp (
    account BIGINT PRIMARY KEY,
    secret BYTEA NOT NULL,
    step BIGINT NOT NULL,
    made BIGINT NOT NULL
);
CREATE TABLE recovery_code (
    account BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (account, hash)
);
CREATE TABLE passkey (
    id BYTEA PRIMARY KEY,
    account BIGINT NOT NULL,
    name TEXT NOT NULL,
    credential BYTEA NOT NULL,
    made BIGINT NOT NULL,
    used BIGINT NOT NULL
);
CREATE INDEX passkey_account ON passkey (account);
-- An account elsewhere that opens one here: expected by its e-mail address until it first comes, known by its subject after.
CREATE TABLE oidc_link (
    account BIGINT NOT NULL,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    email TEXT NOT NULL,
    made BIGINT NOT NULL,
    PRIMARY KEY (account, issuer)
);
CREATE UNIQUE INDEX oidc_link_subject ON oidc_link (issuer, subject) WHERE subject <> '';
CREATE UNIQUE INDEX oidc_link_email ON oidc_link (issuer, email) WHERE email <> '';
CREATE TABLE api_token (
    id BIGINT PRIMARY KEY,
    account BIGINT NOT NULL,
    name TEXT NOT NULL,
    hash BYTEA NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    made BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    used TEXT NOT NULL
);
CREATE INDEX api_token_account ON api_token (account);
